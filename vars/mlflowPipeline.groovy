import jenkinsmlflow.StepArguments

/** From training to production in one step, see mlflowPipeline.txt. */
Map call(Map args = [:]) {
    mlflowRun.check('pipeline', args)
    Exception failure = null
    try {
        return stages(args)
    } catch (Exception e) {
        failure = e
        throw e
    } finally {
        archiveReport(StepArguments.options('pipeline', args).report, failure)
    }
}

private Map stages(Map args) {
    Map results = [:]
    stage('Train the candidates') {
        results.train = mlflowTrain(StepArguments.options('train', args))
    }
    stage('Select the best') {
        results.select = mlflowSelect(StepArguments.options('select', args))
    }
    stage('Promote the winner') {
        if (results.select.status == 'selected') {
            results.promote = mlflowPromote(StepArguments.options('promote', args) + winner(results.select))
        } else {
            echo("Nothing to promote: ${results.select.message}")
        }
    }
    stage('Clean up old versions') {
        if (results.promote?.exit_code == 4) {
            echo('No cleanup while a promotion waits for a person: it could take the version to promote')
        } else if ("${args.cleanup}" == 'true') {
            results.cleanup = mlflowCleanup(StepArguments.options('cleanup', args))
        } else {
            echo('Not asked for: cleanup: true deletes old versions here')
        }
    }
    return results
}

/** What stage Select showed is what gets promoted, even if the registry has changed since. */
private Map winner(Map selection) {
    return [model: selection.selected.model, version: selection.selected.version]
}

private void archiveReport(String report, Exception failure) {
    try {
        archiveArtifacts(artifacts: "${report}/**", allowEmptyArchive: true)
    } catch (Exception e) {
        if (failure == null) {
            throw e
        }
        echo("The report could not be archived: ${e.message}") // the first failure is the one to show
    }
}
