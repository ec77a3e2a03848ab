"""Checks `KEY=VALUE` arguments against a job's own parameter definitions, before anything is queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.config.mistakes import did_you_mean
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.jenkins_jobs.answers import Job, ParameterDefinition
from jenkins_mlflow.text import printable

TREE = "fullName,buildable,property[parameterDefinitions[name,type,choices]]"
_NO_FORM_FIELD = {
    "FileParameterDefinition",
    "StashedFileParameterDefinition",
    "Base64FileParameterDefinition",
}


@dataclass(frozen=True)
class Given:
    """Checked parameters. ``values`` is None for a job without any; ``secret`` names those never shown."""

    values: Mapping[str, str] | None
    secret: frozenset[str] = frozenset()

    @property
    def shown(self) -> dict[str, str]:
        """The values, safe for logs."""
        return {key: "***" if key in self.secret else value for key, value in (self.values or {}).items()}


def from_environment(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Parameter values from the environment: anybody who lists processes can read a command line.

    Args:
        names: `KEY` if the variable has the parameter's name, else `KEY=VARIABLE`.
        environ: The environment.

    Raises:
        UsageError: A variable is not set, or a parameter is named twice.
    """
    values: dict[str, str] = {}
    for name in names:
        key, _, variable = name.partition("=")
        variable = variable or key
        if variable not in environ:
            raise UsageError(
                f"--from-env {printable(name)}: the variable {printable(variable)} is not set",
                state="nothing was queued",
                next_step=f"export {printable(variable)}, then run the command again",
            )
        if key in values:
            raise UsageError(
                f"--from-env names {printable(key)} twice",
                state="nothing was queued",
                next_step="name each parameter once",
            )
        values[key] = environ[variable]
    return values


def check(name: str, job: Job, arguments: Sequence[str], hidden: Mapping[str, str] | None = None) -> Given:
    """Check and prepare the parameters of a build.

    Args:
        name: The job, for messages.
        job: Jenkins' data on the job, by TREE.
        arguments: The arguments of the command line.
        hidden: Further values, never to be shown.

    Raises:
        UsageError: Some arguments are wrong; the message lists all of them, one per line.
    """
    hidden = hidden or {}
    definitions = {
        definition["name"]: definition
        for part in job.get("property") or ()
        for definition in part.get("parameterDefinitions") or ()
    }
    values: dict[str, str] = {}
    problems = []
    for position, word in enumerate(
        [*arguments, *(f"{key}={value}" for key, value in hidden.items())], start=1
    ):
        key, separator, value = word.partition("=")
        if not separator:
            # The argument itself is not shown: it may be a secret in the wrong place.
            problems.append(f"argument {position} is not of the form KEY=VALUE")
        elif key in values:
            problems.append(f"{printable(key)} is given twice")
        elif key not in definitions:
            problems.append(_unknown(key, definitions))
        elif problem := _problem(definitions[key], value, hidden=key in hidden):
            problems.append(problem)
        values[key] = value
    if problems:
        lines = "\n".join(f"{printable(name)}: {problem}" for problem in problems)
        raise UsageError(
            lines,
            state="nothing was queued",
            next_step='give each as KEY=VALUE; "Build with Parameters" on the job\'s page lists the parameters',
        )
    secret = {key for key in values if "Password" in str(definitions[key].get("type"))}
    return Given(
        {key: _sent(definitions[key], value) for key, value in values.items()} if definitions else None,
        frozenset(secret.union(hidden)),
    )


def _unknown(key: str, known: Mapping[str, ParameterDefinition]) -> str:
    shown = printable(key)
    if not known:
        return (
            f"no parameter {shown}: Jenkins knows no parameters of this job. It gets those of a Jenkinsfile from the "
            "job's first build, or from parameters: in jobs.yaml"
        )
    return f"no parameter {shown}{did_you_mean(key, known) or '; it has ' + ', '.join(sorted(known))}"


def _problem(definition: ParameterDefinition, value: str, *, hidden: bool) -> str:
    key, kind = printable(definition["name"]), str(definition.get("type"))
    choices = definition.get("choices") or ()
    got = "something else" if hidden else printable(value)
    if choices and value not in choices:
        guess = "" if hidden else did_you_mean(value, choices)
        return f"{key}: expected one of {', '.join(choices)}, got {got}{guess}"
    if kind == "BooleanParameterDefinition" and value.lower() not in ("true", "false"):
        # Jenkins takes every other word as false, even `yes`.
        return f"{key}: expected true or false, got {got}"
    if kind in _NO_FORM_FIELD:
        return f"{key} is a file, which can only be uploaded on Jenkins' page"
    return ""


def _sent(definition: ParameterDefinition, value: str) -> str:
    return value.lower() if definition.get("type") == "BooleanParameterDefinition" else value
