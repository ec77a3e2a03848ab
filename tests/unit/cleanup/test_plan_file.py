"""A plan that was written down: it comes back as it was, and is refused where it must not be carried out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import snapshot, version
from jenkins_mlflow.cleanup.plan import dry_run, plan_cleanup
from jenkins_mlflow.cleanup.plan_file import Origin, _entry, digest, read_plan, write_plan
from jenkins_mlflow.config.cleanup import Cleanup
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.version import Target

GROUP = snapshot(*(version("m", n, run_id=f"r{n}", source=f"s3://b/{n}", tags={"a": "ü"}) for n in (1, 2, 3)))
PLAN = plan_cleanup(
    GROUP, GROUP, Cleanup(keep_last=1, keep_monthly=0), Target("Production", "champion"), now=10**6
)
HERE = Origin("http://mlflow", 10**6, "c0ffee")


ENTRY = json.dumps(_entry(PLAN.items[0]))


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every version with its facts and reason, and the policy in words."""
    path = tmp_path / "plan.json"
    write_plan(path, PLAN, HERE)
    later = replace(HERE, made=HERE.made + 86_400, config="other")
    assert read_plan(path, PLAN.protection, later, 86_400) == (PLAN, HERE)


def test_a_plan_that_names_the_registry_in_another_way(tmp_path: Path) -> None:
    """Earlier releases wrote that there was a login, and a slash at the end."""
    path = tmp_path / "plan.json"
    write_plan(path, PLAN, replace(HERE, registry="http://***@mlflow/"))
    assert read_plan(path, PLAN.protection, HERE, 86_400) == (PLAN, HERE)


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    ("spoil", "here", "problem"),
    [
        (edit(lambda c: c["items"][0].update(action="delete")), HERE, "it was edited after it was written"),
        (edit(lambda c: c.update(made=2e6)), HERE, "it was edited after it was written"),
        (
            lambda path: None,
            replace(HERE, registry="http://other"),
            "it is for the registry http://mlflow, this is http://other",
        ),
        (
            lambda path: None,
            replace(HERE, made=HERE.made + 90_001),
            "it is 25 h old, and plans expire after 1 d",
        ),
    ],
)
def test_a_plan_that_must_not_be_carried_out(
    spoil: Callable[[Path], None], here: Origin, problem: str, tmp_path: Path
) -> None:
    """Edited, for another registry, too old: refused with the way to a new one."""
    path = tmp_path / "plan.json"
    write_plan(path, PLAN, HERE)
    spoil(path)
    with pytest.raises(Refused) as refused:
        read_plan(path, PLAN.protection, here, 86_400)
    assert refused.value.message == f"the plan {path} cannot be carried out: {problem}"
    assert refused.value.next_step == "write a new one with --plan, and review it"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}', "null", '"x"', "[" * 200_000])
def test_what_is_no_plan(text: str, tmp_path: Path) -> None:
    """Any other file is said to be none."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_plan(path, PLAN.protection, HERE, 1)
    assert error.value.message == f"{path} is not a plan of a cleanup"


def seal(path: Path, **changed: object) -> None:
    """A plan that somebody made, with a digest that is right."""
    write_plan(path, PLAN, HERE)
    content = {**json.loads(path.read_text()), **changed}
    del content["digest"]
    path.write_text(json.dumps({**content, "digest": digest(content)}))


@pytest.mark.parametrize("made", [HERE.made + 3601, 1e30])
def test_a_plan_from_the_future_never_expires_and_is_refused(made: float, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    seal(path, made=made)
    with pytest.raises(
        Refused,
        match="it is from the future: the clock of the machine that made it, or of MLflow's store, was ahead",
    ):
        read_plan(path, PLAN.protection, HERE, 86_400)


def test_servers_may_differ_by_a_minute(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    seal(path, made=HERE.made + 59)
    assert read_plan(path, PLAN.protection, HERE, 86_400)[0] == PLAN


WRONG = ["x", 1.5, True, None, [], [1], {}, {"a": 1}, float("inf"), 10**400, -1]


@pytest.mark.parametrize("key", ["made", "registry", "config", "policy", "items", "format"])
@pytest.mark.parametrize("value", WRONG, ids=str)
def test_a_key_of_another_form_ends_in_a_message(key: str, value: object, tmp_path: Path) -> None:
    """Whatever it holds: the digest is no signature, and anybody can make one."""
    path = tmp_path / "plan.json"
    seal(path, **{key: value})
    with contextlib.suppress(UsageError, Refused):
        read_plan(path, PLAN.protection, HERE, 86_400)


@pytest.mark.parametrize("key", sorted(json.loads(ENTRY)))
@pytest.mark.parametrize("value", WRONG, ids=str)
def test_a_version_of_another_form_ends_in_a_message(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    seal(path, items=[{**json.loads(ENTRY), key: value}])
    try:
        plan, _ = read_plan(path, PLAN.protection, HERE, 86_400)
    except UsageError as error:
        assert error.message == f"{path} is not a plan of a cleanup"
    else:
        assert dry_run(plan).message


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """Missing, or in a folder that is not there: said with the reason."""
    path = tmp_path / "missing" / "plan.json"
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        read_plan(path, PLAN.protection, HERE, 1)
    with pytest.raises(UsageError, match=r"cannot be written to .*: No such file or directory"):
        write_plan(path, PLAN, HERE)
