import jenkinsmlflow.Command

/** Ranks the candidates and selects the one to promote, see mlflowSelect.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowSelect').execute('select', args)
}
