import spock.lang.Unroll

/** The harness itself: mistakes that only a real Jenkins would show must fail here too. */
class HarnessSpec extends LibrarySpec {

    @Unroll
    def "it catches #mistake"() {
        when:
        build().run(code)

        then:
        AssertionError failure = thrown()
        failure.message.contains(message)

        where:
        mistake                              | message                   | code
        'a value that no restart survives'   | 'not serializable at step' | "def m = ('a' =~ /a/); echo('x'); m.find()"
        'a LazyMap kept across a step'       | 'not serializable at step' | "def m = new groovy.json.JsonSlurper().parseText('{\"a\": 1}'); echo('x'); m.a"
        'a sort by a closure that is CPS'    | 'wound up catching'        | "def key(x) { x }\n[2, 1].toSorted { key(it) }"
        '@NonCPS code that calls CPS code'   | 'wound up catching'        | "import com.cloudbees.groovy.cps.NonCPS\ndef cps() { 1 }\n@NonCPS def plain() { cps() + 1 }\nplain()"
        'sh without a label'                 | 'every sh has a label'     | "node { sh('true') }"
        'a parameter that a step has not'    | 'sh has no such parameter' | "node { sh(script: 'true', label: 'x', returnOutput: true) }"
        'a text in the platform\'s encoding' | 'encoding'                 | "node { writeFile(file: 'x', text: 'y') }"
    }

    def "each iteration of a closure with steps runs"() {
        when:
        def build = build().run("def seen = []\n[1, 2, 3].each { echo(\"\${it}\"); seen << it }\nfor (e in [a: 1]) { echo(e.key) }\nreturn seen")

        then:
        build.value == [1, 2, 3]
        build.callsOf('echo').size() == 4
    }

    def "withEnv replaces variables in its values as Jenkins does"() {
        when:
        def build = build(env: [HOME: '/home/x', PATH: '/bin:/usr/bin']).run('''node {
            withEnv(['A=$HOME ${HOME} $NONE $(id)', 'PATH+MINE=/mine']) {
                return sh(script: 'echo "$A"; echo "$PATH"', returnStdout: true, label: 'look')
            }
        }''')

        then:
        build.value == '/home/x /home/x $NONE $(id)\n/mine:/bin:/usr/bin\n'
    }

    def "a failed sh fails the build as Jenkins does, and its output is in the log"() {
        when:
        def build = build().run("node { sh(script: 'echo out; echo err >&2; exit 3', label: 'fail') }")

        then:
        build.result == 'FAILURE'
        build.error.message == 'script returned exit code 3'
        build.log.readLines().containsAll(['+ echo out', 'out', 'err'])
    }

    def "a declarative pipeline has its parameters' defaults in the first build, skips stages and stops after a failure"() {
        when:
        def build = build(params: [GIVEN: 'form']).run('''
            pipeline {
                agent any
                options { disableConcurrentBuilds() }
                triggers { cron('H 2 * * *') }
                parameters {
                    choice(name: 'CHOICE', choices: ['first', 'second'], description: '')
                    string(name: 'GIVEN', defaultValue: 'default', description: '')
                    booleanParam(name: 'FLAG', defaultValue: true, description: '')
                }
                stages {
                    stage('skipped') {
                        when { expression { params.FLAG == false } }
                        steps { echo('no') }
                    }
                    stage('runs') {
                        when { expression { params.CHOICE == 'first' } }
                        steps { echo("${params.GIVEN} ${env.JOB_NAME}") }
                    }
                    stage('fails') { steps { error('here') } }
                    stage('never') { steps { echo('no') } }
                }
            }
        ''')

        then:
        build.error.message == 'here'
        build.callsOf('echo')*.args.flatten() == ['Stage "skipped" skipped due to when conditional', 'form demo',
                                                  'Stage "never" skipped due to earlier failure(s)']
        build.declared.triggers*.args == [['H 2 * * *']]
    }

    def "a directive that the interpreter does not know is an error"() {
        when:
        build().run("pipeline { agent any\n tools { maven 'x' }\n stages { stage('s') { steps { echo('x') } } } }")

        then:
        AssertionError failure = thrown()
        failure.message.contains('the harness knows no directive tools here')
    }

}
