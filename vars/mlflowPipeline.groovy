import jenkinsmlflow.Command
import jenkinsmlflow.PipelineStages

/** From training to production in one step, see mlflowPipeline.txt. */
Map call(Object args = [:]) {
    Command command = new Command(this, 'mlflowPipeline')
    return new PipelineStages(this, command, command.checked('pipeline', args)).run()
}
