"""`init`: writes a starter `mlops.yaml` from the contents of the registry and the folder."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jenkins_mlflow.commands.group import nearest
from jenkins_mlflow.config.schema import DEFAULT_FILE, default_file
from jenkins_mlflow.config.starter import Found, Measured, Script, starter
from jenkins_mlflow.errors import ConnectionFailed, Refused, UsageError
from jenkins_mlflow.metrics import comparable, is_error
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.version import PRODUCTION, Version
from jenkins_mlflow.text import plural, printable, redact

SKIPPED = {"venv", "env", "site-packages", "node_modules", "build", "dist", "tests", "test", "__pycache__"}
_DEEPEST = 4
_MOST_SCRIPTS = 10
_MOST_MODELS = 20
_LARGEST = 1_000_000
_EXPERIMENT = re.compile(r"""set_experiment\(\s*["']([^"'{}]+)["']""")
_MODEL = re.compile(r"""registered_model_name\s*=\s*["']([^"'{}]+)["']""")
_NAME = re.compile(r"(?i)train(ing)?(?![a-z]).*\.py|.*(?<![a-z])train(ing)?\.py", re.DOTALL)
_TRAINS = re.compile(r"\bstart_run\b|\blog_(?!loss\b)|\bautolog\b|\b__main__\b")
_REGISTERS = ("registered_model_name", "register_model")
# Usual ranking metrics, the most meaningful first; among equally frequent ones the first is chosen.
_RANKING = ("roc_auc", "auc", "f1", "f1_score", "accuracy", "r2", "rmse", "mae", "log_loss", "loss")


def refuse_what_exists(path: Path) -> None:
    """Refuse to overwrite a file, before anything is read.

    Raises:
        Refused: The file exists.
        ConfigError: There is a `mlops.yml`, which would be ignored beside a `mlops.yaml`.
    """
    if os.path.lexists(path):
        raise _exists(path)
    if path.name == DEFAULT_FILE:
        default_file(path.parent)


def write_starter(path: Path, text: str) -> None:
    """Write the file; an existing one is never touched, and one that cannot be finished is removed again.

    Raises:
        Refused: The file exists.
        UsageError: The file cannot be written.
    """
    try:
        path.touch(exist_ok=False)
        try:
            path.write_text(text, encoding="utf-8")
        except BaseException:
            path.unlink()  # an empty config would stand for the whole registry
            raise
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise UsageError(
            f"{printable(str(path))} cannot be written: {error.strerror or error}",
            next_step="name a file after --output that you may write, or - for standard output",
        ) from error


def _exists(path: Path) -> Refused:
    return Refused(
        f"{printable(str(path))} exists already",
        state="it was not changed",
        next_step="look at a new one with --output -, or name another file with --output",
    )


def make_starter(uri: str | None, patterns: Sequence[str], folder: Path, environ: Mapping[str, str]) -> str:
    """The text of a starter config.

    Args:
        uri: The address of the registry; None to leave it out.
        patterns: The group; empty to determine it.
        folder: The folder to search for training scripts.
        environ: Its variables; MLFLOW_EXPERIMENT_NAME names the experiment.

    Raises:
        UsageError: The registered models have no name in common, or a pattern matches none.
        ConnectionFailed, RegistryError: The registry cannot be read.
    """
    scripts = tuple(find_scripts(folder))
    try:
        snapshot = Registry(connect(uri)).snapshot(["*"], with_runs=True) if uri else Snapshot()
    except ConnectionFailed as error:
        error.state = error.state or "nothing was written"
        raise
    experiment = next((script.experiment for script in scripts if script.experiment), "")
    return starter(
        describe(
            snapshot,
            patterns,
            uri=redact(uri or ""),
            scripts=scripts,
            experiment=experiment
            or environ.get("MLFLOW_EXPERIMENT_NAME")
            or folder.resolve().name
            or "models",
        )
    )


def find_scripts(folder: Path) -> Iterator[Script]:
    """The Python files whose names begin or end with the word `train` and that log to MLflow, or can be started."""
    found = 0
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in SKIPPED and len(below.parts) < _DEEPEST
        )
        for name in sorted(files):
            if found >= _MOST_SCRIPTS or not _NAME.fullmatch(name):
                continue
            text = _source(Path(place) / name)
            if "mlflow" in text and _TRAINS.search(text):
                found += 1
                yield _script((below / name).as_posix(), text)


def _source(path: Path) -> str:
    """The content of a file; empty if it cannot be read, or is too large for a script."""
    try:
        small = path.is_file() and path.stat().st_size <= _LARGEST
        return path.read_text(encoding="utf-8", errors="replace") if small else ""
    except OSError:
        return ""


def _script(path: str, text: str) -> Script:
    experiment, model = _EXPERIMENT.search(text), _MODEL.search(text)
    return Script(
        path=path,
        experiment=experiment[1] if experiment else "",
        model=model[1] if model else "",
        registers=any(word in text for word in _REGISTERS),
    )


def describe(
    snapshot: Snapshot, patterns: Sequence[str], *, uri: str, scripts: tuple[Script, ...], experiment: str
) -> Found:
    """The group as found in a snapshot. Pure.

    Raises:
        UsageError: The registered models have no name in common, or a pattern matches none.
    """
    named = tuple(dict.fromkeys(script.model for script in scripts if script.model))
    names = tuple(model.name for model in snapshot.models)
    group = tuple(patterns) or tuple(map(_as_pattern, _group(names, named)))
    for pattern in patterns:
        if names and not any(matches(name, [pattern]) for name in names):
            raise UsageError(
                f'"{printable(pattern)}" matches no registered model; {nearest(pattern, names)}',
                state="nothing was written",
                next_step="correct --models; `jenkins-mlflow list` shows every name",
            )
    models = [model for model in snapshot.models if matches(model.name, group)]
    versions = [version for model in models for version in model.versions]
    serving = [version for version in versions if version.stage == PRODUCTION]
    aliases = Counter(alias for version in serving for alias in version.aliases)
    return Found(
        uri=uri,
        experiment=experiment,
        scripts=scripts,
        models=group,
        versions=len(versions),
        metrics=tuple(_metrics(versions)),
        champions=tuple(dict.fromkeys(version.model for version in serving)),
        alias=aliases.most_common(1)[0][0] if aliases and "champion" not in aliases else "",
        everything=not patterns and not named and len(group) > 1,
    )


def _group(names: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """The models that the scripts name, else the only model, else the prefix that all names share."""
    if named:
        return tuple(named)
    if len(names) < 2:
        return tuple(names)
    first, last = min(names), max(names)  # a prefix of both is a prefix of all names between them
    same = "".join(
        a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    if (common := re.match(r".*[-_./]", same)) and len(common[0]) > 2:
        return (f"{common[0]}*",)
    if len(names) > _MOST_MODELS:
        raise UsageError(
            f"the registry has {plural(len(names), 'model')}, and their names have no beginning in common",
            state="nothing was written",
            next_step="name the models of this project, for example --models 'churn-*'",
        )
    return tuple(names)


def _as_pattern(name: str) -> str:
    """A name as a config can have it: with ``?``, which matches any character, for a line break and the like."""
    return "".join(char if char.isprintable() else "?" for char in name)


def _metrics(versions: Sequence[Version]) -> Iterator[Measured]:
    """The metrics of the versions, the one to rank by first."""
    values: dict[str, list[float]] = defaultdict(list)
    for version in versions:
        for name, value in (version.run.metrics if version.run else {}).items():
            if comparable(value):
                values[name].append(value)

    def rank(name: str) -> tuple[int, int, str]:
        known = _RANKING.index(name) if name in _RANKING else len(_RANKING)
        return (-len(values[name]), known, name)

    for name in sorted(values, key=rank):
        minimize = is_error(name)
        best = min(values[name]) if minimize else max(values[name])
        yield Measured(name, len(values[name]), best, minimize)
