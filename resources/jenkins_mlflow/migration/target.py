"""The target database of a migration: reads its state, and writes units of rows, each in one transaction.

During a migration, a separate table records the source and the units that are complete. A unit's rows and its
line in that table are written in one transaction, so an interrupted migration leaves each unit complete or
absent.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from jenkins_mlflow.errors import ConnectionFailed, JenkinsMlflowError, Refused
from jenkins_mlflow.migration.plan import LARGEST_ANYWHERE, LARGEST_ELSEWHERE, Limits
from jenkins_mlflow.migration.rows import Row
from jenkins_mlflow.migration.source import Unit
from jenkins_mlflow.registry.connection import local_path
from jenkins_mlflow.text import one_line, redact

ROWS_AT_ONCE = 5000
MARK = "jenkins_mlflow_migration"
_SOURCE = "source"
_DEFAULT = {"experiment_id": 0, "name": "Default"}

State = Literal["new", "empty", "unfinished", "other migration", "other data"]


class Target:
    """A database for MLflow.

    Args:
        uri: Its address.

    Raises:
        ConnectionFailed: It cannot be opened.
    """

    def __init__(self, uri: str) -> None:
        import sqlalchemy

        self.uri = uri
        self._file = local_path(uri)
        # SQLite's schema migrations are not one transaction, so the file is renamed once it has all tables.
        self._making = self._file.with_name(self._file.name + ".making") if self._file else None
        self._alchemy = sqlalchemy
        self.mark = sqlalchemy.Table(
            MARK,
            sqlalchemy.MetaData(),
            sqlalchemy.Column("unit", sqlalchemy.String(255), primary_key=True),
            sqlalchemy.Column("note", sqlalchemy.String(255), nullable=False),
        )
        self._engine: Any = None if self._file and not self._file.exists() else self._open(uri)

    def _open(self, uri: str) -> Any:
        from mlflow.store.db.utils import create_sqlalchemy_engine

        with self._talking("open"):
            engine = create_sqlalchemy_engine(uri)
            engine.connect().close()
            return engine

    @contextlib.contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        """Translate a database's errors; their text may contain the address."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (self._alchemy.exc.SQLAlchemyError, MlflowException, ImportError, OSError) as error:
            first = str(getattr(error, "orig", None) or error)
            raise ConnectionFailed(
                f"cannot {what} the database {redact(self.uri)}: {one_line(first)}",
                state="everything copied before is complete",
                next_step="fix that, then run the same command again: it continues where it stopped",
            ) from error

    @property
    def tables(self) -> dict[str, Any]:
        """MLflow's tables by name, each after those that it refers to."""
        import mlflow.store.model_registry.dbmodels.models
        import mlflow.store.tracking.dbmodels.models  # noqa: F401  both fill the list of tables
        from mlflow.store.db.base_sql_model import Base

        return {table.name: table for table in Base.metadata.sorted_tables}

    @property
    def largest_experiment(self) -> int:
        return LARGEST_ANYWHERE if self._file else LARGEST_ELSEWHERE

    @property
    def limits(self) -> Limits:
        """The limits of the database. SQLite limits neither length nor NUL."""
        if self._file:
            return Limits({}, takes_nul=True)
        string = self._alchemy.String
        lengths = {
            name: {
                column.name: column.type.length
                for column in table.columns
                if isinstance(column.type, string) and column.type.length
            }
            for name, table in self.tables.items()
        }
        return Limits(lengths, takes_nul=False)

    def state(self, fingerprint: str) -> State:
        """The state of the database; writes nothing.

        Args:
            fingerprint: The fingerprint of the file store to be copied.

        Raises:
            Refused: The database's schema is not that of the installed MLflow.
        """
        if self._engine is None:
            return "new"
        with self._talking("read"):
            existing_tables = set(self._alchemy.inspect(self._engine).get_table_names())
            ours = set(self.tables)
            if not ours & existing_tables:
                return "new"
            self._require_schema()
            with self._engine.connect() as connection:
                if MARK in existing_tables:
                    rows = connection.execute(
                        self._alchemy.select(self.mark.c.note).where(self.mark.c.unit == _SOURCE)
                    ).fetchall()
                    if rows:
                        return "unfinished" if rows[0][0] == fingerprint else "other migration"
                return "other data" if self._holds_data(connection, ours & existing_tables) else "empty"

    def _require_schema(self) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.store.db.utils import _verify_schema

        try:
            _verify_schema(self._engine)
        except MlflowException as error:
            raise Refused(
                f"the schema of {redact(self.uri)} is not that of the installed MLflow: {one_line(str(error), 120)}",
                state="nothing was written",
                next_step="give an empty database, or upgrade it: mlflow db upgrade URI",
            ) from error

    def _holds_data(self, connection: Any, names: set[str]) -> bool:
        """Whether the database has more than a server creates when it starts on an empty one."""
        select, tables = self._alchemy.select, self.tables
        found = {name: connection.execute(select(tables[name]).limit(2)).mappings().all() for name in names}
        found.pop("workspaces", None)  # the schema includes one
        defaults = found.pop("experiments", [])
        only_default = all(all(row[key] == value for key, value in _DEFAULT.items()) for row in defaults)
        return not only_default or any(found.values())

    def prepare(self, state: State, fingerprint: str) -> set[str]:
        """Create what is missing; return the units that are already complete.

        Args:
            state: The state that was found.
            fingerprint: The fingerprint of the file store, kept until the migration is finished.
        """
        with self._talking("prepare"):
            if state == "new":
                self._make_tables()
            self.mark.create(self._engine, checkfirst=True)
            with self._engine.begin() as connection:
                if state != "unfinished":
                    experiments = self.tables["experiments"]
                    connection.execute(experiments.delete())  # the default one that a server has created
                    connection.execute(self.mark.delete())
                    connection.execute(self.mark.insert(), {"unit": _SOURCE, "note": fingerprint})
                done = connection.execute(self._alchemy.select(self.mark.c.unit)).scalars()
                return set(done) - {_SOURCE}

    def _make_tables(self) -> None:
        from mlflow.store.db.utils import _initialize_tables

        if self._making is None or self._file is None:
            _initialize_tables(self._engine)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{self._making}{suffix}").unlink(missing_ok=True)
        making = self._open(f"sqlite:///{self._making}")
        _initialize_tables(making)
        making.dispose()
        self._making.replace(self._file)
        self._engine = self._open(self.uri)

    def write(self, unit: Unit) -> None:
        """Copy a unit, completely or not at all.

        Raises:
            JenkinsMlflowError: The database refuses a row.
        """
        exc = self._alchemy.exc
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "mysql":  # else it gives experiment 0 a new number
                    connection.exec_driver_sql(
                        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"
                    )
                connection.execute(self.mark.insert(), {"unit": unit.name, "note": ""})
                batch = _Batch(connection, self.tables)
                unit.read(batch.take)
                batch.flush()
        except (exc.IntegrityError, exc.DataError) as error:
            raise JenkinsMlflowError(
                f"the database {redact(self.uri)} refuses {unit.name}: {one_line(str(error.orig))}",
                state="nothing of this unit was written; everything copied before is complete",
                next_step="if no other migration is working on it, this is a bug: please report it",
            ) from error
        except exc.SQLAlchemyError:
            with self._talking("write to"):
                raise

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with self._talking("read"), self._engine.connect() as connection:
            counted = self._alchemy.select(self._alchemy.func.count()).select_from(self.tables[table])
            return int(connection.execute(counted).scalar_one())

    def finish(self) -> None:
        """Drop the migration's own table, and make the database number new rows after the existing ones."""
        with self._talking("finish"), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(
                    "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), "
                    "GREATEST((SELECT MAX(experiment_id) FROM experiments), 1))"
                )
            self.mark.drop(connection, checkfirst=True)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()


class _Batch:
    """Collects rows and writes a few thousand at a time."""

    def __init__(self, connection: Any, tables: dict[str, Any]) -> None:
        self._connection = connection
        self._tables = tables
        self._held: defaultdict[tuple[str, frozenset[str]], list[Row]] = defaultdict(list)
        self._count = 0

    def take(self, table: str, row: Row) -> None:
        self._held[table, frozenset(row)].append(row)
        self._count += 1
        if self._count >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write the collected rows, parents before children, because a row refers to earlier rows."""
        order = {name: place for place, name in enumerate(self._tables)}
        for (table, _), rows in sorted(self._held.items(), key=lambda held: order[held[0][0]]):
            self._connection.execute(self._tables[table].insert(), rows)
        self._held.clear()
        self._count = 0
