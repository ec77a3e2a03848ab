import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import java.util.concurrent.TimeUnit

/** A real MLflow server on SQLite, in a folder of its own, for one specification. */
class MlflowServer implements Closeable {

    private static final int SECONDS_TO_START = 90

    final String uri
    private final Process process
    private final File log

    /** @param bin the folder with the `mlflow` command */
    MlflowServer(String bin, File home) {
        int port = new ServerSocket(0).withCloseable { it.localPort }
        uri = "http://127.0.0.1:${port}"
        log = new File(home, 'server.log')
        // python -m, because a long path breaks the #! line of bin/mlflow; setsid, to end its workers with it
        ProcessBuilder builder = new ProcessBuilder('setsid', "${bin}/python", '-m', 'mlflow', 'server', '--host', '127.0.0.1',
            '--port', "${port}", '--workers', '1', '--backend-store-uri', "sqlite:///${home}/mlflow.db",
            '--artifacts-destination', "${home}/artifacts")
        builder.environment().put('MLFLOW_SERVER_ENABLE_JOB_EXECUTION', 'false')
        builder.environment().put('MLFLOW_DISABLE_TELEMETRY', 'true')
        process = builder.directory(home).redirectErrorStream(true).redirectOutput(log).start()
        waitUntilReady()
    }

    /** GET of MLflow's REST API, below /api/2.0/mlflow/. */
    Map get(String path) {
        return new JsonSlurper().parse(new URL("${uri}/api/2.0/mlflow/${path}"), 'UTF-8') as Map
    }

    /** POST of MLflow's REST API, below /api/2.0/mlflow/. */
    Map post(String path, Map body) {
        HttpURLConnection connection = new URL("${uri}/api/2.0/mlflow/${path}").openConnection() as HttpURLConnection
        connection.doOutput = true
        connection.setRequestProperty('Content-Type', 'application/json')
        connection.outputStream.withCloseable { it << JsonOutput.toJson(body) }
        return new JsonSlurper().parse(connection.inputStream, 'UTF-8') as Map
    }

    /** All versions of all models, as MLflow shows them. */
    List<Map> versions() {
        return (get('model-versions/search?max_results=1000').model_versions ?: []) as List<Map>
    }

    @Override
    void close() {
        ['kill', '-TERM', '--', "-${process.pid()}"].execute().waitFor()
        if (!process.waitFor(10, TimeUnit.SECONDS)) {
            ['kill', '-KILL', '--', "-${process.pid()}"].execute().waitFor()
        }
    }

    private void waitUntilReady() {
        long end = System.currentTimeMillis() + SECONDS_TO_START * 1000
        while (System.currentTimeMillis() < end && process.alive) {
            try {
                assert new URL("${uri}/health").text == 'OK'
                return
            } catch (IOException notYet) {
                sleep(200)
            }
        }
        close()
        throw new IllegalStateException("the MLflow server did not start:\n${log.text}")
    }

}
