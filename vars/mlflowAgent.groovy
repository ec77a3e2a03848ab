import jenkinsmlflow.StepArguments

/** Runs a block where the steps of this library can work, see mlflowAgent.txt. */
Object call(Map args = [:], Closure body) {
    mlflowRun.check('agent', args)
    return env.WORKSPACE ? equipped(args, body) : take(args, body)
}

/** The same on an agent taken for it, wherever the caller is; the report is archived before it is left. */
Object take(Map args, Closure body) {
    return onOne(args) {
        prepare(args)
        equipped(args) { reported(args, body) }
    }
}

private Object reported(Map args, Closure body) {
    Exception failure = null
    try {
        return body()
    } catch (Exception e) {
        failure = e
        throw e
    } finally {
        archiveReport("${args.report ?: 'mlflow-report'}", failure) // the workspace is another build's soon
    }
}

/** Archives the report folder; a failure to do so never hides an earlier one. */
void archiveReport(String report, Exception failure) {
    try {
        archiveArtifacts(artifacts: "${report}/**", allowEmptyArchive: true, followSymlinks: false)
    } catch (Exception e) {
        if (failure == null) {
            throw e
        }
        echo("The report could not be archived: ${e.message}") // the first failure is the one to show
    }
}

/** Takes an agent the way the caller wants it: by a block of its own, by label, and in a container. */
private Object onOne(Map args, Closure body) {
    if (args.agent) {
        return args.agent.call(body)
    }
    return node(args.label ?: '') {
        args.image ? docker.image(args.image).inside(body) : body()
    }
}

/** Brings the team's sources: the caller's own block, else a checkout of what the Jenkinsfile came from. */
private void prepare(Map args) {
    if (args.prepare) {
        args.prepare.call()
        return
    }
    Object source = null
    try {
        source = scm
    } catch (Exception e) { // a job whose script is typed into its form has none
        echo("No checkout: ${e.message}")
    }
    if (source != null) {
        checkout(source)
    }
}

private Object equipped(Map args, Closure body) {
    if (!isUnix()) {
        error('mlflow: agents on Windows are not supported; choose one with Linux or macOS by its label')
    }
    List secrets = bindings(StepArguments.credentials(args.credentials))
    return secrets ? withCredentials(secrets) { inFolder(args, body) } : inFolder(args, body)
}

private Object inFolder(Map args, Closure body) {
    return args.dir ? dir(args.dir, body) : body()
}

/** MLflow's own variables, so that runner and training scripts find the secrets without being told. */
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
        found << file(credentialsId: ids.clientCertificate, variable: 'MLFLOW_TRACKING_CLIENT_CERT_PATH')
    }
    if (ids.ca) {
        found << file(credentialsId: ids.ca, variable: 'MLFLOW_TRACKING_SERVER_CERT_PATH')
    }
    return found
}

private boolean isLogin(String id) {
    try {
        withCredentials([login(id)]) { }
        return true
    } catch (Exception e) {
        if ("${e.message}".contains('is of type')) { // credentials of another kind, so it can only be a token
            return false
        }
        throw e
    }
}

private Object login(String id) {
    return usernamePassword(
        credentialsId: id,
        usernameVariable: 'MLFLOW_TRACKING_USERNAME',
        passwordVariable: 'MLFLOW_TRACKING_PASSWORD',
    )
}

private Object token(String id) {
    return string(credentialsId: id, variable: 'MLFLOW_TRACKING_TOKEN')
}
