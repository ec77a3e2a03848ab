"""What becomes of a promotion that stopped in the middle, on real servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import MakeServer, RunCli
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.errors import RegistryError
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.holder import Holder
from jenkins_mlflow.registry.lock import Lock
from jenkins_mlflow.registry.signing import Keys
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.tags import CHECK_TAG, INTENT_TAG, PENDING, PROMOTED_BY
from support.promoting import AT, crashed, intent_over_1, recover
from support.proxy import CountingProxy, respond
from support.seeding import Spec, client, fresh_name, seed
from support.servers import Server


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
        ({1: "Production"}, 1, "left", BEFORE),
        ({1: "Archived"}, 1, "undone", BEFORE),
        ({1: "Production", 2: "Production"}, 1, "undone", BEFORE),
        ({1: "Archived", 2: "Production"}, 1, "undone", BEFORE),
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
    """One version in production with the alias on it, whatever the crash left; a finished one gets a record."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages=stages, alias=alias)
    recovered = recover(server.url, name)
    assert recovered
    assert (recovered.outcome, state(server, name)) == (outcome, after)
    tags = Registry(connect(server.url)).version(name, 2).tags
    assert (tags.get(PROMOTED_BY) == "ann (recovered)") == (outcome == "finished")
    assert recover(server.url, name) is None


def test_a_promotion_finished_without_its_check_says_so(make_server: MakeServer, run_cli: RunCli) -> None:
    """Whether there is a check is the config's word, not the intent's."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived", 2: "Production"}, alias=2)
    env = {"MLOPS__PROMOTE__CHECK": '{"command": "true"}'}
    done = run_cli(
        "promote", "--recover", "--models", name, "--tracking-uri", server.url, "--output=json", env=env
    )
    assert done.doc["message"].endswith("; its check has not run: promote the version again to fix that"), (
        done.stderr
    )
    assert Registry(connect(server.url)).version(name, 2).tags[CHECK_TAG] == PENDING


def test_an_alias_that_nobody_had_is_removed_again(make_server: MakeServer) -> None:
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Production"}, alias=2)
    intent = intent_over_1(server.url, name)
    rows = [row if row[1] != "champion" else (name, "champion", None, 2) for row in intent.changes]
    write(server, name, intent.model_copy(update={"changes": rows}))
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
    assert recovered.message.endswith(f"someone else has put {name} version 3 into production")
    assert state(server, name) == ({1: "Archived", 2: "None", 3: "Production"}, 1, False)


def test_what_cannot_be_undone_says_so(
    make_server: MakeServer, make_proxy: Callable[[Server], CountingProxy]
) -> None:
    """The intent stays, the message names what is in production; by hand, then the next command clears it."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    proxy = make_proxy(server)
    proxy.inject(respond(500), path="transition-stage")
    with pytest.raises(
        RegistryError, match=r"stopped in the middle and cannot be undone: .* version 1 stayed in stage"
    ) as error:
        recover(proxy.url, name)
    assert error.value.state == f"in production now: {name} version 1"  # by its alias
    assert state(server, name) == ({1: "Archived", 2: "None"}, 1, True)
    client(server.url).transition_model_version_stage(name, "1", "Production")
    recover(server.url, name)
    assert state(server, name) == BEFORE


@pytest.mark.parametrize(
    "command",
    [
        ("promote", "--recover"),
        ("cleanup", "--yes"),
        ("rollback", "--to", "1"),
        ("promote", "--version", "1"),
    ],
)
def test_a_changing_command_recovers_first(
    command: tuple[str, ...], make_server: MakeServer, run_cli: RunCli
) -> None:
    """Killed after the old version was archived: it comes back, the command says so, and goes on.

    A command that then is refused says so, too: the rollback, because version 1 has no files.
    """
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    named = ("--model", name) if command[0] == "rollback" or "--version" in command else ()
    done = run_cli(*command, *named, "--models", name, "--tracking-uri", server.url, "--output=json")
    assert state(server, name) == BEFORE
    assert (done.doc["error"] is not None) == (command[0] == "rollback"), (done.code, done.stderr)
    assert done.doc["recovered"] == [
        {
            "model": name,
            "version": 2,
            "outcome": "undone",
            "message": f"the promotion of {name} version 2 begun by jenkins at {AT} is undone: "
            "version 2 did not get all of production",
        }
    ]
    said = f"the promotion of {name} version 2 begun by jenkins at {AT} is undone"
    assert f"recovered: {said}" in done.stderr or done.doc["message"].startswith(said)
    assert (done.stderr + done.doc["message"]).count(said) == 1


def test_a_busy_model_is_waited_for_once(make_server: MakeServer, run_cli: RunCli) -> None:
    """First to settle the other's promotion, then to promote: the configured wait is for both."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Production"}, alias=1)
    holder = Holder.this_process("promote", (name,), (name,), BuildContext(user="ann"), 60)
    with Lock(Registry(connect(server.url)), holder, wait=5):
        done = run_cli(
            *("promote", "--model", name, "--version", "2", "--tracking-uri", server.url, "--output=json"),
            env={"MLOPS__PROMOTE__LOCK__WAIT": "1s"},
        )
    assert (done.code, done.doc["error"]["type"]) == (5, "Busy")
    assert done.doc["error"]["state"] == "nothing was written"
    assert done.stderr.count(f"waiting up to 1 s for promote of {name}") == 1
    assert done.stderr.count("waiting") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("select",),
        ("doctor",),
        ("promote", "--dry-run", "--model", "MODEL", "--version", "2"),
        ("cleanup", "--dry-run", "--model", "MODEL"),
        ("rollback", "--dry-run", "--model", "MODEL", "--to", "2"),
    ],
)
def test_a_command_that_looks_writes_nothing(
    command: tuple[str, ...],
    make_server: MakeServer,
    make_proxy: Callable[[Server], CountingProxy],
    run_cli: RunCli,
) -> None:
    """It says what is unfinished, and how it is finished or undone."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived"}, alias=1)
    proxy = make_proxy(server)
    arguments = [name if word == "MODEL" else word for word in command]
    done = run_cli(*arguments, "--models", name, "--tracking-uri", proxy.url, "--output=json")
    repair = f"jenkins-mlflow promote --recover --models {name}"
    assert repair in (done.stdout if command[0] == "doctor" else str(done.doc["warnings"])), done.stderr
    writes = [str(r) for r in proxy.requests if r.method != "GET" and not r.path.endswith("search")]
    # doctor asks for its rights by a tag for a version that cannot exist: see test_doctor_findings
    assert writes == (["POST model-versions/set-tag"] if command[0] == "doctor" else [])
    assert state(server, name) == ({1: "Archived", 2: "None"}, 1, True)


@pytest.mark.parametrize(
    ("stages", "alias"),
    [({1: "Production"}, 1), ({1: "Archived", 2: "Production"}, 1), ({1: "Archived", 2: "Production"}, 2)],
    ids=["nothing was changed", "half", "only the record is missing"],
)
def test_a_model_that_was_renamed_since_is_recovered_under_its_new_name(
    stages: dict[int, str], alias: int, make_server: MakeServer, run_cli: RunCli
) -> None:
    """The intent has the old name, but number and creation time show that it is about these versions."""
    server, old, new = make_server(), fresh_name(), fresh_name()
    crashed(server, old, stages=stages, alias=alias)
    client(server.store_uri).rename_registered_model(old, new)
    where = ("--models", new, "--tracking-uri", server.url, "--output=json")
    looked = run_cli("list", *where)
    assert f"`jenkins-mlflow promote --recover --models {new} --tracking-uri" in str(looked.doc["warnings"])
    done = run_cli("promote", "--recover", *where)
    assert (done.code, done.doc["status"]) == (0, "recovered"), done.stderr
    assert state(server, new) == (DONE if alias == 2 else BEFORE)
    again = run_cli("promote", "--model", new, "--version", "2", *where)
    assert again.code == 0, again.stderr
    assert state(server, new) == DONE


def test_a_signature_does_not_outlast_a_rename(make_server: MakeServer, run_cli: RunCli) -> None:
    """With a key, the intent no longer counts, so it stops nobody: the next promotion settles the model."""
    server, old, new, key = make_server(), fresh_name(), fresh_name(), "k" * 40
    crashed(server, old, stages={1: "Archived", 2: "Production"}, alias=1)
    mlflow = client(server.store_uri)
    for name, text in Keys((key,)).intent(old, intent_over_1(server.url, old).tags()).items():
        mlflow.set_registered_model_tag(old, name, text)
    mlflow.rename_registered_model(old, new)
    where = ("--models", new, "--tracking-uri", server.url, "--output=json")
    env = {"JENKINS_MLFLOW_SIGNING_KEY": key}
    recovered = run_cli("promote", "--recover", *where, env=env)
    assert recovered.doc["status"] == "nothing"
    assert state(server, new) == ({1: "Archived", 2: "Production"}, 1, True)
    said = " ".join(recovered.doc["warnings"])
    assert "or was renamed since" in said
    assert f"`jenkins-mlflow promote --model {new} --version 2 " in said
    done = run_cli("promote", "--model", new, "--version", "2", *where, env=env)
    assert done.code == 0, done.stderr
    assert state(server, new) == DONE


@pytest.mark.parametrize(
    ("config", "marks"),
    [
        ({"MLOPS__PROMOTE__ALIAS": "live"}, "--stage Production --alias champion"),
        ({"MLOPS__PROMOTE__STAGE": "null"}, "--stage Production --alias champion"),
    ],
)
def test_a_config_that_was_edited_since_is_answered_with_a_command_that_works(
    config: dict[str, str], marks: str, make_server: MakeServer, run_cli: RunCli
) -> None:
    """Every command names it: a recovery with the marks that the promotion was started with."""
    server, name = make_server(), fresh_name()
    crashed(server, name, stages={1: "Archived", 2: "Production"}, alias=1)
    where = ("--tracking-uri", server.url, "--output=json")
    command = f"promote --recover {marks} --models {name} --tracking-uri {server.url}"
    for looking in (("list",), ("doctor",), ("promote", "--recover")):
        done = run_cli(*looking, "--models", name, *where, env=config)
        assert f"`jenkins-mlflow {command}`" in done.stdout, (looking, done.stderr)
    refused = run_cli("promote", "--model", name, "--version", "2", *where, env=config)
    assert refused.code == 1
    assert f"`jenkins-mlflow {command}`" in refused.doc["error"]["next_step"], refused.stderr
    assert state(server, name) == ({1: "Archived", 2: "Production"}, 1, True)
    done = run_cli(*command.split(), "--output=json", env=config)
    assert (done.code, done.doc["status"]) == (0, "recovered"), done.stderr
    assert state(server, name) == BEFORE


def write(server: Server, name: str, intent: Intent) -> None:
    for key, text in intent.tags().items():
        client(server.store_uri).set_registered_model_tag(name, key, text)


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_forged_intent_changes_no_other_model(
    exclusive: bool, make_server: MakeServer, run_cli: RunCli
) -> None:
    """Whoever may edit one model cannot retire another one by a tag: it is named by every command, and left."""
    server, mine, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {mine: [Spec(), Spec()], other: [Spec(stage="Production", aliases=("champion",))]})
    intent = intent_over_1(server.url, mine)
    rows = [
        (mine, 2, "None", "Production"),
        (other, 1, "Production", "Archived"),
        (other, "champion", 1, None),
    ]
    write(server, mine, intent.model_copy(update={"changes": rows}))
    env = {"MLOPS__PROMOTE__EXCLUSIVE": str(exclusive).lower()}
    where = ("--models", mine, "--tracking-uri", server.url, "--output=json")
    before = state(server, other)
    for command in (("list",), ("promote", "--recover"), ("cleanup", "--yes")):
        done = run_cli(*command, *where, env=env)
        assert "does not allow: it would change" in str(done.doc["warnings"]), done.stderr
    assert state(server, other) == before
    assert state(server, mine) == ({1: "None", 2: "None"}, None, True)


def test_an_exclusive_promotion_killed_before_the_others_left_is_undone(make_server: MakeServer) -> None:
    """Recovery retires nobody: what was in production stays, the new one goes back."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {one: [Spec(), Spec()], other: [Spec(stage="Production", aliases=("champion",))]})
    client(server.store_uri).transition_model_version_stage(one, "2", "Production")
    intent = intent_over_1(server.url, one)
    rows = [(one, 2, "None", "Production"), (one, "champion", None, 2), (other, 1, "Production", "Archived")]
    write(server, one, intent.model_copy(update={"changes": rows}))
    exclusive = Target("Production", "champion", exclusive=True)
    recovered = recover(server.url, one, exclusive, (one, other))
    assert recovered
    assert recovered.outcome == "undone"
    assert (state(server, one), state(server, other)) == (
        ({1: "None", 2: "None"}, None, False),
        ({1: "Production"}, 1, False),
    )


def test_a_champion_without_a_record_is_not_brought_back_into_another_model(make_server: MakeServer) -> None:
    """The intent says that it was there, nothing confirms it: the new champion stays, and a person is told."""
    server, one, other = make_server(), fresh_name(), fresh_name()
    seed(server.store_uri, {one: [Spec(), Spec()], other: [Spec(stage="Archived")]})
    client(server.store_uri).transition_model_version_stage(one, "2", "Production")
    intent = intent_over_1(server.url, one)
    rows = [(one, 2, "None", "Production"), (one, "champion", None, 2), (other, 1, "Production", "Archived")]
    write(server, one, intent.model_copy(update={"changes": rows}))
    exclusive = Target("Production", "champion", exclusive=True)
    with pytest.raises(RegistryError, match="no promotion record confirms it") as caught:
        recover(server.url, one, exclusive, (one, other))
    assert caught.value.state == f"in production now: {one} version 2"
    assert state(server, other) == ({1: "Archived"}, None, False)


def test_two_in_production_are_named_with_the_repair(make_server: MakeServer, run_cli: RunCli) -> None:
    """A foreign writer made two: every command says so and how to repair it; the repair works."""
    server, name = make_server(), fresh_name()
    seed(server.store_uri, {name: [Spec(stage="Production"), Spec(stage="Production")]})
    listed = run_cli("list", "--models", name, "--tracking-uri", server.url, "--output=json")
    repair = f"jenkins-mlflow promote --model {name} --version 2 --tracking-uri {server.url}"
    assert listed.doc["warnings"] == [
        f"{name} has 2 versions in Production: 1 and 2; keep one: `{repair}` or `--version 1`"
    ]
    done = run_cli(*repair.split()[1:], "--output=json")
    assert done.code == 0, done.stderr
    assert state(server, name) == DONE
