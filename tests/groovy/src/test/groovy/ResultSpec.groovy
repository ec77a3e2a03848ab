import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** What a command's result does to the build. */
class ResultSpec extends LibrarySpec {

    def "a result comes back as a plain map that survives a controller restart"() {
        when:
        def build = buildAnswering(promote: [status: 'promoted', production: [[model: 'm', version: 3]], seconds: 0.5]).run('''
            node {
                def result = mlflowPromote(model: 'm')
                echo("now: ${result.production[0].version}") // a step, so `result` is serialized here
                return result
            }
        ''')

        then:
        build.result == 'SUCCESS'
        build.value == [schema: 1, command: 'promote', status: 'promoted', exit_code: 0, message: 'promote done', build_result: 'SUCCESS',
                        production: [[model: 'm', version: 3]], seconds: 0.5]
        build.value instanceof HashMap
        build.value.production.class == ArrayList
        build.value.production[0] instanceof HashMap
        build.log.contains('runner says: promote')
        build.log.contains('now: 3')
    }

    @Unroll
    def "exit code #code fails the build with the runner's message"() {
        when:
        def build = buildAnswering(promote: [status: 'error', exit_code: code, message: 'no such model: m']).run('''
            node { mlflowPromote(model: 'm') }
        ''')

        then:
        build.result == 'FAILURE'
        build.error.class == AbortException
        build.error.message == 'mlflowPromote: no such model: m'
        build.description == 'mlflowPromote: no such model: m'

        where:
        code << [1, 2, 130, 143]
    }

    def "production that was changed outside: unstable, and the build goes on"() {
        when:
        def message = '1 problem found: m: version 1 was put into Production without this tool'
        def build = buildAnswering(doctor: [status: 'drift', exit_code: 7, message: message]).run('''
            node { echo("then: ${mlflowDoctor(models: 'm').status}") }
        ''')

        then:
        build.result == 'UNSTABLE'
        build.error == null
        build.log.contains("WARNING: mlflowDoctor: ${message}")
        build.description == "mlflowDoctor: ${message}"
        build.log.contains('then: drift')
    }

    def "no candidate passes the gates: unstable, and the build goes on"() {
        when:
        def build = buildAnswering(select: [status: 'no_candidate', exit_code: 3, message: 'none of 4 passes']).run('''
            node { echo("then: ${mlflowSelect().status}") }
        ''')

        then:
        build.result == 'UNSTABLE'
        build.error == null
        build.log.contains('WARNING: mlflowSelect: none of 4 passes')
        build.description == 'mlflowSelect: none of 4 passes'
        build.log.contains('then: no_candidate')
        build.archived.empty
    }

    def "a person must promote: unstable, with the notice archived"() {
        when:
        def build = buildAnswering(promote: [status: 'manual', exit_code: 4, message: 'promote by hand', notice: [files: ['out/notice.txt', 'out/notice.md']]]).run('''
            node {
                writeFile(file: 'out/notice.md', text: '# By hand', encoding: 'UTF-8')
                writeFile(file: 'out/.jenkins-mlflow-report', text: env.BUILD_TAG + '@1764485000000', encoding: 'UTF-8')
                writeFile(file: 'out/logs/a.log', text: 'x', encoding: 'UTF-8')
                writeFile(file: 'secret.txt', text: 'x', encoding: 'UTF-8')
                mlflowPromote(model: 'm', report: 'out')
            }
        ''')

        then:
        build.result == 'UNSTABLE'
        build.error == null
        build.archived == ['out/.jenkins-mlflow-report', 'out/notice.md', 'out/logs/a.log'] as Set
        build.description == 'mlflowPromote: promote by hand; how to promote by hand: out/notice.txt'
        build.log.contains('Report: http://jenkins.example/job/demo/1/artifact/out/')
    }

    @Unroll
    def "a runner that is killed in #code fails the build and says what that means"() {
        when:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: executable('kill -9 $$').path]).run("node { ${code} }")

        then:
        build.result == 'FAILURE'
        build.error.message == message
        build.description == message

        where:
        code                             | message
        "mlflowPromote(model: 'm')"      | 'mlflowPromote: killed (137); the next command finishes or undoes what it began'
        "mlflowCleanup(models: 'm')"     | 'mlflowCleanup: killed (137); run it again'
    }

    def "a runner that prints something else fails the build"() {
        when:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: executable('echo hello').path]).run("node { mlflowSelect() }")

        then:
        build.result == 'FAILURE'
        build.error.message == 'mlflowSelect: the runner printed no result; the log above says why'
    }

    def "an abort while a command works ends the runner and passes through"() {
        given:
        File started = new File(folder.root, 'started')
        File ended = new File(folder.root, 'ended')
        File runner = executable("""
            trap 'echo ended > ${ended.path}; exit 143' TERM
            echo started > ${started.path}
            while true; do sleep 0.05; done
        """)
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path])
        build.aborted = { started.exists() }

        when:
        build.run("node { mlflowPipeline(); echo('never') }")

        then:
        build.result == 'ABORTED'
        build.error.class == FlowInterruptedException
        build.stages == ['Train the candidates']
        build.description == 'mlflowPipeline train: aborted; run it again'
        ended.exists()
        !build.log.contains('never')
    }

}
