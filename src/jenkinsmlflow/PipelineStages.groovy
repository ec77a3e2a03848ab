package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The stages of mlflowPipeline, from training to cleanup, on as few agents as they need. */
class PipelineStages implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final Command command
    private final Map args
    private final Map results = [:]
    private final boolean dry
    private final boolean proposed

    /**
     * @param script the step's script, through which the pipeline's steps are called
     * @param command runs the runner's commands for the step
     * @param args the step's checked arguments
     */
    PipelineStages(Object script, Command command, Map args) {
        this.script = script
        this.command = command
        this.args = args
        this.dry = "${args.dryRun}" == 'true'
        this.proposed = script.env.CHANGE_ID && "${args.promoteChanges}" != 'true'
    }

    /** Runs all stages; returns the result of each that ran. */
    Map run() {
        Agent agent = new Agent(script)
        Map where = StepArguments.accepted('agent', args)
        Map approval = proposed ? null : StepArguments.approval(args.approve)
        PipelineStages self = this
        if (script.env.WORKSPACE) {
            if (approval) {
                command.fail('mlflowPipeline: approve waits for a person and must not hold an agent while it waits: ' +
                    'call the step outside node (agent none), and choose the agents with label')
            }
            agent.reported(where) {
                self.train()
                self.select()
                self.finish([:])
            }
            return results
        }
        boolean spread = Training.isSpread(args)
        if (spread) {
            train()
        }
        agent.take(where) {
            if (!spread) {
                self.train()
            }
            self.select()
            if (!approval) {
                self.finish([:])
            }
        }
        if (approval) {
            Map approved = approve(approval)
            if (hasWinner() || cleansUp()) {
                agent.take(where) { self.finish(approved) }
            } else {
                finish(approved)
            }
        }
        return results
    }

    void train() {
        PipelineStages self = this
        script.stage('Train the candidates') {
            self.results.train = new Training(self.script, self.command).run(StepArguments.accepted('train', self.args))
        }
    }

    void select() {
        PipelineStages self = this
        script.stage('Select the best') { self.results.select = self.choose() }
    }

    /** The selection, with each gate of each candidate as a test case on the build's page. */
    Map choose() {
        Map asked = StepArguments.accepted('select', args) + fromWhatIsThere()
        String gates = "${args.report ?: 'mlflow-report'}/gates.xml"
        PipelineStages self = this
        return new Agent(script).use(StepArguments.accepted('agent', args)) {
            Map selection = self.command.perform('select', asked, [:], self.expected())
            self.available('junit', 'no test report of the gates') {
                // a candidate that fails a gate is a normal result, and must not make the build unstable
                self.script.junit(testResults: gates, allowEmptyResults: true, skipMarkingBuildUnstable: true)
            }
            return selection
        }
    }

    /** Waits for a person, outside any agent; an abort or a timeout changes nothing. */
    Map approve(Map approval) {
        Map approved = [:]
        PipelineStages self = this
        script.stage('Approve the promotion') {
            if (self.hasWinner() && !self.dry) {
                approved.approvedBy = self.approver(approval)
            } else {
                self.script.echo('Nothing to approve')
            }
        }
        return approved
    }

    String approver(Map approval) {
        Map selection = results.select
        String message = PlainText.part(selection.message)
        String over = "${message}. In production it replaces: ${place(selection.replaces)}"
        Map question = [
            id: 'Promote', ok: 'Promote', message: PlainText.line(over), submitterParameter: 'APPROVER',
        ]
        if (approval.submitter) {
            question.submitter = approval.submitter
        }
        Object steps = script
        try {
            return script.timeout(time: approval.time, unit: approval.unit) { steps.input(question) }
        } catch (FlowInterruptedException e) {
            command.describe("not approved: ${message}; nothing was changed")
            throw e
        }
    }

    /** The stages that change production and the registry; a change request is only trained and compared. */
    void finish(Map approved) {
        PipelineStages self = this
        if (proposed) {
            script.stage('Say what would change') { self.propose() }
            return
        }
        script.stage('Promote the winner') { self.promote(approved) }
        script.stage('Clean up old versions') { self.cleanup() }
    }

    /** Passes the report's Markdown copy to the caller's block, which may post it. */
    void propose() {
        String text = ''
        PipelineStages self = this
        new Agent(script).inFolder(args) {
            String twin = "${self.args.report ?: 'mlflow-report'}/report.md"
            text = self.script.fileExists(twin) ? self.script.readFile(file: twin, encoding: 'UTF-8') : ''
        }
        command.describe("change request ${script.env.CHANGE_ID}: ${results.select.message}; nothing is promoted")
        script.echo("A change request promotes nothing; promoteChanges: true would. ${results.select.message}")
        if (args.comment) {
            args.comment.call(text ?: PlainText.code(results.select.message))
        }
    }

    void promote(Map approved) {
        Map selection = results.select
        if (!hasWinner()) {
            command.describe(selection.message)
            script.echo("Nothing to promote: ${selection.message}")
            return
        }
        // exactly what stage Select showed, or nothing: the winner was compared with this version only. A model that
        // is deleted and registered again during an approval repeats the number, but not the run.
        Map chosen = [
            model: selection.selected.model, version: selection.selected.version, over: place(selection.replaces),
        ] + (selection.run_id ? [run: selection.run_id] : [:]) + approved
        PipelineStages self = this
        boolean locked = !dry && available('lock', 'only the runner itself locks') {
            self.script.lock(resource: "mlflow ${chosen.model}") { self.promoteInOrder(chosen) }
        }
        if (!locked) {
            promoteInOrder(chosen)
        }
    }

    /** Keeps an older build from promoting after a newer one; the runner's own lock works without this. */
    void promoteInOrder(Map chosen) {
        Object steps = script
        if (!dry && "${args.milestone}" != 'false') {
            available('milestone', 'an older build may promote after a newer one') { steps.milestone() }
        }
        Map asked = StepArguments.accepted('promote', args) + fromWhatIsThere() + chosen
        results.promote = command.execute('promote', asked)
    }

    void cleanup() {
        if (results.promote?.exit_code == 4) {
            script.echo('No cleanup while a promotion waits for a person: it could take the version to promote')
        } else if (cleansUp()) {
            if (dry && "${results.select.error?.type}" == expected()) {
                script.echo("Nothing to clean up: ${results.select.message}")
            } else {
                results.cleanup = command.execute('cleanup', StepArguments.accepted('cleanup', args))
            }
        } else {
            script.echo('Not asked for: cleanup: true deletes old versions here')
        }
    }

    /** Before the first training no model is registered; a dry run, which trains nothing, says so and continues. */
    String expected() {
        return dry ? 'NothingRegistered' : ''
    }

    boolean hasWinner() {
        return results.select.status == 'selected'
    }

    boolean cleansUp() {
        return "${args.cleanup}" == 'true'
    }

    /**
     * A dry run has trained nothing, so it selects among all registered versions; a change request is compared only by
     * what it has trained itself.
     */
    private Map fromWhatIsThere() {
        return dry ? [scope: 'group'] : proposed && !args.scope ? [scope: 'build'] : [:]
    }

    /** A version as promote takes it. */
    @NonCPS
    static String place(Map version) {
        return version ? "${version.model}/${version.version}" : 'nothing'
    }

    /** Uses a step of an optional plugin; without it, logs the consequence. */
    boolean available(String step, String without, Closure use) {
        try {
            use.call()
            return true
        } catch (NoSuchMethodError e) {
            if (!"${e.message}".contains("'${step}'")) {
                throw e
            }
            script.echo("There is no step ${step}: ${without}")
            return false
        }
    }

}
