package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Runs the runner's commands for one step: arguments in, result out, and what the result means for the build. */
class Command implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script
    private final String step

    /**
     * @param script the step's script, which knows the pipeline's steps
     * @param step the step's name, as its messages begin
     */
    Command(Object script, String step) {
        this.script = script
        this.step = step
    }

    /** What every step does: check the arguments, then run the command here or on an agent that is taken for it. */
    Map execute(String command, Object given, Map more = [:]) {
        Map args = checked(command, given)
        Command self = this
        return new Agent(script).use(StepArguments.where(command, args)) { self.perform(command, args, more) }
    }

    /** The arguments; what cannot be right ends the build with one line, before an agent is taken. */
    Map checked(String command, Object given) {
        String problem = StepArguments.problem(head(command), command, given)
        if (problem) {
            fail(problem)
        }
        int most = 100000 // Linux takes 128 KiB in one variable
        int size = Json.write(StepArguments.options(command, given)).length()
        if (size > most) {
            fail("${head(command)}: its arguments have ${size} characters, and an agent takes ${most}: " +
                'put what is long into the config file')
        }
        return given
    }

    /**
     * Runs the command on the agent where this is called; its result decides the build, but for an error of the
     * type that the caller deals with.
     */
    Map perform(String command, Map args, Map more = [:], String expected = '') {
        Map options = StepArguments.options(command, args) + more
        if (command == 'cleanup' && !options.dryRun) {
            options.yes = true // nobody answers a question in a build: calling the step is the consent
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

    /** Says on the build's page and in the log why the build ends, and ends it. */
    void fail(String text) {
        describe(text)
        script.error(text)
    }

    /** Adds to the one line that the build's page says about the build. */
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

    /** The runner says in `build_result` what its result means; without one it was not the runner that answered. */
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
                steps.error(said) // the build goes on; the stage shows that not all went well
            }
        }
        return result
    }

    /** Hands news to the caller's block. What fails in it is said, and fails no build; an abort passes through. */
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
        } catch (LinkageError e) { // Jenkins' own for a step that it does not have
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
        Object steps = script
        Command self = this
        return script.withEnv([
            "JENKINS_MLFLOW_KEY=${Json.parse(manifest).key}",
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

    /** Who pressed the button, else whose change it is, else what started the build. */
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
        // a blank encoding would be the platform's, which on some controllers is ASCII
        return script.libraryResource(resource: "jenkins_mlflow/${name}", encoding: 'UTF-8')
    }

}
