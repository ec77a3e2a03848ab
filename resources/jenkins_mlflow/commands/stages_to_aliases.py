"""`migrate --stages-to-aliases`: gives the versions in a stage an alias; the stages stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.errors import Refused, RegistryError, UsageError
from jenkins_mlflow.methods.alias import point
from jenkins_mlflow.migration.stages import Naming, config_without_stages, plan_aliases, wrong_alias
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.results.migrate import AliasPart, MigrateResult
from jenkins_mlflow.text import plural, printable


def stages_to_aliases(session: Session, aliases: Mapping[str, str], *, plan_only: bool) -> MigrateResult:
    """Give the version in each stage its alias: all or none, as far as problems can be foreseen.

    Args:
        session: Configuration and registry.
        aliases: The alias of each stage.
        plan_only: Change nothing.

    Raises:
        UsageError: The alias that means production is for another stage.
        Refused: An alias is on another version, or two versions are in one stage; nothing was written.
        Busy, LockLost: Another command is working on one of the models.
        RegistryError: An alias could not be set, or was not found afterwards.
    """
    rules = session.config.promote
    if problem := wrong_alias(aliases, rules.stage, rules.alias):
        raise UsageError(
            problem,
            state="nothing was written",
            next_step="give another alias with --map; `jenkins-mlflow promote` puts a version into production",
        )
    done = _name_versions(session, aliases, plan_only=plan_only)
    return replace(done, config=config_without_stages(aliases, rules.stage, rules.alias))


def _name_versions(session: Session, aliases: Mapping[str, str], *, plan_only: bool) -> MigrateResult:
    registry = session.registry()
    patterns = session.scope.models
    purpose = Purpose.LOOK if plan_only else Purpose.CHANGE
    planned = _planned(settled(session, registry, patterns, purpose), aliases)
    names = sorted({one.model for one in planned if not one.already_set})
    if plan_only or not names:
        return _result("planned" if names else "already", planned)
    with session.lock(registry, "migrate", names, names) as lock:
        planned = [one for one in _planned(registry.snapshot(names), aliases) if not one.already_set]
        lock.confirm()
        held, writer = registry.under(lock), session.writer()
        for one in planned:
            writer.write(f"{one.alias} on {one.model} version {one.version}", _setting(held, one))
        after = registry.snapshot(patterns)
    _require_set(after, planned)
    done = {(one.model, one.alias) for one in planned}
    return _result("aliased", _planned(after, aliases), done)


def _planned(snapshot: Snapshot, aliases: Mapping[str, str]) -> list[Naming]:
    planned, problems = plan_aliases(snapshot, aliases)
    if problems:
        raise Refused(
            printable("; ".join(problems)),
            state="nothing was written",
            next_step="keep one version in each stage (`jenkins-mlflow list` names the command for production), "
            "or choose other models with --models",
        )
    return planned


def _setting(registry: Registry, one: Naming) -> Callable[[], None]:
    return lambda: point(registry, one.model, one.alias, one.version)


def _require_set(snapshot: Snapshot, planned: Sequence[Naming]) -> None:
    models = {model.name: model for model in snapshot.models}
    missing = [
        one
        for one in planned
        if one.model not in models or models[one.model].aliases.get(one.alias) != one.version
    ]
    if missing:
        raise RegistryError(
            printable(
                f"{plural(len(missing), 'alias', 'aliases')} could not be set, the first is {missing[0].alias} "
                f"on {missing[0].model} version {missing[0].version}"
            ),
            state="the others are set; stages are as before",
            next_step="run the command again: it sets what is missing",
        )


def _result(
    status: str, planned: Sequence[Naming], done: set[tuple[str, str]] | None = None
) -> MigrateResult:
    def outcome(one: Naming) -> str:
        if done and (one.model, one.alias) in done:
            return "set"
        return "there" if one.already_set else "planned"

    new = sum(outcome(one) != "there" for one in planned)
    verb = {"planned": "would set", "aliased": "set"}.get(status)
    return MigrateResult(
        status=status,  # type: ignore[arg-type]
        message=f"{verb} {plural(new, 'alias', 'aliases')}; stages stay as they are"
        if verb
        else "every version in these stages already has its alias",
        aliases=tuple(
            AliasPart(
                model=one.model,
                version=one.version,
                stage=one.stage,
                alias=one.alias,
                outcome=outcome(one),  # type: ignore[arg-type]
                loaded_by=one.loaded_by,
                load_by=one.load_by,
            )
            for one in planned
        ),
    )
