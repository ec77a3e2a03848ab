"""Values of a config that name models, stages and aliases of the registry, and promotion methods."""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from jenkins_mlflow.config.mistakes import did_you_mean, expected
from jenkins_mlflow.config.values import (
    TEXT,
    Unquoted,
    each,
    one_of,
    one_or_list,
    parse_line,
    parse_lines,
    schema,
)
from jenkins_mlflow.tags import COPY

DEFAULT_METHODS = ("stage-archive", "stage", "file-store", "alias")
METHOD_NAMES: tuple[str, ...] = (*DEFAULT_METHODS, COPY)
PROMOTION_STAGES = ("Production", "Staging")
STAGES = (*PROMOTION_STAGES, "Archived", "None")
MAX_ALIAS_LENGTH = 255  # MLflow's own limit


def parse_patterns(value: Any) -> tuple[str, ...]:
    """The group's model names or patterns: at least one."""
    patterns = parse_lines(value)
    if not patterns:
        raise expected('at least one model name or pattern ("*" is every model)')
    return patterns


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


def parse_promotion_stage(value: Any) -> str:
    """A stage that a version can be promoted to, in any case."""
    return one_of(PROMOTION_STAGES, "null for no stage, or one of")(value)


def parse_stages(value: Any) -> tuple[str, ...] | Literal["all"]:
    """Stage names in any case, or ``all``."""
    return "all" if value == "all" else each(parse_lines(value), one_of(STAGES, "all, or stages out of"))


def parse_alias(value: Any) -> str:
    """An alias that MLflow accepts. ``alias: no`` most likely means that there should be none."""
    if isinstance(value, Unquoted | bool):
        word = str(value).lower() if isinstance(value, bool) else value
        raise expected("an alias, or null for none", f'; an alias of that name needs quotes: "{word}"')
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
    return "all" if value == "all" else each(parse_lines(value), parse_alias_pattern)


def parse_method(value: Any) -> str:
    """A promotion method."""
    return one_of(METHOD_NAMES, "a method out of")(parse_line(value).strip())


def parse_methods(value: Any) -> tuple[str, ...]:
    """Promotion methods in the order in which they are tried."""
    methods = each(parse_lines(value), parse_method)
    if not methods or len(set(methods)) < len(methods):
        raise expected(f"each method at most once, and one at least, out of {', '.join(METHOD_NAMES)}")
    return methods


def parse_some_methods(value: Any) -> tuple[str, ...]:
    """Any number of promotion methods, in no order."""
    return tuple(dict.fromkeys(each(parse_lines(value), parse_method)))


def parse_model_name(value: Any) -> str:
    """A registered model's name."""
    if "/" in parse_line(value) or ":" in value:
        raise expected("a model name without / and : (MLflow refuses them)")
    return str(value)


_ALIAS: dict[str, Any] = {"type": "string", "pattern": rf"^[\w-]{{1,{MAX_ALIAS_LENGTH}}}$"}
_METHOD: dict[str, Any] = {"type": "string", "enum": list(METHOD_NAMES)}

Patterns = Annotated[tuple[str, ...], BeforeValidator(parse_patterns), schema(one_or_list(TEXT, minItems=1))]
NameTemplate = Annotated[str, BeforeValidator(parse_name_template), schema(TEXT)]
CopyName = Annotated[str, BeforeValidator(parse_copy_name), schema(TEXT)]
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
Methods = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_methods),
    schema(one_or_list(_METHOD, minItems=1)),
]
SomeMethods = Annotated[tuple[str, ...], BeforeValidator(parse_some_methods), schema(one_or_list(_METHOD))]
ModelName = Annotated[str, BeforeValidator(parse_model_name), schema(TEXT)]
