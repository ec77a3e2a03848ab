package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS

/** Text for the pages of a build. Names of models come from a registry where anyone may have chosen them. */
class Html implements Serializable {

    private static final long serialVersionUID = 1L
    private static final int LONGEST = 300

    /** The text as one short line, harmless under every markup formatter. */
    @NonCPS
    static String escape(Object text) {
        String line = "${text}".replaceAll('\\s+', ' ').trim()
        line = line.length() > LONGEST ? line.substring(0, LONGEST - 3) + '...' : line
        return line.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
            .replace('"', '&quot;').replace("'", '&#39;')
    }

}
