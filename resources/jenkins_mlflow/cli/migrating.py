"""The command `migrate`: copies a file store into a database, or replaces stages by aliases."""

from __future__ import annotations

from typing import Any

import click

from jenkins_mlflow.cli.ending import finish, open_session
from jenkins_mlflow.cli.options import common, dry_run as dry_run_option
from jenkins_mlflow.errors import UsageError


def _aliases(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """`Stage=alias`, each as the config has stages and aliases."""
    from pydantic_core import PydanticCustomError

    from jenkins_mlflow.config.registry_values import parse_alias, parse_promotion_stage

    found: dict[str, str] = {}
    for one in given:
        stage, _, alias = one.partition("=")
        try:
            known, name = parse_promotion_stage(stage), parse_alias(alias)
        except PydanticCustomError as error:
            raise click.BadParameter(f"{one}: expected {error}", context, parameter) from error
        if found.setdefault(known, name) != name:
            raise click.BadParameter(
                f"{one}: stage {known} already has alias {found[known]}", context, parameter
            )
    if len(set(found.values())) < len(found):
        raise click.BadParameter("two stages cannot have one alias", context, parameter)
    return found


@click.command(short_help="Copy a file store into a database, or give stages aliases.")
@click.option(
    "--from", "source", metavar="FOLDER", help="File store to copy, such as ./mlruns; never changed."
)
@click.option(
    "--to",
    "target",
    metavar="URI",
    help="Database to copy it into: sqlite:///FILE, postgresql://... or mysql://... It must be "
    "empty, or contain part of the same copy.",
)
@click.option(
    "--skip-unreadable",
    is_flag=True,
    help="Leave out every run, model and version with a file that cannot be read.",
)
@click.option(
    "--stages-to-aliases",
    is_flag=True,
    help="Instead, give the version in each stage an alias, in the registry of --tracking-uri. Stages stay.",
)
@click.option(
    "--map",
    "aliases",
    multiple=True,
    metavar="STAGE=ALIAS",
    callback=_aliases,
    help="Alias for a stage, with --stages-to-aliases [Production=champion, Staging=challenger].",
)
@dry_run_option
@common
def migrate(
    source: str | None,
    target: str | None,
    skip_unreadable: bool,
    stages_to_aliases: bool,
    aliases: dict[str, str],
    dry_run: bool,
    **options: Any,
) -> None:
    """Copy a file store into a database and compare every item; or switch from stages to aliases.

    If a copy was stopped, the same command continues it. Files of runs and models are not copied:
    they stay where they are.
    """
    copies = bool(source and target)
    if copies == stages_to_aliases or bool(source) != bool(target) or (copies and aliases):
        raise UsageError(
            "migrate needs --from and --to, or --stages-to-aliases (with --map for other aliases)",
            state="nothing was read or written",
            next_step="`jenkins-mlflow migrate --help` lists the options",
        )
    if stages_to_aliases:
        from jenkins_mlflow.commands.stages_to_aliases import stages_to_aliases as name_versions
        from jenkins_mlflow.config.promote import DEFAULT_ALIASES

        session = open_session(options, writes="never")
        finish(name_versions(session, aliases or DEFAULT_ALIASES, plan_only=dry_run), options, session)
    from jenkins_mlflow.commands.migrate import migrate as copy
    from jenkins_mlflow.migration.folder import check_target

    check_target(str(target), str(source))
    session = open_session({**options, "tracking_uri": target}, writes="never")
    copied = copy(session, str(source), plan_only=dry_run, skip_unreadable=skip_unreadable)
    finish(copied, options, session)
