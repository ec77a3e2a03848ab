// What lint.sh asks of vars/, src/, Jenkinsfile and jobs/.
ruleset {
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/convention.xml') {
        exclude 'CompileStatic'         // the CPS transformer does not take it
        exclude 'CouldBeSwitchStatement'
        exclude 'ImplicitClosureParameter'
        exclude 'ImplicitReturnStatement' // closures
        exclude 'NoDef' // the next one says the same
        'VariableTypeRequired' {
            ignoreVariableNames = '_' // @Library('...') _
        }
        exclude 'PublicMethodsBeforeNonPublicMethods' // call() first, then what it is made of
        exclude 'StaticMethodsBeforeInstanceMethods'
    }
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchException' // mlflowPipeline archives after any failure, then throws it on
    }
    ruleset('rulesets/formatting.xml') {
        'LineLength' {
            length = 120
        }
        'SpaceAroundMapEntryColon' {
            characterAfterColonRegex = /\s/
        }
        'ClassEndsWithBlankLine' {
            ignoreSingleLineClasses = true
        }
        exclude 'ClassStartsWithBlankLine'
        exclude 'ClassEndsWithBlankLine'
    }
    ruleset('rulesets/groovyism.xml') {
        exclude 'GStringExpressionWithinString' // '${NAME}' in a shell script is the shell's
    }
    ruleset('rulesets/imports.xml')
    // These rules look at files that are named Jenkinsfile only, unless told otherwise: here, at every file.
    ruleset('rulesets/jenkins.xml') {
        ['ClassNotSerializable', 'ClosureInGString', 'CpsCallFromNonCpsMethod', 'ExpressionInCpsMethodNotSerializable',
         'ForbiddenCallInCpsMethod', 'ObjectOverrideOnlyNonCpsMethods', 'ParameterOrReturnTypeNotSerializable'].each {
            "${it}" {
                applyToFileNames = '*'
            }
        }
    }
    ruleset('rulesets/size.xml') {
        'AbcMetric' {
            doNotApplyToFileNames = 'Jenkinsfile,*.Jenkinsfile' // directives are no logic
        }
        'CyclomaticComplexity' {
            doNotApplyToFileNames = 'Jenkinsfile,*.Jenkinsfile'
        }
        'NestedBlockDepth' {
            doNotApplyToFileNames = 'Jenkinsfile,*.Jenkinsfile'
        }
    }
    ruleset('rulesets/unnecessary.xml') {
        'UnnecessaryGetter' {
            ignoreMethodNames = 'isUnix,getBuildCauses' // a step, and a method that takes a type, too
        }
        exclude 'UnnecessaryReturnKeyword'
    }
    ruleset('rulesets/unused.xml') {
        'UnusedVariable' {
            ignoreVariableNames = '_'
        }
    }
}
