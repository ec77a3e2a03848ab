import jenkinsmlflow.Agent
import jenkinsmlflow.Command

/** Runs a block on an agent, with folder and credentials for this library's steps, see mlflowAgent.txt. */
Object call(Object args = [:], Closure body) {
    return new Agent(this).use(new Command(this, 'mlflowAgent').checked('agent', args), body)
}
