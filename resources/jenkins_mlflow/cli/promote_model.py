"""Translates the command line of `scripts/promote-model.py` into that of `jenkins-mlflow`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from jenkins_mlflow.cli import main as cli

_VALUES = ("--tracking-uri", "--config", "--models", "--metric", "--output", "--report")
_SWITCHES = ("--dry-run", "--quiet")


def translate(arguments: Sequence[str]) -> list[str]:
    """The `jenkins-mlflow` arguments for a `promote-model.py` command line; SystemExit(2) if it is invalid.

    >>> translate(["--cleanup", "churn", "2"])
    ['cleanup', '--model=churn', '--keep-last=2', '--yes']
    """
    parser = argparse.ArgumentParser(
        prog="promote-model.py",
        description="Promote models in the MLflow registry at MLFLOW_TRACKING_URI.",
        allow_abbrev=False,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="show models, versions and stages")
    action.add_argument("--auto", action="store_true", help="promote the best version by metric")
    action.add_argument(
        "--cleanup",
        nargs="*",
        metavar="MODEL KEEP",
        help="delete old versions of all models after asking, or of MODEL without asking, keeping the last KEEP",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="promote this model")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="this version of it [the newest]")
    values = {
        option: parser.add_argument(option, action="append", default=[], help="as in jenkins-mlflow").dest
        for option in _VALUES
    }
    switches = {
        switch: parser.add_argument(switch, action="store_true", help="as in jenkins-mlflow").dest
        for switch in _SWITCHES
    }
    known = parser.parse_args(arguments)
    options = [f"{option}={each}" for option, dest in values.items() for each in getattr(known, dest) if each]
    options += [switch for switch, dest in switches.items() if getattr(known, dest)]
    if known.model and (known.list or known.auto or known.cleanup is not None):
        parser.error("MODEL [VERSION] cannot be combined with --list, --auto or --cleanup")
    if known.list:
        return ["list", "--brief", *options]
    if known.auto:
        return ["promote", *options]
    if known.cleanup == []:
        return ["cleanup", "--ask", *options]
    if known.cleanup:
        if len(known.cleanup) > 2:
            parser.error("--cleanup takes no arguments, or MODEL and the number of versions to KEEP")
        keep = [f"--keep-last={known.cleanup[1]}"] if len(known.cleanup) == 2 else []
        return ["cleanup", f"--model={known.cleanup[0]}", *keep, "--yes", *options]
    if known.model:
        version = [f"--version={known.version}"] if known.version else []
        return ["promote", f"--model={known.model}", *version, *options]
    parser.print_help(sys.stderr)
    raise SystemExit(2)


def main() -> NoReturn:
    """Run `scripts/promote-model.py`."""
    sys.exit(cli.run(translate(sys.argv[1:])))
