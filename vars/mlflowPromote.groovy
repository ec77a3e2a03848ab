import jenkinsmlflow.Command

/** Puts a model version into production, verified, see mlflowPromote.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowPromote').execute('promote', args)
}
