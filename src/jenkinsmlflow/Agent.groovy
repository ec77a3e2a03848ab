package jenkinsmlflow

/**
 * Where the steps work: on the agent where they are called, or on a new one, with MLflow's credentials.
  *
  * Closures here call methods on a variable, never without one: Jenkins' sandbox refuses some calls that a closure
  * delegates to its owner.
 */
class Agent implements Serializable {

    private static final long serialVersionUID = 1L

    private final Object script

    /** @param script the step's script, through which the pipeline's steps are called */
    Agent(Object script) {
        this.script = script
    }

    /** Runs a block with credentials and folder, here or on a new agent. */
    Object use(Map args, Closure body) {
        if (script.env.WORKSPACE) {
            return equipped(args, body)
        }
        Agent self = this
        return take(args) { self.equipped(args, body) }
    }

    /** Runs a block on a new agent, with the team's sources; archives the report before leaving it. */
    Object take(Map args, Closure body) {
        Agent self = this
        return onOne(args) {
            self.prepare(args)
            self.reported(args, body)
        }
    }

    /** Runs a block and archives the report, even if the block fails. */
    Object reported(Map args, Closure body) {
        Exception failure = null
        try {
            return body()
        } catch (Exception e) {
            failure = e
            throw e
        } finally {
            archive(args, failure) // another build may use the workspace next
        }
    }

    /** Archives this build's report, if there is one; an error in this never hides an earlier one. */
    void archive(Map args, Exception failure = null) {
        Agent self = this
        try {
            inFolder(args) { self.archiveHere("${args.report ?: 'mlflow-report'}") }
        } catch (Exception e) {
            if (failure == null) {
                throw e
            }
            script.echo("The report could not be archived: ${e.message}") // the first failure is the one to show
        }
    }

    /** The folder may belong to another build, if no command of this one has run here. */
    void archiveHere(String report) {
        String mark = "${report}/.jenkins-mlflow-report"
        if (script.fileExists(mark)
                && script.readFile(file: mark, encoding: 'UTF-8').trim() ==
                "${script.env.BUILD_TAG}@${script.currentBuild.startTimeInMillis}") {
            script.archiveArtifacts(artifacts: "${report}/**", allowEmptyArchive: true, followSymlinks: false)
            String page = script.fileExists("${report}/index.html") ? 'index.html' : ''
            script.echo("Report: ${script.env.BUILD_URL}artifact/${report}/${page}")
            if (page) { // the build's page links each archived file below its description
                script.currentBuild.description =
                    PlainText.joined(script.currentBuild.description, "report: ${report}/${page}")
            }
        }
    }

    /** Runs a block with credentials and in the folder, on the agent where it is called. */
    Object equipped(Map args, Closure body) {
        if (!script.isUnix()) {
            script.error('mlflow: agents on Windows are not supported; choose one with Linux or macOS by its label')
        }
        Agent self = this
        List secrets = bindings(StepArguments.credentials(args.credentials))
        return secrets ? script.withCredentials(secrets) { self.inFolder(args, body) } : inFolder(args, body)
    }

    Object inFolder(Map args, Closure body) {
        return args.dir ? script.dir(args.dir, body) : body()
    }

    /** Provides the team's sources: by the caller's own block, else by a checkout of the Jenkinsfile's repository. */
    void prepare(Map args) {
        if (args.prepare) {
            args.prepare.call()
            return
        }
        Object source = null
        try {
            source = script.scm
        } catch (Exception e) { // a job with an inline script has none
            script.echo("No checkout: ${e.message}")
        }
        if (source != null) {
            script.checkout(source)
        }
    }

    /** Allocates an agent as the caller wants: by the caller's block, or by label, and in a container. */
    private Object onOne(Map args, Closure body) {
        if (args.agent) {
            return args.agent.call(body)
        }
        Object steps = script
        return script.node(args.label ?: '') {
            args.image ? steps.docker.image(args.image).inside(body) : body()
        }
    }

    /** MLflow's own variables, so that runner and training scripts find the secrets automatically. */
    private List bindings(Map ids) {
        List found = []
        if (ids.any) {
            found << (isLogin(ids.any) ? login(ids.any) : token(ids.any))
        }
        if (ids.login) {
            found << login(ids.login)
        }
        if (ids.token) {
            found << token(ids.token)
        }
        if (ids.clientCertificate) {
            found << file(ids.clientCertificate, 'MLFLOW_TRACKING_CLIENT_CERT_PATH')
        }
        if (ids.ca) {
            found << file(ids.ca, 'MLFLOW_TRACKING_SERVER_CERT_PATH')
        }
        if (ids.signingKey) {
            found << script.string(credentialsId: ids.signingKey, variable: 'JENKINS_MLFLOW_SIGNING_KEY')
        }
        if (ids.notify) {
            found << script.string(credentialsId: ids.notify, variable: 'JENKINS_MLFLOW_NOTIFY_URLS')
        }
        return found
    }

    /** Whether an id is a login or a token, found by binding it as each; if it is neither, it fails as a login. */
    private boolean isLogin(String id) {
        try {
            script.withCredentials([login(id)]) { }
            return true
        } catch (Exception noLogin) {
            try {
                script.withCredentials([token(id)]) { }
                return false
            } catch (Exception neither) {
                throw noLogin
            }
        }
    }

    private Object login(String id) {
        return script.usernamePassword(
            credentialsId: id,
            usernameVariable: 'MLFLOW_TRACKING_USERNAME',
            passwordVariable: 'MLFLOW_TRACKING_PASSWORD',
        )
    }

    private Object token(String id) {
        return script.string(credentialsId: id, variable: 'MLFLOW_TRACKING_TOKEN')
    }

    private Object file(String id, String variable) {
        return script.file(credentialsId: id, variable: variable)
    }

}
