"""Promotion methods that other installed packages bring, as entry points of the group ``jenkins_mlflow.methods``.

In the package's pyproject.toml; ``acme_mlops:canary`` is called as ``canary(registry, rules)`` with the registry and
the config's ``promote`` section, and gives a ``methods.Method`` whose name is ``canary``:

    [project.entry-points."jenkins_mlflow.methods"]
    canary = "acme_mlops:canary"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.text import one_line, printable

METHODS_GROUP = "jenkins_mlflow.methods"
_PROTOCOL = ("obstacle", "promote", "done", "move")


def installed_methods() -> tuple[str, ...]:
    """The names of all methods that installed packages bring, sorted. Reads every package's metadata: 10 ms or so."""
    return tuple(sorted({point.name for point in entry_points(group=METHODS_GROUP)}))


def load_method(name: str, registry: Any, rules: Any) -> Any:
    """Make an installed package's method.

    Args:
        name: The entry point's name.
        registry, rules: What its factory is called with.

    Raises:
        UsageError: there is none or more than one, its factory cannot be imported or fails, or what that gives is no
            method.
    """
    points = tuple(entry_points(group=METHODS_GROUP, name=name))
    if len(points) != 1:
        owners = ", ".join(sorted(_owner(point) for point in points)) or "no installed package"
        raise _problem(name, f"{owners} brings it, exactly one must")
    point = points[0]
    try:
        method = point.load()(registry, rules)
    except Exception as error:  # other people's code: whatever it raises is theirs to repair
        what = f"{type(error).__name__}: {one_line(str(error))}"
        raise _problem(name, f"{point.value} of {_owner(point)} fails: {what}") from error
    lacking = [part for part in _PROTOCOL if not callable(getattr(method, part, None))]
    lacking += [] if isinstance(getattr(method, "in_place", None), bool) else ["in_place"]
    if lacking:
        raise _problem(
            name, f"{point.value} of {_owner(point)} gives no method: it lacks {', '.join(lacking)}"
        )
    if getattr(method, "name", None) != name:
        got = printable(repr(getattr(method, "name", None)))
        raise _problem(name, f"{point.value} of {_owner(point)} gives a method that names itself {got}")
    return method


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"


def _problem(name: str, why: str) -> UsageError:
    return UsageError(
        f"promotion method {printable(name)} cannot be used: {why}",
        state="nothing was changed",
        next_step="repair or uninstall that package, or take the method out of promote.methods",
    )
