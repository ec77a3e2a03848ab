/** Deletes old model versions by the retention rules, see mlflowCleanup.txt. */
Map call(Map args = [:]) {
    return mlflowRun.execute('cleanup', args)
}
