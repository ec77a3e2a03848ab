package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Runs the runner's commands for one step: passes arguments, returns the result, applies it to the build. */
class Command implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final String step

    /**
     * @param script the step's script, through which the pipeline's steps are called
     * @param step the step's name, with which its messages begin
     */
    Command(Object script, String step) {
        this.script = script
        this.step = step
    }

    /** Checks the arguments, then runs the command here or on a new agent. */
    Map execute(String command, Object given, Map more = [:]) {
        Map args = checked(command, given)
        Command self = this
        return new Agent(script).use(StepArguments.where(command, args)) { self.perform(command, args, more) }
    }

    /** Returns the arguments; a mistake ends the build with one line, before an agent is allocated. */
    Map checked(String command, Object given) {
        String problem = StepArguments.problem(head(command), command, given)
        if (problem) {
            fail(problem)
        }
        int most = 100000 // Linux takes 128 KiB in one variable
        int size = Json.write(StepArguments.options(command, given)).length()
        if (size > most) {
            fail("${head(command)}: its arguments have ${size} characters, and an agent takes ${most}: " +
                'move long values to the config file')
        }
        return given
    }

    /**
     * Runs the command on the agent where this is called. Its result decides the build, except for an error of the
     * expected type, which the caller handles.
     */
    Map perform(String command, Map args, Map more = [:], String expected = '') {
        Map options = StepArguments.options(command, args) + more
        if (command == 'cleanup' && !options.dryRun) {
            options.yes = true // a build has nobody to ask: calling the step is the consent
        }
        String head = head(command)
        Map result = [:]
        try {
            result = launch(command, options, args)
        } catch (FlowInterruptedException e) {
            describe("${head}: aborted; ${afterwards(command)}")
            throw e
        } catch (AbortException e) {
            String killed = PlainText.signal(e.message)
            if (!killed) {
                throw e
            }
            fail("${head}: ${killed}; ${afterwards(command)}")
        }
        return expected && result.error?.type == expected ? result : conclude(command, options, args, result)
    }

    /** Ends the build, with the reason on its page and in the log. */
    void fail(String text) {
        describe(text)
        script.error(text)
    }

    /** Adds to the build's description, which is one line. */
    void describe(Object text) {
        script.currentBuild.description = PlainText.joined(script.currentBuild.description, text)
    }

    private String head(String command) {
        return StepArguments.head(step, command)
    }

    @NonCPS
    private static String afterwards(String command) {
        return command in ['promote', 'rollback'] ?
            'the next command finishes or undoes what it began' : 'run it again'
    }

    /** Applies `build_result` to the build; without that key, the answer is not the runner's. */
    private Map conclude(String command, Map options, Map args, Map result) {
        String said = "${head(command)}: ${result.message}"
        boolean partly = result.status == 'trained' && failed(result)
        boolean success = result.build_result == 'SUCCESS'
        if (!success || partly || command in ['promote', 'rollback', 'cleanup', 'restore']) {
            describe((success ? result.message : said) + notice(result))
        }
        if (result.notice) {
            new Agent(script).archiveHere("${options.report}")
        }
        if (result.build_result == 'UNSTABLE') {
            script.unstable(said)
        }
        tell(args, result)
        if (result.build_result != 'UNSTABLE' && !success) {
            script.error(said)
        } else if (partly) {
            Object steps = script
            script.catchError(buildResult: 'SUCCESS', stageResult: 'UNSTABLE', catchInterruptions: false) {
                steps.error(said) // the build continues; the stage shows that not everything succeeded
            }
        }
        return result
    }

    /** Passes news to the caller's block. Its errors are only logged; an abort passes through. */
    private void tell(Map args, Map result) {
        if (!args.notify || !result.event) {
            return
        }
        String why
        try {
            args.notify.call(result)
            return
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Exception e) {
            why = "${e}"
        } catch (LinkageError e) { // thrown by Jenkins for a step that does not exist
            why = "${e.message}"
        } catch (AssertionError e) {
            why = "${e.message}"
        }
        script.echo(PlainText.line("${step}: the notification of '${result.event}' by the block notify failed: ${why}"))
    }

    @NonCPS
    private static boolean failed(Map result) {
        for (Map candidate in result.candidates) {
            if (candidate.status != 'ok') {
                return true
            }
        }
        return false
    }

    @NonCPS
    private static String notice(Map result) {
        return result.notice?.files ? "; how to promote by hand: ${result.notice.files[0]}" : ''
    }

    private Map launch(String command, Map options, Map args) {
        String manifest = resource('agent/manifest.json')
        String launcher = resource('agent/launch.sh')
        String bundle = ".jenkins-mlflow-${UUID.randomUUID()}.json"
        String nonce = "${UUID.randomUUID()}"
        Map request = [command: command, options: options, user: user(), all_models: "${args.allModels}" == 'true']
        request.environment = [BUILD_TAG: script.env.BUILD_TAG, JOB_NAME: script.env.JOB_NAME]
        Object steps = script
        Command self = this
        return script.withEnv([
            "JENKINS_MLFLOW_KEY=${Json.parse(manifest).key}",
            "JENKINS_MLFLOW_BUILD_STARTED=${script.currentBuild.startTimeInMillis}",
            "JENKINS_MLFLOW_BUNDLE=${bundle}",
            "JENKINS_MLFLOW_NONCE=${nonce}",
            "JENKINS_MLFLOW_REQUEST=${Json.write(request)}",
        ] + (args.python ? ["JENKINS_MLFLOW_PYTHON=${args.python}"] : [])) {
            String label = "mlflow ${command}"
            Map answer = Json.answer(steps.sh(script: launcher, returnStdout: true, label: label), nonce)
            if (answer?.status == 'cold') {
                steps.writeFile(file: bundle, text: self.bundleOf(manifest), encoding: 'UTF-8')
                label += ', installed first'
                answer = Json.answer(steps.sh(script: launcher, returnStdout: true, label: label), nonce)
            }
            return answer ?: [exit_code: 1, message: 'the runner printed no result; the log above says why']
        }
    }

    /** Who started the build, else the change's author, else what started the build. */
    private String user() {
        List causes = script.currentBuild.getBuildCauses()
        return StepArguments.starter(causes, script.env.CHANGE_AUTHOR, script.env.JOB_NAME)
    }

    String bundleOf(String manifest) {
        Map files = [:]
        for (String name in Json.parse(manifest).files) {
            files[name] = resource(name)
        }
        return Json.write([files: files])
    }

    private String resource(String name) {
        // without an encoding it would be the platform's, which on some controllers is ASCII
        return script.libraryResource(resource: "jenkins_mlflow/${name}", encoding: 'UTF-8')
    }

}
