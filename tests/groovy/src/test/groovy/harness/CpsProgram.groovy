package harness

import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.CpsTransformer
import com.cloudbees.groovy.cps.ObjectInputStreamWithLoader
import com.cloudbees.groovy.cps.Outcome
import com.cloudbees.groovy.cps.TransformerConfiguration
import com.cloudbees.groovy.cps.impl.CpsCallableInvocation
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.libs.Library

/**
 * Runs pipeline code as Jenkins does: compiled by the CPS transformer, suspended at every step.
 *
 * At every step the whole continuation is written by Java serialization and read back, as a controller restart would,
 * and a method that Jenkins' interpreter could not run as written ("CPS mismatch") fails the run.
 */
class CpsProgram {

    private static final List<Class> CATEGORIES = Continuable.categories + [SerializableIterators]
    /** Each library compiled once for all builds of a test run; Jenkins compiles it for each, to the same classes. */
    private static final Map<File, GroovyClassLoader> LIBRARIES = [:]

    final GroovyClassLoader classes
    private final GroovyClassLoader library
    final List<String> mismatches = []
    private final Closure perform

    /**
     * @param library the shared library's root, with src/ and vars/
     * @param perform what a step does: takes a StepCall, returns its value
     */
    CpsProgram(File library, Closure perform) {
        this.library = LIBRARIES.computeIfAbsent(library) { File root -> libraryLoader(root) }
        classes = new GroovyClassLoader(this.library, compiler())
        this.perform = perform
    }

    /** Compiles a script and runs it to its end. */
    Object run(String text) {
        CpsCallableInvocation.registerMismatchHandler({ Object expected, String name, Object receiver, String caught ->
            mismatches << "expected to call ${typeName(expected)}.${name} but wound up catching ${typeName(receiver)}.${caught}".toString()
        } as CpsCallableInvocation.MismatchHandler)
        try {
            Class script = classes.parseClass(text, 'WorkflowScript.groovy')
            Object value = drive(new Continuable(newScript(script)))
            assert !mismatches
            return value
        } finally {
            CpsCallableInvocation.registerMismatchHandler(null)
        }
    }

    /** A new object of a step's script. */
    Script load(File file) {
        return newScript(library.parseClass(new GroovyCodeSource(file, 'UTF-8')))
    }

    /** Runs the closure that was given to a step such as `stage` or `withEnv`. */
    Object body(Closure closure) {
        try {
            return closure.call()
        } catch (CpsCallableInvocation suspended) {
            return drive(new Continuable(suspended.asBlock()))
        }
    }

    private Object drive(Continuable program) {
        Outcome outcome = program.run0(new Outcome(null, null), CATEGORIES)
        while (program.resumable) {
            if (outcome.abnormal != null) {
                throw outcome.abnormal
            }
            StepCall call = outcome.normal as StepCall
            restart(program, call)
            Outcome answer
            try {
                answer = new Outcome(perform(call), null)
            } catch (Throwable failure) {
                answer = new Outcome(null, failure)
            }
            outcome = program.run0(answer, CATEGORIES)
        }
        return outcome.replay()
    }

    private void restart(Continuable program, StepCall call) {
        ByteArrayOutputStream saved = new ByteArrayOutputStream()
        try {
            new ObjectOutputStream(saved).writeObject(program)
        } catch (NotSerializableException e) {
            throw new AssertionError("not serializable at step '${call.name}', ${program.stackTrace.take(2)}: ${e.message}", e)
        }
        new ObjectInputStreamWithLoader(new ByteArrayInputStream(saved.toByteArray()), classes).readObject()
    }

    private static GroovyClassLoader libraryLoader(File root) {
        GroovyClassLoader loader = new GroovyClassLoader(CpsProgram.classLoader, compiler())
        loader.addURL(new File(root, 'src').toURI().toURL())
        return loader
    }

    private static CompilerConfiguration compiler() {
        CpsTransformer transformer = new CpsTransformer()
        transformer.configuration = new TransformerConfiguration()
        CompilerConfiguration compiler = new CompilerConfiguration(scriptBaseClass: PipelineScript.name, sourceEncoding: 'UTF-8')
        compiler.addCompilationCustomizers(new ImportCustomizer().addImports(Library.name), transformer)
        return compiler
    }

    private static Script newScript(Class script) {
        return script.getDeclaredConstructor().newInstance() as Script
    }

    private static String typeName(Object value) {
        return value instanceof Class ? value.name : value?.getClass()?.name
    }

    /** A step that the program has suspended at. */
    static class StepCall implements Serializable {

        String name
        List args

    }

    /** Jenkins replaces the JDK's iterators in for loops by serializable ones; so does this. */
    static class SerializableIterators {

        static <E> Iterator<E> iterator(List<E> list) {
            return new Snapshot(list)
        }

        static <K, V> Iterator<Map.Entry<K, V>> iterator(Map<K, V> map) {
            return new Snapshot(entrySet(map))
        }

        static <K, V> Collection<Map.Entry<K, V>> entrySet(Map<K, V> map) {
            return map.collect { key, value -> new AbstractMap.SimpleImmutableEntry(key, value) }
        }

        static <K> Collection<K> keySet(Map<K, ?> map) {
            return map.collect { key, value -> key }
        }

    }

    static class Snapshot implements Iterator, Serializable {

        private final List items
        private int position = 0

        Snapshot(Collection items) {
            this.items = new ArrayList(items)
        }

        boolean hasNext() {
            return position < items.size()
        }

        Object next() {
            return items[position++]
        }

        void remove() {
            throw new UnsupportedOperationException()
        }

    }

}
