import jenkinsmlflow.Json
import jenkinsmlflow.StepArguments

/** Runs one command of the runner on this agent and returns its result, see mlflowRun.txt. */
Map call(Map args = [:]) {
    Map rest = [:] + args
    String command = rest.remove('command')
    if (!(command in StepArguments.COMMANDS)) {
        error("mlflowRun: unknown command '${command}'; there are: ${StepArguments.COMMANDS.join(', ')}")
    }
    return execute(command, rest)
}

/** What every step does: check the arguments, run the command, let the result decide the build. */
Map execute(String command, Map args) {
    check(command, args)
    Map options = StepArguments.options(command, args)
    if (command == 'cleanup' && !options.dryRun) {
        options.yes = true // nobody answers a question in a build: calling the step is the consent
    }
    Map result = launch(command, options)
    if (result.exit_code in [3, 4]) {
        if (result.exit_code == 4) {
            archiveArtifacts(artifacts: "${options.report}/**", allowEmptyArchive: true)
        }
        unstable("mlflow ${command}: ${result.message}")
    } else if (result.exit_code != 0) {
        error("mlflow ${command}: ${result.message}")
    }
    return result
}

/** Ends the build with one line if a step cannot take these arguments; needs no agent. */
void check(String command, Map args) {
    String problem = StepArguments.problem(command, args)
    if (problem) {
        error(problem)
    }
}

private Map launch(String command, Map options) {
    String manifest = resource('manifest.json')
    String launcher = resource('launch.sh')
    String bundle = ".jenkins-mlflow-${UUID.randomUUID()}.json"
    withEnv([
        "JENKINS_MLFLOW_KEY=${Json.parse(manifest).key}",
        "JENKINS_MLFLOW_BUNDLE=${bundle}",
        "JENKINS_MLFLOW_REQUEST=${Json.write([command: command, options: options, user: user()])}",
    ]) {
        String label = "mlflow ${command}"
        Map answer = Json.parse(sh(script: launcher, returnStdout: true, label: label))
        if (answer?.status == 'cold') {
            writeFile(file: bundle, text: bundleOf(manifest), encoding: 'UTF-8')
            label += ', installed first'
            answer = Json.parse(sh(script: launcher, returnStdout: true, label: label))
        }
        return answer ?: [exit_code: 1, message: 'the runner printed no result; the log above says why']
    }
}

/** Who pressed the button; null for a timer or a push. */
private String user() {
    List causes = currentBuild.getBuildCauses('hudson.model.Cause$UserIdCause')
    return causes ? causes[0].userId : null
}

private String bundleOf(String manifest) {
    Map files = [:]
    for (String name in Json.parse(manifest).files) {
        files[name] = resource(name)
    }
    return Json.write([manifest: Json.parse(manifest), files: files])
}

private String resource(String name) {
    // a blank encoding would be the platform's, which on some controllers is ASCII
    return libraryResource(resource: "jenkins_mlflow/${name}", encoding: 'UTF-8')
}
