import jenkinsmlflow.Command

/** Diagnoses server, store and models, and finds drift, see mlflowDoctor.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowDoctor').execute('doctor', args)
}
