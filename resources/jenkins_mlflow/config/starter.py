"""The starter `mlops.yaml` that `init` writes: findings as values, everything else as comments. Pure."""

from __future__ import annotations

import itertools
import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import yaml

from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.config.values import LONGEST_NAME
from jenkins_mlflow.text import number, plural, printable

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*(?: [\w./=-]+)*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}


@dataclass(frozen=True)
class Script:
    """A training script: its path in the folder, and the experiment and model in its code."""

    path: str
    experiment: str = ""
    model: str = ""
    registers: bool = False


@dataclass(frozen=True)
class Measured:
    """A metric of the group: how many of its versions have it, and its best value."""

    name: str
    versions: int
    best: float
    minimize: bool


@dataclass(frozen=True)
class Found:
    """The findings of `init`.

    Attributes:
        uri: The registry's address, safe for a comment; empty if it is not known.
        experiment: The experiment that runs go to.
        scripts: The folder's training scripts.
        models: Names or patterns of the group; empty if nothing is registered.
        versions: How many versions the group has.
        metrics: The group's metrics, first the one to rank the candidates by.
        champions: The models of the group that are in production.
        alias: The alias of the versions in production, if it is not the default.
        everything: Whether the models are all of the registry, because nothing shows which belong together.
    """

    uri: str
    experiment: str
    scripts: tuple[Script, ...] = ()
    models: tuple[str, ...] = ()
    versions: int = 0
    metrics: tuple[Measured, ...] = ()
    champions: tuple[str, ...] = ()
    alias: str = ""
    everything: bool = False


def starter(found: Found) -> str:
    """The text of the file; `load` accepts it."""
    return "\n".join(
        [
            "# What jenkins-mlflow does with this project. `jenkins-mlflow schema` describes every key.",
            *_group(found),
            "",
            *_train(found),
            "",
            *_select(found),
            "",
            *_promote(found),
            "",
            "# What a cleanup keeps. A version in production, in Staging or with an alias always stays.",
            "cleanup:",
            f"  {f'keep_last: {Cleanup().keep_last}':<33}# newest versions of each model that are not in production",
            "  # keep_within: 30d               # every version that is younger",
            "  # keep_best: {count: 1}          # the best by the metric",
            "",
        ]
    )


def _group(found: Found) -> Iterator[str]:
    if not found.models:
        yield "# The group whose versions compete: a name, a pattern or a list; without it, every model."
        yield "# models: churn-*"
        return
    yield f"# The group whose versions compete; {plural(found.versions, 'version')} at {found.uri}."
    if found.everything:
        yield "# These are all the models of the registry: leave out those that do not compete with yours."
    yield f"models: {_list(found.models)}"


def _train(found: Found) -> Iterator[str]:
    if not found.scripts:
        yield "# How the candidates are trained; no script named like train.py was found here."
        yield "# train:"
        yield f"#   experiment: {_text(found.experiment)}"
        yield "#   candidates:"
        yield "#     logistic_regression: python train.py --algorithm logistic_regression"
        return
    yield "# How the candidates are trained: each command is a candidate, and runs without a shell."
    yield "train:"
    yield f"  experiment: {_text(found.experiment)}"
    yield "  candidates:"
    for name, script in _named(found.scripts):
        yield f"    {_text(name)}: {_text(f'python {shlex.quote(script.path)}')}"
    yield "  # timeout: 30m                   # for each candidate"
    if not all(script.registers for script in found.scripts):
        yield "  # register: churn-{candidate}    # for scripts that register no model themselves"


def _select(found: Found) -> Iterator[str]:
    yield "select:"
    if not found.metrics:
        yield f"  {f'metric: {Select().metric}':<33}# what ranks the candidates; your scripts must log it"
        yield "  # direction: minimize            # for an error or a loss"
        yield f'  # gates: {{{Select().metric}: ">= 0.80"}}    # a minimum for each candidate'
        return
    first = found.metrics[0]
    has = f"{first.versions} of {plural(found.versions, 'version')} have it, best {number(first.best)}"
    yield f"  metric: {_text(first.name)}  # {has}"
    if first.minimize:
        yield "  direction: minimize"
    sign = "<=" if first.minimize else ">="
    gate = json.dumps({first.name: f"{sign} {_limit(first)}"}, ensure_ascii=False)
    yield "  # Minimum requirements for a candidate. Without gates the best one is promoted, however bad it is."
    yield f"  # gates: {printable(gate)}"
    more = ", ".join(printable(metric.name) for metric in found.metrics[1:8])
    if more:
        yield f"  # other metrics of the group: {more}"
    yield "  # min_improvement: 0.002         # how much better than the champion"


def _limit(metric: Measured) -> str:
    """The best value as people read it, rounded so that it still reaches itself."""
    exact = Decimal(repr(metric.best))
    last_digit = Decimal(1).scaleb(-4 if 1 <= abs(metric.best) < 10**9 else exact.adjusted() - 3)
    rounding = ROUND_CEILING if metric.minimize else ROUND_FLOOR
    return number(float(exact.quantize(last_digit, rounding)))


def _promote(found: Found) -> Iterator[str]:
    yield "promote:"
    yield f"  stage: {Promote().stage}"
    yield f"  alias: {_text(found.alias or str(Promote().alias))}"
    if found.champions:
        names = ", ".join(printable(name) for name in found.champions[:5])
        yield f"  # In production now: {names}."
    yield "  exclusive: false                 # true: the group has one champion, and the others leave production"


def _named(scripts: Sequence[Script]) -> Iterator[tuple[str, Script]]:
    """Each script with a unique candidate name."""
    taken: set[str] = set()
    for script in scripts:
        parts = [re.sub(r"[^A-Za-z0-9_-]+", "_", part) for part in script.path.removesuffix(".py").split("/")]
        joined = ("_".join(parts[start:])[:LONGEST_NAME] for start in reversed(range(len(parts))))
        numbered = (f"candidate_{number}" for number in itertools.count(len(taken)))
        name = next(name for name in itertools.chain(joined, numbered) if name and name not in taken)
        taken.add(name)
        yield name, script


def _list(names: Sequence[str]) -> str:
    return _text(names[0]) if len(names) == 1 else f"[{', '.join(map(_text, names))}]"


def _text(text: str) -> str:
    """Text as YAML: quoted, unless it is certain to be read unchanged."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else str(yaml.safe_dump(text, default_style='"', width=math.inf)).rstrip("\n")
