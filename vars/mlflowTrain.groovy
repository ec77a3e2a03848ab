import jenkinsmlflow.Command
import jenkinsmlflow.Training

/** Trains the candidates of the config, on this agent or on many, see mlflowTrain.txt. */
Map call(Object args = [:]) {
    Command command = new Command(this, 'mlflowTrain')
    return new Training(this, command).run(command.checked('train', args))
}
