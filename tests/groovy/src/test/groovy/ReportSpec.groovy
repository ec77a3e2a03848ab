import harness.Build
import spock.lang.Unroll

/** How a build's page leads to the report that it archives. */
class ReportSpec extends LibrarySpec {

    static final Map SELECTED = [status: 'selected', selected: [model: 'm', version: 7], message: 'm v7 is best']
    static final Map TRAINED = [candidates: [[name: 'a'], [name: 'b']], on_failure: 'stop', build: 'b-1']
    static final String NAMED = 'report: mlflow-report/index.html'

    /** A build whose runner answers, and keeps the page if it is told to. */
    Build buildKeeping(Map settings = [:], Map<String, Map> documents) {
        File answers = runner(documents)
        File runner = executable("mkdir -p mlflow-report && touch mlflow-report/index.html\nexec '${answers.path}' \"\$@\"")
        return build(settings + [env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path]])
    }

    @Unroll
    def "the page of a build names the report last, and once: #code"() {
        given:
        def build = buildKeeping(train: TRAINED, select: SELECTED, promote: [status: 'promoted', message: 'promoted m v7'],
            cleanup: [status: 'deleted', message: 'deleted 3 versions.'])

        when:
        build.run(code)

        then:
        build.error == null
        build.description == description
        build.log.contains('Report: http://jenkins.example/job/demo/1/artifact/mlflow-report/index.html')
        build.archived.contains('mlflow-report/index.html')

        where:
        code                                                    | description
        "node { mlflowPipeline(cleanup: true) }"                | "promoted m v7; deleted 3 versions; ${NAMED}"
        "mlflowPipeline(label: 'gpu')"                          | "promoted m v7; ${NAMED}"
        "mlflowPipeline(label: 'gpu', approve: true)"           | "promoted m v7; ${NAMED}"
        "mlflowPromote(model: 'm')"                             | "promoted m v7; ${NAMED}"
        "currentBuild.description = 'ours'; mlflowPromote(model: 'm')" | "ours; promoted m v7; ${NAMED}"
        "currentBuild.description = 'promoted m v70'; mlflowPromote(model: 'm')" | "promoted m v70; promoted m v7; ${NAMED}"
        "currentBuild.description = 'a; promoted m v7; b'; mlflowPromote(model: 'm')" | "a; promoted m v7; b; ${NAMED}"
        "mlflowAgent { mlflowPromote(model: 'm'); mlflowCleanup(models: 'm') }; currentBuild.description += '; and ours'" |
            "promoted m v7; deleted 3 versions; ${NAMED}; and ours"
    }

    def "a promotion by hand and a failed build lead to the report, too"() {
        given:
        Map byHand = [status: 'manual', exit_code: 4, message: 'by hand', notice: [files: ['mlflow-report/notice.txt']]]

        when:
        def unstable = buildKeeping(promote: byHand).run("mlflowPromote(model: 'm')")
        def failed = buildKeeping(promote: [status: 'error', exit_code: 1, message: 'no such model']).run("mlflowPromote(model: 'm')")

        then:
        unstable.description == "mlflowPromote: by hand; how to promote by hand: mlflow-report/notice.txt; ${NAMED}"
        failed.error.message == 'mlflowPromote: no such model'
        failed.description == "mlflowPromote: no such model; ${NAMED}"
    }

    def "an agent that cannot draw the page has a folder only"() {
        when:
        def build = buildAnswering(promote: [status: 'promoted', message: 'promoted m v7']).run("mlflowPromote(model: 'm')")

        then:
        build.error == null
        build.description == 'promoted m v7'
        build.log.contains('Report: http://jenkins.example/job/demo/1/artifact/mlflow-report/\n')
    }

}
