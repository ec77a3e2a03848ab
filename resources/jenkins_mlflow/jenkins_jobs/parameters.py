"""Checks `KEY=VALUE` words against a job's own parameter definitions, before anything is queued."""

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
    """Checked parameters. ``values`` is None for a job that has none; ``secret`` names those that are never shown."""

    values: Mapping[str, str] | None
    secret: frozenset[str] = frozenset()

    @property
    def shown(self) -> dict[str, str]:
        """The values, fit for logs."""
        return {key: "***" if key in self.secret else value for key, value in (self.values or {}).items()}


def from_environment(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Values that do not stand on the command line, where anybody who lists processes reads them.

    Args:
        names: `KEY`, the variable has the parameter's name; or `KEY=VARIABLE`.
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
                f"--from-env {printable(name)}: there is no variable {printable(variable)}",
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
    """Make the parameters of a build.

    Args:
        name: The job, for messages.
        job: What Jenkins says of it, by TREE.
        arguments: From the command line.
        hidden: More values, none of which is shown.

    Raises:
        UsageError: With every word that is wrong, one a line.
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
            # The word itself is not repeated: it may be a secret in the wrong place.
            problems.append(f"word {position} is not of the form KEY=VALUE")
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
            next_step='give each as KEY=VALUE; "Build with Parameters" on the job\'s page shows what it takes',
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
            f"no parameter {shown}: Jenkins knows no parameters of this job. It learns those of a Jenkinsfile from the "
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
        # To Jenkins every other word is false, `yes` too.
        return f"{key}: expected true or false, got {got}"
    if kind in _NO_FORM_FIELD:
        return f"{key} is a file, which only Jenkins' page can upload"
    return ""


def _sent(definition: ParameterDefinition, value: str) -> str:
    return value.lower() if definition.get("type") == "BooleanParameterDefinition" else value
