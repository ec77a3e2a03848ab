import harness.Build

/** The variable of the Docker Pipeline plugin, which is CPS code there too. */
Object image(String name) {
    Build.current.nodes << "${Build.current.nodes.pop()} in ${name}".toString()
    return this
}

Object inside(Closure body) {
    return body()
}
