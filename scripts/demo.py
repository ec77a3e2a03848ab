#!/usr/bin/env python3
"""The main workflow on the heart-disease example, from training to cleanup, in .demo/ on a SQLite store.

`make demo` sets up .venv and calls this. Each run starts with a fresh copy of the example and an empty store.
All commands shown can be typed at a terminal; the summary at the end is read from the commands' reports.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / ".demo" / "heart-disease"
STORE = "mlflow.db"
REPORT = "report"
WIDTH = 78  # of a command beside its explanation
_FOREIGN = ("MLFLOW_", "MLOPS__", "JENKINS_MLFLOW_", "BUILD_")


def main() -> int:
    if PROJECT.exists():
        shutil.rmtree(PROJECT)
    shutil.copytree(
        ROOT / "examples" / "heart-disease", PROJECT, ignore=shutil.ignore_patterns("__pycache__")
    )
    heading("A team's project: data, a training script, mlops.yaml. The store is a SQLite file beside them.")
    for line in (f"cd {PROJECT.relative_to(ROOT)}", f"export MLFLOW_TRACKING_URI=sqlite:///{STORE}"):
        echo(line)

    heading(
        "Round 1: train the candidates two at a time; the best one that passes the gates goes into production."
    )
    first = run("train", "--jobs", "2")
    first_choice = run("select")
    first_promotion = run("promote")
    run("list")

    heading(
        "Round 2: two challengers with other settings. A challenger must beat the champion by min_improvement."
    )
    run("train", "--config", "challengers.yaml", "--only", "random_forest", "--only", "gradient_boosting")
    second = run("promote")

    heading("Round 3: somebody tries another setting of the champion's own algorithm.")
    run("train", "--config", "challengers.yaml", "--only", "logistic_regression")
    third = run("promote")
    run("list")

    heading("Clean up: first only the plan, then for real. Production, aliases and the rollback target stay.")
    run("cleanup", "--keep-last", "1", "--dry-run")
    cleanup = run("cleanup", "--keep-last", "1", "--yes")
    run("list")

    heading("What happened")
    trained = sum(candidate["status"] == "ok" for candidate in first["candidates"])
    print(
        f"- {trained} algorithms were trained side by side; each is a registered model with cross-validated metrics."
    )
    for candidate in first_choice["candidates"]:
        if candidate["verdict"] == "rejected":
            print(f"- {candidate['model']} did not pass the gates: {candidate['reason']}.")
    print(f"- Round 1: {outcome(first_promotion)}")
    print(f"- Round 2: {outcome(second)}")
    print(f"- Round 3: {outcome(third)}")
    gone = [f"{i['model']} {i['version']}" for i in cleanup["items"] if i["outcome"] == "deleted"]
    print(f"- The cleanup deleted {len(gone)} old versions: {', '.join(gone) or 'none'}.")
    (champion,) = third["production"]
    print(f"\nIn production now: {champion['model']} version {champion['version']}.")
    print("\nTo look at it in MLflow's UI, at http://localhost:5001/#/models :\n")
    store = (PROJECT / STORE).relative_to(ROOT)
    # Without job execution: it starts ten helper processes, and only MLflow's GenAI features use them.
    print("  export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
    print(f"  .venv/bin/mlflow ui --port 5001 --backend-store-uri sqlite:///{store}")
    print("\nThe folder stays unchanged until the next `make demo`. To try more by hand:\n")
    print(f"  cd {PROJECT.relative_to(ROOT)} && . ../../.venv/bin/activate")
    print(f"  export MLFLOW_TRACKING_URI=sqlite:///{STORE}")
    for command, does in next_commands(champion["model"]):
        print(f"  {command:<{WIDTH}}  # {does}")
    print("\nThen your own models: replace src/models/train.py and name the commands in mlops.yaml.")
    print("Then Jenkins: docs/jenkins.md, a first pipeline in five minutes.")
    return 0


def next_commands(champion: str) -> list[tuple[str, str]]:
    """Commands to try next, with descriptions."""
    return [
        ("jenkins-mlflow doctor", "finds problems and says how to fix them"),
        (f"jenkins-mlflow rollback --model {champion} --dry-run", "what a rollback would change"),
        (f"jenkins-mlflow rollback --model {champion}", "back to the version before"),
        ("jenkins-mlflow select", "how the others compare with it now"),
        ("jenkins-mlflow --help", "everything else"),
    ]


def outcome(promotion: dict[str, Any]) -> str:
    """A promotion in words, from its report."""
    selection = promotion["selection"]
    if promotion["status"] == "promoted":
        previous = promotion["previous"]
        instead = f" instead of version {previous['version']} of {previous['model']}" if previous else ""
        new = selection["selected"]
        value = f"{selection['metric']} {new['value']:.4f}"
        old = selection["champion"]
        against = f", against {old['value']:.4f}" if old else ""
        return f"{new['model']} version {new['version']} went into production{instead} ({value}{against})."
    best = next((c for c in selection["candidates"] if c["verdict"] == "not better"), None)
    if promotion["status"] == "champion_kept" and best:
        champion = selection["champion"]
        return (
            f"the champion stayed. The best challenger, {best['model']} version {best['version']}, has "
            f"{selection['metric']} {best['value']:.4f}; {champion['model']} version {champion['version']} has "
            f"{champion['value']:.4f}."
        )
    return str(promotion["message"])


def run(command: str, *arguments: str) -> dict[str, Any]:
    """Echo and run one jenkins-mlflow command; return its report, or end the demo if it failed."""
    command_line = ["jenkins-mlflow", command, *arguments, "--report", REPORT]
    echo(shlex.join(command_line))
    done = subprocess.run(command_line, cwd=PROJECT, env=environment(), check=False)
    if done.returncode:
        stop(
            f"the demo stopped: `{shlex.join(command_line)}` ended with exit code {done.returncode}",
            done.returncode,
        )
    report: dict[str, Any] = json.loads((PROJECT / REPORT / f"{command}.json").read_text(encoding="utf-8"))
    return report


def environment() -> dict[str, str]:
    """The environment of a terminal with .venv activated, without settings that would change the demo."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}"
    # MLflow warns that a .venv made by uv has no pip, which is true but irrelevant here.
    return {
        **inherited,
        "PATH": path,
        "MLFLOW_TRACKING_URI": f"sqlite:///{STORE}",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
    }


def heading(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


def echo(command: str) -> None:
    print(f"\n$ {command}", flush=True)


def stop(message: str, code: int) -> NoReturn:
    print(f"\n{message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        stop("stopped; `make demo` starts again", 130)
