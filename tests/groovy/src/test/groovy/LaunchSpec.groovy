import groovy.json.JsonSlurper
import harness.Build
import spock.lang.Unroll

/** How the runner reaches an agent: cold and warm, cached, locked, repaired; and how a request reaches the runner. */
class LaunchSpec extends LibrarySpec {

    /** The faster installer, where it is there. */
    static final String UV = ['uv', new File(Build.CHECKOUT, '.tools/bin/uv').path].find { runs(it) } ?: 'no'
    static final String LIST = "node { mlflowRun(command: 'list') }"
    /** Stands in for the package where the real one's libraries need not be installed. */
    static final String TINY_RUNNER = '''import json, os, sys
        |def main():
        |    document = {"schema": 1, "command": "list", "status": "listed", "exit_code": 0, "message": sys.prefix,
        |        "build_result": "SUCCESS"}
        |    print(os.environ["JENKINS_MLFLOW_NONCE"], json.dumps(document))
        |'''.stripMargin()

    def "a cold agent costs three trips, a warm one a single trip"() {
        given:
        def answers = runner(list: [:]).path

        when:
        def cold = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: answers]).run(LIST)
        def warm = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: answers]).run(LIST)

        then:
        cold.error == null
        cold.agentSteps == ['sh', 'writeFile', 'sh']
        warm.error == null
        warm.agentSteps == ['sh']
        warm.callsOf('libraryResource').size() == 2
        cold.workspace.list() == ['mlflow-report'] // the bundle is gone
    }

    def "whatever a parameter holds arrives untouched in the runner"() {
        given:
        def hostile = '$(touch pwned) `touch pwned` "quoted" \'single\' \\ $HOME ${PATH} $$ %s ; & | \n new line \t 📦 ümläut </script> -x'

        when:
        def build = buildAnswering([params: [MODEL: hostile]], [promote: [:]]).run('node { mlflowPromote(model: params.MODEL) }')

        then:
        build.error == null
        new JsonSlurper().parseText(requests.text).options.model == hostile
        build.workspace.list() == ['mlflow-report']
        build.callsOf('sh').every { it.args[0].script == new File(resources, 'jenkins_mlflow/agent/launch.sh').getText('UTF-8') }
    }

    def "the person who started the build reaches the runner, or the timer and its job"() {
        given:
        def nightly = buildAnswering(list: [:])
        nightly.causes.clear()
        nightly.causes << [_class: 'hudson.triggers.TimerTrigger$TimerTriggerCause', shortDescription: 'Started by timer']

        when:
        buildAnswering(list: [:]).run(LIST)
        nightly.run(LIST)

        then:
        requests.readLines().collect { new JsonSlurper().parseText(it).user } == ['ada', 'timer, job demo']
    }

    def "the build's own name reaches the runner, whatever the agent's locale can say"() {
        when:
        buildAnswering([env: [BUILD_TAG: 'jenkins-für alle-1', JOB_NAME: 'für alle']], [list: [:]]).run(LIST)

        then:
        requests.text.contains('f\\u00fcr alle')
        new JsonSlurper().parseText(requests.text).environment == [BUILD_TAG: 'jenkins-für alle-1', JOB_NAME: 'für alle']
    }

    def "a request becomes a command line of the real runner, value by value"() {
        given:
        def request = '{"command": "promote", "options": {"model": "-x $(id)\\n", "version": 7, "dryRun": true, "stage": null, ' +
            '"minImprovement": "0.5", "models": ["a*", "b c"], "exclusive": false}}'

        when:
        def words = python('import json, sys\nsys.path.insert(0, sys.argv[1])\nfrom jenkins_mlflow.agent.request import command_line\n' +
            'print(json.dumps(command_line(json.loads(sys.argv[2]))))', resources.path, request)

        then:
        new JsonSlurper().parseText(words) == ['promote', '--model=-x $(id)\n', '--version=7', '--dry-run', '--min-improvement=0.5',
                                               '--models=a*', '--models=b c', '--output=json']
    }

    def "the workspace's own modules and PYTHONPATH cannot replace the runner's"() {
        given:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: realPython(), PYTHONPATH: folder.root.path, MLFLOW_TRACKING_URI: 'nonsense://x'])
        ['yaml.py', 'mlflow.py', 'json.py', 'click.py', 'jenkins_mlflow.py'].each {
            new File(build.workspace, it).text = 'raise SystemExit("hijacked")'
            new File(folder.root, it).text = 'raise SystemExit("hijacked")'
        }

        when:
        build.run(LIST)

        then:
        build.result == 'FAILURE'
        build.error.message.contains('nonsense') // the real runner's own refusal
        !build.log.contains('hijacked')
    }

    def "what another program prints is never taken for the runner's answer"() {
        given:
        def forged = '{"schema": 1, "command": "list", "status": "promoted", "exit_code": 0, "message": "forged"}'
        File runner = executable("""
            echo '${forged}'
            echo 'another-nonce ${forged}'
            echo "\$JENKINS_MLFLOW_NONCE {\\"exit_code\\": 0, \\"build_result\\": \\"SUCCESS\\", \\"message\\": \\"true\\"}"
            echo '${forged}'
            printf '%s' ' \$JENKINS_MLFLOW_NONCE ${forged}'
        """)

        when:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path]).run("node { echo(mlflowRun(command: 'list').message) }")

        then:
        build.error == null
        build.log.readLines().last() == 'true'
    }

    def "an answer nested without end does not reach the controller's parser"() {
        given:
        File runner = executable("""
            deep=\$(printf '%050000d' 0 | tr 0 '[')
            echo "\$JENKINS_MLFLOW_NONCE {\\"exit_code\\": 0, \\"message\\": \$deep"
        """)

        when:
        def build = build(env: [JENKINS_MLFLOW_RUNNER_PYTHON: runner.path]).run(LIST)

        then:
        build.error.message == "mlflowRun list: the runner's result is too large to be read on the controller"
    }

    def "brackets and quotes in a text are no nesting"() {
        given:
        def text = '[' * 500 + '\\" {' * 500 + '\\\\'

        expect:
        buildAnswering(list: [message: text]).run("node { echo(mlflowRun(command: 'list').message) }").error == null
    }

    def "arguments that an agent's environment cannot hold are refused before an agent is taken"() {
        when:
        def build = buildAnswering(list: [:]).run("node { mlflowRun(command: 'list', models: (1..20000).collect { 'model' }) }")

        then:
        build.error.message == "mlflowRun list: its arguments have 160037 characters, and an agent takes 100000: " +
            'move long values to the config file'
        build.agentSteps == []
    }

    def "a stale manifest is refused where the runner would be unpacked"() {
        given:
        File stale = folder.newFolder()
        copy(resources, stale)
        new File(stale, 'jenkins_mlflow/cli/main.py') << '# changed\n'

        when:
        def build = build(resources: stale).run(LIST)

        then:
        build.error.message == 'mlflowRun list: what was sent to this agent does not have the key of the library, so none of it was run: ' +
            'its manifest.json is stale (run scripts/manifest.py where its sources were changed), or something on the agent has changed it'
        !new File(folder.root, 'cache').exists()
        build.workspace.list() == []
    }

    def "this checkout's manifest is current"() {
        when:
        Process check = ['python3', 'scripts/manifest.py', '--check'].execute(null as List, Build.CHECKOUT)

        then:
        check.waitFor() == 0
        check.err.text == ''
    }

    def "an agent without python3 is told what to install"() {
        given:
        File bin = folder.newFolder()
        ['id', 'ls', 'tr', 'sh', 'rm'].each { java.nio.file.Files.createSymbolicLink(new File(bin, it).toPath(), new File("/bin/${it}").toPath()) }

        when:
        def build = build(env: [PATH: bin.path]).run(LIST)

        then:
        build.error.message == 'mlflowRun list: no python3 on this agent: install python3 (3.10 or newer) or uv, or name one in JENKINS_MLFLOW_PYTHON'
        build.workspace.list() == [] // the bundle is gone
    }

    @Unroll
    def "a python that is not there is named: #variable"() {
        when:
        def build = build(env: [(variable): '/no/"such"/python$(id)']).run(LIST)

        then:
        build.result == 'FAILURE'
        build.error.message.startsWith("mlflowRun list: ${message}")

        where:
        variable                       | message
        'JENKINS_MLFLOW_PYTHON'        | 'no /no/such/pythonid on this agent: install python3'
        'JENKINS_MLFLOW_RUNNER_PYTHON' | 'JENKINS_MLFLOW_RUNNER_PYTHON: there is no /no/such/pythonid here'
    }

    def "a python3 that is too old is told so"() {
        given: 'a python that says it is 3.6'
        File old = executable("""exec python3 -c 'import sys
            |sys.version_info = (3, 6, 8, "final", 0)
            |code = sys.argv[3]
            |sys.argv = ["-c"] + sys.argv[4:]
            |exec(code)' "\$@" """.stripMargin())

        when:
        def build = build(env: [JENKINS_MLFLOW_PYTHON: old.path]).run(LIST)

        then:
        build.error.message ==~ /mlflowRun list: \S+ is Python 3\.6, too old: install python3 3\.10 or newer, or name one in JENKINS_MLFLOW_PYTHON/
    }

    def "bootstrap.py can be read by a Python 3.4, which has no f-strings and no annotated variables"() {
        expect:
        python('import ast, sys\nast.parse(open(sys.argv[1], encoding="utf-8").read(), feature_version=(3, 4))',
            new File(resources, 'jenkins_mlflow/agent/bootstrap.py').path) == ''
    }

    def "a cache folder that cannot be written is named with its variable"() {
        given:
        File blocked = folder.newFile()

        when:
        def build = build(env: [JENKINS_MLFLOW_CACHE: blocked.path]).run(LIST)

        then:
        build.error.message.startsWith('mlflowRun list: cannot install the runner: ')
        build.error.message.endsWith('; JENKINS_MLFLOW_CACHE names another folder')
    }

    def "without uv, the runner's environment is built by venv and pip"() {
        when:
        def build = build(resources: tinyLibrary(), env: [JENKINS_MLFLOW_UV: 'no']).run(LIST)

        then:
        build.error == null
        new File(folder.root, 'cache').listFiles().any { it.directory && new File(environment(it), 'bin/pip').exists() }
    }

    def "the runner's environment is built once, used from then on, and repaired after a killed build"() {
        given:
        def settings = [resources: tinyLibrary(), env: [JENKINS_MLFLOW_UV: UV, JENKINS_MLFLOW_RUNNER_PYTHON: '']]

        when: 'the first build installs'
        def first = build(settings).run(LIST)

        then:
        first.error == null
        File home = new File(folder.root, 'cache').listFiles().find { it.directory }
        first.log.contains("installing the runner's environment")

        when: 'the next one finds it'
        def second = build(settings).run(LIST + "\nnode { def r = mlflowRun(command: 'list'); echo(r.message) }")

        then:
        second.agentSteps == ['sh', 'sh']
        second.log.toString().trim() == environment(home).path

        when: 'a build was killed before the environment was ready'
        new File(home, 'ready').delete()
        new File(environment(home), 'pyvenv.cfg').delete()
        new File(home, 'src.partial').mkdir()
        def third = build(settings).run(LIST)

        then:
        third.error == null
        third.agentSteps == ['sh', 'writeFile', 'sh']

        when: 'somebody removed the python that the environment was made from'
        new File(environment(home), 'bin/python').delete()
        def fourth = build(settings).run(LIST)

        then:
        fourth.error == null
        fourth.agentSteps == ['sh', 'writeFile', 'sh']

        when: 'somebody removed a file of the library'
        new File(home, 'src/jenkins_mlflow/cli/main.py').delete()
        def fifth = build(settings).run(LIST)

        then:
        fifth.error == null
        fifth.agentSteps == ['sh', 'writeFile', 'sh']
        fifth.workspace.list() == [] // the bundle is gone
    }

    def "runners that no build has used lately are removed when another is installed, but the latest ones"() {
        given: 'by age in days'
        File cache = new File(folder.root, 'cache')
        List<File> homes = (0..4).collect { int days ->
            File ready = new File(cache, "${'0' * 63}${days}/ready")
            ready.parentFile.mkdirs()
            ready.text = ''
            ready.lastModified = System.currentTimeMillis() - days * 24 * 3600 * 1000 - 1000
            return ready.parentFile
        }
        File foreign = new File(cache, 'notes')
        foreign.mkdirs()

        when:
        def build = build(resources: tinyLibrary(), env: [JENKINS_MLFLOW_UV: UV]).run(LIST)

        then:
        build.error == null
        homes*.exists() == [true, true, false, false, false]
        foreign.exists()
        build.log.contains('removing an old runner, last used ')
    }

    def "without a python3, uv finds one"() {
        given:
        File bin = folder.newFolder()
        ['id', 'ls', 'tr', 'sh', 'touch'].each {
            java.nio.file.Files.createSymbolicLink(new File(bin, it).toPath(), new File("/bin/${it}").toPath())
        }
        File uv = executable("""
            case "\$*" in
                '--no-config python find --no-project >=3.10') echo '${realPython()}' ;;
                *) exit 1 ;;
            esac""")

        when:
        def build = build(resources: tinyLibrary(), env: [PATH: bin.path, JENKINS_MLFLOW_UV: uv.path]).run(LIST)

        then: 'that Python was started; the stand-in cannot do more'
        build.log.contains("installing the runner's environment")
        build.error.message.startsWith('mlflowRun list: could not install the runner (')
    }

    def "a folder of wheels replaces the index"() {
        given:
        File wheels = folder.newFolder()
        File called = new File(folder.root, 'called')
        File uv = executable("""echo "\$*" >> ${called.path}; [ "\$1" = venv ] || exit 0
            for venv; do :; done; exec python3 -m venv --without-pip "\$venv" """)

        when:
        def build = build(resources: tinyLibrary(), env: [JENKINS_MLFLOW_UV: uv.path, JENKINS_MLFLOW_WHEELS: wheels.path]).run(LIST)

        then:
        build.error == null
        called.readLines().last().contains("--no-index --find-links ${wheels.path} --require-hashes")
    }

    def "a requirement without a hash is not installed, although it could be"() {
        given:
        File wheels = folder.newFolder()
        python("""import sys, zipfile
            |with zipfile.ZipFile(sys.argv[1] + '/tiny-1.0-py3-none-any.whl', 'w') as wheel:
            |    wheel.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')
            |    wheel.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
            |    wheel.writestr('tiny-1.0.dist-info/RECORD', '')
            |""".stripMargin(), wheels.path)
        Map env = [JENKINS_MLFLOW_UV: UV, PIP_NO_INDEX: '1', UV_OFFLINE: '1', PIP_FIND_LINKS: wheels.path]

        when:
        def build = build(resources: tinyLibrary('tiny==1.0\n'), env: env).run(LIST)

        then:
        build.result == 'FAILURE'
        build.error.message ==~ /mlflowRun list: could not install the runner \((uv pip install|python -I -m)\); .*/
        new File(folder.root, 'cache').listFiles().every { !new File(it, 'ready').exists() }
    }

    def "two builds that start at once on a cold agent both end well, and install once"() {
        given:
        File library = tinyLibrary()
        List<Build> builds = (1..2).collect {
            build(resources: library, env: [JENKINS_MLFLOW_UV: 'no'], workspace: new File(folder.root, "workspace@${it}"))
        }

        when:
        List<Thread> threads = builds.collect { one -> Thread.start { one.run(LIST) } }
        threads*.join()

        then:
        builds*.error == [null, null]
        builds.count { it.log.contains("installing the runner's environment") } == 1
        builds.count { it.log.contains('another build is installing the runner, waiting for it') } <= 1
    }

    /** The library with a runner that needs nothing, so that installing it takes seconds and no network. */
    private File tinyLibrary(String requirements = '') {
        File library = folder.newFolder()
        copy(resources, library)
        File home = new File(library, 'jenkins_mlflow')
        new File(home, 'agent/requirements.txt').text = requirements
        new File(home, 'agent/request.py').text = TINY_RUNNER
        new File(home, 'agent/ready.py').text = ''
        writeManifest(library)
        return library
    }

    /** The one environment of a runner. */
    private static File environment(File home) {
        List found = home.listFiles().findAll { it.name.startsWith('venv.') }
        assert found.size() == 1
        return found[0]
    }

    private static boolean runs(String program) {
        try {
            return [program, '--version'].execute().waitFor() == 0
        } catch (IOException notThere) {
            return false
        }
    }

    private static String python(String code, String... arguments) {
        Process process = [realPython(), '-c', code, *arguments].execute()
        StringBuffer printed = new StringBuffer()
        StringBuffer errors = new StringBuffer()
        process.waitForProcessOutput(printed, errors)
        assert process.exitValue() == 0: errors
        return printed
    }

}
