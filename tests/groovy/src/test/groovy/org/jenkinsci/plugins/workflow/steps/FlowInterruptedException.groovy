package org.jenkinsci.plugins.workflow.steps

/** Stands in for Jenkins' class of this name: somebody aborted the build, or a time limit did. */
class FlowInterruptedException extends InterruptedException {

    FlowInterruptedException() {
        super('aborted')
    }

}
