import jenkinsmlflow.Command

/** Deletes old model versions by the retention rules, see mlflowCleanup.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowCleanup').execute('cleanup', args)
}
