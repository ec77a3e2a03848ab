"""A file store with a long history becomes a database: seconds, points and bytes a second, memory, beside MLflow's own.

usage: migration.py [POINTS]   100,000 metric points by default
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common import machine, table
from support.postgres import Postgres
from support.servers import clean_environ
from targets import run

ROOT = Path(__file__).resolve().parents[1]
WRITER = ROOT / "tests" / "support" / "file_store.py"
RUNNER = Path(sys.executable).with_name("jenkins-mlflow")


def main(points: int) -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = folder / "mlruns"
        subprocess.run(
            [sys.executable, str(WRITER), str(source), str(points)],
            env=clean_environ(),
            check=True,
            capture_output=True,
        )
        size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        postgres = Postgres()
        stack.callback(postgres.stop)
        ours = [str(RUNNER), "migrate", f"--from={source}"]
        rows = []
        for label, command in (
            ("`jenkins-mlflow migrate`, SQLite", [*ours, f"--to=sqlite:///{folder}/ours.db"]),
            ("the same again: everything is there", [*ours, f"--to=sqlite:///{folder}/ours.db"]),
            ("`jenkins-mlflow migrate`, PostgreSQL", [*ours, f"--to={postgres.create_database()}"]),
            (
                "`mlflow migrate-filestore`, SQLite, compares nothing",
                [
                    sys.executable,
                    "-m",
                    "mlflow",
                    "migrate-filestore",
                    f"--source={source}",
                    f"--target=sqlite:///{folder}/theirs.db",
                ],
            ),
        ):
            try:
                cost = run(command, folder, MLFLOW_ALLOW_FILE_STORE="true")
            except AssertionError:  # MLflow's own stops at a metric point that was sent twice
                rows.append((label, *["failed"] * 5))
                continue
            per_second = (f"{points / cost.seconds:,.0f}", f"{size / cost.seconds / 1e6:.2f} MB")
            rows.append(
                (label, f"{cost.seconds:.1f} s", f"{cost.cpu:.1f} s", f"{cost.mb:.0f} MB", *per_second)
            )
    measured_on = machine("SQLite and PostgreSQL")
    print(f"Migration of a file store, {points:,} metric points, {size / 1e6:.1f} MB. {measured_on}\n")
    print(table(["", "wall", "CPU", "memory", "points a second", "bytes a second"], rows))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
