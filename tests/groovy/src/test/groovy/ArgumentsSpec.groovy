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
        build.description.startsWith('mlflow')
        build.agentSteps == []

        where:
        code                                                  | message
        "mlflowPromote(modle: 'm')"                           | "mlflowPromote: unknown parameter 'modle', did you mean 'model'?"
        "mlflowPromote(dryrun: true)"                         | "mlflowPromote: unknown parameter 'dryrun', did you mean 'dryRun'?"
        "mlflowPromote(tracking_uri: 'x')"                    | "mlflowPromote: unknown parameter 'tracking_uri', did you mean 'trackingUri'?"
        "mlflowPromote(keepLast: 3)"                          | "mlflowPromote: unknown parameter 'keepLast'; it takes: agent, alias, allModels, approvedBy, build, config"
        "mlflowPromote(command: 'cleanup')"                   | "mlflowPromote: unknown parameter 'command'"
        "mlflowPromote(yes: true)"                            | "mlflowPromote: unknown parameter 'yes'"
        "mlflowCleanup(model: 'm', version: 3)"               | "mlflowCleanup: unknown parameter 'version'"
        "mlflowTrain(job: 3)"                                 | "mlflowTrain: unknown parameter 'job', did you mean 'jobs'?"
        "mlflowSelect(metrik: 'auc')"                         | "mlflowSelect: unknown parameter 'metrik', did you mean 'metric'?"
        "mlflowPipeline(model: 'm')"                          | "mlflowPipeline: unknown parameter 'model', did you mean 'models'?"
        "mlflowPipeline(jobs: 'two')"                         | "mlflowPipeline: jobs must be a whole number from 1, not 'two'"
        "mlflowPromote(model: '')"                            | "mlflowPromote: model must be a text that is not blank, not ''"
        "mlflowPromote(model: '   ')"                         | "mlflowPromote: model must be a text that is not blank"
        "mlflowPromote(model: ['a', 'b'])"                    | "mlflowPromote: model must be a text that is not blank"
        "mlflowPromote(model: [a: 1])"                        | "mlflowPromote: model must be a text that is not blank"
        "mlflowPromote(model: 'm', version: 'latest')"        | "mlflowPromote: version must be a whole number from 1, not 'latest'"
        "mlflowPromote(model: 'm', version: 0)"               | "mlflowPromote: version must be a whole number from 1, not '0'"
        "mlflowPromote(model: 'm', version: '')"              | "mlflowPromote: version must be a whole number from 1, not ''"
        "mlflowPromote(model: 'm', version: 7.5)"             | "mlflowPromote: version must be a whole number from 1, not '7.5'"
        "mlflowPromote(model: 'm', version: '7; rm -rf /')"   | "mlflowPromote: version must be a whole number from 1, not '7; rm -rf /'"
        "mlflowPromote(model: 'm', dryRun: 'yes')"            | "mlflowPromote: dryRun must be true or false, not 'yes'"
        "mlflowCleanup(keepLast: -1)"                         | "mlflowCleanup: keepLast must be a whole number, not '-1'"
        "mlflowCleanup(keepLast: '99999999999')"              | "mlflowCleanup: keepLast must be a whole number, not '99999999999'"
        "mlflowCleanup(maxDeletions: 0)"                      | "mlflowCleanup: maxDeletions must be a whole number from 1"
        "mlflowSelect(direction: 'up')"                       | "mlflowSelect: direction must be one of maximize, minimize, not 'up'"
        "mlflowSelect(scope: 'all')"                          | "mlflowSelect: scope must be one of build, group, not 'all'"
        "mlflowSelect(minImprovement: 'much')"                | "mlflowSelect: minImprovement must be a number, not 'much'"
        "mlflowSelect(minImprovement: '5.0E')"                | "mlflowSelect: minImprovement must be a number, not '5.0E'"
        "mlflowSelect(minImprovement: -0.5)"                  | "mlflowSelect: minImprovement must be a number, not '-0.5'"
        "mlflowSelect(models: [])"                            | "mlflowSelect: models must be a text or a list of texts, none blank"
        "mlflowSelect(models: ['a', ' '])"                    | "mlflowSelect: models must be a text or a list of texts, none blank"
        "mlflowTrain(onFailure: 'ignore')"                    | "mlflowTrain: onFailure must be one of stop, continue, not 'ignore'"
        "mlflowTrain(report: '/etc')"                         | "mlflowTrain: report must be a folder in the workspace, not '/etc'"
        "mlflowTrain(report: 'a/../../b')"                    | "mlflowTrain: report must be a folder in the workspace"
        "mlflowRun(command: 'delete')"                        | "mlflowRun: unknown command 'delete'; choose one of: cleanup, doctor, history, lease, list, promote, restore, rollback, select, train"
        "mlflowRun(command: 'pipeline')"                      | "mlflowRun: unknown command 'pipeline'"
        "mlflowTrain(maxParallel: 0)"                         | "mlflowTrain: maxParallel must be a whole number from 1, not '0'"
        "mlflowTrain(prepare: 'sh')"                          | "mlflowTrain: prepare must be a block of steps in braces, not 'sh'"
        "mlflowTrain(dir: '../other')"                        | "mlflowTrain: dir must be a folder in the workspace, not '../other'"
        "mlflowTrain(credentials: [tokn: 'x'])"               | "mlflowTrain: credentials: unknown parameter 'tokn', did you mean 'token'?"
        "mlflowTrain(credentials: ['a'])"                     | "mlflowTrain: credentials must be an id of Jenkins' credentials, or a map of login, token"
        "mlflowPipeline(approve: [timeout: 'soon'])"          | "mlflowPipeline: approve: timeout must be a time such as 30m or 2h, not 'soon'"
        "mlflowPipeline(approve: [who: 'me'])"                | "mlflowPipeline: approve: unknown parameter 'who'"
        "mlflowPipeline(approve: 'ada')"                      | "mlflowPipeline: approve must be true, or a map of submitter, timeout, not 'ada'"
        "mlflowPipeline(approve: true)"                       | "mlflowPipeline: approve waits for a person and must not hold an agent while it waits"
        "mlflowRollback(model: 'm', to: 'first')"             | "mlflowRollback: to must be a whole number from 1, not 'first'"
        "mlflowAgent(labl: 'x') { }"                          | "mlflowAgent: unknown parameter 'labl', did you mean 'label'?"
        "mlflowRun(models: 'm')"                              | "mlflowRun: unknown command 'null'"
        "mlflowRollback()"                                    | "mlflowRollback: model is required"
        "mlflowLease(model: 'm')"                             | "mlflowLease: a lease needs model, version and holder, and either for or release"
        "mlflowLease(for: '30d')"                             | "mlflowLease: a lease needs model, version and holder, and either for or release"
        "mlflowLease(model: 'm', version: 1, holder: 'eu')"   | "mlflowLease: a lease needs model, version and holder, and either for or release"
        "mlflowLease(model: 'm', version: 1, holder: 'eu', for: '1d', release: true)" | "mlflowLease: a lease needs model, version and holder, and either"
        "mlflowLease(model: 'm', version: 1, holder: 'eu', for: 30)" | "mlflowLease: for must be a time such as 30m, 2h or 7d, not '30'"
        "mlflowRun(command: 'restore')"                       | "mlflowRun restore: model is required"
        "mlflowRun(command: 'rollback', to: 1)"               | "mlflowRun rollback: model is required"
        "mlflowPromote(version: '3')"                         | "mlflowPromote: version needs model"
        "mlflowPromote(recover: true, dryRun: 'true')"        | "mlflowPromote: recover cannot be combined with dryRun"
        "mlflowCleanup(allowRemoveAll: true, models: 'm')"    | "mlflowCleanup: allowRemoveAll needs model"
        "mlflowPipeline(allowRemoveAll: true, cleanup: true)" | "mlflowPipeline: unknown parameter 'allowRemoveAll'; it takes: "
        "mlflowCleanup(workers: 17)"                          | "mlflowCleanup: workers must be a whole number from 1 to 16, not '17'"
        "mlflowCleanup(workers: '0')"                         | "mlflowCleanup: workers must be a whole number from 1 to 16, not '0'"
        "mlflowPipeline(workers: '1.5', cleanup: true)"       | "mlflowPipeline: workers must be a whole number from 1 to 16, not '1.5'"
        "mlflowCleanup(rate: 0)"                              | "mlflowCleanup: rate must be a number above 0, not '0'"
        "mlflowPipeline(rate: '0.00', cleanup: true)"         | "mlflowPipeline: rate must be a number above 0, not '0.00'"
        "mlflowCleanup(rate: '0e5')"                          | "mlflowCleanup: rate must be a number above 0, not '0e5'"
        "mlflowCleanup(rate: -2)"                             | "mlflowCleanup: rate must be a number above 0, not '-2'"
        "mlflowCleanup(keepWithin: 7)"                        | "mlflowCleanup: keepWithin must be a time such as 30m, 2h or 7d, not '7'"
        "mlflowCleanup(minAge: 7)"                            | "mlflowCleanup: minAge must be a time such as 30m, 2h or 7d, not '7'"
        "mlflowTrain(timeout: '10 minutes')"                  | "mlflowTrain: timeout must be a time such as 30m, 2h or 7d, not '10 minutes'"
        "mlflowSelect(stage: 'Prod')"                         | "mlflowSelect: stage must be one of Production, Staging, null, not 'Prod'"
        "mlflowPromote('heart')"                              | "mlflowPromote: parameters have names; write mlflowPromote(model: 'heart')"
        "mlflowSelect(['a'])"                                 | "mlflowSelect: parameters have names; write mlflowSelect(models: '...')"
        "mlflowPipeline('mlops.yaml')"                        | "mlflowPipeline: parameters have names; write mlflowPipeline(config: 'mlops.yaml')"
        "mlflowRun('list')"                                   | "mlflowRun: parameters have names; write mlflowRun(command: 'list')"
        "mlflowAgent('linux') { }"                            | "mlflowAgent: parameters have names; write mlflowAgent(label: 'linux')"
    }

    def "text from a build's form becomes what the runner expects, and null counts as not given"() {
        given:
        def params = [VERSION: '7', KEEP: ' 3 ', DRY: 'true', EMPTY: '']

        when:
        def build = buildAnswering([params: params], [promote: [:], cleanup: [:], select: [:]]).run('''node {
            mlflowPromote(model: 'm', version: params.VERSION, dryRun: params.DRY, stage: params.EMPTY ?: null)
            mlflowCleanup(keepLast: params.KEEP, models: "heart-${params.VERSION}", dryRun: false)
            mlflowSelect(models: ['a', "b${1 + 1}"], minImprovement: 0.25)
            mlflowCleanup(model: 'm', allowRemoveAll: true, workers: ' 16 ', rate: 0.0005)
        }''')

        then:
        build.error == null
        requests.readLines().collect { new groovy.json.JsonSlurper().parseText(it).options } == [
            [report: 'mlflow-report', model: 'm', version: 7, dryRun: true],
            [report: 'mlflow-report', keepLast: 3, models: ['heart-7'], dryRun: false, yes: true],
            [report: 'mlflow-report', models: ['a', 'b2'], minImprovement: '0.25'],
            [report: 'mlflow-report', model: 'm', allowRemoveAll: true, workers: ' 16 ', rate: '0.0005', yes: true],
        ]
    }

    @Unroll
    def "#code is a number: #sent"() {
        when:
        def build = buildAnswering([select: [:]]).run("node { mlflowSelect(minImprovement: ${code}) }")

        then:
        build.error == null
        new groovy.json.JsonSlurper().parseText(requests.text).options.minImprovement == sent

        where:
        code                  | sent
        "0"                   | '0'
        "'0.0005'"            | '0.0005'
        "'0.0005'.toDouble()" | '5.0E-4' // as Java prints a small number
        "0.0000001"           | '1E-7'
        "'1e-3'"              | '1e-3'
        "12345678.0d"         | '1.2345678E7'
        "'1.5e+3'"            | '1.5e+3'
    }

}
