/** Trains the candidates of the config, see mlflowTrain.txt. */
Map call(Map args = [:]) {
    return mlflowRun.execute('train', args)
}
