package harness

/** Collects what is written in a declarative block: each directive with its arguments; a bare word stands for itself. */
class Directives implements Serializable {

    private final List<Map> entries = []

    @Override
    Object invokeMethod(String name, Object arguments) {
        Map entry = [name: name, args: (arguments as Object[]).toList()]
        entries << entry
        return entry
    }

    @Override
    Object getProperty(String name) {
        return name
    }

    static List<Map> of(Directives directives) {
        return directives.@entries
    }

}
