import jenkinsmlflow.Command

/** Ranks the candidates and says which one should be promoted, see mlflowSelect.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowSelect').execute('select', args)
}
