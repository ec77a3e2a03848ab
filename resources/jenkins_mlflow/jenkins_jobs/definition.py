"""The schema of `jobs.yaml`, and its loading: reports all mistakes at once, each with line and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from jenkins_mlflow.config.loading import read_layers, validate
from jenkins_mlflow.config.mistakes import broken_rule, expected
from jenkins_mlflow.config.values import SWITCH_WORDS, Line, Switch, parse_line, parse_lines
from jenkins_mlflow.errors import UsageError

DEFAULT_FILES = (Path("jobs.yaml"), Path("jobs/jobs.yaml"))
PAGE = "docs/jobs.md"
# Characters that Jenkins itself refuses in a name (jenkins.model.Jenkins.checkGoodName), and line breaks.
_BAD_NAME = re.compile(r"[?*/\\%!@#$^&|<>\[\]:;]|^\s|\s$|^\.{1,2}$|^$")
_LOGINS = {"login": r"(?i)https?://[^/?#\s]*@", "password": r"://[^/@\s]*:[^/@\s]*@"}
_CRON = re.compile(r"@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[\w*,/()-]+(\s+[\w*,/()-]+){4}")


def parse_item_name(value: Any) -> str:
    """The name of a job or of one folder."""
    name = parse_line(value)
    if _BAD_NAME.search(name):
        raise expected("a name that Jenkins allows (none of ? * / \\ % ! @ # $ ^ & | < > [ ] : ;)")
    return name


def parse_folder(value: Any) -> str:
    """A folder's path, such as ``teams/mlops``."""
    return "/".join(parse_item_name(part) for part in parse_line(value).strip("/").split("/"))


def parse_repository(value: Any) -> str:
    """A git address without a secret, which Jenkins would store as plain text; even a user may be a token."""
    address = parse_line(value)
    for kind, pattern in _LOGINS.items():
        if re.search(pattern, address):
            raise expected(
                f"an address without a {kind}", "; use Jenkins' credentials, with repository.credentials"
            )
    return address


def parse_script(value: Any) -> str:
    """The Jenkinsfile's path in the repository."""
    path = parse_line(value)
    if path.startswith("/") or ".." in path.split("/"):
        raise expected("a path in the repository, such as Jenkinsfile or jobs/nightly.Jenkinsfile")
    return path


def parse_schedule(value: Any) -> str:
    """Jenkins' cron, one line."""
    if not _CRON.fullmatch(line := parse_line(value).strip()):
        raise expected('a schedule of five fields, such as "H 2 * * *", or @daily')
    return line


def parse_text(value: Any) -> str:
    """Text of one or more lines."""
    if not isinstance(value, str):
        raise expected("text")
    return _without_controls(value).strip()


def parse_default(value: Any) -> bool | str:
    """A parameter's default: true or false makes it a check box, text an input field."""
    if not isinstance(value, bool | str):
        raise expected("text, true or false", "; put it in quotes" if isinstance(value, int | float) else "")
    if isinstance(value, str) and value.casefold() in SWITCH_WORDS:
        # it used to make a check box; as text, any of these words would be true in a Jenkinsfile
        raise expected("true, false or another text", "; write true or false for a check box")
    return _without_controls(value) if isinstance(value, str) else value


def _without_controls(text: str) -> str:
    """Rejects characters that XML cannot store unchanged, some of which `splitlines` takes as line breaks."""
    if not all(char.isprintable() or char == "\n" for char in text):
        raise expected("text without control characters")
    return text


def parse_parameter_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise expected("a parameter name: letters, digits and underscores, no digit first")
    return value


ItemName = Annotated[str, BeforeValidator(parse_item_name)]
ParameterName = Annotated[str, BeforeValidator(parse_parameter_name)]
Text = Annotated[str, BeforeValidator(parse_text)]


class _Section(BaseModel):
    """A mapping of the file: no unknown keys, no type conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value


class Repository(_Section):
    """The repository with the Jenkinsfiles."""

    url: Annotated[str, BeforeValidator(parse_repository)] = Field(description="Git address.")
    branch: Line = Field(default="main", description="Branch whose Jenkinsfile runs.")
    credentials: Line | None = Field(default=None, description="Id of Jenkins' credentials for the address.")


class Parameter(_Section):
    """A build parameter that the job has before its first build."""

    description: Text = Field(default="", description="Shown beside the field.")
    default: Annotated[bool | str, BeforeValidator(parse_default)] = Field(
        default="", description="true or false makes a check box, text an input field."
    )
    choices: Annotated[tuple[str, ...], BeforeValidator(parse_lines)] = Field(
        default=(), description="Makes a list; the first is the default."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Parameter:
        if self.choices and self.default != "":
            raise broken_rule("expected choices or a default; the first choice is the default", "default")
        return self


class Job(_Section):
    """A pipeline job whose script is in the repository."""

    script: Annotated[str, BeforeValidator(parse_script)] = Field(
        default="Jenkinsfile", description="The Jenkinsfile's path in the repository."
    )
    description: Text = Field(default="", description="Shown on the job's page.")
    branch: Line | None = Field(
        default=None, description="Branch of this job, if it is not that of the repository."
    )
    keep_builds: int | None = Field(default=None, ge=1, description="Number of builds to keep.")
    disable_concurrent: Switch = Field(
        default=False, description="Whether a build waits until the previous one has ended."
    )
    schedule: Annotated[str, BeforeValidator(parse_schedule)] | None = Field(
        default=None, description='When it starts automatically, as Jenkins\' cron, e.g. "H 2 * * *".'
    )
    disabled: Switch = Field(
        default=False, description="Whether the job is disabled, so that nobody can build it."
    )
    parameters: dict[ParameterName, Parameter] = Field(
        default={}, description="Build parameters that the job has before its Jenkinsfile has run once."
    )


class Definition(_Section):
    """The whole file."""

    folder: Annotated[str, BeforeValidator(parse_folder)] | None = Field(
        default=None, description="Folder of the jobs; missing ones are created."
    )
    repository: Repository = Field(description="Where the Jenkinsfiles are.")
    jobs: dict[ItemName, Job] = Field(min_length=1, description="The jobs by name.")

    def full_name(self, name: str) -> str:
        """The full name of one of the jobs in Jenkins."""
        return f"{self.folder}/{name}" if self.folder else name

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that must exist, outermost first."""
        parts = self.folder.split("/") if self.folder else []
        return tuple("/".join(parts[: depth + 1]) for depth in range(len(parts)))

    def resolve(self, name: str) -> str:
        """The full name of a job, given by its short name in the file or by its name in Jenkins."""
        return self.full_name(name) if name in self.jobs else name.strip("/")


def find_file(given: Path | None) -> Path | None:
    """The given file, else the first existing one of DEFAULT_FILES."""
    return given or next((path for path in DEFAULT_FILES if path.is_file()), None)


def load(given: Path | None) -> Definition:
    """Read the file.

    Raises:
        UsageError: There is no file.
        ConfigError: The file has mistakes; the message lists all of them.
    """
    source = find_file(given)
    if source is None:
        raise UsageError(
            f"there is no {' and no '.join(map(str, DEFAULT_FILES))}",
            next_step=f"give the file with --file; {PAGE} describes it",
        )
    return validate(Definition, read_layers(Definition, source, PAGE, {}))
