"""Values of a config other than plain text and numbers: durations, commands, addresses, names of variables.

Every parser takes a YAML value and returns the typed value, or raises the problem as a one-line message.
"""

from __future__ import annotations

import functools
import math
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from jenkins_mlflow.config.mistakes import broken_rule, did_you_mean, expected
from jenkins_mlflow.results.base import Event

EVENTS = get_args(Event)
SHELL_WORDS = {"&&", "||", "|", ";", ">", ">>", "<", "&"}
SWITCH_WORDS = {"yes": True, "on": True, "no": False, "off": False}
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
LONGEST = 36_500 * UNIT_SECONDS["d"]
"""The longest duration, in seconds: the end of such a time is still a valid date."""
LONGEST_NAME = 100
"""The longest name of a candidate, in characters."""
OF_PARALLEL = ("failFast",)
"""Branch names that Jenkins' step parallel takes for settings: such a candidate would not be trained."""
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", re.ASCII)
_DURATION_IN_WORDS = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(sec|second|min|minute|hour|day|week)s?\s*", re.ASCII | re.IGNORECASE
)


class Unquoted(str):
    """A word without quotes that YAML 1.1 reads as true or false, or that people take for null."""

    __slots__ = ()


def parse_duration(value: Any, *, likely_unit: str = "s") -> float:
    """Read a duration such as ``90s`` as seconds. Only zero may be without a unit.

    Args:
        value: The value in the config.
        likely_unit: The unit to suggest when it is missing.
    """
    if type(value) in (int, float) and value == 0:
        return 0.0
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match and (seconds := float(match[1]) * UNIT_SECONDS[match[2]]) <= LONGEST:
            return seconds
        if match:
            raise expected("a duration of at most 100 years (36500d)")
        if value.strip() == "0":
            return 0.0
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    slip = _DURATION_IN_WORDS.fullmatch(value) if isinstance(value, str) else None
    meant = ""
    if slip:
        meant = f"{slip[1]}{slip[2][0].lower()}"
    elif number and value > 0:
        meant = f"{value}{likely_unit}"
    elif isinstance(value, str) and re.fullmatch(r"\s*0*[1-9]\d{0,4}\s*", value, re.ASCII):
        meant = f"{value.strip()}{likely_unit}"
    units = ", ".join(UNIT_SECONDS)
    raise expected(
        f"a duration: a number and its unit ({units})", f'; did you mean "{meant}"?' if meant else ""
    )


def parse_line(value: Any) -> str:
    """One line of text that is not blank."""
    if not isinstance(value, str):
        raise expected("text", "; put it in quotes" if isinstance(value, bool | int | float) else "")
    if not value.strip() or not value.isprintable():
        raise expected("one line of text that is not blank")
    return value


def parse_lines(value: Any) -> tuple[str, ...]:
    """One text or a list of texts."""
    if isinstance(value, str):
        return (parse_line(value),)
    if not isinstance(value, list | tuple):
        raise expected("a text or a list of texts")
    return each(value, parse_line)


def each(values: Iterable[Any], parse: Callable[[Any], str]) -> tuple[str, ...]:
    """Parse every item of a list; a problem names the item."""
    parsed = []
    for index, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except PydanticCustomError as error:
            context = error.context or {}
            raise expected(context["what"], context["hint"], item=((index,), value)) from None
    return tuple(parsed)


def one_of(known: tuple[str, ...], what: str) -> Callable[[Any], str]:
    """A parser of one of a few words, in any case."""
    canonical = {word.casefold(): word for word in known}

    def parse(value: Any) -> str:
        word = parse_line(value).strip()
        if word.casefold() not in canonical:
            raise expected(f"{what} {', '.join(known)}", did_you_mean(word, known))
        return canonical[word.casefold()]

    return parse


def parse_command(value: Any) -> tuple[str, ...]:
    """A command as text, split as a shell would but run without one, or as a list of arguments."""
    if isinstance(value, str):
        try:
            arguments = shlex.split(value)
        except ValueError as error:
            raise expected(f"a command ({str(error).lower()})") from None
        if SHELL_WORDS & set(arguments):
            raise expected("a command that needs no shell", '; for a shell write ["bash", "-c", "..."]')
    elif isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        arguments = list(value)
    else:
        raise expected("a command: a text or a list of texts")
    if not arguments or not arguments[0].strip() or any("\0" in word for word in arguments):
        raise expected("a command that is not empty")
    return tuple(arguments)


def parse_candidate_name(value: Any) -> str:
    """A candidate's name, which also names its log file and is a tag of its runs."""
    allowed = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", value)
    if not allowed or len(value) > LONGEST_NAME:
        raise expected(
            f"a candidate name: at most {LONGEST_NAME} letters, digits, dots, dashes, underscores; no dot first",
            "; put it in quotes" if isinstance(value, bool | int | float) else "",
        )
    if value in OF_PARALLEL:
        raise expected(f"a candidate name other than {value}, which Jenkins takes for a setting")
    return str(value)


def parse_variable(value: Any) -> str:
    """The name of an environment variable; never its value."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise broken_rule(
            "expected the name of an environment variable: a secret itself does not belong in a config"
        )
    if value.startswith(("MLFLOW_", "JENKINS_MLFLOW_")):
        raise broken_rule(
            f"expected a variable other than {value}, which never holds the login of another server"
        )
    return value


def parse_server_address(value: Any) -> str:
    """An http or https address without a login."""
    address = parse_web_address(value)
    if "@" in address:
        raise broken_rule(
            "expected an address without a login: username_env, password_env or token_env name it"
        )
    return address


def parse_events(value: Any) -> tuple[str, ...]:
    """The events to notify people of."""
    return tuple(dict.fromkeys(each(parse_lines(value), one_of(EVENTS, "an event out of"))))


def parse_switch(value: Any) -> Any:
    """True or false, or one of YAML 1.1's words for them, which old configs have."""
    return SWITCH_WORDS.get(value.casefold(), value) if isinstance(value, str) else value


def parse_web_address(value: Any) -> str:
    """An http or https address."""
    if not re.match(r"https?://[^\s/]", parse_line(value)):
        raise expected("an address that starts with http:// or https://")
    return str(value).rstrip("/")


def schema(kind: dict[str, Any]) -> WithJsonSchema:
    """The published JSON Schema of a value that a parser reads."""
    return WithJsonSchema(kind, mode="validation")


def one_or_list(item: dict[str, Any], **limits: int) -> dict[str, Any]:
    """The JSON Schema of one item or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, **limits}]}


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}

_DURATION_SCHEMA = schema(
    {"anyOf": [{"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$"}, {"const": 0}]}
)
Duration = Annotated[float, BeforeValidator(parse_duration), _DURATION_SCHEMA]
Age = Annotated[float, BeforeValidator(functools.partial(parse_duration, likely_unit="d")), _DURATION_SCHEMA]


def lasting(
    default: str,
    description: str,
    *,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> Any:
    """A field of the type ``Duration`` or ``Age`` with a default, which the schema shows as written here.

    Args:
        default: A duration such as ``7d``.
        description: The description of the key.
        gt: The duration must be longer than this, in seconds.
        ge: The shortest duration, in seconds.
        le: The longest duration, in seconds.
    """
    return Field(
        default=parse_duration(default),
        description=description,
        json_schema_extra={"default": default},
        gt=gt,
        ge=ge,
        le=le,
    )


Line = Annotated[str, BeforeValidator(parse_line), schema(TEXT)]
Lines = Annotated[tuple[str, ...], BeforeValidator(parse_lines), schema(one_or_list(TEXT))]
Command = Annotated[tuple[str, ...], BeforeValidator(parse_command), schema(one_or_list(TEXT, minItems=1))]
Switch = Annotated[bool, BeforeValidator(parse_switch)]
CandidateName = Annotated[str, BeforeValidator(parse_candidate_name)]
Variable = Annotated[
    str, BeforeValidator(parse_variable), schema({"type": "string", "pattern": r"^[A-Za-z_]\w*$"})
]
Events = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_events),
    schema(one_or_list({"type": "string", "enum": list(EVENTS)})),
]
WebAddress = Annotated[
    str, BeforeValidator(parse_web_address), schema({"type": "string", "pattern": "^https?://"})
]
ServerAddress = Annotated[
    str, BeforeValidator(parse_server_address), schema({"type": "string", "pattern": "^https?://[^@]+$"})
]
