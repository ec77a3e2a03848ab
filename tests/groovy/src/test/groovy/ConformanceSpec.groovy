import harness.Build
import spock.lang.Unroll

/** Every step has a help page in Jenkins that says what the code accepts, no more and no less. */
class ConformanceSpec extends LibrarySpec {

    static final File VARS = new File(Build.CHECKOUT, 'vars')
    static final List<String> STEPS = VARS.list().findAll { it.endsWith('.groovy') }*.minus('.groovy').sort()

    def "no help page is without a step"() {
        expect:
        STEPS.size() == 10
        VARS.list().findAll { it.endsWith('.txt') }*.minus('.txt').sort() == STEPS
    }

    @Unroll
    def "#step's help names each parameter that it accepts"() {
        expect:
        documented(step) as Set == accepted(step)

        where:
        step << STEPS
    }

    @Unroll
    def "#step refuses a parameter that it does not know, before any trip to the agent"() {
        given:
        String command = step == 'mlflowRun' ? "command: 'list', " : ''

        when:
        def build = build().run("node { ${step}(${command}nonsense: 1)${step == 'mlflowAgent' ? ' { }' : ''} }")

        then:
        build.error.message.contains("unknown parameter 'nonsense'; it takes: ")
        build.agentSteps == []

        where:
        step << STEPS
    }

    @Unroll
    def "the example in #step's help runs as it stands"() {
        given:
        Map select = [status: 'selected', selected: [model: 'heart-disease-svm', version: 7]]
        Map plan = [candidates: [[name: 'svm'], [name: 'knn']], on_failure: 'stop', build: 'b-1']
        Map documents = [train: plan, select: select, promote: [:], cleanup: [:], rollback: [:], lease: [:], doctor: [:],
                         list: [models: [[name: 'm', versions: []]]]]
        Map settings = [params: [VERSION: '', DRY_RUN: 'false'], credentials: ['mlflow-prod': [kind: 'login', values: ['u', 'p']]]]
        String example = example(step)

        when:
        def build = buildAnswering(settings, documents).run(example.startsWith('pipeline') ? example : "node {\n${example}\n}")

        then:
        build.error == null
        build.calls*.name.contains('sh')

        where:
        step << STEPS
    }

    @Unroll
    def "the Jenkinsfile in #page runs as it stands: #title"() {
        given:
        Map plan = [candidates: [[name: 'svm']], on_failure: 'stop', build: 'b-1']
        Map select = [status: 'selected', selected: [model: 'm', version: 7], message: 'm is best']
        Map credentials = ['mlflow-prod': [kind: 'login', values: ['u', 'p']], 'mlflow-token': [kind: 'token', values: ['t']],
                           'company-ca': [kind: 'file', values: ['ca.pem']],
                           'teams-workflow': [kind: 'token', values: ['https://teams.example/workflow']]]
        Map promoted = [status: 'promoted', event: 'promoted', message: 'promoted m version 7']
        Map drift = [status: 'drift', exit_code: 7, event: 'drift', message: 'm was changed outside']

        when:
        def build = buildAnswering([credentials: credentials], [train: plan, select: select, promote: promoted, cleanup: [:], doctor: drift])
        new File(build.workspace, 'mlflow-report').mkdirs()
        new File(build.workspace, 'mlflow-report/index.html').text = 'page'
        build.run(text)

        then:
        build.error == null
        build.calls*.name.contains('sh')
        !build.log.contains('by the block notify failed')
        build.sent.size() == (text.contains('notify:') && !text.contains("notify: '") ? 1 : 0)
        build.published.size() == text.count('publishHTML')

        where:
        [page, title, text] << jenkinsfiles()
    }

    @Unroll
    def "#step's help is plain text that no markup formatter changes"() {
        expect:
        !(help(step) =~ /[<>&]/)
        help(step).readLines().every { it.length() <= 120 }

        where:
        step << STEPS
    }

    /** The Groovy blocks of the documentation: page, first line of the steps, text. */
    static List<List<String>> jenkinsfiles() {
        List<List<String>> found = []
        ['README.md', 'docs/jenkins.md', 'docs/notify.md', 'docs/report.md'].each { String page ->
            (new File(Build.CHECKOUT, page).getText('UTF-8') =~ /(?s)```groovy\n(.*?)```/).each { List<String> match ->
                found << [page, match[1].readLines().find { it.contains('mlflow') && !it.contains('@') }.trim(), match[1]]
            }
        }
        assert found*.first().toSet().size() == 4
        return found
    }

    private static String help(String step) {
        return new File(VARS, "${step}.txt").getText('UTF-8')
    }

    private static String example(String step) {
        return help(step).readLines().findAll { it.startsWith('    ') }*.substring(4).join('\n')
    }

    private static List<String> documented(String step) {
        return help(step).readLines().findAll { it ==~ /- \w+(, \w+)*: .*/ }.collectMany { it.substring(2, it.indexOf(':')).split(', ') as List }
    }

    /** What the code says when it is asked for something that it does not know. */
    private Set<String> accepted(String step) {
        String command = step == 'mlflowRun' ? "command: 'list', " : ''
        String message = build().run("node { ${step}(${command}nonsense: 1)${step == 'mlflowAgent' ? ' { }' : ''} }").error.message
        List<String> names = message.substring(message.indexOf('it takes: ') + 10).split(', ')
        return (command ? names + 'command' : names) as Set
    }

}
