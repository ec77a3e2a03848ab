import harness.Build
import harness.Directives

/**
 * The declarative directives that this repository uses, interpreted as Jenkins does; CPS code, like Jenkins' own.
 * A directive that is not named here is an error, never ignored.
 */
void call(Closure declaration) {
    List top = read(declaration, ['agent', 'options', 'parameters', 'triggers', 'stages'])
    for (String section in ['options', 'parameters', 'triggers']) {
        Closure block = argument(top, section)
        Build.current.declare(section, block == null ? [] : read(block, null))
    }
    List stages = read(argument(top, 'stages'), ['stage'])
    if (argument(top, 'agent') == 'none') {
        runStages(stages, declaration.owner)
    } else {
        assert argument(top, 'agent') == 'any'
        node { runStages(stages, declaration.owner) }
    }
}

private void runStages(List stages, Script jenkinsfile) {
    Exception failure = null
    for (Map declared in stages) {
        String name = declared.args[0]
        try {
            stage(name) {
                runStage(name, read(declared.args[1], ['when', 'steps']), jenkinsfile, failure)
            }
        } catch (Exception e) {
            failure = failure ?: e
        }
    }
    if (failure) {
        throw failure
    }
}

private void runStage(String name, List directives, Script jenkinsfile, Exception failure) {
    Closure condition = argument(directives, 'when')
    if (failure) {
        echo("Stage \"${name}\" skipped due to earlier failure(s)")
    } else if (condition == null || evaluate(argument(read(condition, ['expression']), 'expression'), jenkinsfile)) {
        evaluate(argument(directives, 'steps'), jenkinsfile)
    } else {
        echo("Stage \"${name}\" skipped due to when conditional")
    }
}

private Object evaluate(Closure block, Script jenkinsfile) {
    block.delegate = jenkinsfile
    block.resolveStrategy = Closure.DELEGATE_ONLY
    return block()
}

private List read(Closure block, List known) {
    Directives directives = new Directives()
    block.delegate = directives
    block.resolveStrategy = Closure.DELEGATE_ONLY
    block()
    List entries = Directives.of(directives)
    for (Map entry in entries) {
        assert known == null || entry.name in known: "the harness knows no directive ${entry.name} here"
    }
    return entries
}

private Object argument(List entries, String name) {
    for (Map entry in entries) {
        if (entry.name == name) {
            return entry.args[0]
        }
    }
    return null
}
