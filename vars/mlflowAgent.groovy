import jenkinsmlflow.Agent
import jenkinsmlflow.Command

/** Runs a block where the steps of this library can work, see mlflowAgent.txt. */
Object call(Object args = [:], Closure body) {
    return new Agent(this).use(new Command(this, 'mlflowAgent').checked('agent', args), body)
}
