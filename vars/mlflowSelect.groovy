/** Ranks the candidates and says which one should be promoted, see mlflowSelect.txt. */
Map call(Map args = [:]) {
    return mlflowRun.execute('select', args)
}
