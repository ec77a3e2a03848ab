package hudson

/** Stands in for Jenkins' class of this name: a failure that is shown as one line without a stack trace. */
class AbortException extends IOException {

    AbortException(String message) {
        super(message)
    }

}
