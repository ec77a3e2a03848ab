package harness

import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.SerializableScript
import harness.CpsProgram.StepCall

/** Base of the Jenkinsfile and of every vars/ script: what is no method of its own is a step, a var or a variable. */
abstract class PipelineScript extends SerializableScript {

    @Override
    Object invokeMethod(String name, Object arguments) {
        List args = arguments == null ? [] : (arguments as Object[]).toList()
        MetaMethod own = metaClass.getMetaMethod(name, args.toArray())
        if (own) {
            return own.invoke(this, args.toArray())
        }
        Build build = Build.current
        if (build.steps.respondsTo(name) && !(name in build.missing)) {
            return Continuable.suspend(name, new StepCall(name: name, args: args))
        }
        Script script = build.global(name)
        if (script) {
            return script.metaClass.invokeMethod(script, 'call', args.toArray())
        }
        throw new NoSuchMethodError("No such DSL method '${name}' found among steps [echo, sh, ...]") // as Jenkins says it
    }

    @Override
    Object getProperty(String name) {
        try {
            return super.getProperty(name)
        } catch (MissingPropertyException e) {
            Object value = Build.current.variable(name)
            if (value == null) {
                throw e
            }
            return value
        }
    }

}
