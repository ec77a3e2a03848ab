import groovy.json.JsonSlurper
import spock.lang.Unroll

/** mlflowPipeline: its stages, what it passes on, where it stops. */
class PipelineSpec extends LibrarySpec {

    static final List<String> STAGES = ['Train the candidates', 'Select the best', 'Promote the winner', 'Clean up old versions']
    static final Map SELECTED = [status: 'selected', selected: [model: 'heart-$(id)', version: 7, value: 0.9]]

    List<Map> getRequested() {
        return requests.exists() ? requests.readLines().collect { new JsonSlurper().parseText(it) } : []
    }

    @Unroll
    def "all stages run in a #kind pipeline, and what was selected is promoted"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [status: 'promoted'], cleanup: [:]).run(jenkinsfile)

        then:
        build.error == null
        build.result == 'SUCCESS'
        build.stages - 'Model' == STAGES
        requested*.command == ['train', 'select', 'promote', 'cleanup']
        requested[0].options == [report: 'mlflow-report', jobs: 2, build: 'b-1']
        requested[1].options == [report: 'mlflow-report', metric: 'auc', build: 'b-1']
        requested[2].options == [report: 'mlflow-report', metric: 'auc', build: 'b-1', model: 'heart-$(id)', version: 7, over: 'nothing']
        requested[3].options == [report: 'mlflow-report', keepLast: 2, yes: true]
        build.callsOf('archiveArtifacts').size() == 1

        where:
        kind          | jenkinsfile
        'scripted'    | "node { ${STEP} }"
        'declarative' | "pipeline { agent any\n stages { stage('Model') { steps { ${STEP} } } } }"
        'script in declarative' | "pipeline { agent any\n stages { stage('Model') { steps { script { def r = ${STEP}\n echo(r.promote.status) } } } } }"
    }

    static final String STEP = "mlflowPipeline(jobs: '2', build: 'b-1', metric: 'auc', cleanup: true, keepLast: '2')"

    def "without an approval, too, the winner takes the place of what it has beaten, and of nothing else"() {
        given: "another build may promote between this one's selection and its promotion"
        Map beaten = SELECTED + [replaces: [model: 'heart-svm', version: 3]]

        when:
        def build = buildAnswering(train: [:], select: beaten, promote: [status: 'promoted']).run('node { mlflowPipeline() }')

        then:
        build.error == null
        requested[2].options.over == 'heart-svm/3'
    }

    def "only the version of the selected run is promoted: its number may be that of another one after the approval"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED + [run_id: 'ab12'], promote: [status: 'promoted']).run('node { mlflowPipeline() }')

        then:
        build.error == null
        requested[2].options.run == 'ab12'
    }

    def "a change request is trained and compared, and promotes nothing"() {
        when:
        def build = buildAnswering([env: [CHANGE_ID: 'PR-12']], [train: [:], select: SELECTED + [message: 'm v7 is better'], promote: [:]]).run('''
            node { mlflowPipeline(cleanup: true, approve: true, comment: { text -> echo("POSTED ${text}") }) }
        ''')

        then:
        build.error == null
        build.result == 'SUCCESS'
        requested*.command == ['train', 'select']
        requested[1].options.scope == 'build'
        build.stages == ['Train the candidates', 'Select the best', 'Say what would change']
        build.log.contains('POSTED `m v7 is better`')
        build.description == 'change request PR-12: m v7 is better; nothing is promoted'
    }

    def "without a report the comment is one short line in which no name mentions anybody"() {
        given:
        String message = 'Selected @team [x](http://evil.example) `rm`\n\n# m v7 ' + 'long ' * 100

        when:
        def build = buildAnswering([env: [CHANGE_ID: 'PR-12']], [train: [:], select: SELECTED + [message: message]]).run('''
            node { mlflowPipeline(comment: { text -> echo("POSTED ${text.length()} ${text}") }) }
        ''')

        then:
        build.error == null
        build.log.contains("POSTED 302 `Selected @team (x)(http://evil.example) 'rm' # m v7 long long")
    }

    def "promoteChanges: a change request is promoted like a branch"() {
        when:
        def build = buildAnswering([env: [CHANGE_ID: 'PR-12']], [train: [:], select: SELECTED, promote: [status: 'promoted']]).run(
            'node { mlflowPipeline(promoteChanges: true) }')

        then:
        build.error == null
        requested*.command == ['train', 'select', 'promote']
        requested[1].options.scope == null
    }

    def "it returns the result of every stage that ran"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [status: 'promoted']).run("node { return mlflowPipeline() }")

        then:
        build.value.keySet() == ['train', 'select', 'promote'] as Set
        build.value.promote.status == 'promoted'
        build.log.contains('Not asked for: cleanup: true deletes old versions here')
    }

    @Unroll
    def "after '#selection.status' nothing is promoted, and the build is #result"() {
        when:
        def build = buildAnswering(train: [:], select: selection + [message: 'because'], promote: [:]).run("node { mlflowPipeline() }")

        then:
        build.result == result
        build.error == null
        requested*.command == ['train', 'select']
        build.log.contains('Nothing to promote: because')

        where:
        selection                                               | result
        [status: 'champion_kept', exit_code: 0, selected: null] | 'SUCCESS'
        [status: 'no_candidate', exit_code: 3, selected: null]  | 'UNSTABLE'
    }

    def "a failed training ends the pipeline, with its logs archived"() {
        when:
        def build = buildAnswering(train: [exit_code: 1, message: 'candidate svm failed'], select: SELECTED).run('''node {
            writeFile(file: 'mlflow-report/logs/svm.log', text: 'Traceback', encoding: 'UTF-8')
            mlflowPipeline()
        }''')

        then:
        build.result == 'FAILURE'
        build.error.message == 'mlflowPipeline train: candidate svm failed'
        build.stages == STAGES.take(1)
        build.archived == ['mlflow-report/.jenkins-mlflow-report', 'mlflow-report/logs/svm.log'] as Set
        build.description == 'mlflowPipeline train: candidate svm failed'
    }

    def "a report that cannot be archived does not hide the first failure"() {
        given:
        def build = buildAnswering(train: [exit_code: 1, message: 'candidate svm failed'])
        build.steps.metaClass.archiveArtifacts = { Map args -> throw new IOException('disk full') }

        when:
        build.run("node { mlflowPipeline() }")

        then:
        build.error.message == 'mlflowPipeline train: candidate svm failed'
        build.log.contains('The report could not be archived: disk full')
    }

    def "a report that cannot be archived fails a build that has no other failure"() {
        given:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [:])
        build.steps.metaClass.archiveArtifacts = { Map args -> throw new IOException('disk full') }

        when:
        build.run("node { mlflowPipeline() }")

        then:
        build.result == 'FAILURE'
        build.error.message == 'disk full'
    }

    def "a promotion by hand leaves the build unstable, and nothing is cleaned up before it is done"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [status: 'manual', exit_code: 4], cleanup: [:]).run('''
            node { mlflowPipeline(cleanup: 'true') }
        ''')

        then:
        build.result == 'UNSTABLE'
        requested*.command == ['train', 'select', 'promote']
        build.log.contains('No cleanup while a promotion waits for a person')
    }

    def "a step works in parallel branches"() {
        when:
        def build = buildAnswering(train: [:]).run('''
            parallel(a: { node { mlflowTrain(only: 'a') } }, b: { node { mlflowTrain(only: 'b') } })
        ''')

        then:
        build.error == null
        requested*.options*.only == [['a'], ['b']]
    }

    def "a build whose commands never worked archives nothing that an earlier build left"() {
        given:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: '/no/such/python'])

        when:
        build.run('''node {
            writeFile(file: 'mlflow-report/.jenkins-mlflow-report', text: "jenkins-demo-1@1764484000000\\n", encoding: 'UTF-8')
            writeFile(file: 'mlflow-report/notice.txt', text: 'PROMOTE BY HAND', encoding: 'UTF-8')
            mlflowPipeline()
        }''')

        then:
        build.result == 'FAILURE'
        build.archived.empty
    }

    @Unroll
    def "a dry run #where trains nothing, selects from what is there, and plans promotion and cleanup"() {
        given:
        Map plan = [status: 'planned', candidates: [[name: 'svm', status: 'planned']], on_failure: 'stop', build: 'b-1']

        when:
        def build = buildAnswering(train: plan, select: SELECTED, promote: [status: 'planned'], cleanup: [status: 'planned'])
            .run(script)

        then:
        build.error == null
        requested*.command == ['train', 'select', 'promote', 'cleanup']
        requested[0].options == [report: 'mlflow-report', dryRun: true]
        requested[1].options == [report: 'mlflow-report', scope: 'group']
        requested[2].options == [report: 'mlflow-report', dryRun: true, scope: 'group', model: 'heart-$(id)', version: 7, over: 'nothing']
        requested[3].options == [report: 'mlflow-report', dryRun: true]
        build.callsOf('milestone').empty
        build.callsOf('lock').empty
        build.nodes.size() == 1

        where:
        where              | script
        'on an agent'      | "node { mlflowPipeline(dryRun: 'true', scope: 'build', cleanup: true) }"
        'outside of any'   | "mlflowPipeline(label: 'gpu', dryRun: true, scope: 'build', cleanup: true)"
    }

    def "a dry run before the first training says that nothing is registered"() {
        given:
        Map nothing = [status: 'error', exit_code: 2, message: '"heart-*" matches no registered model', error: [type: 'NothingRegistered']]

        when:
        def build = buildAnswering(train: [:], select: nothing).run('mlflowPipeline(dryRun: true, cleanup: true)')

        then:
        build.error == null
        requested*.command == ['train', 'select']
        build.log.contains('Nothing to promote: "heart-*" matches no registered model')
        build.log.contains('Nothing to clean up: "heart-*" matches no registered model')
        build.description == '"heart-*" matches no registered model'

        when: 'it is no dry run, so the training should have registered something'
        build = buildAnswering(train: [:], select: nothing).run('mlflowPipeline()')

        then:
        build.error.message == 'mlflowPipeline select: "heart-*" matches no registered model'
    }

    def "a dry run asks nobody"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [:]).run("mlflowPipeline(dryRun: true, approve: true)")

        then:
        build.error == null
        build.callsOf('input').empty
    }

    def "the stage that means production is asked about in every stage"() {
        when:
        def build = buildAnswering(train: [:], select: SELECTED, promote: [:], cleanup: [:])
            .run("node { mlflowPipeline(stage: 'Staging', forceMethod: 'stage', cleanup: true) }")

        then:
        build.error == null
        requested*.options*.stage == [null, 'Staging', 'Staging', 'Staging']
        requested[2].options.forceMethod == ['stage']
    }

    @Unroll
    def "a candidate that failed under the policy continue is seen: #code"() {
        given:
        Map trained = [status: 'trained', message: '1 of 2 candidates trained: svm failed (exit code 3)', on_failure: 'continue',
                       build: 'b-1', candidates: [[name: 'knn', status: 'ok'], [name: 'svm', status: 'failed']]]

        when:
        def build = buildAnswering(train: trained).run(code)

        then:
        build.result == 'SUCCESS'
        build.value.candidates*.status == ['ok', 'failed']
        build.description == trained.message
        build.caught.last() == [stageResult: 'UNSTABLE', message: "mlflowTrain: ${trained.message}".toString()]

        where:
        code << ["node { return mlflowTrain() }", "return mlflowTrain(label: 'gpu')"]
    }

}
