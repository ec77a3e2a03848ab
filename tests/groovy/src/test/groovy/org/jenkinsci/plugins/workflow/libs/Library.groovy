package org.jenkinsci.plugins.workflow.libs

/** Stands in for Jenkins' annotation of this name; the harness always provides the library of this checkout. */
@interface Library {

    String[] value()

}
