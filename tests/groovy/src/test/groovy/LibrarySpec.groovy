import groovy.json.JsonOutput
import harness.Build
import org.junit.Rule
import org.junit.rules.TemporaryFolder
import spock.lang.Shared
import spock.lang.Specification

/** What the specifications share: builds in a folder of their own, and runners that answer as told. */
abstract class LibrarySpec extends Specification {

    /** A copy with a fresh manifest, so that a stale one fails one test that says so, and not all of them. */
    @Shared
    File resources = File.createTempDir()

    @Rule
    TemporaryFolder folder = new TemporaryFolder()

    def setupSpec() {
        copy(new File(Build.CHECKOUT, 'resources/jenkins_mlflow'), new File(resources, 'jenkins_mlflow'))
        writeManifest(resources)
    }

    def cleanupSpec() {
        resources.deleteDir()
    }

    /** One build with an empty agent cache of its own; `env` is added to the agent's environment. */
    Build build(Map settings = [:]) {
        Map env = [JENKINS_MLFLOW_CACHE: new File(folder.root, 'cache').path] + (settings.env ?: [:])
        return new Build([workspace: new File(folder.root, 'workspace'), resources: resources] + settings + [env: env])
    }

    /** A build whose runner prints these documents, by command, instead of talking to MLflow. */
    Build buildAnswering(Map settings = [:], Map<String, Map> documents) {
        return build(settings + [env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner(documents).path] + (settings.env ?: [:])])
    }

    /** A program that stands in for the runner's python: notes each request, prints the command's document. */
    File runner(Map<String, Map> documents) {
        File home = folder.newFolder()
        documents.each { command, document ->
            Map complete = [schema: 1, command: command, status: 'done', exit_code: 0, message: "${command} done".toString()]
            complete += document
            Map results = [0: 'SUCCESS', 3: 'UNSTABLE', 4: 'UNSTABLE', 7: 'UNSTABLE'] // as errors.build_result says
            complete.build_result = results[complete.exit_code] ?: 'FAILURE'
            new File(home, "${command}.json").setText(JsonOutput.toJson(complete), 'UTF-8')
        }
        return executable("""
            command=\$(printf '%s' "\$JENKINS_MLFLOW_REQUEST" | sed 's/.*"command":"\\([a-z]*\\)".*/\\1/')
            printf '%s\\n' "\$JENKINS_MLFLOW_REQUEST" >> '${requests.path}'
            echo "runner says: \$command" >&2
            mkdir -p mlflow-report && echo "\$BUILD_TAG@\$JENKINS_MLFLOW_BUILD_STARTED" > mlflow-report/.jenkins-mlflow-report
            printf '%s ' "\$JENKINS_MLFLOW_NONCE"
            cat '${home.path}'/"\$command.json"
        """)
    }

    File executable(String script) {
        File file = folder.newFile()
        file.setText("#!/bin/sh\n${script}", 'UTF-8')
        file.executable = true
        return file
    }

    /** Where a stand-in runner notes what it was asked, one JSON line each. */
    File getRequests() {
        return new File(folder.root, 'requests')
    }

    /** The python of `make setup`, with MLflow and the example's libraries in it. */
    static String realPython() {
        String bin = System.getenv('JENKINS_MLFLOW_TEST_BIN') ?: new File(Build.CHECKOUT, '.venv/bin').path
        assert new File(bin, 'python').exists(): "no python in ${bin}: run make setup"
        return "${bin}/python"
    }

    static void copy(File from, File to) {
        to.mkdirs()
        from.eachFile { File file ->
            if (file.file) {
                new File(to, file.name).bytes = file.bytes
            } else if (file.name != '__pycache__') {
                copy(file, new File(to, file.name))
            }
        }
    }

    static void writeManifest(File resources) {
        Process process = ['python3', new File(Build.CHECKOUT, 'scripts/manifest.py').path, '--package',
                           new File(resources, 'jenkins_mlflow').path].execute()
        assert process.waitFor() == 0: process.err.text
    }

}
