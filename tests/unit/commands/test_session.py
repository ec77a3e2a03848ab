"""The session: what it says of the state of things where the server cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.scope import Scope
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.commands.settling import Purpose, settled
from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.config.schema import Config
from jenkins_mlflow.errors import ConnectionFailed, NotFound
from jenkins_mlflow.registry.names import matches
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.terminal import Terminal


class Unreachable:
    """A registry whose server does not answer."""

    def snapshot(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConnectionFailed("no usable answer", next_step="check it")


def session(tmp_path: Path) -> Session:
    return Session(Config(), "http://x", Terminal(quiet=True), tmp_path, BuildContext.from_environment({}))


def state(begun: Session) -> str:
    with pytest.raises(ConnectionFailed) as caught:
        settled(begun, Unreachable(), ["*"], Purpose.PROMOTE)  # type: ignore[arg-type]
    return caught.value.state


def test_before_the_first_lock_nothing_was_written(tmp_path: Path) -> None:
    assert state(session(tmp_path)) == "nothing was written"


def test_after_a_lock_that_is_not_known(tmp_path: Path) -> None:
    """As in the check after a promotion: what the command has written by then stays."""
    begun = session(tmp_path)
    begun.lock(Unreachable(), "promote", ["m"], ["m"])  # type: ignore[arg-type]
    assert state(begun) == ""
    assert state(begun.for_model("m")) == ""


def test_a_state_that_is_known_already_stays(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed) as caught, session(tmp_path).unwritten():
        raise ConnectionFailed("no store", state="nothing was created")
    assert caught.value.state == "nothing was created"


def test_what_the_server_answered_says_its_own_state(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught, session(tmp_path).unwritten():
        raise NotFound("no model")
    assert caught.value.state == ""


def test_a_model_outside_an_exclusive_group_changes_the_scope_and_not_the_config(tmp_path: Path) -> None:
    config = Config(models=("churn-*",), promote=Promote(exclusive=True))
    begun = Session(config, "http://x", Terminal(quiet=True), tmp_path, BuildContext())
    member, alone = begun.for_model("churn-tree"), begun.for_model("fraud")
    assert member.target.exclusive
    assert member.scope.locked_with(["churn-tree"]) == ("churn-tree", "churn-*")
    assert not alone.target.exclusive
    assert alone.scope.locked_with(["fraud"]) == ("fraud",)
    assert alone.scope.models == ("churn-*",)
    assert alone.config is config
    assert config.promote.exclusive


def test_an_entry_of_the_group_that_is_a_name_is_no_pattern() -> None:
    scope = Scope(("g[1]", "h?", "i-[ab]"), Target("Production", "champion", exclusive=True, copy_to="p[1]"))
    named = scope.exactly(["g[1]", "h?"])
    for name, before, after in (
        ("g[1]", True, True),
        ("g1", True, False),
        ("h?", True, True),
        ("h1", True, False),
        ("i-a", True, True),
        ("p[1]", True, True),
        ("p1", False, False),
    ):
        assert (matches(name, scope.patterns), matches(name, named.patterns)) == (before, after), name
