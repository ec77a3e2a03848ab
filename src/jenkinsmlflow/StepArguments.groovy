package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/**
 * The parameters that each step accepts, and the one-line message for anything else.
 *
 * Pure functions without a step or an agent, so a typing mistake costs a build nothing. Values from a build's
 * parameter form are strings, so '3' counts as 3 and 'true' as true.
 *
 * The sandbox of a real Jenkins (script-security 1385) requires loops where a closure would call a method of
 * this class ("staticMethod DefaultGroovyMethods invokeMethod"), and methods where a static field would be
 * made from another ("staticField jenkinsmlflow.StepArguments": a build resumed after a restart).
 */
class StepArguments implements Serializable {

    private static final long serialVersionUID = 1L

    /** The commands that a step may run. */
    @NonCPS
    static List commands() {
        return (Options.kinds().keySet() as List).sort()
    }

    /** The start of a step's messages: its name, and the command if the name does not contain it. */
    @NonCPS
    static String head(String step, String command) {
        String name = "mlflow${command.substring(0, 1).toUpperCase()}${command.substring(1)}"
        return step == name ? step : "${step} ${command}".toString()
    }

    /**
     * The parameters of a command, of the pipeline, or of an agent alone, with their kinds. Those of the runner are
     * in Options, made from the command line; those that only the steps have are added here.
     */
    @NonCPS
    static Map kinds(String command) {
        if (command == 'agent') {
            return place()
        }
        if (command == 'pipeline') {
            Map all = place() + spreading() + [
                cleanup: 'boolean', approve: 'approval', milestone: 'boolean', promoteChanges: 'boolean',
                comment: 'block',
            ]
            for (String part in ['train', 'select', 'promote', 'cleanup']) {
                all = Options.kinds()[part] + all
            }
            // set by the selection, the approval and the pipeline; allowRemoveAll needs model
            List said = [
                'model', 'version', 'recover', 'approvedBy', 'over', 'run', 'plan', 'apply', 'at', 'allowRemoveAll',
            ]
            for (String name in said) {
                all.remove(name)
            }
            return all
        }
        Map added = [train: spreading(), promote: [allModels: 'boolean'], cleanup: [allModels: 'boolean']]
        return Options.kinds()[command] + place() + (added[command] ?: [:])
    }

    /** The agent, folder and credentials of a step that is called outside an agent. */
    @NonCPS
    private static Map place() {
        return [
            label: 'text', image: 'text', agent: 'block', prepare: 'block', dir: 'folder',
            credentials: 'credentials', python: 'text', report: 'folder', // every command has report, too
        ]
    }

    @NonCPS
    private static Map spreading() {
        return [maxParallel: 'count']
    }

    /** The keys of an argument that may be a map. */
    @NonCPS
    private static Map parts(Object kind) {
        Map known = [
            credentials: [
                login: 'text', token: 'text', clientCertificate: 'text', ca: 'text', signingKey: 'text', notify: 'text',
            ],
            approval: [submitter: 'text', timeout: 'span'],
        ]
        return known[kind]
    }

    /** The pattern of a value's text, and its description for messages. */
    @NonCPS
    private static List rule(Object kind) {
        Map rules = [
            text: ['(?s).*\\S.*', 'a text that is not blank'],
            'boolean': ['true|false', 'true or false'],
            whole: [' *[0-9]{1,9} *', 'a whole number'],
            count: [' *0*[1-9][0-9]{0,8} *', 'a whole number from 1'],
            number: ['[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?', 'a number'], // Java prints 0.0005 as 5.0E-4
            span: [' *0*[1-9][0-9]{0,5} *[smhd] *', 'a time such as 30m or 2h'],
            duration: [' *(0|[0-9]+([.][0-9]+)? *(ms|s|m|h|d|w)) *', 'a time such as 30m, 2h or 7d'],
            // archiveArtifacts takes paths below the workspace only
            folder: ['(?!.*[.][.])[A-Za-z0-9_][A-Za-z0-9_./-]*', 'a folder in the workspace'],
        ]
        return kind instanceof Map ? kind.rule : rules[kind] // a range has its own rule
    }

    /** The arguments that this command or step accepts, as given. */
    @NonCPS
    static Map accepted(String command, Map args) {
        Map known = kinds(command)
        return args.findAll { name, value -> value != null && known.containsKey(name) }
    }

    /** The credentials by purpose; a single id is a login or a token. */
    @NonCPS
    static Map credentials(Object given) {
        return given == null ? [:] : given instanceof Map ? [:] + given : [any: "${given}".toString()]
    }

    /** The agent of a command. A training runs the team's commands, so it gets only MLflow's secrets. */
    @NonCPS
    static Map where(String command, Map args) {
        Map found = accepted('agent', args)
        if (command == 'train' && found.credentials instanceof Map) {
            found.credentials = [:] + found.credentials
            found.credentials.remove('signingKey')
            found.credentials.remove('notify')
        }
        return found
    }

    /** The approval's submitter, and its waiting time for Jenkins' timeout step; null for none. */
    @NonCPS
    static Map approval(Object given) {
        if (given == null || "${given}" == 'false') {
            return null
        }
        Map asked = given instanceof Map ? given : [:]
        String span = asked.timeout ? "${asked.timeout}" : '1d'
        Map units = [s: 'SECONDS', m: 'MINUTES', h: 'HOURS', d: 'DAYS']
        String unit = units[span.trim()[-1]]
        return [submitter: asked.submitter, time: Integer.valueOf(span.replaceAll('[^0-9]', '')), unit: unit]
    }

    /** The first problem with the arguments, in one line; empty if there is none. */
    @NonCPS
    static String problem(String head, String command, Object args) {
        if (!(args instanceof Map)) {
            return unnamed(head, command, args)
        }
        return firstProblem("${head}: ", kinds(command), args) ?: wrongTogether(head, command, args)
    }

    /** The message for a value without a name: what to write instead. */
    @NonCPS
    private static String unnamed(String head, String command, Object given) {
        Map usual = [agent: 'label', train: 'only', select: 'models', pipeline: 'config']
        String step = head.contains(' ') ? head.substring(0, head.indexOf(' ')) : head
        String name = step == 'mlflowRun' ? 'command' : usual[command] ?: 'model'
        String value = given instanceof CharSequence ? "${given}".replaceAll('\\s+', ' ') : '...'
        return "${step}: parameters have names; write ${step}(${name}: '${value}')"
    }

    /** The message for a missing argument, or for arguments that cannot be combined. */
    @NonCPS
    private static String wrongTogether(String head, String command, Map args) {
        for (String name in Options.required()[command]) {
            if (!isGiven(args[name])) {
                return "${head}: ${name} is required"
            }
        }
        for (Map.Entry rule in Options.needs()[command]) {
            if (isGiven(args[rule.key]) && !isGiven(args[rule.value])) {
                return "${head}: ${rule.key} needs ${rule.value}"
            }
        }
        for (Map.Entry rule in Options.excludes()[command]) {
            for (String other in rule.value) {
                if (isGiven(args[rule.key]) && isGiven(args[other])) {
                    return "${head}: ${rule.key} cannot be combined with ${other}"
                }
            }
        }
        return command == 'lease' ? wrongLease(head, args) : ''
    }

    /** A lease needs all of its arguments; without any, the leases are listed. */
    @NonCPS
    private static String wrongLease(String head, Map args) {
        int who = 0
        for (String name in ['model', 'version', 'holder']) {
            who += isGiven(args[name]) ? 1 : 0
        }
        int what = (isGiven(args.for) ? 1 : 0) + (isGiven(args.release) ? 1 : 0)
        return who + what == 0 || (who == 3 && what == 1) ? '' :
            "${head}: a lease needs model, version and holder, and either for or release; without them they are listed"
    }

    @NonCPS
    private static boolean isGiven(Object value) {
        return value != null && "${value}" != 'false'
    }

    /** Who or what started a build, by its causes: a person, else the change's author, else the kind of cause. */
    @NonCPS
    static String starter(List causes, Object author, Object job) {
        String found = ''
        for (Map cause in causes) {
            if (cause.userId) {
                return cause.userId
            }
            found = found ?: "${cause._class}"
        }
        String what = found.contains('Timer') ? 'timer' : found.contains('Upstream') ? 'upstream build' :
            found.contains('SCM') || found.contains('Branch') || found.contains('Push') ? 'change' : 'Jenkins'
        return author ?: "${what}, job ${job}".toString()
    }

    @NonCPS
    private static String firstProblem(String head, Map accepted, Map args) {
        for (Map.Entry argument in args) {
            String name = "${argument.key}"
            if (!accepted.containsKey(name)) {
                String hint = suggestion(name, accepted)
                return "${head}unknown parameter '${name}'${hint}; it takes: ${names(accepted)}"
            }
            Map inner = parts(accepted[name])
            if (inner && argument.value instanceof Map) {
                String inside = firstProblem("${head}${name}: ", inner, argument.value)
                if (inside) {
                    return inside
                }
                continue
            }
            String expected = argument.value == null ? '' : expectation(accepted[name], argument.value)
            if (expected) {
                return "${head}${name} must be ${expected}, not '${argument.value}'"
            }
        }
        return ''
    }

    /** The arguments of this command as the runner expects them: typed, without nulls. */
    @NonCPS
    static Map options(String command, Map args) {
        Map ours = place() + spreading() + [allModels: 'boolean', promoteChanges: 'boolean']
        ours.remove('report')
        Map known = kinds(command)
        Map found = [report: 'mlflow-report']
        for (Map.Entry given in accepted(command, args)) {
            if (!ours.containsKey(given.key) && known[given.key] != 'block') {
                found[given.key] = typed(known[given.key], given.value)
            }
        }
        return found
    }

    @NonCPS
    private static Object typed(Object kind, Object value) {
        String text = "${value}"
        switch (kind) {
            case 'boolean': return text == 'true'
            case 'whole': case 'count': return Integer.valueOf(text.trim())
            case 'texts': return value instanceof Collection ? value.collect { "${it}".toString() } : [text]
            default: return text
        }
    }

    /** The description of a valid value of this kind; empty if this value is valid. */
    @NonCPS
    private static String expectation(Object kind, Object value) {
        if (kind instanceof List) {
            return "${value}".toString() in kind ? '' : "one of ${kind.join(', ')}"
        }
        if (kind == 'texts') {
            List texts = value instanceof Collection ? value as List : [value]
            boolean fine = texts.size() > 0 // in the sandbox, a property of a list means that of its items
            for (Object text in texts) {
                fine = fine && !expectation('text', text)
            }
            return fine ? '' : 'a text or a list of texts, none blank'
        }
        if (kind == 'block') {
            return value instanceof Closure ? '' : 'a block of steps in braces'
        }
        if (kind == 'credentials') {
            String names = parts(kind).keySet().join(', ')
            return expectation('text', value) ? "an id of Jenkins' credentials, or a map of ${names}" : ''
        }
        if (kind == 'approval') {
            return expectation('boolean', value) ? "true, or a map of ${parts(kind).keySet().join(', ')}" : ''
        }
        boolean single = value instanceof CharSequence || value instanceof Number || value instanceof Boolean
        return single && "${value}".matches(rule(kind)[0]) ? '' : rule(kind)[1]
    }

    @NonCPS
    private static String names(Map accepted) {
        return (accepted.keySet() as List).sort().join(', ')
    }

    @NonCPS
    private static String suggestion(String unknown, Map accepted) {
        String nearest = ''
        int least = unknown.length() > 5 ? 4 : 3
        for (String name in accepted.keySet()) {
            int changes = distance(plain(unknown), plain(name))
            nearest = changes < least ? name : nearest
            least = Math.min(changes, least)
        }
        return nearest ? ", did you mean '${nearest}'?" : ''
    }

    @NonCPS
    private static String plain(String name) {
        return name.toLowerCase().replaceAll('[-_]', '')
    }

    /** Levenshtein's distance: how many letters to add, remove or change. */
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
