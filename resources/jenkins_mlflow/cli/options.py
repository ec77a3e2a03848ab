"""The options that several commands share, and what they mean for the configuration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.render import FORMATS

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_REPORT = "mlflow-report"


class Related(click.Option):
    """An option that makes sense only beside another one, or that does not go with others.

    Args:
        needs: The name of the option that must be given, too.
        excludes: The names of options that must not be given.
        hint: What to do instead.
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
            if self.needs and self.needs not in opts:
                raise UsageError(f"--{self.name} needs --{self.needs}", next_step=self.hint)
            if any(other in opts for other in self.excludes):
                others = " nor ".join(f"--{other.replace('_', '-')}" for other in self.excludes)
                raise UsageError(f"--{self.name} goes with neither {others}", next_step=self.hint)
        return super().handle_parse_result(ctx, opts, args)


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
    click.option(
        "--models", multiple=True, metavar="PATTERN", help="Registered models that form the group [all]."
    ),
    click.option(
        "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the result."
    ),
    click.option("--quiet", is_flag=True, help="Show only errors, notices and questions."),
    click.option(
        "--report",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Folder for logs and notices; if given, also for COMMAND.json and the gates as JUnit "
        f"[{DEFAULT_REPORT}].",
    ),
)
build = click.option("--build", help="Build id that marks runs [JENKINS_MLFLOW_BUILD, else BUILD_TAG].")
selecting = _options(
    click.option("--metric", help="Metric that ranks the candidates [roc_auc]."),
    click.option("--direction", metavar="maximize|minimize", help="Which values are better [maximize]."),
    click.option("--min-improvement", metavar="X", help="Least gain over the champion [0]."),
    click.option(
        "--scope",
        metavar="build|group",
        help="Candidates: this build's versions, or all of the group [group].",
    ),
    build,
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be changed, change nothing.")
marks = _options(
    click.option("--stage", help="Stage that means production [Production]."),
    click.option("--alias", help="Alias that means production [champion]."),
)


def mark_flags(stage: str | None, alias: str | None) -> dict[str, object]:
    """The values that the options of ``marks`` set in the configuration."""
    return {"promote.stage": stage, "promote.alias": alias}


def select_flags(
    metric: str | None, direction: str | None, min_improvement: str | None, scope: str | None
) -> dict[str, object]:
    """The values that the options of ``selecting`` set in the configuration."""
    return {
        "select.metric": metric,
        "select.direction": direction,
        "select.min_improvement": min_improvement,
        "select.scope": scope,
    }
