import groovy.json.JsonSlurper
import harness.Build
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import spock.lang.Unroll

/** Where the steps work: on the caller's agent or on agents of their own, with secrets, after an approval. */
class AgentsSpec extends LibrarySpec {

    static final Map SELECTED = [status: 'selected', selected: [model: 'heart', version: 7], replaces: [model: 'heart', version: 3], message: 'selected <heart> version 7.']

    List<Map> getRequested() {
        return requests.exists() ? requests.readLines().collect { new JsonSlurper().parseText(it) } : []
    }

    Map plan(String policy, String... names) {
        return [train: [candidates: names.collect { [name: it] }, on_failure: policy, build: 'b-1']]
    }

    @Unroll
    def "called #where, a step works on #nodes"() {
        when:
        def build = buildAnswering(list: [:]).run(script)

        then:
        build.error == null
        build.nodes == nodes
        build.callsOf('checkout').size() == checkouts
        build.callsOf('archiveArtifacts').size() == checkouts

        where:
        where                    | script                                                              | nodes                  | checkouts
        'on an agent'            | "node('a') { mlflowRun(command: 'list', label: 'b') }"              | ['a']                  | 0
        'outside'                | "mlflowRun(command: 'list')"                                        | ['']                   | 1
        'outside, with a label'  | "mlflowRun(command: 'list', label: 'b')"                            | ['b']                  | 1
        'outside, with an image' | "mlflowRun(command: 'list', label: 'b', image: 'ml:1')"             | ['b in ml:1']          | 1
        'outside, by a block'    | "mlflowRun(command: 'list', agent: { body -> node('pod') { body() } })" | ['pod']            | 1
    }

    @Unroll
    def "the form for re-runs by hand recovers only if DRY_RUN (#dry) is cleared"() {
        when:
        def build = buildAnswering([params: [ACTION: 'recover', DRY_RUN: dry]], [doctor: [:], promote: [:]])
            .run(new File(Build.CHECKOUT, 'jobs/manual.Jenkinsfile').getText('UTF-8'))

        then:
        build.error == null
        requested.collect { [it.command, it.options.recover] } == [asked]

        where:
        dry   | asked
        true  | ['doctor', null]
        false | ['promote', true]
    }

    def "a prepared workspace and a folder in it"() {
        when:
        def build = buildAnswering(list: [:]).run('''
            mlflowRun(command: 'list', dir: 'team', prepare: { writeFile(file: 'team/mlops.yaml', text: 'x', encoding: 'UTF-8') })
        ''')

        then:
        build.error == null
        build.callsOf('checkout').empty
        build.calls*.name.findAll { it in ['writeFile', 'dir', 'sh'] }.take(3) == ['writeFile', 'dir', 'sh']
        requested.size() == 1
    }

    def "a job without an SCM works in an empty workspace, and says so"() {
        given:
        def build = buildAnswering(list: [:])
        build.scm = null

        when:
        build.run("mlflowRun(command: 'list')")

        then:
        build.error == null
        build.callsOf('checkout').empty
        build.log.contains('No checkout: ')
    }

    def "Windows is refused before anything runs"() {
        given:
        def build = buildAnswering(list: [:])
        build.windows = true

        when:
        build.run("node { mlflowRun(command: 'list') }")

        then:
        build.error.message == 'mlflow: agents on Windows are not supported; choose one with Linux or macOS by its label'
        build.agentSteps == []
    }

    @Unroll
    def "credentials #given reach the runner as #variables, and nothing else does"() {
        given:
        File seen = new File(folder.root, 'seen')
        def answer = '{\\"exit_code\\": 0, \\"build_result\\": \\"SUCCESS\\"}'
        File runner = executable("env | grep ^MLFLOW_TRACKING_ | sort > ${seen.path}; echo \"\$JENKINS_MLFLOW_NONCE ${answer}\"")
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path], credentials: [
            person: [kind: 'login', values: ['ada', 's3cret']], robot: [kind: 'token', values: ['t0ken']],
            cert: [kind: 'file', values: ['/tmp/cert.pem']], ca: [kind: 'file', values: ['/tmp/ca.pem']],
        ])

        when:
        build.run("node { mlflowRun(command: 'list', credentials: ${given}) }")
        build.run("node { mlflowRun(command: 'list', credentials: ${given}) }")

        then:
        build.error == null
        seen.readLines() == variables
        !build.calls.any { "${it}".contains('s3cret') || "${it}".contains('t0ken') }
        !build.log.contains('s3cret')

        where:
        given                                                    | variables
        "'person'"                                               | ['MLFLOW_TRACKING_PASSWORD=s3cret', 'MLFLOW_TRACKING_USERNAME=ada']
        "'robot'"                                                | ['MLFLOW_TRACKING_TOKEN=t0ken']
        "[login: 'person']"                                      | ['MLFLOW_TRACKING_PASSWORD=s3cret', 'MLFLOW_TRACKING_USERNAME=ada']
        "[token: 'robot', ca: 'ca', clientCertificate: 'cert']"  | ['MLFLOW_TRACKING_CLIENT_CERT_PATH=/tmp/cert.pem', 'MLFLOW_TRACKING_SERVER_CERT_PATH=/tmp/ca.pem', 'MLFLOW_TRACKING_TOKEN=t0ken']
    }

    @Unroll
    def "#step gets the secret #secret: #gets"() {
        given:
        File seen = new File(folder.root, 'seen')
        def answer = '{\\"exit_code\\": 0, \\"build_result\\": \\"SUCCESS\\"}'
        File runner = executable("env | grep -c ^${variable}=slack://k3y > ${seen.path}; echo \"\$JENKINS_MLFLOW_NONCE ${answer}\"")
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path], credentials: [
            person: [kind: 'login', values: ['ada', 's3cret']], text: [kind: 'token', values: ['slack://k3y']],
        ])

        when:
        2.times { build.run("node { ${step}(${args} credentials: [login: 'person', ${secret}: 'text']) }") }

        then:
        build.error == null
        seen.text.trim() == (gets ? '1' : '0')
        !build.calls.any { "${it}".contains('k3y') }
        !build.log.contains('k3y')

        where:
        secret       | variable                     | step             | args                             | gets
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowRun'      | "command: 'list',"               | true
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowSelect'   | ''                               | true
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowPromote'  | "model: 'm',"                    | true
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowRollback' | "model: 'm',"                    | true
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowCleanup'  | "model: 'm',"                    | true
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowTrain'    | ''                               | false
        'signingKey' | 'JENKINS_MLFLOW_SIGNING_KEY' | 'mlflowRun'      | "command: 'train',"              | false
        'notify'     | 'JENKINS_MLFLOW_NOTIFY_URLS' | 'mlflowPromote'  | "model: 'm',"                    | true
        'notify'     | 'JENKINS_MLFLOW_NOTIFY_URLS' | 'mlflowDoctor'   | ''                               | true
        'notify'     | 'JENKINS_MLFLOW_NOTIFY_URLS' | 'mlflowRun'      | "command: 'rollback', model: 'm'," | true
        'notify'     | 'JENKINS_MLFLOW_NOTIFY_URLS' | 'mlflowTrain'    | ''                               | false
    }

    def "credentials that do not exist fail the build with Jenkins' own message"() {
        when:
        def build = buildAnswering(list: [:]).run("node { mlflowRun(command: 'list', credentials: 'nobody') }")

        then:
        build.error.message == "Could not find credentials entry with ID 'nobody'"
        build.agentSteps == []
    }

    def "each candidate trains on an agent of its own, and MLflow gathers"() {
        when:
        def build = buildAnswering(plan('stop', 'svm', 'knn', 'tree')).run("node('main') { mlflowTrain(label: 'gpu', trackingUri: 'x') }")

        then:
        build.error == null
        build.nodes == ['main', 'gpu', 'gpu', 'gpu']
        build.callsOf('parallel')[0].args[0].keySet() == ['svm', 'knn', 'tree', 'failFast'] as Set
        build.callsOf('parallel')[0].args[0].failFast
        requested*.options == [
            [report: 'mlflow-report', trackingUri: 'x', dryRun: true],
            [report: 'mlflow-report', trackingUri: 'x', only: ['svm'], resume: true, build: 'b-1'],
            [report: 'mlflow-report', trackingUri: 'x', only: ['knn'], resume: true, build: 'b-1'],
            [report: 'mlflow-report', trackingUri: 'x', only: ['tree'], resume: true, build: 'b-1'],
            [report: 'mlflow-report', trackingUri: 'x', gather: true, build: 'b-1'],
        ]
    }

    def "no more agents than allowed: the others train when one is free, each in a stage of its own"() {
        when:
        def build = buildAnswering(plan('stop', 'a', 'b', 'c', 'd', 'e')).run("mlflowTrain(maxParallel: '2')")

        then:
        build.error == null
        build.callsOf('parallel')[0].args[0].keySet() == ['agent 1', 'agent 2', 'failFast'] as Set
        build.stages as Set == ['a', 'b', 'c', 'd', 'e'] as Set
        requested.findAll { it.options.only }*.options*.only.flatten().sort() == ['a', 'b', 'c', 'd', 'e']
    }

    def "two hundred candidates are the same step"() {
        when:
        def build = buildAnswering(plan('continue', *(1..200).collect { "c${it}".toString() })).run("mlflowTrain(maxParallel: 50)")

        then:
        build.error == null
        requested.size() == 202
    }

    @Unroll
    def "an agent lost #losses times: #result"() {
        given:
        def build = buildAnswering(plan('stop', 'svm'))
        build.losses = losses

        when:
        build.run("mlflowTrain(label: 'gpu')")

        then:
        build.result == result
        build.callsOf('node').size() == nodes

        where:
        losses | result    | nodes
        1      | 'SUCCESS' | 4
        2      | 'SUCCESS' | 5
        3      | 'FAILURE' | 4
    }

    @Unroll
    def "a failed candidate under the policy #policy"() {
        given:
        File runner = executable("""
            printf '%s\\n' "\$JENKINS_MLFLOW_REQUEST" >> '${requests.path}'
            printf '%s ' "\$JENKINS_MLFLOW_NONCE"
            case "\$JENKINS_MLFLOW_REQUEST" in
                *dryRun*) echo '{"exit_code":0,"build_result":"SUCCESS","build":"b","on_failure":"${policy}","candidates":[{"name":"good"},{"name":"bad"}]}' ;;
                *'"bad"'*) echo '{"exit_code":1,"build_result":"FAILURE","message":"bad failed (exit code 3)"}' ;;
                *) echo '{"exit_code":0,"build_result":"SUCCESS","status":"trained","message":"fine"}' ;;
            esac""")

        when:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path]).run("mlflowTrain(label: 'gpu')")

        then:
        build.result == result
        build.caught == caught
        requested.last().options.gather == gathered

        where:
        policy     | result    | gathered | caught
        'continue' | 'SUCCESS' | true     | [[stageResult: 'FAILURE', message: 'mlflowTrain: bad failed (exit code 3)']]
        'stop'     | 'FAILURE' | null     | []
    }

    def "a whole pipeline without an agent of its own: an approval holds none, and is recorded"() {
        given:
        def build = buildAnswering(plan('stop', 'svm') + [select: SELECTED, promote: [message: 'promoted heart version 7']])

        when:
        build.run('''mlflowPipeline(label: 'gpu', approve: [submitter: 'ml-leads', timeout: '2h'], milestone: true)''')

        then:
        build.error == null
        build.stages - ['svm'] == ['Train the candidates', 'Select the best', 'Approve the promotion', 'Promote the winner', 'Clean up old versions']
        build.callsOf('timeout')*.args == [[[time: 2, unit: 'HOURS']]]
        build.callsOf('input')*.args == [[[id: 'Promote', ok: 'Promote', message: 'selected ‹heart› version 7. In production it replaces: heart/3',
                                            submitterParameter: 'APPROVER', submitter: 'ml-leads']]]
        requested.last().options.approvedBy == 'ada'
        requested.last().options.over == 'heart/3'
        requested.last().options.version == 7
        build.callsOf('junit')*.args == [[[testResults: 'mlflow-report/gates.xml', allowEmptyResults: true, skipMarkingBuildUnstable: true]]]
        build.description == 'promoted heart version 7'
        ['input', 'lock', 'milestone'].collect { name -> build.calls*.name.indexOf(name) }.with { it == it.sort(false) && !it.contains(-1) }
    }

    def "an approval that is refused changes nothing and passes through"() {
        given:
        def build = buildAnswering(plan('stop', 'svm') + [select: SELECTED, promote: [:]])
        build.answer = new FlowInterruptedException()

        when:
        build.run("mlflowPipeline(label: 'gpu', approve: true)")

        then:
        build.result == 'ABORTED'
        !requested*.command.contains('promote')
    }

    @Unroll
    def "nothing is asked when #why"() {
        given:
        def build = buildAnswering(plan('stop', 'svm') + [select: select, promote: [:]])

        when:
        build.run("mlflowPipeline(label: 'gpu', approve: true${more})")

        then:
        build.error == null
        build.callsOf('input').empty

        where:
        why                  | select                                           | more
        'nothing is better'  | [status: 'champion_kept', message: 'kept', selected: null] | ''
        'it is a dry run'    | SELECTED                                         | ', dryRun: true'
    }

    def "without the optional plugins it works, and says what is missing"() {
        given:
        def build = buildAnswering(plan('stop', 'svm') + [select: SELECTED, promote: [:]])
        build.missing = ['lock', 'milestone', 'junit'] as Set

        when:
        build.run("node { mlflowPipeline() }")

        then:
        build.error == null
        requested*.command == ['train', 'select', 'promote']
        build.log.count('There is no step ') == 3
        build.log.contains('There is no step lock: only the runner itself locks')
    }

    def "names from the registry are harmless on the build's page"() {
        given:
        def build = buildAnswering(promote: [message: 'promoted <script>alert("1")</script> & \'co\'\n[x](y) ' + 'x' * 400], cleanup: [message: 'deleted 2'])

        when:
        build.run("node { mlflowPromote(model: 'm'); mlflowCleanup(models: 'm') }")

        then:
        build.description.startsWith('promoted ‹script›alert("1")‹/script› ＆ \'co\' (x)(y) xxx')
        build.description.endsWith('xxx...; deleted 2')
        !(build.description =~ /[<>&\n]/)
        build.description.size() < 400
    }

    def "a rollback by the step"() {
        when:
        def build = buildAnswering(rollback: [status: 'rolled_back', message: 'rolled back m to version 1'])
            .run("node { return mlflowRollback(model: 'm', to: '1', python: 'python3') }")

        then:
        build.error == null
        requested*.options == [[report: 'mlflow-report', model: 'm', to: 1]]
        build.description == 'rolled back m to version 1'
    }

    @Unroll
    def "the pipeline outside of any agent takes as few as it needs: #arguments"() {
        when:
        def build = buildAnswering(plan('stop', 'svm') + [select: SELECTED, promote: [:], cleanup: [:]])
            .run("mlflowPipeline(cleanup: true${arguments})")

        then:
        build.error == null
        build.nodes.size() == nodes
        build.callsOf('checkout').size() == nodes

        where:
        arguments                        | nodes
        ''                               | 1
        ', approve: true'                | 2
        ", label: 'gpu'"                 | 4 // the plan, the candidate, what it has trained, the rest
        ", label: 'gpu', approve: true"  | 5
    }

    def "a promotion that nobody approves says so on the build's page"() {
        given:
        def build = buildAnswering(plan('stop', 'svm') + [select: SELECTED])
        build.answer = new FlowInterruptedException()

        when:
        build.run("mlflowPipeline(approve: true)")

        then:
        build.result == 'ABORTED'
        build.description == 'not approved: selected ‹heart› version 7; nothing was changed'
    }

}
