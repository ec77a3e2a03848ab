import jenkinsmlflow.StepArguments

/** Trains the candidates of the config, on this agent or on many, see mlflowTrain.txt. */
Map call(Map args = [:]) {
    mlflowRun.check('train', args)
    boolean spread = args.label || args.image || args.agent || args.maxParallel
    return spread ? trainOnAgents(args) : mlflowRun.execute('train', args)
}

/** Each candidate is a branch on an agent of its own; MLflow is where their results meet. */
private Map trainOnAgents(Map args) {
    Map plan = mlflowRun.execute('train', args, [dryRun: true])
    List waiting = names(plan)
    int most = Integer.valueOf("${args.maxParallel ?: waiting.size()}".trim())
    boolean all = most >= waiting.size()
    Map branches = [:]
    for (String first in names(plan).take(most)) {
        waiting.remove(first)
        String candidate = first
        branches[all ? candidate : "agent ${branches.size() + 1}".toString()] = {
            trainInTurn(candidate, waiting, plan, args, !all)
        }
    }
    branches.failFast = plan.on_failure == 'stop'
    parallel(branches)
    return mlflowRun.execute('train', args, [gather: true, build: plan.build])
}

private List names(Map plan) {
    List found = []
    for (Map candidate in plan.candidates) {
        found << candidate.name
    }
    return found
}

/** One branch: its first candidate, then whatever still waits. */
private void trainInTurn(String first, List waiting, Map plan, Map args, boolean several) {
    String candidate = first
    while (candidate) {
        String name = candidate
        if (several) {
            stage(name) { trainOne(name, plan, args) }
        } else {
            trainOne(name, plan, args)
        }
        candidate = waiting ? waiting.remove(0) : null
    }
}

private void trainOne(String name, Map plan, Map args) {
    if (plan.on_failure == 'stop') {
        trainOnAgent(name, plan, args)
        return
    }
    catchError(buildResult: 'SUCCESS', stageResult: 'FAILURE', catchInterruptions: false) {
        trainOnAgent(name, plan, args) // the branch is red; what that means for the build, gathering decides
    }
}

/** A lost agent costs the candidate another try, which leaves alone what is trained already. */
private void trainOnAgent(String name, Map plan, Map args) {
    retry(count: 3, conditions: [agent(), nonresumable()]) {
        mlflowAgent.take(StepArguments.accepted('agent', args)) {
            mlflowRun.perform('train', args, [only: [name], resume: true, build: plan.build])
        }
    }
}
