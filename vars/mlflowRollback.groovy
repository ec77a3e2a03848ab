import jenkinsmlflow.Command

/** Returns a model to the version that was in production before, or to another, see mlflowRollback.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowRollback').execute('rollback', args)
}
