import jenkinsmlflow.Command

/** Records who runs a version, so that no cleanup deletes it, see mlflowLease.txt. */
Map call(Object args = [:]) {
    return new Command(this, 'mlflowLease').execute('lease', args)
}
