"""What the benchmarks share: the machine they ran on, tables, a server with a registry in it."""

from __future__ import annotations

import os
import platform
import sys
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from sqlalchemy import Connection, create_engine, text
from support.postgres import Postgres
from support.seeding import client
from support.servers import Server, Store, start_server

# Read when MLflow is imported: a new database would be announced.
os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
METRICS = ("roc_auc", "brier", "accuracy")


def machine(store: str = "SQLite") -> str:
    """One line on where the figures come from; a busy machine (load) makes all of them worse."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return (
        f"{os.cpu_count()} x {model}, load {os.getloadavg()[0]:.1f}, {platform.system()}, "
        f"Python {platform.python_version()}, MLflow {version('mlflow')} (client and server, {store}, real HTTP)"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with aligned columns, first one to the left, the others to the right."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (cells[0], rule, *cells[1:])
    ]
    return "\n".join(f"| {line} |" for line in lines)


def server_with(
    folder: Path, models: int, versions: int, workers: int = 1, postgres: Postgres | None = None
) -> Server:
    """A real server on a SQLite store with ``models`` x ``versions`` versions, each with a run and three metrics.

    The rows are written straight into the database (schema of MLflow 3.17.2): making 6,000 versions over HTTP would
    take longer than what is measured.

    Args:
        folder: For the server.
        models: How many.
        versions: How many each model has.
        workers: How many processes answer requests.
        postgres: For a store on it instead.
    """
    store: Store = "postgresql" if postgres else "sqlite"
    uri = postgres.create_database() if postgres else f"sqlite:///{folder / 'mlflow.db'}"
    experiment = client(uri).create_experiment("benchmark", artifact_location="mlflow-artifacts:/1")
    engine = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for model in range(models):
            _insert_model(connection, f"model-{model:04}", versions, int(experiment))
        if postgres:
            # It does so by itself within minutes; until then it plans some queries as if its tables were empty.
            connection.execute(text("ANALYZE"))
    engine.dispose()
    return start_server(folder, workers=workers, store=store, database=uri if postgres else "")


def _insert_model(connection: Connection, name: str, versions: int, experiment: int) -> None:
    start = 1_760_000_000_000
    _insert(connection, "registered_models", [(name, start, start)], "name, creation_time, last_updated_time")
    runs = [uuid.uuid4().hex for _ in range(versions)]
    _insert(
        connection,
        "runs",
        [
            (
                r,
                name,
                "LOCAL",
                "ada",
                "FINISHED",
                start,
                start + 900,
                "active",
                f"mlflow-artifacts:/1/{r}/artifacts",
                experiment,
            )
            for r in runs
        ],
        "run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, "
        "experiment_id",
    )
    values = [
        (key, 0.8 + i / 1000 + j / 10, start, r, 0, False)
        for i, r in enumerate(runs)
        for j, key in enumerate(METRICS)
    ]
    for kind in ("metrics", "latest_metrics"):
        _insert(connection, kind, values, "key, value, timestamp, run_uuid, step, is_nan")
    _insert(
        connection,
        "model_versions",
        [
            (
                name,
                i + 1,
                start + i,
                start + i,
                "Production" if i == versions - 1 else "None",
                f"mlflow-artifacts:/1/{r}/artifacts/model",
                r,
                "READY",
            )
            for i, r in enumerate(runs)
        ],
        "name, version, creation_time, last_updated_time, current_stage, source, run_id, status",
    )
    _insert(connection, "registered_model_aliases", [(name, "champion", versions)], "name, alias, version")


def _insert(connection: Connection, kind: str, rows: Sequence[tuple[object, ...]], columns: str) -> None:
    names = columns.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    statement = text(f"INSERT INTO {kind} ({columns}) VALUES ({marks})")
    connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
