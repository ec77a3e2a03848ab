"""`migrate`: copies a file store into a database, and compares every item."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import ConnectionFailed, Refused
from jenkins_mlflow.extras import STORES, require
from jenkins_mlflow.migration import folder as places
from jenkins_mlflow.migration.compare import Comparison, compare
from jenkins_mlflow.migration.plan import KINDS, Plan, experiment_numbers, make_plan, shortened
from jenkins_mlflow.migration.source import Reader, python_values_are_nothing
from jenkins_mlflow.migration.target import State, Target
from jenkins_mlflow.results.migrate import MigratedPart, MigrateResult, RenumberedPart
from jenkins_mlflow.text import one_line, plural, printable, redact


@dataclass(frozen=True)
class _Work:
    """One migration.

    Attributes:
        folder: The folder to copy.
        target: The database to copy it to.
        numbers: The number of each experiment in the database.
        plan: What to copy.
    """

    folder: Path
    target: Target
    numbers: Mapping[str, int]
    plan: Plan
    began: float = field(default_factory=time.monotonic)


def migrate(session: Session, source: str, *, plan_only: bool, skip_unreadable: bool) -> MigrateResult:
    """`migrate --from --to`: copy a file store into the session's database.

    Args:
        session: The session; its address is that of the database.
        source: The file store.
        plan_only: Only read and check.
        skip_unreadable: Skip what cannot be read, instead of refusing.

    Raises:
        UsageError: There is no file store.
        ConnectionFailed: The database cannot be reached.
        Refused: The database contains other data, or cannot contain these; nothing was written.
    """
    folder = places.find_folder(source)
    require(STORES)
    _quiet()
    fingerprint = places.fingerprint(folder)
    target = Target(session.uri)
    try:
        numbers = experiment_numbers(
            (name for name, _ in places.experiments(folder)), target.largest_experiment
        )
        with python_values_are_nothing():
            session.terminal.say(f"reading {folder}")
            plan = make_plan(Reader(folder, numbers), target.limits)
        work = _Work(folder, target, numbers, plan)
        _refuse_what_does_not_fit(work, skip_unreadable=skip_unreadable)
        state = target.state(fingerprint)
        for warning in plan.warnings(folder):
            session.warn(warning)
        if state == "other migration":
            raise Refused(
                f"a migration into {redact(session.uri)} is not finished, but {printable(str(folder))} is not "
                "its source, or has changed since",
                state="nothing was written by this command",
                next_step="stop the server on that folder, and start again with an empty database",
            )
        if state == "other data":
            return _compare_only(session, work)
        if plan_only:
            return _result(
                work, "planned", Comparison(), f"would copy {_words(plan)} to {redact(session.uri)}"
            )
        _copy(session, work, state, fingerprint)
        return _finish(session, work, fingerprint)
    finally:
        target.close()


def _quiet() -> None:
    """Silence MLflow: reading file stores is intended, and its messages on creating tables help nobody."""
    import logging

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow  # noqa: F401  sets up its loggers

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _refuse_what_does_not_fit(work: _Work, *, skip_unreadable: bool) -> None:
    if work.plan.problems:
        raise Refused(
            "\n".join(["the database cannot contain what is in the folder:", *work.plan.problems]),
            state="nothing was written",
            next_step="change that in the folder, or migrate to SQLite, which has fewer limits",
        )
    files = sorted(work.plan.notes.unreadable.values())
    unreadable = [one_line(str(file.relative_to(work.folder))) for file in files]
    if unreadable and not skip_unreadable:
        raise Refused(
            "\n".join(["these files cannot be read:", *shortened(unreadable)]),
            state="nothing was written",
            next_step="repair or remove them, or use --skip-unreadable to leave out what they belong to "
            "(MLflow 3.0.0 to 3.5.0 leave an empty version behind when they fail to rename a model)",
        )


def _copy(session: Session, work: _Work, state: State, fingerprint: str) -> None:
    done = work.target.prepare(state, fingerprint)
    if done:
        session.terminal.say(
            f"continuing: {plural(len(done), 'unit')} of {work.plan.units} are already copied"
        )
    reader = Reader(work.folder, work.numbers, work.plan.notes.unreadable)
    with (
        python_values_are_nothing(),
        session.terminal.progress("copied", work.plan.units - len(done)) as advance,
    ):
        for unit in reader.units():
            if unit.name not in done:
                work.target.write(unit)
                advance()


def _compared(session: Session, work: _Work) -> Comparison:
    with (
        session.terminal.progress("compared", len(work.numbers) + 1) as advance,
        places.view(work.folder, work.plan.notes.unreadable) as shown,
    ):
        compared = compare(shown, session.uri, work.numbers, advance)
    for table, rows in work.plan.rows.items():
        if (rows_in_database := work.target.count(table)) != rows:
            compared.differences.append(
                f"table {table}: {rows} rows in the folder, {rows_in_database} in the database"
            )
    return compared


def _finish(session: Session, work: _Work, fingerprint: str) -> MigrateResult:
    compared = _compared(session, work)
    if places.fingerprint(work.folder) != fingerprint:
        compared.differences.insert(
            0, "the folder has changed during the migration: is its server still running?"
        )
    if compared.differences:
        return _result(
            work,
            "differs",
            compared,
            f"copied, but {plural(len(compared.differences), 'difference')} found: do not use it",
        )
    work.target.finish()
    return _result(
        work, "migrated", compared, f"migrated {_words(work.plan)} to {redact(session.uri)}; all verified"
    )


def _compare_only(session: Session, work: _Work) -> MigrateResult:
    """Compare only: a database with data and no unfinished migration may be the result of this one."""
    try:
        compared = _compared(session, work)
    except ConnectionFailed:
        raise
    except Exception as error:  # any error of MLflow with data of others
        raise _other_data(session, work, str(error), 0) from error
    if compared.differences:
        raise _other_data(session, work, compared.differences[0], compared.same.total())
    return _result(
        work, "already", compared, f"{redact(session.uri)} already has all of it; nothing was written"
    )


def _other_data(session: Session, work: _Work, example: str, same: int) -> Refused:
    """The error for a database with other data; says how much is equal, in case a server has used it."""
    found = sum(work.plan.found(kind) for kind in KINDS)
    used = f"; if the folder was migrated into it before ({same} of {found} items are the same), it is done"
    return Refused(
        f"{redact(session.uri)} holds other data ({example})",
        state="nothing was written",
        next_step="give an empty database" + (used if same else ""),
    )


def _words(plan: Plan) -> str:
    return ", ".join(
        plural(plan.found(kind), kind.removesuffix("s"), kind)
        for kind in ("experiments", "runs", "metric points", "versions")
    )


def _result(work: _Work, status: str, compared: Comparison, message: str) -> MigrateResult:
    renumbered = {old: new for old, new in work.numbers.items() if old != str(new)}
    kinds = [kind for kind in KINDS if work.plan.found(kind)]
    uri = redact(work.target.uri)
    return MigrateResult(
        status=status,  # type: ignore[arg-type]
        message=message,
        source=str(work.folder),
        items=tuple(MigratedPart(kind=k, found=work.plan.found(k), verified=compared.same[k]) for k in kinds),
        rows=work.plan.total,
        seconds=round(time.monotonic() - work.began, 3),
        renumbered=tuple(RenumberedPart(experiment=old, number=new) for old, new in renumbered.items()),
        differences=shortened(compared.differences),
        server_command=f"mlflow server --backend-store-uri {shlex.quote(uri)}",
    )
