package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/** The options of the runner's command line. Made by scripts/steps.py: change the command line instead. */
class Options implements Serializable {

    private static final long serialVersionUID = 1L

    /** Each command's parameters and their kinds, see StepArguments.rule. */
    @NonCPS
    static Map kinds() {
        return [
            cleanup: [
                model: 'text', keepLast: 'whole', keepWithin: 'duration', minAge: 'duration', maxDeletions: 'count',
                allowRemoveAll: 'boolean', dryRun: 'boolean', plan: 'text', apply: 'text', at: 'text',
                reclaim: ['none', 'artifacts', 'runs'], noBytes: 'boolean',
                workers: [rule: [' *0*(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16) *', 'a whole number from 1 to 16']],
                rate: [rule: ['(?=[0-9.]*[1-9])[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?', 'a number above 0']],
                stage: ['Production', 'Staging', 'null'], alias: 'text', config: 'text', trackingUri: 'text',
                models: 'texts', report: 'folder', notify: 'block',
            ],
            doctor: [
                probe: 'boolean', storage: 'boolean', load: 'boolean', maxDuration: 'duration',
                stage: ['Production', 'Staging', 'null'], alias: 'text', config: 'text', trackingUri: 'text',
                models: 'texts', report: 'folder', notify: 'block',
            ],
            history: [
                model: 'text', since: 'text', at: 'text', adopt: 'boolean', reason: 'text',
                stage: ['Production', 'Staging', 'null'], alias: 'text', config: 'text', trackingUri: 'text',
                models: 'texts', report: 'folder',
            ],
            lease: [
                model: 'text', version: 'count', holder: 'text', for: 'duration', release: 'boolean',
                config: 'text', trackingUri: 'text', models: 'texts', report: 'folder',
            ],
            list: [
                metric: 'text', stage: ['Production', 'Staging', 'null'], alias: 'text', config: 'text',
                trackingUri: 'text', models: 'texts', report: 'folder',
            ],
            promote: [
                model: 'text', version: 'count', stage: ['Production', 'Staging', 'null'], alias: 'text',
                dryRun: 'boolean', forceMethod: 'texts', approvedBy: 'text', over: 'text', run: 'text',
                recover: 'boolean', toServer: 'text', metric: 'text', direction: ['maximize', 'minimize'],
                minImprovement: 'number', scope: ['build', 'group'], build: 'text', config: 'text',
                trackingUri: 'text', models: 'texts', report: 'folder', notify: 'block',
            ],
            restore: [
                model: 'text', version: 'count', build: 'text', since: 'text', dryRun: 'boolean', config: 'text',
                trackingUri: 'text', models: 'texts', report: 'folder',
            ],
            rollback: [
                model: 'text', to: 'count', recorded: 'boolean', stage: ['Production', 'Staging', 'null'],
                alias: 'text', dryRun: 'boolean', config: 'text', trackingUri: 'text', models: 'texts',
                report: 'folder', notify: 'block',
            ],
            select: [
                stage: ['Production', 'Staging', 'null'], alias: 'text', toServer: 'text', metric: 'text',
                direction: ['maximize', 'minimize'], minImprovement: 'number', scope: ['build', 'group'],
                build: 'text', config: 'text', trackingUri: 'text', models: 'texts', report: 'folder',
                notify: 'block',
            ],
            train: [
                jobs: 'count', only: 'texts', onFailure: ['stop', 'continue'], timeout: 'duration',
                dryRun: 'boolean', build: 'text', config: 'text', trackingUri: 'text', models: 'texts',
                report: 'folder',
            ],
        ]
    }

    /** Parameters that a command requires. */
    @NonCPS
    static Map required() {
        return [
            restore: ['model'],
            rollback: ['model'],
        ]
    }

    /** Parameters that require another one. */
    @NonCPS
    static Map needs() {
        return [
            cleanup: [
                allowRemoveAll: 'model',
            ],
            doctor: [
                load: 'storage', maxDuration: 'storage',
            ],
            history: [
                adopt: 'model',
            ],
            promote: [
                version: 'model',
            ],
        ]
    }

    /** Parameters that cannot be combined with others. */
    @NonCPS
    static Map excludes() {
        return [
            history: [
                adopt: ['since', 'at'],
            ],
            promote: [
                recover: ['model', 'dryRun', 'over', 'run', 'approvedBy', 'toServer'],
            ],
            rollback: [
                recorded: ['to'],
            ],
        ]
    }

}
