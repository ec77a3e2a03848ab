package harness

import hudson.AbortException
import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The pipeline steps that the library uses: each does what Jenkins' own does, in a folder of this machine. */
class Steps {

    private final Build build
    private final Deque<Map<String, String>> environments = new ArrayDeque<>()
    private final Deque<File> folders = new ArrayDeque<>()
    private int held = 0

    Steps(Build build) {
        this.build = build
        environments.push(build.agentEnvironment)
        folders.push(build.workspace)
    }

    /** What a step at this place sees. */
    Map<String, String> environment() {
        return environments.peek()
    }

    Object sh(String script) {
        return sh(script: script)
    }

    Object sh(Map args) {
        known('sh', args, ['script', 'label', 'returnStdout', 'returnStatus', 'encoding'])
        assert args.label: 'every sh has a label'
        File script = File.createTempFile('script', '.sh')
        File output = File.createTempFile('output', '.txt')
        script.setText("${args.script}", 'UTF-8')
        // Jenkins runs a script with a #! line as it is, and any other as sh -xe
        List command = "${args.script}".startsWith('#!') ? [] : ['/bin/sh', '-xe']
        script.executable = true
        ProcessBuilder builder = new ProcessBuilder(['setsid', *command, script.path] as List<String>)
        builder.environment().clear()
        builder.environment().putAll(environment())
        builder.directory(folders.peek())
        builder.redirectOutput(output)
        Process process = builder.start()
        process.outputStream.close()
        Thread reader = process.consumeProcessErrorStream(build.log)
        boolean stop = waitUntilEnded(process)
        reader.join()
        if (build.losses > 0 && environment().JENKINS_MLFLOW_REQUEST?.contains('resume')) {
            build.losses--
            throw new AgentLost('Agent was removed')
        }
        String printed = output.getText('UTF-8')
        [script, output]*.delete()
        if (!args.returnStdout) {
            build.log << printed
        }
        if (stop) {
            throw new FlowInterruptedException()
        }
        if (args.returnStatus) {
            return process.exitValue()
        }
        if (process.exitValue() != 0) {
            throw new AbortException("script returned exit code ${process.exitValue()}")
        }
        return args.returnStdout ? printed : null
    }

    void writeFile(Map args) {
        known('writeFile', args, ['file', 'text', 'encoding'])
        assert args.encoding == 'UTF-8': 'the agent has its own idea of an encoding'
        File file = new File(folders.peek(), "${args.file}")
        file.parentFile.mkdirs()
        file.setText("${args.text}", 'UTF-8')
    }

    boolean fileExists(String path) {
        return new File(folders.peek(), path).exists()
    }

    String readFile(Map args) {
        known('readFile', args, ['file', 'encoding'])
        assert args.encoding == 'UTF-8': 'the agent has its own idea of an encoding'
        return new File(folders.peek(), "${args.file}").getText('UTF-8')
    }

    String libraryResource(Map args) {
        known('libraryResource', args, ['resource', 'encoding'])
        assert args.encoding == 'UTF-8': "a blank encoding is the controller's own"
        File file = new File(build.resources, "${args.resource}")
        if (!file.file) {
            throw new AbortException("No such library resource ${args.resource} could be found.")
        }
        return file.getText('UTF-8')
    }

    void archiveArtifacts(Map args) {
        known('archiveArtifacts', args, ['artifacts', 'allowEmptyArchive', 'fingerprint', 'followSymlinks'])
        assert args.followSymlinks == false: 'a link in the workspace leads to any file of the agent'
        Path root = folders.peek().toPath()
        def matcher = FileSystems.default.getPathMatcher("glob:${args.artifacts}")
        List<String> found = Files.walk(root).collect { root.relativize(it) }
            .findAll { Files.isRegularFile(root.resolve(it)) && matcher.matches(it) }*.toString()
        if (!found && !args.allowEmptyArchive) {
            throw new AbortException("No artifacts found that match the file pattern \"${args.artifacts}\".")
        }
        build.archived.addAll(found)
    }

    /** The plugin HTML Publisher's. */
    void publishHTML(Map args) {
        known('publishHTML', args, ['reportName', 'reportDir', 'reportFiles', 'keepAll', 'alwaysLinkToLastBuild', 'allowMissing'])
        assert new File(folders.peek(), "${args.reportDir}/${args.reportFiles}").file
        build.published << args
    }

    void slackSend(Map args) {
        send('slackSend', args, ['channel', 'color', 'message', 'tokenCredentialId'], 'message')
    }

    void office365ConnectorSend(Map args) {
        send('office365ConnectorSend', args, ['webhookUrl', 'adaptiveCards', 'status', 'message', 'color'], 'message')
    }

    void mail(Map args) {
        send('mail', args, ['to', 'subject', 'body'], 'body')
    }

    void echo(String message) {
        build.log << message << '\n'
    }

    void error(String message) {
        throw new AbortException(message)
    }

    void unstable(String message) {
        build.log << 'WARNING: ' << message << '\n'
        build.worsen('UNSTABLE')
    }

    Object stage(String name, Closure body) {
        return build.program.body(body)
    }

    /** An agent and a workspace of its own; a second one of the same build is another folder. */
    Object node(String label = '', Closure body) {
        build.nodes << label
        File folder = held == 0 ? build.workspace : new File("${build.workspace.path}@${held + 1}")
        folder.mkdirs()
        held++
        folders.push(folder)
        environments.push(new TreeMap<>(environment() + [WORKSPACE: folder.path, NODE_NAME: label ?: 'built-in']))
        try {
            return build.program.body(body)
        } finally {
            environments.pop()
            folders.pop()
            held--
        }
    }

    boolean isUnix() {
        assert held: 'Required context class hudson.Launcher is missing'
        return !build.windows
    }

    void checkout(Map scm) {
        assert held: 'Required context class hudson.FilePath is missing'
    }

    Map agent() {
        return [$class: 'AgentErrorCondition']
    }

    Map nonresumable() {
        return [$class: 'NonresumableCondition']
    }

    /** Tries again only when an agent was lost. */
    Object retry(Map args, Closure body) {
        known('retry', args, ['count', 'conditions'])
        assert args.conditions*.get('$class') == ['AgentErrorCondition', 'NonresumableCondition']
        for (int left = args.count - 1; ; left--) {
            try {
                return build.program.body(body)
            } catch (AgentLost e) {
                if (left == 0) {
                    throw e
                }
                build.log << 'Retrying: agent was lost\n'
            }
        }
    }

    Object catchError(Map args, Closure body) {
        known('catchError', args, ['buildResult', 'stageResult', 'catchInterruptions', 'message'])
        try {
            return build.program.body(body)
        } catch (FlowInterruptedException e) {
            if (args.catchInterruptions == false) {
                throw e
            }
        } catch (Exception e) {
            build.caught << [stageResult: args.stageResult, message: e.message]
            build.log << "ERROR: ${e.message}\n"
            build.worsen(args.buildResult)
        }
        return null
    }

    Object input(Map args) {
        known('input', args, ['id', 'message', 'ok', 'submitter', 'submitterParameter'])
        assert !held: 'an agent waits for a person'
        if (build.answer instanceof Throwable) {
            throw build.answer
        }
        return build.answer
    }

    Object lock(Map args, Closure body) {
        known('lock', args, ['resource'])
        return build.program.body(body)
    }

    void milestone() {
    }

    void junit(Map args) {
        known('junit', args, ['testResults', 'allowEmptyResults', 'skipMarkingBuildUnstable'])
    }

    Map usernamePassword(Map args) {
        known('usernamePassword', args, ['credentialsId', 'usernameVariable', 'passwordVariable'])
        return [kind: 'login', id: args.credentialsId, variables: [args.usernameVariable, args.passwordVariable]]
    }

    Map string(Map args) {
        known('string', args, ['credentialsId', 'variable'])
        return [kind: 'token', id: args.credentialsId, variables: [args.variable]]
    }

    Map file(Map args) {
        known('file', args, ['credentialsId', 'variable'])
        return [kind: 'file', id: args.credentialsId, variables: [args.variable]]
    }

    /** The messages are those of credentials-binding's CredentialNotFoundException. */
    Object withCredentials(List bindings, Closure body) {
        List overrides = bindings.collectMany { Map binding ->
            Map found = build.credentials[binding.id]
            if (!found) {
                throw new IOException("Could not find credentials entry with ID '${binding.id}'")
            }
            if (found.kind != binding.kind) {
                throw new IOException("Credentials '${binding.id}' is of type '${found.kind}' where '${binding.kind}' was expected")
            }
            [binding.variables, found.values].transpose().collect { name, value -> "${name}=${value}" }
        }
        return withEnv(overrides, body)
    }

    Object script(Closure body) {
        return build.program.body(body)
    }

    Object timeout(Map args, Closure body) {
        known('timeout', args, ['time', 'unit', 'activity'])
        return build.program.body(body)
    }

    Object dir(String path, Closure body) {
        folders.push(new File(folders.peek(), path))
        folders.peek().mkdirs()
        try {
            return build.program.body(body)
        } finally {
            folders.pop()
        }
    }

    Object withEnv(List overrides, Closure body) {
        environments.push(overridden(overrides*.toString()))
        try {
            return build.program.body(body)
        } finally {
            environments.pop()
        }
    }

    /** Branches one after the other; all of them run, the first failure is thrown at the end. */
    Map parallel(Map branches) {
        Throwable failure = null
        Map results = [:]
        branches.findAll { it.value instanceof Closure }.each { name, body ->
            try {
                results[name] = build.program.body(body)
            } catch (Exception e) {
                failure = failure ?: e
            }
        }
        if (failure) {
            throw failure
        }
        return results
    }

    /** As Jenkins does: PATH+NAME puts in front, and $NAME or ${NAME} in a value is replaced where NAME is known. */
    private Map<String, String> overridden(List<String> overrides) {
        Map<String, String> result = new TreeMap<>(environment())
        overrides.each { String override ->
            String name = override.substring(0, override.indexOf('='))
            String value = override.substring(override.indexOf('=') + 1)
            value = value.replaceAll(/\$(\w+)|\$\{(\w+)\}/) { String all, String bare, String braced ->
                result.getOrDefault(bare ?: braced, all)
            }
            if (name.contains('+')) {
                name = name.substring(0, name.indexOf('+'))
                value = result[name] ? "${value}:${result[name]}" : value
            }
            result[name] = value
        }
        return result
    }

    /** True if the build was aborted meanwhile; then, as Jenkins does, the whole process group has been asked to end. */
    private boolean waitUntilEnded(Process process) {
        boolean stop = false
        while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
            if (!stop && build.aborted()) {
                stop = true
                ['kill', '-TERM', '--', "-${process.pid()}"].execute().waitFor()
            }
        }
        return stop
    }

    private void send(String step, Map args, List<String> names, String text) {
        known(step, args, names)
        assert args.every { name, value -> value != null && !"${value}".contains('null') }
        build.sent << "${args[text]}".toString()
    }

    private static void known(String step, Map args, List<String> names) {
        assert !(args.keySet() - names): "${step} has no such parameter"
    }

    /** What a step throws when its agent is gone. */
    static class AgentLost extends AbortException {

        AgentLost(String message) {
            super(message)
        }

    }

}
