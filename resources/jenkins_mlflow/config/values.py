"""The values a config can hold besides plain text and numbers: durations, commands, stages and aliases.

Every parser takes what YAML gave and returns the typed value, or raises the one-line problem that a person sees.
"""

from __future__ import annotations

import functools
import math
import re
import shlex
from collections.abc import Callable, Iterable
from string import Formatter
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from jenkins_mlflow.config.mistakes import broken_rule, did_you_mean, expected
from jenkins_mlflow.results.base import Event

DEFAULT_METHODS = ("stage-archive", "stage", "file-store", "alias")
COPY = "copy"
EVENTS = get_args(Event)
METHOD_NAMES: tuple[str, ...] = (*DEFAULT_METHODS, COPY)
PROMOTION_STAGES = ("Production", "Staging")
STAGES = (*PROMOTION_STAGES, "Archived", "None")
MAX_ALIAS_LENGTH = 255  # MLflow's own limit
SHELL_WORDS = {"&&", "||", "|", ";", ">", ">>", "<", "&"}
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", re.ASCII)


def parse_duration(value: Any, *, likely_unit: str = "s") -> float:
    """Read a duration such as ``90s`` as seconds. Only zero may go without its unit.

    Args:
        value: What was written.
        likely_unit: The unit to suggest when it is missing.
    """
    if type(value) in (int, float) and value == 0:
        return 0.0
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match and math.isfinite(seconds := float(match[1]) * UNIT_SECONDS[match[2]]):
            return seconds
        if value.strip() == "0":
            return 0.0
    units = ", ".join(UNIT_SECONDS)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    raise expected(
        f"a duration: a number and its unit ({units})",
        f'; did you mean "{value}{likely_unit}"?' if number and value > 0 else "",
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
    return _each(value, parse_line)


def _each(values: Iterable[Any], parse: Callable[[Any], str]) -> tuple[str, ...]:
    """Parse every item of a list; a problem names the item."""
    parsed = []
    for index, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except PydanticCustomError as error:
            context = error.context or {}
            raise expected(context["what"], context["hint"], item=(index, value)) from None
    return tuple(parsed)


def _one_of(known: tuple[str, ...], what: str) -> Callable[[Any], str]:
    """A parser of one word out of a few, in any case."""
    canonical = {word.casefold(): word for word in known}

    def parse(value: Any) -> str:
        word = parse_line(value).strip()
        if word.casefold() not in canonical:
            raise expected(f"{what} {', '.join(known)}", did_you_mean(word, known))
        return canonical[word.casefold()]

    return parse


def parse_patterns(value: Any) -> tuple[str, ...]:
    """The group's model names or patterns: at least one."""
    patterns = parse_lines(value)
    if not patterns:
        raise expected('at least one model name or pattern ("*" is every model)')
    return patterns


def parse_command(value: Any) -> tuple[str, ...]:
    """A command as text, split like a shell would but run without one, or as a list of arguments."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise expected(f"a command ({str(error).lower()})") from None
        if SHELL_WORDS & set(words):
            raise expected("a command that needs no shell", '; for a shell write ["bash", "-c", "..."]')
    elif isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        words = list(value)
    else:
        raise expected("a command: a text or a list of texts")
    if not words or not words[0].strip() or any("\0" in word for word in words):
        raise expected("a command that is not empty")
    return tuple(words)


def parse_candidate_name(value: Any) -> str:
    """A candidate's name, which also names its log file and is a tag of its runs."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", value):
        raise expected(
            "a candidate name: at most 100 letters, digits, dots, dashes, underscores; no dot first"
        )
    return value


def parse_name_template(value: Any) -> str:
    """A registered model's name in which ``{candidate}`` stands for the candidate."""
    template = parse_line(value)
    try:
        fields = [(name, form, conversion) for _, name, form, conversion in Formatter().parse(template)]
    except ValueError:
        raise expected("a model name, with {candidate} for the candidate's name") from None
    for name, form, conversion in fields:
        if name is not None and (name != "candidate" or form or conversion):
            raise expected(
                "a model name with no placeholder but {candidate}",
                "" if name == "candidate" else did_you_mean(name, ["candidate"]),
            )
    if "/" in template or ":" in template:
        raise expected("a model name without / and : (MLflow refuses them)")
    return template


def parse_copy_name(value: Any) -> str:
    """A registered model's name on another server, in which ``{model}`` stands for the name here."""
    template = parse_line(value)
    if (
        template.count("{model}") != 1
        or "{" in template.replace("{model}", "")
        or set("/:*?[") & set(template)
    ):
        raise expected("a model name with {model}, for the name here, and without / : * ? [")
    return template


def parse_variable(value: Any) -> str:
    """The name of an environment variable; never its value."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise broken_rule("expected the name of an environment variable: a secret itself stands in no config")
    if value.startswith(("MLFLOW_", "JENKINS_MLFLOW_")):
        raise broken_rule(f"expected another variable than {value}, which is no login of another server")
    return value


def parse_server_address(value: Any) -> str:
    """An http or https address without a login."""
    address = parse_web_address(value)
    if "@" in address:
        raise broken_rule(
            "expected an address without a login: username_env, password_env or token_env name it"
        )
    return address


def parse_promotion_stage(value: Any) -> str:
    """A stage that a version can be promoted to, in any case."""
    return _one_of(PROMOTION_STAGES, "null for no stage, or one of")(value)


def parse_stages(value: Any) -> tuple[str, ...] | Literal["all"]:
    """Stage names in any case, or ``all``."""
    return "all" if value == "all" else _each(parse_lines(value), _one_of(STAGES, "all, or stages out of"))


def parse_alias(value: Any) -> str:
    """An alias that MLflow accepts."""
    if not isinstance(value, str) or not re.fullmatch(rf"[\w-]{{1,{MAX_ALIAS_LENGTH}}}", value):
        raise expected("an alias of letters, digits, dash and underscore (or null for no alias)")
    if value.casefold() == "latest" or re.fullmatch(r"[vV]\d+", value):
        raise expected("an alias that MLflow does not reserve (latest, v1, v2, ...)")
    return value


def parse_alias_pattern(value: Any) -> str:
    """An alias, or a pattern of aliases: `deployed-*`."""
    pattern = isinstance(value, str) and any(char in value for char in "*?[")
    return parse_line(value) if pattern else parse_alias(value)


def parse_aliases(value: Any) -> tuple[str, ...] | Literal["all"]:
    """Alias names or patterns, or ``all``."""
    return "all" if value == "all" else _each(parse_lines(value), parse_alias_pattern)


def parse_method(value: Any) -> str:
    """A promotion method."""
    return _one_of(METHOD_NAMES, "a method out of")(parse_line(value).strip())


def parse_methods(value: Any) -> tuple[str, ...]:
    """Promotion methods in the order in which they are tried."""
    methods = _each(parse_lines(value), parse_method)
    if not methods or len(set(methods)) < len(methods):
        raise expected(f"each method at most once, and one at least, out of {', '.join(METHOD_NAMES)}")
    return methods


def parse_some_methods(value: Any) -> tuple[str, ...]:
    """Any number of promotion methods, in no order."""
    return tuple(dict.fromkeys(_each(parse_lines(value), parse_method)))


def parse_events(value: Any) -> tuple[str, ...]:
    """What is told to people."""
    return tuple(dict.fromkeys(_each(parse_lines(value), _one_of(EVENTS, "an event out of"))))


def parse_model_name(value: Any) -> str:
    """A registered model's name."""
    if "/" in parse_line(value) or ":" in value:
        raise expected("a model name without / and : (MLflow refuses them)")
    return str(value)


def parse_web_address(value: Any) -> str:
    """An http or https address."""
    if not re.match(r"https?://[^\s/]", parse_line(value)):
        raise expected("an address that starts with http:// or https://")
    return str(value).rstrip("/")


def schema(kind: dict[str, Any]) -> WithJsonSchema:
    """What the published JSON Schema says of a value that a parser reads."""
    return WithJsonSchema(kind, mode="validation")


def one_or_list(item: dict[str, Any], **limits: int) -> dict[str, Any]:
    """The JSON Schema of one item or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, **limits}]}


_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_ALIAS: dict[str, Any] = {"type": "string", "pattern": rf"^[\w-]{{1,{MAX_ALIAS_LENGTH}}}$"}

_DURATION_SCHEMA = schema(
    {"anyOf": [{"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$"}, {"const": 0}]}
)
Duration = Annotated[float, BeforeValidator(parse_duration), _DURATION_SCHEMA]
Age = Annotated[float, BeforeValidator(functools.partial(parse_duration, likely_unit="d")), _DURATION_SCHEMA]
Line = Annotated[str, BeforeValidator(parse_line), schema(_TEXT)]
Lines = Annotated[tuple[str, ...], BeforeValidator(parse_lines), schema(one_or_list(_TEXT))]
Patterns = Annotated[tuple[str, ...], BeforeValidator(parse_patterns), schema(one_or_list(_TEXT, minItems=1))]
Command = Annotated[tuple[str, ...], BeforeValidator(parse_command), schema(one_or_list(_TEXT, minItems=1))]
CandidateName = Annotated[str, BeforeValidator(parse_candidate_name)]
NameTemplate = Annotated[str, BeforeValidator(parse_name_template), schema(_TEXT)]
CopyName = Annotated[str, BeforeValidator(parse_copy_name), schema(_TEXT)]
Variable = Annotated[
    str, BeforeValidator(parse_variable), schema({"type": "string", "pattern": r"^[A-Za-z_]\w*$"})
]
PromotionStage = Annotated[
    str, BeforeValidator(parse_promotion_stage), schema({"type": "string", "enum": list(PROMOTION_STAGES)})
]
Stages = Annotated[
    tuple[str, ...] | Literal["all"],
    BeforeValidator(parse_stages),
    schema(one_or_list({"type": "string", "enum": ["all", *STAGES]})),
]
Alias = Annotated[str, BeforeValidator(parse_alias), schema(_ALIAS)]
Aliases = Annotated[
    tuple[str, ...] | Literal["all"],
    BeforeValidator(parse_aliases),
    schema(one_or_list({"type": "string", "pattern": r"^([\w-]+|.*[*?\[].*)$"})),
]
_METHOD: dict[str, Any] = {"type": "string", "enum": list(METHOD_NAMES)}
Methods = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_methods),
    schema(one_or_list(_METHOD, minItems=1)),
]
SomeMethods = Annotated[tuple[str, ...], BeforeValidator(parse_some_methods), schema(one_or_list(_METHOD))]
Events = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_events),
    schema(one_or_list({"type": "string", "enum": list(EVENTS)})),
]
ModelName = Annotated[str, BeforeValidator(parse_model_name), schema(_TEXT)]
WebAddress = Annotated[
    str, BeforeValidator(parse_web_address), schema({"type": "string", "pattern": "^https?://"})
]
ServerAddress = Annotated[
    str, BeforeValidator(parse_server_address), schema({"type": "string", "pattern": "^https?://[^@]+$"})
]
