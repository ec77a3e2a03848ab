import jenkinsmlflow.Html
import jenkinsmlflow.StepArguments

/** From training to production in one step, see mlflowPipeline.txt. */
Map call(Map args = [:]) {
    mlflowRun.check('pipeline', args)
    if (!env.WORKSPACE) {
        return stages(args) // every stage takes an agent of its own, and archives what it made there
    }
    if (StepArguments.approval(args.approve)) {
        error('mlflow pipeline: approve waits for a person, and must not hold an agent meanwhile: ' +
            'call the step outside of node (agent none), and name the agents with label')
    }
    Exception failure = null
    try {
        return stages(args)
    } catch (Exception e) {
        failure = e
        throw e
    } finally {
        mlflowAgent.archiveReport("${args.report ?: 'mlflow-report'}", failure)
    }
}

private Map stages(Map args) {
    Map results = [:]
    stage('Train the candidates') {
        results.train = mlflowTrain(StepArguments.accepted('train', args))
    }
    stage('Select the best') {
        results.select = choose(args)
    }
    boolean selected = results.select.status == 'selected'
    Map approval = StepArguments.approval(args.approve)
    Map approved = [:]
    if (approval) {
        stage('Approve the promotion') {
            if (selected && "${args.dryRun}" != 'true') {
                approved = [
                    approvedBy: approver(approval, results.select),
                    over: place(results.select.replaces),
                ]
            } else {
                echo('Nothing to approve')
            }
        }
    }
    stage('Promote the winner') {
        if (selected) {
            results.promote = promoteAlone(args, winner(results.select) + approved)
        } else {
            mlflowRun.describe(results.select.message)
            echo("Nothing to promote: ${results.select.message}")
        }
    }
    stage('Clean up old versions') {
        if (results.promote?.exit_code == 4) {
            echo('No cleanup while a promotion waits for a person: it could take the version to promote')
        } else if ("${args.cleanup}" == 'true') {
            results.cleanup = mlflowCleanup(StepArguments.accepted('cleanup', args))
        } else {
            echo('Not asked for: cleanup: true deletes old versions here')
        }
    }
    return results
}

/** The selection, with each gate of each candidate as a test case on the build's page. */
private Map choose(Map args) {
    String gates = "${args.report ?: 'mlflow-report'}/gates.xml"
    return mlflowAgent(StepArguments.accepted('agent', args)) {
        Map selection = mlflowRun.perform('select', StepArguments.accepted('select', args))
        available('junit', 'no test report of the gates') {
            // a candidate that fails a gate is a result, no reason to doubt the build
            junit(testResults: gates, allowEmptyResults: true, skipMarkingBuildUnstable: true)
        }
        return selection
    }
}

/** What stage Select showed is what gets promoted, even if the registry has changed since. */
private Map winner(Map selection) {
    return [model: selection.selected.model, version: selection.selected.version]
}

/** A version as promote takes it: what was approved over this one must not replace another. */
private String place(Map version) {
    return version ? "${version.model}/${version.version}" : 'nothing'
}

/** Waits for a person, outside of any agent; an abort or the end of the time changes nothing. */
private String approver(Map approval, Map selection) {
    String over = "${selection.message}. In production it replaces: ${place(selection.replaces)}"
    Map question = [
        id: 'Promote', ok: 'Promote', message: Html.escape(over), submitterParameter: 'APPROVER',
    ]
    if (approval.submitter) {
        question.submitter = approval.submitter
    }
    return timeout(time: approval.time, unit: approval.unit) { input(question) }
}

/** One build at a time, and never an older one after a newer; the runner's own lock holds without these. */
private Map promoteAlone(Map args, Map chosen) {
    Map result = [:]
    boolean locked = available('lock', 'only the runner itself locks') {
        lock(resource: "mlflow ${chosen.model}") { result = promoteInOrder(args, chosen) }
    }
    return locked ? result : promoteInOrder(args, chosen)
}

private Map promoteInOrder(Map args, Map chosen) {
    if ("${args.milestone}" != 'false') {
        available('milestone', 'an older build may promote after a newer one') { milestone() }
    }
    return mlflowPromote(StepArguments.accepted('promote', args) + chosen)
}

/** Uses a step of a plugin that may not be there; without it, the log says what that means. */
private boolean available(String step, String without, Closure use) {
    try {
        use.call()
        return true
    } catch (NoSuchMethodError e) {
        if (!"${e.message}".contains("'${step}'")) {
            throw e
        }
        echo("There is no step ${step}: ${without}")
        return false
    }
}
