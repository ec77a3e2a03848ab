"""The parts of Jenkins' JSON that the package reads, validated on arrival: no other code sees bad data.

Keys are Jenkins' own. Keys that nobody reads are dropped.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

Count = Annotated[int, Field(ge=0, lt=2**63)]


class Artifact(TypedDict):
    """An archived file."""

    relativePath: str


class Build(TypedDict):
    """A build. ``result`` is None until it has ended; times are in milliseconds."""

    number: Count
    url: NotRequired[str | None]
    result: NotRequired[str | None]
    building: NotRequired[bool]
    timestamp: Count
    duration: Count
    description: NotRequired[str | None]
    artifacts: NotRequired[list[Artifact]]


class ParameterDefinition(TypedDict):
    """A parameter of a job."""

    name: str
    type: NotRequired[str]
    choices: NotRequired[list[str]]


class Property(TypedDict):
    """A property of a job, most of which have no parameters."""

    parameterDefinitions: NotRequired[list[ParameterDefinition]]


class Job(TypedDict):
    """A job or a folder; its keys are those that were requested."""

    _class: NotRequired[str]
    buildable: NotRequired[bool]
    property: NotRequired[list[Property]]
    builds: NotRequired[list[Build]]


class Executable(TypedDict):
    """The build that a queue item became."""

    number: Count


class QueueItem(TypedDict):
    """A queue item: why it waits, whether it was cancelled, or what it became."""

    why: NotRequired[str | None]
    cancelled: NotRequired[bool]
    executable: NotRequired[Executable | None]


class Outcome(TypedDict):
    """The part of a step's archived result that says what the step did, and in which build."""

    command: str
    status: str
    message: str
    exit_code: Count
    build: NotRequired[str | None]
