/** Puts a model version into production, verified, see mlflowPromote.txt. */
Map call(Map args = [:]) {
    return mlflowRun.execute('promote', args)
}
