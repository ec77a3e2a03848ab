package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** Converts JSON to plain maps and back, within the script sandbox and without a plugin. */
class Json implements Serializable {

    private static final long serialVersionUID = 1L

    /**
     * The runner's answer in a script's output: the last line that begins with the request's nonce. Other output may
     * come from other programs. Null if there is no such line. Parsing takes the controller's memory and stack, hence
     * the limits, which are far above any result.
     */
    @NonCPS
    static Map answer(String printed, String nonce) {
        int start = "\n${printed}".lastIndexOf("\n${nonce} ")
        if (start < 0) {
            return null
        }
        String rest = printed.substring(start + nonce.length() + 1)
        String line = rest.contains('\n') ? rest.substring(0, rest.indexOf('\n')) : rest
        if (line.length() > 16000000 || isDeeper(line, 50)) {
            return [exit_code: 1, message: "the runner's result is too large to be read on the controller"]
        }
        return parse(line)
    }

    /** Parses an object as LinkedHashMap and ArrayList, which survive a restart; null if it is not an object. */
    @NonCPS
    static Map parse(String text) {
        return text.trim().startsWith('{') ? plain(new JsonSlurper().parseText(text)) as Map : null
    }

    /** One line of ASCII. Without a dollar sign, because withEnv expands $NAME in its values. */
    @NonCPS
    static String write(Map value) {
        return JsonOutput.toJson(value).replace('$', '\\u0024')
    }

    /** Whether brackets are nested deeper than this: removes the innermost ones again and again. */
    @NonCPS
    private static boolean isDeeper(String text, int most) {
        String outsideOfTexts = text.replaceAll('(?s)"(?:[^"\\\\]++|\\\\.)*+(?:"|\\\\?$)', '')
        String brackets = outsideOfTexts.replaceAll('[^\\[\\]{}]', '')
        for (int level = 0; level < most && brackets; level++) {
            brackets = brackets.replace('[]', '').replace('{}', '')
        }
        return brackets.length() > 0
    }

    /** JsonSlurper returns a LazyMap, which cannot be serialized. */
    @NonCPS
    private static Object plain(Object value) {
        if (value instanceof Map) {
            Map copy = [:]
            for (Map.Entry item in value) {
                copy[item.key] = plain(item.value)
            }
            return copy
        }
        if (value instanceof List) {
            List copy = []
            for (Object item in value) {
                copy << plain(item)
            }
            return copy
        }
        return value
    }

}
