import hudson.AbortException
import spock.lang.Unroll

/** Wrong arguments: one clear line, before any trip to the agent. */
class ArgumentsSpec extends LibrarySpec {

    @Unroll
    def "#code is refused: #message"() {
        when:
        def build = build().run("node { ${code} }")

        then:
        build.result == 'FAILURE'
        build.error.class == AbortException
        build.error.message.startsWith(message)
        !build.error.message.contains('\n')
        build.agentSteps == []

        where:
        code                                                  | message
        "mlflowPromote(modle: 'm')"                           | "mlflow promote: unknown parameter 'modle', did you mean 'model'?"
        "mlflowPromote(dryrun: true)"                         | "mlflow promote: unknown parameter 'dryrun', did you mean 'dryRun'?"
        "mlflowPromote(tracking_uri: 'x')"                    | "mlflow promote: unknown parameter 'tracking_uri', did you mean 'trackingUri'?"
        "mlflowPromote(keepLast: 3)"                          | "mlflow promote: unknown parameter 'keepLast'; it takes: agent, alias, approvedBy, build, config"
        "mlflowPromote(command: 'cleanup')"                   | "mlflow promote: unknown parameter 'command'"
        "mlflowPromote(yes: true)"                            | "mlflow promote: unknown parameter 'yes'"
        "mlflowCleanup(model: 'm', version: 3)"               | "mlflow cleanup: unknown parameter 'version'"
        "mlflowTrain(job: 3)"                                 | "mlflow train: unknown parameter 'job', did you mean 'jobs'?"
        "mlflowSelect(metrik: 'auc')"                         | "mlflow select: unknown parameter 'metrik', did you mean 'metric'?"
        "mlflowPipeline(model: 'm')"                          | "mlflow pipeline: unknown parameter 'model', did you mean 'models'?"
        "mlflowPipeline(jobs: 'two')"                         | "mlflow pipeline: jobs must be a whole number from 1, not 'two'"
        "mlflowPromote(model: '')"                            | "mlflow promote: model must be a text that is not blank, not ''"
        "mlflowPromote(model: '   ')"                         | "mlflow promote: model must be a text that is not blank"
        "mlflowPromote(model: ['a', 'b'])"                    | "mlflow promote: model must be a text that is not blank"
        "mlflowPromote(model: [a: 1])"                        | "mlflow promote: model must be a text that is not blank"
        "mlflowPromote(model: 'm', version: 'latest')"        | "mlflow promote: version must be a whole number from 1, not 'latest'"
        "mlflowPromote(model: 'm', version: 0)"               | "mlflow promote: version must be a whole number from 1, not '0'"
        "mlflowPromote(model: 'm', version: '')"              | "mlflow promote: version must be a whole number from 1, not ''"
        "mlflowPromote(model: 'm', version: 7.5)"             | "mlflow promote: version must be a whole number from 1, not '7.5'"
        "mlflowPromote(model: 'm', version: '7; rm -rf /')"   | "mlflow promote: version must be a whole number from 1, not '7; rm -rf /'"
        "mlflowPromote(model: 'm', dryRun: 'yes')"            | "mlflow promote: dryRun must be true or false, not 'yes'"
        "mlflowCleanup(keepLast: -1)"                         | "mlflow cleanup: keepLast must be a whole number, not '-1'"
        "mlflowCleanup(keepLast: '99999999999')"              | "mlflow cleanup: keepLast must be a whole number, not '99999999999'"
        "mlflowCleanup(maxDeletions: 0)"                      | "mlflow cleanup: maxDeletions must be a whole number from 1"
        "mlflowSelect(direction: 'up')"                       | "mlflow select: direction must be one of maximize, minimize, not 'up'"
        "mlflowSelect(scope: 'all')"                          | "mlflow select: scope must be one of build, group, not 'all'"
        "mlflowSelect(minImprovement: 'much')"                | "mlflow select: minImprovement must be a number, not 'much'"
        "mlflowSelect(models: [])"                            | "mlflow select: models must be a text or a list of texts, none blank"
        "mlflowSelect(models: ['a', ' '])"                    | "mlflow select: models must be a text or a list of texts, none blank"
        "mlflowTrain(onFailure: 'ignore')"                    | "mlflow train: onFailure must be one of stop, continue, not 'ignore'"
        "mlflowTrain(report: '/etc')"                         | "mlflow train: report must be a folder in the workspace, not '/etc'"
        "mlflowTrain(report: 'a/../../b')"                    | "mlflow train: report must be a folder in the workspace"
        "mlflowRun(command: 'delete')"                        | "mlflowRun: unknown command 'delete'; there are: cleanup, doctor, list, promote, rollback, select, train"
        "mlflowRun(command: 'pipeline')"                      | "mlflowRun: unknown command 'pipeline'"
        "mlflowTrain(maxParallel: 0)"                         | "mlflow train: maxParallel must be a whole number from 1, not '0'"
        "mlflowTrain(prepare: 'sh')"                          | "mlflow train: prepare must be a block of steps in braces, not 'sh'"
        "mlflowTrain(dir: '../other')"                        | "mlflow train: dir must be a folder in the workspace, not '../other'"
        "mlflowTrain(credentials: [tokn: 'x'])"               | "mlflow train: credentials: unknown parameter 'tokn', did you mean 'token'?"
        "mlflowTrain(credentials: ['a'])"                     | "mlflow train: credentials must be an id of Jenkins' credentials, or a map of login, token"
        "mlflowPipeline(approve: [timeout: 'soon'])"          | "mlflow pipeline: approve: timeout must be a time such as 30m or 2h, not 'soon'"
        "mlflowPipeline(approve: [who: 'me'])"                | "mlflow pipeline: approve: unknown parameter 'who'"
        "mlflowPipeline(approve: 'ada')"                      | "mlflow pipeline: approve must be true, or a map of submitter, timeout, not 'ada'"
        "mlflowPipeline(approve: true)"                       | "mlflow pipeline: approve waits for a person, and must not hold an agent meanwhile"
        "mlflowRollback(model: 'm', to: 'first')"             | "mlflow rollback: to must be a whole number from 1, not 'first'"
        "mlflowAgent(labl: 'x') { }"                          | "mlflow agent: unknown parameter 'labl', did you mean 'label'?"
        "mlflowRun(models: 'm')"                              | "mlflowRun: unknown command 'null'"
    }

    def "text from a build's form becomes what the runner expects, and null counts as not given"() {
        given:
        def params = [VERSION: '7', KEEP: ' 3 ', DRY: 'true', EMPTY: '']

        when:
        def build = buildAnswering([params: params], [promote: [:], cleanup: [:], select: [:]]).run('''node {
            mlflowPromote(model: 'm', version: params.VERSION, dryRun: params.DRY, stage: params.EMPTY ?: null)
            mlflowCleanup(keepLast: params.KEEP, models: "heart-${params.VERSION}", dryRun: false)
            mlflowSelect(models: ['a', "b${1 + 1}"], minImprovement: 0.25)
        }''')

        then:
        build.error == null
        requests.readLines().collect { new groovy.json.JsonSlurper().parseText(it).options } == [
            [report: 'mlflow-report', model: 'm', version: 7, dryRun: true],
            [report: 'mlflow-report', keepLast: 3, models: ['heart-7'], dryRun: false, yes: true],
            [report: 'mlflow-report', models: ['a', 'b2'], minImprovement: '0.25'],
        ]
    }

}
