package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/** Training on one agent or spread over many; their results are collected in MLflow. */
class Training implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final Command command

    /**
     * @param script the step's script, through which the pipeline's steps are called
     * @param command runs the runner's commands for the step
     */
    Training(Object script, Command command) {
        this.script = script
        this.command = command
    }

    /** Whether each candidate gets its own agent. */
    @NonCPS
    static boolean isSpread(Map args) {
        return "${args.dryRun}" != 'true' && (args.label || args.image || args.agent || args.maxParallel)
    }

    /** Trains the candidates; a dry run only lists them. */
    Map run(Map args) {
        return isSpread(args) ? onAgents(args) : command.execute('train', args)
    }

    private Map onAgents(Map args) {
        Map plan = command.execute('train', args, [dryRun: true])
        List waiting = names(plan)
        int most = Integer.valueOf("${args.maxParallel ?: waiting.size()}".trim())
        boolean all = most >= waiting.size()
        Training self = this
        Map branches = [:]
        for (String first in names(plan).take(most)) {
            waiting.remove(first)
            String candidate = first
            branches[all ? candidate : "agent ${branches.size() + 1}".toString()] = {
                self.inTurn(candidate, waiting, plan, args, !all)
            }
        }
        branches.failFast = plan.on_failure == 'stop'
        script.parallel(branches)
        return command.execute('train', args, [gather: true, build: plan.build])
    }

    @NonCPS
    private static List names(Map plan) {
        List found = []
        for (Map candidate in plan.candidates) {
            found << candidate.name
        }
        return found
    }

    /** One branch: trains its first candidate, then others that are still waiting. */
    void inTurn(String first, List waiting, Map plan, Map args, boolean several) {
        Training self = this
        String candidate = first
        while (candidate) {
            String name = candidate
            if (several) {
                script.stage(name) { self.one(name, plan, args) }
            } else {
                one(name, plan, args)
            }
            candidate = waiting ? waiting.remove(0) : null
        }
    }

    void one(String name, Map plan, Map args) {
        if (plan.on_failure == 'stop') {
            onAgent(name, plan, args)
            return
        }
        Training self = this
        script.catchError(buildResult: 'SUCCESS', stageResult: 'FAILURE', catchInterruptions: false) {
            self.onAgent(name, plan, args) // the branch is red; gathering decides the build's result
        }
    }

    /** After the loss of an agent, the candidate is tried again, unless it is already trained. */
    void onAgent(String name, Map plan, Map args) {
        Object steps = script
        Command each = command
        Map where = StepArguments.accepted('agent', args)
        script.retry(count: 3, conditions: [script.agent(), script.nonresumable()]) {
            new Agent(steps).take(where) {
                each.execute('train', args, [only: [name], resume: true, build: plan.build])
            }
        }
    }

}
