import jenkinsmlflow.Command
import jenkinsmlflow.StepArguments

/** Runs one command of the runner and returns its result, see mlflowRun.txt. */
Map call(Object args = [:]) {
    Command command = new Command(this, 'mlflowRun')
    if (!(args instanceof Map)) {
        return command.execute('list', args) // which rejects it
    }
    Map rest = [:] + args
    String name = rest.remove('command')
    if (!(name in StepArguments.commands())) {
        command.fail("mlflowRun: unknown command '${name}'; choose one of: ${StepArguments.commands().join(', ')}")
    }
    return command.execute(name, rest)
}
