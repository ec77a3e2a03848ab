package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/**
 * What each step accepts, and the one line that answers anything else.
 *
 * Pure functions without a step or an agent, so a typing mistake costs a build nothing. Values from a build's
 * parameter form are strings, so '3' counts as 3 and 'true' as true.
 */
class StepArguments implements Serializable {

    private static final long serialVersionUID = 1L

    /** Kind of a value to the pattern of its text, and what to ask for. */
    private static final Map KINDS = [
        text: ['(?s).*\\S.*', 'a text that is not blank'],
        flag: ['true|false', 'true or false'],
        whole: [' *[0-9]{1,9} *', 'a whole number'],
        count: [' *0*[1-9][0-9]{0,8} *', 'a whole number from 1'],
        number: ['[0-9]+([.][0-9]+)?', 'a number'],
        // archiveArtifacts takes paths below the workspace only
        folder: ['(?!.*[.][.])[A-Za-z0-9_][A-Za-z0-9_./-]*', 'a folder in the workspace'],
    ]
    private static final Map COMMON = [config: 'text', trackingUri: 'text', models: 'texts', report: 'folder']
    private static final Map TRAINING = [
        jobs: 'count', only: 'texts', build: 'text', onFailure: ['stop', 'continue'], timeout: 'text',
    ]
    private static final Map CHOOSING = [
        metric: 'text', direction: ['maximize', 'minimize'], minImprovement: 'number',
        scope: ['build', 'group'], build: 'text',
    ]
    private static final Map PROMOTING = [stage: 'text', alias: 'text', dryRun: 'flag']
    private static final Map CLEANING = [
        keepLast: 'whole', minAge: 'text', maxDeletions: 'count', dryRun: 'flag',
    ]

    static final List COMMANDS = ['cleanup', 'list', 'promote', 'select', 'train']

    /** Command, or 'pipeline' for all of them, to its parameters and their kinds; a list is a choice. */
    static final Map ACCEPTED = [
        train: COMMON + TRAINING,
        select: COMMON + CHOOSING,
        promote: [model: 'text', version: 'count'] + COMMON + CHOOSING + PROMOTING,
        cleanup: [model: 'text'] + COMMON + CLEANING,
        list: COMMON + [metric: 'text'],
        pipeline: COMMON + TRAINING + CHOOSING + PROMOTING + CLEANING + [cleanup: 'flag'],
    ]

    /** The first thing wrong with the arguments, in one line; empty if they are fine. */
    @NonCPS
    static String problem(String command, Map args) {
        Map accepted = ACCEPTED[command]
        for (Map.Entry argument in args) {
            String name = argument.key
            if (!accepted.containsKey(name)) {
                String hint = suggestion(name, accepted)
                return "mlflow ${command}: unknown parameter '${name}'${hint}; it takes: ${names(accepted)}"
            }
            String expected = argument.value == null ? '' : expectation(accepted[name], argument.value)
            if (expected) {
                return "mlflow ${command}: ${name} must be ${expected}, not '${argument.value}'"
            }
        }
        return ''
    }

    /** The arguments that this command takes, as the runner expects them: typed, and null left out. */
    @NonCPS
    static Map options(String command, Map args) {
        Map given = args.findAll { name, value -> value != null && ACCEPTED[command].containsKey(name) }
        return [report: 'mlflow-report'] + given.collectEntries { name, value ->
            [(name): typed(ACCEPTED[command][name], value)]
        }
    }

    @NonCPS
    private static Object typed(Object kind, Object value) {
        String text = "${value}"
        switch (kind) {
            case 'flag': return text == 'true'
            case 'whole': case 'count': return Integer.valueOf(text.trim())
            case 'texts': return value instanceof Collection ? value.collect { "${it}".toString() } : [text]
            default: return text
        }
    }

    /** What a value of this kind must be; empty if this value is. */
    @NonCPS
    private static String expectation(Object kind, Object value) {
        if (kind instanceof List) {
            return "${value}".toString() in kind ? '' : "one of ${kind.join(', ')}"
        }
        if (kind == 'texts') {
            List texts = value instanceof Collection ? value as List : [value]
            boolean fine = texts && texts.every { !expectation('text', it) }
            return fine ? '' : 'a text or a list of texts, none blank'
        }
        boolean single = value instanceof CharSequence || value instanceof Number || value instanceof Boolean
        return single && "${value}".matches(KINDS[kind][0]) ? '' : KINDS[kind][1]
    }

    @NonCPS
    private static String names(Map accepted) {
        return (accepted.keySet() as List).sort().join(', ')
    }

    @NonCPS
    private static String suggestion(String unknown, Map accepted) {
        String nearest = accepted.keySet().min { distance(plain(unknown), plain(it)) }
        int limit = unknown.length() > 5 ? 3 : 2
        return distance(plain(unknown), plain(nearest)) <= limit ? ", did you mean '${nearest}'?" : ''
    }

    @NonCPS
    private static String plain(String name) {
        return name.toLowerCase().replaceAll('[-_]', '')
    }

    /** Levenshtein's: how many letters to add, drop or change. */
    @NonCPS
    private static int distance(String one, String other) {
        List row = (0..other.length()) as List
        for (int i = 1; i <= one.length(); i++) {
            List next = [i]
            for (int j = 1; j <= other.length(); j++) {
                int change = row[j - 1] + (one.charAt(i - 1) == other.charAt(j - 1) ? 0 : 1)
                next << Math.min(change, Math.min(row[j], next[j - 1]) + 1)
            }
            row = next
        }
        return row[other.length()]
    }

}
