import jenkinsmlflow.Html
import jenkinsmlflow.Json
import jenkinsmlflow.StepArguments

/** Runs one command of the runner and returns its result, see mlflowRun.txt. */
Map call(Map args = [:]) {
    Map rest = [:] + args
    String command = rest.remove('command')
    if (!(command in StepArguments.commands())) {
        error("mlflowRun: unknown command '${command}'; there are: ${StepArguments.commands().join(', ')}")
    }
    return execute(command, rest)
}

/** What every step does: check the arguments, then run the command here or on an agent of its own. */
Map execute(String command, Map args, Map more = [:]) {
    check(command, args)
    return mlflowAgent(StepArguments.accepted('agent', args)) { perform(command, args, more) }
}

/** Runs the command on the agent where this is called; its result decides the build. */
Map perform(String command, Map args, Map more = [:]) {
    Map options = StepArguments.options(command, args) + more
    if (command == 'cleanup' && !options.dryRun) {
        options.yes = true // nobody answers a question in a build: calling the step is the consent
    }
    return conclude(command, options, launch(command, options, args.python))
}

/** Ends the build with one line if a step cannot take these arguments; needs no agent. */
void check(String command, Map args) {
    String problem = StepArguments.problem(command, args)
    if (problem) {
        error(problem)
    }
    int most = 100000 // Linux takes 128 KiB in one variable
    int size = Json.write(StepArguments.options(command, args)).length()
    if (size > most) {
        error("mlflow ${command}: its arguments have ${size} characters, and an agent takes ${most}: " +
            'put what is long into the config file')
    }
}

/** Adds a line to what the build's page says about the build. */
void describe(String text) {
    String before = currentBuild.description
    currentBuild.description = (before ? before + '<br>' : '') + Html.escape(text)
}

private Map conclude(String command, Map options, Map result) {
    if (command in ['promote', 'rollback', 'cleanup'] && result.message) {
        describe(result.message)
    }
    if (result.exit_code in [3, 4]) {
        if (result.exit_code == 4) {
            String report = "${options.report}/**"
            archiveArtifacts(artifacts: report, allowEmptyArchive: true, followSymlinks: false)
        }
        unstable("mlflow ${command}: ${result.message}")
    } else if (result.exit_code != 0) {
        error("mlflow ${command}: ${result.message}")
    }
    return result
}

private Map launch(String command, Map options, Object python) {
    String manifest = resource('agent/manifest.json')
    String launcher = resource('agent/launch.sh')
    String bundle = ".jenkins-mlflow-${UUID.randomUUID()}.json"
    String nonce = "${UUID.randomUUID()}"
    withEnv([
        "JENKINS_MLFLOW_KEY=${Json.parse(manifest).key}",
        "JENKINS_MLFLOW_BUNDLE=${bundle}",
        "JENKINS_MLFLOW_NONCE=${nonce}",
        "JENKINS_MLFLOW_REQUEST=${Json.write([command: command, options: options, user: user()])}",
    ] + (python ? ["JENKINS_MLFLOW_PYTHON=${python}"] : [])) {
        String label = "mlflow ${command}"
        Map answer = Json.answer(sh(script: launcher, returnStdout: true, label: label), nonce)
        if (answer?.status == 'cold') {
            writeFile(file: bundle, text: bundleOf(manifest), encoding: 'UTF-8')
            label += ', installed first'
            answer = Json.answer(sh(script: launcher, returnStdout: true, label: label), nonce)
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
    return Json.write([files: files])
}

private String resource(String name) {
    // a blank encoding would be the platform's, which on some controllers is ASCII
    return libraryResource(resource: "jenkins_mlflow/${name}", encoding: 'UTF-8')
}
