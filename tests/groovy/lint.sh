#!/bin/sh
# Checks vars/, src/, the Jenkinsfiles and jobs/ with CodeNarc and its Jenkins rules; fails on any violation, whatever its
# priority. First proves, on a file full of mistakes, that the rules are really applied.
set -eu
cd "$(dirname "$0")/../.."
lint=$PWD/tests/groovy/lint
classpath=$lint/target/classpath

if [ ! -s "$classpath" ] || [ "$lint/pom.xml" -nt "$classpath" ]; then
    mvn -B -q -f "$lint/pom.xml" dependency:build-classpath -Dmdep.outputFile="$classpath"
fi

codenarc() {
    java -cp "$(cat "$classpath")" org.codenarc.CodeNarc -rulesetfiles="file:$lint/rules.groovy" -report=console \
        -maxPriority1Violations=0 -maxPriority2Violations=0 -maxPriority3Violations=0 "$@"
}

if findings=$(codenarc -basedir="$lint/fixture" 2>&1); then
    echo "lint.sh: CodeNarc passes a file that is full of mistakes" >&2
    exit 1
fi
for rule in ClassNotSerializable ClosureInGString CpsCallFromNonCpsMethod ForbiddenCallInCpsMethod; do
    case $findings in
        *"Rule=$rule "*) ;;
        *)
            printf '%s\n' "$findings" "lint.sh: CodeNarc does not apply its rule $rule" >&2
            exit 1
            ;;
    esac
done

codenarc -basedir=. -includes='vars/*.groovy,src/**/*.groovy,Jenkinsfile,examples/*/Jenkinsfile,jobs/*.Jenkinsfile'
