package jenkinsmlflow

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** JSON to plain maps and back, with what the script sandbox allows; no plugin needed. */
class Json implements Serializable {

    private static final long serialVersionUID = 1L

    /** An object's text as LinkedHashMap and ArrayList, which survive a restart; null if it is no object. */
    @NonCPS
    static Map parse(String text) {
        return text.trim().startsWith('{') ? plain(new JsonSlurper().parseText(text)) as Map : null
    }

    /** One line of ASCII. Without a dollar sign, because withEnv expands $NAME in its values. */
    @NonCPS
    static String write(Map value) {
        return JsonOutput.toJson(value).replace('$', '\\u0024')
    }

    /** JsonSlurper answers with a LazyMap, which cannot be serialized. */
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
