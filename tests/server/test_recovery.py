"""What becomes of a promotion that stopped in the middle: decided purely, then done on real servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from builders import version
from conftest import MakeServer, RunCli
from jenkins_mlflow.config.schema import Promote
from jenkins_mlflow.errors import RegistryError, UsageError
from jenkins_mlflow.methods.base import load_methods
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.promotion.recovery import Recovered, Recovery, decide, moves_back
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.faults import RetryPolicy
from jenkins_mlflow.registry.snapshot import Model, Snapshot, Target, Version
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import CHECK_TAG, INTENT_TAG, PENDING
from support.proxy import CountingProxy, respond
from support.seeding import Spec, client, seed
from support.servers import Server

QUICK = RetryPolicy(attempts=2, max_wait=0.05, deadline=10)
TAGS = {"jenkins_mlflow.promoted_by": "jenkins", "jenkins_mlflow.promoted_at": "2026-11-23T02:00:00+00:00"}
INTENT = Intent(2, "None", "Production", "champion", False, (), (1,), 1, TAGS)
numbers = itertools.count(1)


def fresh_name() -> str:
    return f"crash-{next(numbers)}"


def model(*versions: Version) -> Model:
    return Model("m", versions, {alias: v.number for v in versions for alias in v.aliases})


OLD, NEW = version("m", 1, stage="Production", aliases=("champion",)), version("m", 2)
ARCHIVED, PROMOTED = version("m", 1, stage="Archived"), version("m", 2, stage="Production")


@pytest.mark.parametrize(
    ("now", "intent", "kind", "reason"),
    [
        ((NEW, OLD), INTENT, "undo", "version 2 did not reach production"),
        ((NEW, ARCHIVED), INTENT, "undo", "version 2 did not reach production"),
        ((PROMOTED, OLD), INTENT, "finish", "version 2 is in production"),
        ((PROMOTED, ARCHIVED), INTENT, "finish", "version 2 is in production"),
        ((NEW,), INTENT, "finish", "version 1, which was in production, was deleted meanwhile"),
        ((OLD,), INTENT, "undo", "version 2 was deleted meanwhile"),
        (
            (version("m", 2, status="FAILED_REGISTRATION"), OLD),
            INTENT,
            "undo",
            "version 2 was deleted meanwhile",
        ),
        (
            (version("m", 3, stage="Production"), NEW, ARCHIVED),
            INTENT,
            "leave",
            "someone else has put version 3",
        ),
        ((version("m", 3, stage="Production"), PROMOTED), INTENT, "leave", "someone else has put version 3"),
        (
            (NEW, OLD),
            replace(INTENT, previous=(1, 3)),
            "finish",
            "version 3, which was in production, was deleted",
        ),
        (
            (version("m", 3, stage="Production"), NEW, OLD),
            replace(INTENT, previous=(1, 3)),
            "finish",
            "2 versions were in production at once before it",
        ),
        ((NEW, OLD), replace(INTENT, stage=None), "undo", "version 2 did not reach production"),
        (
            (version("m", 2, aliases=("champion",)), ARCHIVED),
            replace(INTENT, stage=None),
            "finish",
            "version 2 is in production",
        ),
    ],
)
def test_finish_or_undo(now: tuple[Version, ...], intent: Intent, kind: str, reason: str) -> None:
    """Finished if it reached production or there is nothing to go back to, else undone; a person's choice stands."""
    decision = decide(model(*now), intent)
    assert (decision.kind, decision.reason[: len(reason)]) == (kind, reason)


def test_a_copy_in_production_counts() -> None:
    assert decide(model(NEW, OLD), INTENT, copied=True).kind == "finish"


def test_what_was_in_production_goes_back_first() -> None:
    """At no moment of the undoing does the model have less than before."""
    assert moves_back(model(PROMOTED, ARCHIVED), INTENT) == [(ARCHIVED, "Production"), (PROMOTED, "None")]
    assert moves_back(model(NEW, OLD), INTENT) == []
    assert moves_back(model(NEW, ARCHIVED), replace(INTENT, stage=None)) == []


def test_an_intent_survives_its_tag() -> None:
    plan = plan_promotion(Snapshot((model(NEW, OLD),)), "m", 2, Target("Production", "champion"))
    intent = Intent.of(plan, ("x",), TAGS)
    assert intent == INTENT
    assert Intent.on(replace(model(NEW), tags={INTENT_TAG: intent.to_tag()})) == intent
    assert Intent.on(model(NEW)) is None
    assert intent.title("m") == "the promotion of m version 2 begun by jenkins at 2026-11-23T02:00:00+00:00"
    back = {
        "jenkins_mlflow.rolled_back_by": "ann",
        "jenkins_mlflow.rolled_back_at": "2026-11-23T03:00:00+00:00",
    }
    assert (
        replace(intent, version=1, tags=back).title("m")
        == "the rollback to m version 1 begun by ann at 2026-11-23T03:00:00+00:00"
    )


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 1}', "x"])
def test_an_intent_that_cannot_be_read_is_no_crash(text: str) -> None:
    with pytest.raises(RegistryError, match="m carries an unfinished promotion that this version"):
        Intent.on(replace(model(NEW), tags={INTENT_TAG: text}))


def test_an_intent_must_fit_into_a_tag() -> None:
    with pytest.raises(UsageError, match="a tag in MLflow has room for 5000"):
        replace(INTENT, group=("x" * 5000,)).to_tag()


def crashed(
    server: Server, name: str, *, stages: dict[int, str], alias: int | None, intent: Intent = INTENT
) -> None:
    """A model of two versions as a promotion of version 2 that was killed somewhere left it.

    Its files are served (there are none): an experiment that was made in the store directly would have them elsewhere.
    """
    seed(server.url, {name: [Spec(), Spec()]}, experiment="with files")
    mlflow = client(server.store_uri)
    for number, stage in stages.items():
        mlflow.transition_model_version_stage(name, str(number), stage)
    if alias:
        mlflow.set_registered_model_alias(name, "champion", str(alias))
    mlflow.set_registered_model_tag(name, INTENT_TAG, intent.to_tag())


def recover(uri: str, name: str) -> Recovered | None:
    registry = Registry(connect(uri), QUICK)
    return Recovery(registry, load_methods(registry, Promote()), Writer(QUICK, sleep=lambda s: None)).run(
        name
    )


def state(server: Server, name: str) -> tuple[dict[int, str], int | None, bool]:
    found = Registry(connect(server.url)).model(name)
    return (
        {v.number: v.stage for v in found.versions},
        found.aliases.get("champion"),
        INTENT_TAG in found.tags,
    )


DONE = ({1: "Archived", 2: "Production"}, 2, False)
BEFORE = ({1: "Production", 2: "None"}, 1, False)


@pytest.mark.parametrize(
    ("stages", "alias", "outcome", "after"),
    [
        ({1: "Production"}, 1, "undone", BEFORE),
        ({1: "Archived"}, 1, "undone", BEFORE),
        ({1: "Production", 2: "Production"}, 1, "finished", DONE),
        ({1: "Archived", 2: "Production"}, 1, "finished", DONE),
        ({1: "Archived", 2: "Production"}, 2, "finished", DONE),
        ({1: "Production"}, 2, "undone", BEFORE),
    ],
)
def test_each_half_done_state_becomes_whole(
    stages: dict[int, str],
    alias: int,
    outcome: str,
    after: tuple[dict[int, str], int, bool],
    make_server: MakeServer,
) -> None:
    """One version in production with the alias on it, whatever the crash left; the tags of a finished one are there."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages=stages, alias=alias)
    recovered = recover(server.url, name)
    assert recovered
    assert (recovered.outcome, state(server, name)) == (outcome, after)
    tags = Registry(connect(server.url)).version(name, 2).tags
    assert (tags.get("jenkins_mlflow.promoted_by") == "jenkins") == (outcome == "finished")
    assert recover(server.url, name) is None


def test_a_promotion_finished_without_its_check_says_so(make_server: MakeServer) -> None:
    server, name = make_server(), fresh_name()
    waiting = replace(INTENT, tags={**TAGS, CHECK_TAG: PENDING})
    crashed(server, name, stages={1: "Archived", 2: "Production"}, alias=1, intent=waiting)
    recovered = recover(server.url, name)
    assert recovered
    assert recovered.message.endswith("; its check has not run: promote the version again for that")
    assert Registry(connect(server.url)).version(name, 2).tags[CHECK_TAG] == PENDING


def test_an_alias_that_nobody_had_is_removed_again(make_server: MakeServer) -> None:
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Production"}, alias=2, intent=replace(INTENT, alias_holder=None))
    recover(server.url, name)
    assert state(server, name) == ({1: "Production", 2: "None"}, None, False)


def test_another_persons_choice_stands(make_server: MakeServer) -> None:
    """Version 3 was put into production by hand after the crash: nothing is moved, the intent goes."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    seed(server.store_uri, {name: [Spec(stage="Production")]})
    recovered = recover(server.url, name)
    assert recovered
    assert recovered.outcome == "left"
    assert state(server, name) == ({1: "Archived", 2: "None", 3: "Production"}, 1, False)


def test_what_can_be_neither_finished_nor_undone_says_so(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The intent stays, the message names what is in production; by hand, then the next command clears it."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    proxy = make_proxy(server)
    proxy.inject(respond(500), path="transition-stage")
    with pytest.raises(
        RegistryError, match=r"can be neither finished nor undone: .* version 1 stayed in stage"
    ) as error:
        recover(proxy.url, name)
    assert error.value.state == "in production now: NOTHING"
    assert state(server, name) == ({1: "Archived", 2: "None"}, 1, True)
    client(server.url).transition_model_version_stage(name, "1", "Production")
    recover(server.url, name)
    assert state(server, name) == BEFORE


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("select",),
        ("promote", "--recover"),
        ("cleanup", "--yes"),
        ("rollback", "--to", "1"),
        ("promote", "--version", "1"),
    ],
)
def test_every_command_recovers_first(
    command: tuple[str, ...], make_server: MakeServer, run_cli: RunCli
) -> None:
    """Killed after the old version was archived: any command brings it back, says so, and goes on.

    A command that then is refused says so, too: the rollback, because version 1 has no files.
    """
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    named = ("--model", name) if command[0] == "rollback" or "--version" in command else ()
    done = run_cli(*command, *named, "--models", name, "--tracking-uri", server.url, "--output=json")
    assert state(server, name) == BEFORE
    assert ("error" in done.doc) == (command[0] == "rollback"), (done.code, done.stderr)
    assert done.doc["recovered"] == [
        {
            "model": name,
            "version": 2,
            "outcome": "undone",
            "message": f"the promotion of {name} version 2 begun by jenkins at 2026-11-23T02:00:00+00:00 is undone, "
            "all is as it was before: version 2 did not reach production",
        }
    ]
    assert f"recovered: the promotion of {name} version 2" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("promote", "--dry-run", "--version", "2"),
        ("cleanup", "--dry-run"),
        ("rollback", "--dry-run", "--to", "2"),
    ],
)
def test_a_dry_run_only_says_what_it_found(
    command: tuple[str, ...],
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    run_cli: RunCli,
) -> None:
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    proxy = make_proxy(server)
    done = run_cli(*command, "--model", name, "--tracking-uri", proxy.url, "--output=json")
    assert done.code == 0, done.stderr
    assert done.doc["warnings"] == [
        (
            f"{name} has a promotion that is not finished; "
            f"`jenkins-mlflow promote --recover --models {name}` finishes or undoes it"
        )
    ]
    assert [str(r) for r in proxy.requests if r.method != "GET" and not r.path.endswith("search")] == []


def test_two_in_production_are_named_with_the_repair(make_server: MakeServer, run_cli: RunCli) -> None:
    """A foreign writer made two: every command says so and how to repair it; the repair works."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec(stage="Production")]})
    listed = run_cli("list", "--models", name, "--tracking-uri", server.url, "--output=json")
    repair = f"jenkins-mlflow promote --model {name} --version 2"
    assert listed.doc["warnings"] == [f"{name} has 2 versions in Production: 1 and 2; keep one: `{repair}`"]
    done = run_cli(*repair.split()[1:], "--tracking-uri", server.url, "--output=json")
    assert done.code == 0, done.stderr
    assert state(server, name) == DONE
