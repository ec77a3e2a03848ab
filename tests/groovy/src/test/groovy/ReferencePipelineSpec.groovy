import harness.Build
import spock.lang.Shared
import spock.lang.Stepwise
import spock.lang.Unroll

/** The Jenkinsfiles of this repository, run to their end against a real MLflow server with the real runner. */
@Stepwise
class ReferencePipelineSpec extends LibrarySpec {

    static final String JENKINSFILE = script('examples/heart-disease/Jenkinsfile')
    static final String BY_HAND = script('jobs/manual.Jenkinsfile')
    static final List<String> STAGES = ['Prepare the training environment', 'Train and promote']

    @Shared
    File home = File.createTempDir()
    @Shared
    MlflowServer server

    def setupSpec() {
        server = new MlflowServer(new File(realPython()).parent, home)
    }

    def cleanupSpec() {
        server?.close()
        home.deleteDir()
    }

    def "the first build, before Jenkins knows its parameters, trains and puts the best model into production"() {
        when:
        def build = job('Jenkinsfile', [MLFLOW_TRACKING_URI: server.uri, BUILD_TAG: 'jenkins-heart-1']).run(JENKINSFILE)

        then:
        build.error == null
        build.result == 'SUCCESS'
        build.stages - STAGES == PipelineSpec.STAGES
        build.declared.parameters*.args*.first()*.name == ['DRY_RUN', 'TRACKING_URI']
        build.archived.contains('mlflow-report/promote.json')
        build.archived.count { it.startsWith('mlflow-report/logs/') } >= 4

        and: 'the registry has the best of at least four models, and only it, in production'
        Map<String, Double> scores = scores()
        scores.size() >= 4
        production()*.name == [scores.max { it.value }.key]
        server.get("registered-models/get?name=${production()[0].name}").registered_model.aliases == [[alias: 'champion', version: '1']]

        and: 'it says who put it there, in which build, by the tags'
        Map tags = production()[0].tags.collectEntries { [(it.key): it.value] }
        tags['jenkins_mlflow.promoted_by'] == 'ada'
        tags['jenkins_mlflow.build_url'] == 'http://jenkins.example/job/demo/1/'
    }

    def "the log says the outcome, and where MLflow shows the version"() {
        when:
        Map champion = production()[0]
        def build = manual(ACTION: 'promote', MODEL: champion.name, VERSION: champion.version)

        then:
        build.error == null
        build.log.readLines().any { it.contains(champion.name) && it.contains('in production already') }
    }

    def "a dry run of the pipeline changes nothing, and shows its plan"() {
        given:
        def before = server.versions()

        when:
        def build = job('dry', [MLFLOW_TRACKING_URI: server.uri], [DRY_RUN: true]).run(JENKINSFILE)

        then:
        build.error == null
        build.stages - STAGES == PipelineSpec.STAGES
        build.log.contains('4 candidates would be trained: ')
        server.versions() == before
    }

    def "a cleanup that finds no config is refused, and says where one is"() {
        given:
        File workspace = new File(folder.root, 'workspace/lost')

        when:
        def build = job('lost', [MLFLOW_TRACKING_URI: server.uri]).run('node { mlflowCleanup() }')

        then:
        build.error.message == "mlflowCleanup: no mlops.yaml in ${workspace}, so cleanup would work on every model of the " +
            'registry; mlops.yaml is at examples/heart-disease/mlops.yaml'
        build.log.contains("next:  write config: 'examples/heart-disease/mlops.yaml', or name models or model; allModels: true")
    }

    def "this library's own pipeline lints and tests it, and its tests are on the build's page"() {
        given:
        File bin = folder.newFolder()
        java.nio.file.Files.move(executable('echo "make $*"').toPath(), new File(bin, 'make').toPath())

        when:
        def build = build(env: [PATH: "${bin}:${System.getenv('PATH')}".toString()]).run(script('Jenkinsfile'))

        then:
        build.error == null
        build.log.readLines().findAll { it.startsWith('make ') } == ['make lint', 'make --keep-going test test-promises']
        build.callsOf('junit').size() == 1
        !build.stages.contains('Train the candidates')
    }

    def "a version named in the form goes into production"() {
        given:
        String before = production()[0].name
        String other = scores().keySet().find { it != before }

        when: 'a dry run'
        def dry = manual(ACTION: 'promote', MODEL: other, VERSION: '1', DRY_RUN: true)

        then:
        dry.error == null
        production()*.name == [before]

        when:
        def build = manual(ACTION: 'promote', MODEL: other, VERSION: '1')

        then:
        build.error == null
        build.agentSteps == ['sh']
        production()*.name == [other]
    }

    def "a version that does not exist fails the build and changes nothing"() {
        given:
        def before = server.versions()

        when:
        def build = manual(ACTION: 'promote', MODEL: before[0].name, VERSION: '99')

        then:
        build.result == 'FAILURE'
        build.error.message.startsWith('mlflowPromote: ')
        build.error.message.contains('99')
        server.versions() == before
    }

    @Unroll
    def "the model '#model' is refused, and nothing is changed"() {
        given:
        def before = server.versions()

        when:
        def build = manual(ACTION: 'promote', MODEL: model)

        then:
        build.result == 'FAILURE'
        build.error.message.startsWith('mlflowPromote: ')
        server.versions() == before
        !new File(build.workspace, 'examples/heart-disease/pwned').exists()

        where:
        model << ['', '$(touch pwned)', '"; touch pwned; "', "' OR 1=1 --", 'no\nsuch 📦', '--yes']
    }

    def "cleanup deletes what the form says, after a dry run that does not"() {
        given: 'three more versions of a model that passes the gates: others take no place that a rule counts'
        String model = scores().max { it.value }.key
        Map first = server.versions().find { it.name == model }
        String id = first.source.minus('models:/')
        3.times { server.post('model-versions/create', [name: model, source: first.source, run_id: first.run_id, model_id: id]) }

        when:
        def dry = manual(ACTION: 'cleanup', MODEL: model, KEEP: '1', DRY_RUN: true)

        then:
        dry.error == null
        numbers(model) == [1, 2, 3, 4]

        when:
        def build = manual(ACTION: 'cleanup', MODEL: model, KEEP: '1')

        then:
        build.error == null
        numbers(model) == [1, 4] // version 1 was in production: a rollback returns to it
    }

    def "the registry can be listed"() {
        when:
        def build = manual(ACTION: 'list')

        then:
        build.error == null
        build.log.contains("📦 ${production()[0].name}") // the person who asks reads it in the log
        build.agentSteps == ['sh']
    }

    def "the nightly cleanup runs by the clock, and keeps what the example's config says"() {
        given:
        def before = server.versions()

        when:
        def build = job('nightly', [MLFLOW_TRACKING_URI: server.uri])
            .run(script('jobs/nightly-cleanup.Jenkinsfile'))

        then:
        build.error == null
        build.declared.triggers[0].args[0] ==~ /H \d+ \* \* \*/
        server.versions()*.name as Set == before*.name as Set
        production().size() == 1
    }

    def "the job for re-runs by hand looks first, then promotes, rolls back and recovers"() {
        given:
        Closure byHand = { Map params -> job('by-hand', [MLFLOW_TRACKING_URI: server.uri], params).run(BY_HAND) }
        String before = production()[0].name
        String other = scores().keySet().find { it != before && numbers(it) == [1] }

        when: 'the first build, whose parameters Jenkins does not know yet'
        def first = byHand([:])

        then:
        first.error == null
        first.agentSteps == ['sh']

        expect: 'a dry run unless it is said otherwise'
        byHand(ACTION: 'promote', MODEL: other, VERSION: '1').error == null
        production()*.name == [before]

        and:
        byHand(ACTION: 'promote', MODEL: other, VERSION: '1', DRY_RUN: false).description.contains(other)
        production()*.name == [other]

        and: "the group's champion comes back, as the config's exclusive says"
        byHand(ACTION: 'rollback', MODEL: other, DRY_RUN: false).error == null
        production()*.name == [before]

        and:
        byHand(ACTION: 'recover').error == null
        byHand(ACTION: 'doctor').error == null
        byHand(ACTION: 'cleanup', KEEP: '1', DRY_RUN: true).error == null
    }

    /** A build in a workspace that has the example checked out, on an agent whose python has the example's libraries. */
    private Build job(String name, Map env, Map params = [:]) {
        File workspace = new File(folder.root, "workspace/${name}")
        copy(new File(Build.CHECKOUT, 'examples'), new File(workspace, 'examples'))
        String path = "${new File(realPython()).parent}:${System.getenv('PATH')}"
        return build(workspace: workspace, params: params,
            env: [PATH: path, JENKINS_MLFLOW_RUNNER_PYTHON: realPython(), JENKINS_MLFLOW_CACHE: new File(home, 'cache').path] + env)
    }

    static String script(String path) {
        return new File(Build.CHECKOUT, path).getText('UTF-8')
    }

    private Build manual(Map params) {
        return job('manual', [:], [TRACKING_URI: server.uri, DRY_RUN: false] + params).run(BY_HAND)
    }

    private List<Map> production() {
        return server.versions().findAll { it.current_stage == 'Production' }
    }

    private List<Integer> numbers(String model) {
        return server.versions().findAll { it.name == model }.collect { it.version as int }.sort()
    }

    /** Model to the roc_auc of its first version's run. */
    private Map<String, Double> scores() {
        return server.versions().findAll { it.version == '1' }.collectEntries { Map version ->
            List metrics = server.get("runs/get?run_id=${version.run_id}").run.data.metrics
            [(version.name): metrics.find { it.key == 'roc_auc' }.value as double]
        }
    }

}
