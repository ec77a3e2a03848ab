/** Returns a model to the version that was in production before, or to another, see mlflowRollback.txt. */
Map call(Map args = [:]) {
    return mlflowRun.execute('rollback', args)
}
