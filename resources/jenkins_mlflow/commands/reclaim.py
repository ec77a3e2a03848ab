"""`reclaim`: deletes the files of versions that a cleanup deleted, after the grace period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from jenkins_mlflow import errors
from jenkins_mlflow.cleanup.lease import minute
from jenkins_mlflow.cleanup.pace import Pace
from jenkins_mlflow.cleanup.plan import is_covered
from jenkins_mlflow.cleanup.reclaim import BATCH, Reclaim
from jenkins_mlflow.cleanup.reclaim_pieces import Freed, Piece
from jenkins_mlflow.cleanup.reclaim_plan import plan_orphans, plan_reclaim
from jenkins_mlflow.cleanup.reclaim_reading import Look
from jenkins_mlflow.commands.group import no_such_model
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.cleanup import Reclaim as Rules
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import Interrupted, Refused, UsageError
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import KeptRun
from jenkins_mlflow.registry.journal import EXPERIMENT, Journal
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.records import Records
from jenkins_mlflow.registry.storage import Storage
from jenkins_mlflow.results.base import Place, error_part
from jenkins_mlflow.results.reclaim import PiecePart, ReclaimResult
from jenkins_mlflow.text import listed, plural, printable, size

Status = Literal["reclaimed", "planned", "nothing", "stopped"]


@dataclass(frozen=True)
class ReclaimWish:
    """The request for a reclaim.

    Attributes:
        model: Only the deleted versions of this model; None for the whole group.
        plan_only: Change nothing.
        yes: Do not ask.
        orphans: Whether to delete the files of runs without a registered version instead.
        older_than: Only runs that ended so many seconds ago.
        pace: The pace of the deletions.
    """

    model: str | None = None
    plan_only: bool = False
    yes: bool = False
    orphans: bool = False
    older_than: float | None = None
    pace: Pace = field(default_factory=Pace)

    def check(self, config: Config) -> None:
        """Refuse options that cannot be combined, or do not fit the config.

        Raises:
            UsageError: With what to do instead.
        """
        if config.cleanup.reclaim.mode == "none":
            raise UsageError(
                "cleanup.reclaim.mode is none: nothing is freed",
                state="nothing was read or deleted",
                next_step="give --mode artifacts (runs stay) or --mode runs, or set the mode in the config",
            )
        if self.orphans != (self.older_than is not None):
            raise UsageError(
                "--orphans and --older-than must be given together",
                next_step="for example `jenkins-mlflow reclaim --orphans --older-than 90d --models '*' "
                "--mode artifacts --dry-run`",
            )
        if self.orphans and self.model:
            raise UsageError(
                "--orphans cannot be combined with --model: orphans belong to no model",
                next_step="leave out --model, or --orphans and --older-than",
            )
        if self.orphans and (why := _narrower(config)):
            raise UsageError(
                f"--orphans frees the files of every team's runs on the server, but {why}",
                state="nothing was read or deleted",
                next_step="if other teams' runs may lose their files, give --models '*', "
                "and a config without cleanup.include and cleanup.exclude",
            )


def _narrower(config: Config) -> str:
    """Why the config does not permit work on the whole registry; empty if it does.

    An orphan belongs to no model, so it may be anybody's. The default of `models` is no permission.
    """
    rules = config.cleanup
    if "models" not in config.model_fields_set:
        return "neither the config nor --models names the models"
    if "*" not in config.models:
        return f"models is {printable(listed(config.models, 3))}"
    if "*" not in rules.include or rules.exclude:
        return "cleanup.include or cleanup.exclude leaves models out"
    return ""


def reclaim(session: Session, wish: ReclaimWish) -> ReclaimResult:
    """`reclaim`: plan, show, ask, delete.

    Raises:
        UsageError: The options cannot be combined, the config says that nothing is freed, or orphans are asked
            for without the whole registry.
        Refused: A question is needed, but there is no terminal; or this account may not see every model.
        NotFound: The named model does not exist, and no version of it was deleted.
    """
    rules = session.config.cleanup.reclaim
    wish.check(session.config)
    registry = session.registry()
    with session.unwritten():
        _require_sight(registry)
        now = registry.now()
    work = _work(session, registry, wish, now)
    pieces = work.measured(work.plan())
    if wish.model and not pieces and wish.model not in registry.names():
        raise no_such_model(registry, wish.model)
    if wish.orphans:
        pieces = tuple(piece for piece in pieces if piece.files != 0)
    doomed = [piece for piece in pieces if piece.action == "reclaim"]
    planned = _result(Freed(pieces), rules, now, plan_only=True)
    if wish.plan_only or not doomed:
        return planned
    if not wish.yes and not _agreed(session, doomed):
        return replace(planned, status="nothing", message="nothing was deleted: the answer was no")
    with session.terminal.progress("freeing files", len(doomed)) as advance:
        freed = replace(work, progress=advance).run(pieces)
    if freed.stopped:
        session.tell_stop(freed.stopped)
    return _result(freed, rules, now, plan_only=False)


def _work(session: Session, registry: Registry, wish: ReclaimWish, now: float) -> Reclaim:
    rules = session.config.cleanup.reclaim
    whole_runs = rules.mode == "runs"
    # What an unreadable run of the journal names may look like an orphan: then nothing is deleted.
    journal = Journal(registry) if wish.orphans else session.journal(registry)
    look = Look(registry, Storage(registry), journal, wish.orphans or whole_runs)

    def plan() -> tuple[Piece, ...]:
        if wish.orphans:
            assert wish.older_than is not None, "checked"
            runs = _orphans(registry, now - wish.older_than)
            return plan_orphans(look(runs), [run.run_id for run in runs], whole_runs=whole_runs)
        known = look()
        names = {entry.version.model for entry in known.entries}
        ours = {name for name in names if is_asked(session, wish.model, name)}
        return plan_reclaim(known, whole_runs=whole_runs, grace=rules.grace, now=now, models=ours)

    return Reclaim(
        look,
        plan,
        lambda models: session.lock(registry, "reclaim", models or ["*"], models),
        now,
        pace=wish.pace.limiter(),
        workers=wish.pace.workers,
        most=wish.pace.batch(BATCH),
    )


def is_asked(session: Session, model: str | None, name: str) -> bool:
    """Whether the request covers the deleted versions of a model.

    Args:
        session: Its group counts, without the models that cleanups exclude.
        model: The one model that the command names; None for the group.
        name: The model.
    """
    if model:
        return name == model
    return matches(name, session.scope.models) and is_covered(name, session.config.cleanup)


def _orphans(registry: Registry, before: float) -> list[KeptRun]:
    """The runs that ended before a time, without those of the journal.

    Raises:
        Refused: There is a second journal, which is not read: what it names would look like orphans.
    """
    records = Records(registry)
    journal = registry.retrying("reading the journal", records.home)
    if other := next(records.others(), None):
        raise Refused(
            f"the experiment {other} also has a journal of deletions, which is not read because it is not "
            f"the experiment {EXPERIMENT}: files of versions that it could restore would be deleted",
            state="nothing was deleted",
            next_step=f"if {EXPERIMENT} has nothing that you need, rename it, and rename the other one to "
            f"{EXPERIMENT}; if nothing in the other one needs to be restored, put it in the trash: "
            f"`mlflow experiments delete -x {other}`; then run the command again",
        )
    found = homes.every_run(registry, f"attributes.end_time < {int(before * 1000)}")
    return [run for run in found if run.experiment != journal and 0 < run.ended < before * 1000]


def _require_sight(registry: Registry) -> None:
    """Refuse unless every version that may refer to the files can be seen."""
    seen = registry.sees_all()
    if seen:
        return
    who, by_name = "this account is not an administrator", ""
    if seen is None:
        who = "it is unknown whether this account is an administrator"
        by_name = " (user and password: this server does not say whose a token is)"
    raise Refused(
        f"{who}: models may be hidden from it, and their files would be deleted",
        state="nothing was deleted",
        next_step=f"run `jenkins-mlflow reclaim` with an administrator's login{by_name}",
    )


def _agreed(session: Session, doomed: Sequence[Piece]) -> bool:
    total = sum(piece.bytes or 0 for piece in doomed)
    if not session.terminal.interactive:
        raise Refused(
            f"{size(total)} would be deleted permanently, but there is no terminal to ask for confirmation",
            state="nothing was deleted",
            next_step="review the plan with --dry-run, then give --yes",
        )
    return session.terminal.confirm(f"⚠️  Delete {size(total)} of files permanently?")


def exit_code(result: Freed) -> int:
    """The exit code, with the same meaning as after a cleanup."""
    outcomes = [piece.outcome for piece in result.pieces if piece.action == "reclaim"]
    if isinstance(result.stopped, Interrupted) or (result.stopped and "reclaimed" not in outcomes):
        return result.stopped.exit_code
    if result.stopped or "failed" in outcomes:
        return errors.PARTLY
    return errors.BUSY if outcomes and set(outcomes) == {"kept: in use"} else errors.DONE


def _result(freed: Freed, rules: Rules, now: float, *, plan_only: bool) -> ReclaimResult:
    """The result of `reclaim` for a plan, carried out or not."""
    assert rules.mode != "none", "checked"
    doomed = [piece for piece in freed.pieces if piece.action == "reclaim"]
    gone = [piece for piece in doomed if piece.outcome == "reclaimed"]
    if freed.stopped:
        status: Status = "stopped"
    elif plan_only:
        status = "planned" if doomed else "nothing"
    else:
        status = "reclaimed" if gone else "nothing"
    return ReclaimResult(
        status=status,
        code=None if plan_only else exit_code(freed),
        message="; ".join(_words(freed, doomed, gone, now, plan_only=plan_only)),
        error=error_part(freed.stopped) if freed.stopped else None,
        mode=rules.mode,
        grace=rules.grace,
        bytes=sum(piece.bytes or 0 for piece in doomed),
        freed=freed.freed,
        items=tuple(_part(piece) for piece in freed.pieces),
    )


def _words(
    freed: Freed, doomed: Sequence[Piece], gone: Sequence[Piece], now: float, *, plan_only: bool
) -> Iterator[str]:
    """The message, part by part."""
    places, would = plural(len(doomed), "place"), sum(piece.bytes or 0 for piece in doomed)
    if freed.stopped:
        yield f"stopped after {size(freed.freed)}: {freed.stopped.message}"
    elif plan_only:
        yield f"DRY RUN: would free {size(would)} in {places}" if doomed else "nothing to free"
    else:
        yield f"freed {size(freed.freed)} in {plural(len(gone), 'place')}"
    if changed := [piece for piece in doomed if piece.outcome == "kept: changed since the plan"]:
        yield f"kept {len(changed)} that changed since the plan was made"
    if in_use := [piece for piece in doomed if piece.outcome == "kept: in use"]:
        yield f"left {len(in_use)} for the next run: {in_use[0].error}"
    if left_alone := [piece for piece in freed.pieces if piece.action == "leave"]:
        yield f"{plural(len(left_alone), 'place')} left alone"
    if held := [piece.until for piece in freed.pieces if piece.action == "wait" and piece.until > now]:
        yield f"{plural(len(held), 'version')} can be restored, the first until {minute(min(held))}"


def _part(piece: Piece) -> PiecePart:
    return PiecePart(
        versions=tuple(Place.of(entry.version) for entry in piece.entries),
        locations=tuple(location.uri for location in piece.locations),
        run=piece.run_id or piece.orphan,
        action=piece.action,
        reason=piece.reason,
        until=piece.until or None,
        bytes=piece.bytes,
        files=piece.files,
        outcome=piece.outcome,
        error=piece.error,
        freed=piece.freed,
    )
