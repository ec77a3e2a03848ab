"""The options that several commands share, and how they override the configuration."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import click

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.render import FORMATS
from jenkins_mlflow.whole_number import WholeNumber

TIMES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_REPORT = "mlflow-report"


class Related(click.Option):
    """An option that requires another one, or cannot be combined with others.

    Args:
        needs: The name of the option that must be given, too.
        excludes: The names of options that must not be given.
        hint: How to correct the command line.
    """

    def __init__(
        self, *args: Any, needs: str = "", excludes: tuple[str, ...] = (), hint: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.needs, self.excludes, self.hint = needs, excludes, hint

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        if self.name in opts:
            spelled = {option.name: option.opts[0] for option in ctx.command.params}
            if self.needs and self.needs not in opts:
                raise UsageError(f"{self.opts[0]} needs {spelled[self.needs]}", next_step=self.hint)
            if any(other in opts for other in self.excludes):
                others = " or ".join(spelled[other] for other in self.excludes)
                raise UsageError(
                    f"{self.opts[0]} cannot be given together with {others}", next_step=self.hint
                )
        return super().handle_parse_result(ctx, opts, args)


class Configured(click.Option):
    """An option that overrides a key of the config. Its default is defined only there.

    Args:
        key: The key's dotted path, such as ``cleanup.keep_last``.
    """

    def __init__(self, *args: Any, key: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key

    @property
    def help_with_default(self) -> str:
        """The help with the default. Loads the config's schema, so it is used only when help is shown."""
        from jenkins_mlflow.config.schema import default_of

        default = default_of(self.key)
        text = self.help or ""
        return f"{text.rstrip('.')} [{default}]." if default else text

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return record and (record[0], record[1].replace(self.help or "", self.help_with_default))


class VersionNumber(WholeNumber):
    """The number of a version of a model."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a version number: expected 1, 2, 3, ...", param, ctx)


def configured(*names: str, key: str, **attributes: Any) -> Callable[[F], F]:
    """A click option that overrides a key of the config."""
    return click.option(*names, cls=Configured, key=key, **attributes)


def overrides(context: click.Context) -> dict[str, tuple[str, object]]:
    """The options that override keys of the config: by dotted key, the option and its value.

    If two options set one key, a name and its former one, the first that the command declares wins.
    """
    found: dict[str, tuple[str, object]] = {}
    for option in context.command.params:
        if isinstance(option, Configured):
            value = context.params.get(str(option.name))
            if value not in (None, ()):
                found.setdefault(option.key, (option.opts[0], list(value) if option.multiple else value))
    return found


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several click options as one decorator, shown in the given order."""
    return lambda function: functools.reduce(lambda f, decorate: decorate(f), reversed(decorators), function)


common = _options(
    click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="Config file [mlops.yaml, if it exists].",
    ),
    click.option("--tracking-uri", help="MLflow server or store [MLFLOW_TRACKING_URI, else the config's]."),
    configured(
        "--models",
        key="models",
        multiple=True,
        metavar="PATTERN",
        help="Registered models that form the group [all].",
    ),
    click.option(
        "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Output format."
    ),
    click.option("--quiet", is_flag=True, help="Show only errors, notices and questions."),
    click.option(
        "--report",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Folder for logs and notices. If you set it, index.html, COMMAND.json, COMMAND.csv and a JUnit report of "
        f"the gates are written there, too [{DEFAULT_REPORT}].",
    ),
)
build = click.option(
    "--build", help="Build id that marks runs [JENKINS_MLFLOW_BUILD, else made of BUILD_TAG]."
)
selecting = _options(
    configured("--metric", key="select.metric", help="Metric that ranks the candidates."),
    configured(
        "--direction",
        key="select.direction",
        metavar="maximize|minimize",
        help="Which values are better.",
    ),
    configured(
        "--min-improvement",
        key="select.min_improvement",
        metavar="X",
        help="Minimum improvement over the champion.",
    ),
    configured(
        "--scope",
        key="select.scope",
        metavar="build|group",
        help="Candidates: this build's versions, or all of the group.",
    ),
    build,
)
to_server = click.option(
    "--to-server",
    metavar="NAME",
    help="Compare with production on this server of the config (`servers`). A promotion copies the version there.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be changed, change nothing.")
marks = _options(
    configured("--stage", key="promote.stage", help="Stage that means production."),
    configured("--alias", key="promote.alias", help="Alias that means production."),
)


def duration(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A duration such as `30d`, parsed as in the config."""
    from pydantic_core import PydanticCustomError

    from jenkins_mlflow.config.values import parse_duration

    try:
        return None if value is None else parse_duration(value, likely_unit="d")
    except PydanticCustomError as error:
        raise click.BadParameter(f"expected {error}", context, parameter) from error


def place(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The version that a promotion may replace: MODEL/VERSION, or the word nothing."""
    if value is None or re.fullmatch(r"nothing|.+/[1-9][0-9]*", value):
        return value
    raise click.BadParameter(
        "expected a version in production as MODEL/VERSION, or the word nothing", context, parameter
    )


def epoch(moment: datetime | None) -> float | None:
    """A time that was given in UTC, as seconds since the epoch."""
    return moment.replace(tzinfo=timezone.utc).timestamp() if moment else None
