package harness

import harness.CpsProgram.StepCall
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * One build of one job: runs a Jenkinsfile with this checkout's library and remembers what happened.
 *
 * The workspace is a real folder and `sh` really runs; see Steps for what each step does.
 */
class Build {

    static final File CHECKOUT = new File('../..').canonicalFile
    /** Steps that take a trip to the agent, the ones that a budget counts. */
    static final List<String> AGENT_STEPS = ['sh', 'writeFile', 'readFile', 'fileExists', 'archiveArtifacts', 'deleteDir', 'junit']

    private static final ThreadLocal<Build> CURRENT = new ThreadLocal<>()

    final File workspace
    /** What the agent's own environment has. */
    final Map<String, String> agentEnvironment
    /** Parameters of the build's form: always text, or Boolean for a check box. */
    Map<String, Object> params
    /** The library's resources/ folder. */
    final File resources
    final List<Map> causes = [[_class: 'hudson.model.Cause$UserIdCause', shortDescription: 'Started by user ada', userId: 'ada', userName: 'Ada']]
    final StringBuffer log = new StringBuffer()
    /** Every step in order: [name:, args:]. */
    final List<Map> calls = []
    final Set<String> archived = new TreeSet<>()
    /** What HTML Publisher was told to link. */
    final List<Map> published = []
    /** The texts that went to a chat or by mail. */
    final List<String> sent = []
    final Steps steps
    final CpsProgram program
    /** When this becomes true while `sh` runs, somebody has pressed the abort button. */
    Closure<Boolean> aborted = { false }
    String result = 'SUCCESS'
    String description
    /** Steps of plugins that this controller has not. */
    Set<String> missing = []
    /** The agent runs Windows. */
    boolean windows = false
    /** Credentials by id: [kind:, values:], see Steps. */
    Map<String, Map> credentials = [:]
    /** What a person answers to `input`; a Throwable is thrown. */
    Object answer = 'ada'
    /** Where the Jenkinsfile came from; null for a script typed into the job's form. */
    Map scm = [url: 'https://git.example/team.git']
    /** Labels of the agents taken, in order; a container shows as label in image. */
    final List<String> nodes = []
    /** How many agents are lost, one after the other, as soon as `sh` has run on them. */
    int losses = 0
    /** The result of each catchError that caught something: [stageResult:, message:]. */
    final List<Map> caught = []
    Throwable error
    Object value
    /** What a declarative pipeline declares: options, parameters and triggers, each a list of [name:, args:]. */
    final Map<String, List<Map>> declared = [:]

    static final long STARTED = 1764485000000

    private final Map<String, Script> globals = [:]

    Build(Map settings) {
        workspace = settings.workspace
        workspace.mkdirs()
        resources = settings.resources ?: new File(CHECKOUT, 'resources')
        params = (settings.params ?: [:]).asImmutable()
        credentials = settings.credentials ?: [:]
        agentEnvironment = (System.getenv().findAll { name, text -> name in ['PATH', 'HOME', 'LANG'] } +
            [BUILD_TAG: 'jenkins-demo-1', BUILD_URL: 'http://jenkins.example/job/demo/1/', JOB_NAME: 'demo', BUILD_NUMBER: '1'] + (settings.env ?: [:])) as Map<String, String>
        steps = new Steps(this)
        program = new CpsProgram(CHECKOUT, this.&perform)
    }

    static Build getCurrent() {
        return CURRENT.get()
    }

    /** Runs a Jenkinsfile to its end; never throws what the pipeline threw, see `result` and `error`. */
    Build run(String jenkinsfile) {
        CURRENT.set(this)
        try {
            value = program.run(jenkinsfile)
        } catch (AssertionError harnessFailure) {
            throw harnessFailure
        } catch (Throwable failure) {
            error = failure
            worsen(failure instanceof FlowInterruptedException ? 'ABORTED' : 'FAILURE')
            log << (failure instanceof AbortException ? "ERROR: ${failure.message}\n" : "${failure}\n")
        } finally {
            CURRENT.remove()
        }
        return this
    }

    /** Sets the result, which can only get worse. */
    void worsen(String other) {
        List order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
        result = order[Math.max(order.indexOf(result), order.indexOf(other))]
    }

    /** The calls of one step, as [name:, args:]. */
    List<Map> callsOf(String name) {
        return calls.findAll { it.name == name }
    }

    List<String> getAgentSteps() {
        return calls*.name.findAll { it in AGENT_STEPS }
    }

    List<String> getStages() {
        return callsOf('stage').collect { it.args[0] }
    }

    /** Notes a declarative section; declared parameters have their defaults from the very first build on. */
    void declare(String section, List<Map> entries) {
        declared[section] = entries
        if (section == 'parameters') {
            params = (entries.collectEntries { entry ->
                Map args = entry.args[0]
                [(args.name): entry.name == 'choice' ? args.choices[0] : args.defaultValue]
            } + params).asImmutable()
        }
    }

    /** A library step, or what Jenkins and its plugins bring as pipeline code. */
    Script global(String name) {
        if (!globals.containsKey(name)) {
            File jenkins = new File("src/test/resources/harness/${name}.groovy")
            File file = jenkins.file ? jenkins : new File(CHECKOUT, "vars/${name}.groovy")
            globals[name] = file.file ? program.load(file) : null
        }
        return globals[name]
    }

    /** A global variable: env, params, currentBuild, a library step, or an environment variable by its bare name. */
    Object variable(String name) {
        switch (name) {
            case 'env': return new EnvironmentVariables()
            case 'params': return params
            case 'currentBuild': return new CurrentBuild()
            case 'scm': return scm
            default: return global(name) ?: steps.environment()[name]
        }
    }

    @Override
    String toString() {
        return "${result}, ${calls*.name}, log:\n${log}"
    }

    private Object perform(StepCall call) {
        calls << [name: call.name, args: call.args.findAll { !(it instanceof Closure) }]
        return steps.invokeMethod(call.name, call.args.toArray())
    }

    /** `env`: reads what a step would see. */
    static class EnvironmentVariables implements Serializable {

        Object getProperty(String name) {
            return Build.current.steps.environment()[name]
        }

    }

    /** `currentBuild`, with the real shapes: causes are a list of maps. */
    static class CurrentBuild implements Serializable {

        /** When the build began; the same after a restart of Jenkins, and on every agent. */
        long getStartTimeInMillis() {
            return Build.STARTED
        }

        String getDescription() {
            return Build.current.description
        }

        void setDescription(String text) {
            Build.current.description = text
        }

        String getResult() {
            return Build.current.result == 'SUCCESS' ? null : Build.current.result
        }

        String getCurrentResult() {
            return Build.current.result
        }

        List<Map> getBuildCauses(String type = null) {
            return Build.current.causes.findAll { type == null || it._class == type }
        }

    }

}
