package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/** Text for the pages of a build. Names of models come from a registry where anyone may have chosen them. */
class PlainText implements Serializable {

    private static final long serialVersionUID = 1L

    /**
     * The text as one short line that reads the same under every markup formatter: Jenkins' default shows HTML as
     * source, others interpret it, and none interprets the replacement characters used here.
     */
    @NonCPS
    static String line(Object text) {
        int longest = 300
        String line = "${text}".replaceAll('[\\s\\p{Cntrl}\\p{Cf}]+', ' ').trim()
            .replace('<', '\u2039').replace('>', '\u203a').replace('&', '\uff06')
            .replace('[', '(').replace(']', ')').replace('`', "'")
        return line.length() > longest ? line.substring(0, longest - 3) + '...' : line
    }

    /** The text as one short line of Markdown in which no name mentions anybody or becomes a link. */
    @NonCPS
    static String code(Object text) {
        return "`${line(text)}`"
    }

    /** A text without its full stop, as one short line: more may follow it. */
    @NonCPS
    static String part(Object text) {
        return line(text).replaceAll('(?<![.])[.]$', '')
    }

    /** A description with an added line, unless it already contains it; the report's location stays at the end. */
    @NonCPS
    static String joined(String description, Object text) {
        String said = description ?: ''
        String added = part(text)
        int at = said.lastIndexOf('report: ')
        boolean ends = at >= 0 && said.substring(at).matches('report: \\S+/index[.]html')
        String end = ends ? said.substring(at) : ''
        String before = ends ? said.substring(0, Math.max(at - 2, 0)) : said
        if ("; ${before}; ".contains("; ${added}; ") || end == added) {
            return said
        }
        return [before, added, end].findAll { it }.join('; ')
    }

    /** How a script ended, if a signal ended it, from Jenkins' message; else empty. */
    @NonCPS
    static String signal(String message) {
        Map known = ['script returned exit code 137': 'killed (137)', 'script returned exit code 143': 'ended (143)']
        return known[message] ?: ''
    }

}
