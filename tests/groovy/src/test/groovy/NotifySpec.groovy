import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** The block `notify`: what it is told, and that it never decides over a build. */
class NotifySpec extends LibrarySpec {

    static final Map SELECTED = [status: 'selected', selected: [model: 'm', version: 7]]
    static final String TELL = 'notify: { result -> echo("TOLD ${result.event} by ${result.command}: ${result.message}") }'
    static final String LOST = "mlflowPromote: the notification of 'promoted' by the block notify failed: "

    /** What the block has been given, in order. */
    static List<String> told(build) {
        return build.log.readLines().findAll { it.startsWith('TOLD ') }*.substring(5)
    }

    @Unroll
    def "#code tells of #event, and the build is #result"() {
        when:
        Map document = [status: status, exit_code: exitCode, event: event, message: 'this happened']
        def build = buildAnswering((command): document).run("node { ${code} }")

        then:
        told(build) == ["${event} by ${command}: this happened".toString()]
        build.result == result

        where:
        code                                               | command    | status         | event             | exitCode || result
        "mlflowPromote(model: 'm', ${TELL})"               | 'promote'  | 'promoted'     | 'promoted'        | 0        || 'SUCCESS'
        "mlflowPromote(model: 'm', ${TELL})"               | 'promote'  | 'manual'       | 'by_hand'         | 4        || 'UNSTABLE'
        "mlflowSelect(${TELL})"                            | 'select'   | 'no_candidate' | 'rejected'        | 3        || 'UNSTABLE'
        "mlflowRollback(model: 'm', ${TELL})"              | 'rollback' | 'rolled_back'  | 'rolled_back'     | 0        || 'SUCCESS'
        "mlflowDoctor(${TELL})"                            | 'doctor'   | 'drift'        | 'drift'           | 7        || 'UNSTABLE'
        "mlflowCleanup(models: 'm', ${TELL})"              | 'cleanup'  | 'stopped'      | 'cleanup_stopped' | 6        || 'FAILURE'
        "mlflowRun(command: 'doctor', models: 'm', ${TELL})" | 'doctor' | 'drift'        | 'drift'           | 7        || 'UNSTABLE'
    }

    def "the pipeline tells of each of its stages, and after the page knows"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED,
                promote: [status: 'manual', exit_code: 4, event: 'by_hand', message: 'promote by hand']).run('''
            node { mlflowPipeline(notify: { told -> echo("TOLD ${told.event}, ${currentBuild.currentResult}, ${currentBuild.description}") }) }
        ''')

        then:
        build.error == null
        told(build) == ['by_hand, UNSTABLE, mlflowPipeline promote: promote by hand']
        requests.readLines().every { !it.contains('notify') }
    }

    def "a result that is no news tells nobody, nor does a step that has no block"() {
        when:
        def build = buildAnswering(promote: [status: 'already', event: null], doctor: [status: 'drift', exit_code: 7, event: 'drift'])
            .run("node { mlflowPromote(model: 'm', ${TELL}); mlflowDoctor() }")

        then:
        build.error == null
        told(build).empty
    }

    @Unroll
    def "what fails in the block fails no build: #block"() {
        when:
        def build = buildAnswering(promote: [status: 'promoted', event: 'promoted'])
            .run("node { def r = mlflowPromote(model: 'm', notify: { result -> ${block} }); echo(\"then: \${r.status}\") }")

        then:
        build.error == null
        build.result == 'SUCCESS'
        build.log.contains("${LOST}${why}")
        build.log.contains('then: promoted')

        where:
        block                                    | why
        "error('no route to the chat')"          | 'hudson.AbortException: no route to the chat'
        "slackSent(message: result.message)"     | "No such DSL method 'slackSent' found among steps"
        "echo(result.nothing.message)"           | 'java.lang.NullPointerException'
        "echo(channel)"                          | 'groovy.lang.MissingPropertyException: No such property: channel'
        "assert result.version == 3"             | 'assert result.version == 3'
    }

    def "the failure of the work stays the failure of the build"() {
        when:
        def build = buildAnswering(cleanup: [status: 'stopped', exit_code: 6, event: 'cleanup_stopped', message: 'stopped after 2 of 5'])
            .run("node { mlflowCleanup(models: 'm', notify: { error('no route') }) }")

        then:
        build.result == 'FAILURE'
        build.error.message == 'mlflowCleanup: stopped after 2 of 5'
    }

    def "an abort in the block passes through"() {
        when:
        def build = buildAnswering(promote: [status: 'promoted', event: 'promoted']).run("""
            node { mlflowPromote(model: 'm', notify: { throw new ${FlowInterruptedException.name}() }); echo('never') }
        """)

        then:
        build.result == 'ABORTED'
        build.description == 'promote done'
        !build.log.contains('never')
    }

}
