"""The contract of the two doors to a registry: both show, do and refuse the same, on every server that is supported.

`make test` runs it on the servers of ``SAMPLE``, `make test-matrix` on all of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import MakeServer
from jenkins_mlflow.errors import Refused, RegistryError
from jenkins_mlflow.registry import homes
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.door_types import Point
from jenkins_mlflow.registry.doors import Door
from jenkins_mlflow.registry.faults import classify
from jenkins_mlflow.registry.journal import EXPERIMENT, Journal
from jenkins_mlflow.registry.journal_entry import Entry, Reclaimed
from jenkins_mlflow.registry.locations import parse_location
from jenkins_mlflow.registry.snapshot import Snapshot
from jenkins_mlflow.registry.storage import Measured, Storage
from jenkins_mlflow.registry.version import Version
from support.doors import DOORS, fault, through
from support.environments import OWN_VERSION, VERSIONS
from support.fronts import SOMEBODY_ELSES, Front, Reached, behind
from support.seeding import Spec, client, seed
from support.servers import Server, Store
from support.thorough import THOROUGH

Place = tuple[str, Store, Front | None]
"""A server's version, its store, and what is in front of it."""

FRONTS: list[Place] = [(OWN_VERSION, "sqlite", front) for front in get_args(Front)]
PLACES: list[Place] = [
    *((version, store, None) for version in VERSIONS for store in get_args(Store)),
    *FRONTS,
]
SAMPLE: list[Place] = [
    *((OWN_VERSION, store, None) for store in get_args(Store)),
    ("3.3.2", "file", None),  # the store that fails on every transition
    ("2.22.4", "sqlite", None),
    *FRONTS,
]

ODD_NAMES = [
    "odd it's",
    'odd say "hi"',
    "odd both ' and \"",
    "odd 50% _a*b?[c]",
    "odd a\\b",
    "odd 🫀 $(x) `y`",
    "odd\nline",
]


def named(place: Place) -> str:
    return "-".join(filter(None, place))


@pytest.fixture(scope="module", params=PLACES if THOROUGH else SAMPLE, ids=named)
def reached(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reached]:
    """A server where no other test has used a name of this file."""
    version, store, front = request.param
    if front:
        with behind(front, tmp_path_factory.mktemp(front)) as found:
            yield found
    else:
        yield Reached(make_server(version, store))


@pytest.fixture
def server(reached: Reached, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, for clients in this process as for both doors."""
    for name, value in reached.environ.items():
        monkeypatch.setenv(name, value)
    return reached.server


def plain(value: Any) -> str:
    """Everything in it, in an order that is the same for equal values; NaN is equal to itself."""
    return json.dumps(value, default=asdict, sort_keys=True, indent=1)


def seed_odd(url: str) -> None:
    """Odd names (those that the server takes), odd metrics, runs that are gone, long tags, a prompt."""
    mlflow = client(url)
    odd = Spec(
        metrics={"nan": float("nan"), "inf": float("inf"), "minus": float("-inf"), "odd key 1/2": 1e-300},
        aliases=("champion", "b"),
        tags={"long": "x" * 5000, "odd key: 1/2": "🫀\n\"'%"},
        run_tags={"note": "y" * 5000},
    )
    for name in ODD_NAMES:
        try:
            mlflow.create_registered_model(name, {"of the model": "ünï"})
        except Exception as error:  # noqa: BLE001  file stores refuse some of them
            assert "INVALID_PARAMETER_VALUE" in str(error)
    names = [m.name for m in mlflow.search_registered_models("name LIKE 'odd%'")]
    assert len(names) >= 4
    seed(url, {name: [Spec(stage="Production"), odd] for name in names}, "odd")
    deleted = mlflow.search_model_versions(f"name = '{names[-1]}'")[0]
    mlflow.delete_run(str(deleted.run_id))
    mlflow.create_model_version(names[-1], "s3://bucket/without-a-run")
    prompt = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "say {{it}}"}
    registry = mlflow._get_registry_client()
    registry.create_registered_model("odd prompt", {"mlflow.prompt.is_prompt": "true"})
    registry.create_model_version("odd prompt", "prompt-template", tags=prompt)


def test_both_doors_show_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd names, NaN and infinite metrics, deleted and missing runs, long tags, and no prompt."""
    seed_odd(server.url)
    seen = {}
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        group = registry.snapshot(["odd*"], with_runs=True)
        names = [model.name for model in group.models]
        parts: list[object] = [registry.model(name) for name in names]
        parts += [registry.version(name, 1) for name in names]
        uris = [registry.storage_uri(name, 1) for name in names]
        seen[door] = plain([group, parts, uris, registry.connection.server_version])
        assert "odd prompt" not in names
        with pytest.raises(RegistryError, match=r"^reading model odd prompt: not in the registry https?://"):
            registry.model("odd prompt")
    assert seen["http"] == seen["store"]
    runs = [version.run for version in group.versions()]
    assert None in runs
    assert any(run and "inf" in run.metrics for run in runs)


def number(version: Version) -> int:
    return version.number


def write_everything(registry: Registry, name: str, *, archive: bool) -> Snapshot:
    """Every write there is, and some of them twice."""
    registry.set_stage(name, 1, "Production")
    registry.set_stage(name, 2, "Production", archive_existing=archive)
    registry.set_stage(name, 1, "Archived")
    for alias in ("champion", "gone", "gone"):
        registry.set_alias(name, alias, 2)
    registry.delete_alias(name, "gone")
    registry.tag_version(name, 2, {"short": "v", "empty": "", "too long": "z" * 6000, "untagged": "v"})
    for _ in range(2):
        registry.untag_version(name, 2, "untagged")
    for key in ("kept", "untagged"):
        registry.tag_model(name, key, "🫀")
    for _ in range(2):
        registry.untag_model(name, "untagged")
    registry.delete_version(name, 3)
    like = replace(registry.version(name, 1), description="what it is 🫀")
    assert registry.register_version(like, {"registered": "again", "empty": ""}) >= 3
    return registry.snapshot([name])


def test_both_doors_write_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same writes leave the same registry, but for its names and times."""
    written = {}
    for door in DOORS:
        name = f"written-{door}"
        seed(server.url, {name: [Spec(), Spec(), Spec()]}, "writes")
        group = write_everything(
            through(door, server.url, monkeypatch), name, archive=server.store != "postgresql"
        )  # there psycopg 3 refuses it
        again, *versions = [replace(v, model="", created=0, run_id="", source="") for v in group.versions()]
        written[door] = plain([again, versions, group.models[0].aliases, group.models[0].tags])
        assert again.tags == {"registered": "again", "empty": ""}
        first, last = min(group.versions(), key=number), max(group.versions(), key=number)
        assert (last.run_id, last.source) == (first.run_id, first.source)
        assert [(v.number, v.stage, v.aliases) for v in versions] == [
            (2, "Production", ("champion",)),
            (1, "Archived", ()),
        ]
    assert written["http"] == written["store"]


def test_both_doors_copy_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a model that is missing, then into one that is there: same source, run, tags and description."""
    spec = Spec(metrics={"roc_auc": 0.5}, tags={"k": "🫀"}, linked=server.version == "3.17.2")
    mlflow = seed(server.url, {"copied": [spec]}, "copies")
    mlflow.update_model_version("copied", "1", "what it is")
    copied = {}
    for door in DOORS:
        registry, into = through(door, server.url, monkeypatch), f"copies-{door}"
        assert [registry.copy_version("copied", 1, into) for _ in range(2)] == [1, 2]
        versions = [replace(v, model="", created=0) for v in registry.snapshot([into]).versions()]
        ids = {mlflow.get_model_version(into, str(number)).model_id for number in (1, 2)}
        copied[door] = plain(
            [versions, [mlflow.get_model_version(into, "2").description, *sorted(map(str, ids))]]
        )
    assert copied["http"] == copied["store"]
    assert '"source": "models:/copied/1"' in copied["http"]


def train_through(door: Door, url: str, name: str) -> list[Any]:
    """What training writes, and reads again, with the ids that differ left out."""
    mlflow, tags = client(url), {"of": name}
    experiment = mlflow.create_experiment(f"training {name}")
    ids = [
        mlflow.create_run(experiment, start_time=1000 + n, tags=tags, run_name="a").info.run_id
        for n in range(2)
    ]
    mlflow.log_metric(ids[0], "nan", float("nan"))
    mlflow.set_terminated(ids[1], "FINISHED", 5000)
    door.tag_run(ids[0], "outcome", "lost")
    door.end_run(ids[0], "KILLED", 4000)
    found = door.training_runs([experiment], f"tags.of = '{name}'", limit=10, page_token="")
    seen: list[Any] = [
        [
            one.name,
            one.status,
            one.ended,
            one.run.started,
            one.experiment_id == experiment,
            one.run.tags["of"],
        ]
        for one in found
    ]
    assert [one.run.run_id for one in found] == ids
    seen += [found[0].run.tags["outcome"], plain(found[0].run.metrics)]
    seen += [one.artifact_uri.replace(one.run.run_id, "run").replace(experiment, "0") for one in found]
    first = door.training_runs([experiment], f"tags.of = '{name}'", limit=1, page_token="")
    second = door.training_runs([experiment], f"tags.of = '{name}'", limit=1, page_token=first.token)
    assert [one.run.run_id for one in (*first, *second)] == ids
    return seen


def test_both_doors_train_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are marked, ended, and found by the build's tag, page by page."""
    seen = [
        train_through(through(door, server.url, monkeypatch).connection.door, server.url, door)
        for door in DOORS
    ]
    assert json.dumps(seen[0]).replace("http", "") == json.dumps(seen[1]).replace("store", "").replace(
        "http", ""
    )


def test_both_doors_find_logged_models(
    reached: Reached, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the build's tag, oldest first; a server of MLflow 2 has none, which is no error."""
    mlflow = client(server.url)
    if server.version.startswith("2."):
        for name in DOORS:
            door = through(name, server.url, monkeypatch).connection.door
            assert door.logged_models(["0"], "tags.of = 'x'", limit=10, page_token="") == []
        return
    experiment = mlflow.create_experiment("logged models")
    run = mlflow.create_run(experiment).info.run_id
    made = [mlflow.create_logged_model(experiment, f"m{n}", run, tags={"of": "x"}) for n in range(2)]
    mlflow.finalize_logged_model(made[0].model_id, "READY")
    mlflow.create_logged_model(experiment, "another", run, tags={"of": "y"})
    seen = []
    for name in DOORS:
        door = through(name, server.url, monkeypatch).connection.door
        door.tag_logged_model(made[1].model_id, "odd", "\"'%")
        found = door.logged_models([experiment], "tags.of = 'x'", limit=10, page_token="")
        assert [(m.model_id, m.name, m.run_id, m.status) for m in found] == [
            (made[0].model_id, "m0", run, "READY"),
            (made[1].model_id, "m1", run, "PENDING"),
        ]
        seen.append([found, door.logged_model(made[1].model_id)])
        assert found[1].tags["odd"] == "\"'%"
        doomed = mlflow.create_logged_model(experiment, "doomed", run).model_id
        door.delete_logged_model(doomed)
        with pytest.raises(Exception, match=r".") as caught:
            door.logged_model(doomed)
        gone = classify(caught.value)
        assert gone.status == (404 if reached.sees_all else 403)
        seen[-1].append(gone.summary.replace(doomed, ""))
    assert seen[0] == seen[1]


def test_both_doors_find_what_has_a_tag(
    reached: Reached, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions and models with a tag, all names, and the server's time."""
    mlflow = seed(server.url, {"tagged": [Spec(tags={"odd key": ""}), Spec()], "bare": [Spec()]}, "tags")
    mlflow.set_registered_model_tag("tagged", "odd key", "🫀")
    seen = {}
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        found = registry.versions_with_tag("odd key"), registry.models_with_tag("odd key")
        assert [version.label for version in found[0]] == ["tagged version 1"]
        assert {"tagged", "bare"} <= set(registry.names())
        if reached.sees_all:  # for others MLflow's logins do not say that there is none
            assert registry.find_model("nowhere") is None
        assert abs(registry.now() - time.time()) < 60
        assert registry.answer_time == 30
        seen[door] = plain([*found, registry.names()])
    assert seen["http"] == seen["store"]


def test_a_journal_by_both_doors(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one door writes down the other reads, deleted runs included; an experiment in the trash is refused."""
    mlflow = seed(server.url, {"written down": [Spec(tags={"k": "🫀"})] * 2}, "journal")
    mlflow.update_model_version("written down", "1", "what it is")
    first, second = (through(door, server.url, monkeypatch) for door in DOORS)
    assert Journal(first).read("written down") == Journal(second).read("written down") == []
    for one, other, doomed in ((first, second, 1), (second, first, 2)):
        version = one.version("written down", doomed)
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else mlflow.create_experiment(EXPERIMENT)
        mlflow.delete_experiment(experiment)
        with pytest.raises(Refused, match="is in MLflow's trash"):
            Journal(one).read()
        with pytest.raises(Refused, match="is in MLflow's trash"):
            Journal(one).write("written down", [version])
        mlflow.restore_experiment(experiment)
        run = Journal(one, "a build", now=doomed).write("written down", [version], {doomed: 7})
        assert mlflow.get_run(run).info.status == "RUNNING"
        Journal(one).close(run, "m", {"deleted": 1})
        ended = mlflow.get_run(run)
        assert (ended.info.status, ended.data.metrics, ended.data.params["model"]) == (
            "FINISHED",
            {"deleted": 1.0},
            "m",
        )
        assert one.connection.door.keep_file(run, "result.json", '{"k": "🫀"}')
        kept = Path(mlflow.download_artifacts(run, "result.json"))
        assert kept.read_text(encoding="utf-8") == '{"k": "🫀"}'
        assert Journal(one).read("written down") == Journal(other).read("written down")
        entry = Entry(version, doomed, "a build", 7, run)
        assert Journal(other).read("written down")[-1] == entry
        for reclaimed in (Reclaimed(1.5, 7, done=False), Reclaimed(2.5, 7, done=True)):
            Journal(one).mark_reclaimed([entry], reclaimed)
            assert replace(entry, reclaimed=reclaimed) in Journal(other).read()
        Journal(one).mark_reclaimed([entry], Reclaimed(1.5, 7, done=False))  # a request that arrived late
        assert replace(entry, reclaimed=Reclaimed(2.5, 7, done=True)) in Journal(other).read()
        mlflow.delete_run(run)
        assert Journal(one).read() == Journal(other).read()
        assert Journal(one).read("written down")[-1].in_trash
        mlflow.restore_run(run)
        if doomed == 2:
            Journal(one).withdraw(run, [version])
            assert [each.version.number for each in Journal(other).read("written down")] == [1]


def test_both_doors_show_where_files_are(
    reached: Reached, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs in the trash, too; what is in the server's folders, and nothing where there is none; each deletes."""
    mlflow = seed(server.url, {"with files": [Spec(linked=server.version != "2.22.4"), Spec()]}, "files")
    versions = [mlflow.get_model_version("with files", number) for number in "12"]
    runs = {str(version.run_id): mlflow.get_run(str(version.run_id)) for version in versions}
    for run_id in runs:
        mlflow.log_text(run_id, "seven b", "one/a.txt")
        mlflow.log_text(run_id, "x", "one/two/b.txt")
    first, second = runs
    mlflow.delete_run(second)
    experiment = runs[first].info.experiment_id
    shown = []
    for door in DOORS:
        registry = through(door, server.url, monkeypatch)
        kept = homes.kept_runs(registry, list(runs))
        logged = list(homes.logged_models(registry, [experiment]))
        assert [homes.logged_model(registry, model.model_id) for model in logged] == logged
        places = homes.experiment_locations(registry)
        assert registry.sees_all() is (reached.sees_all and door == "http")  # MLflow's client does not know
        shown.append(plain([kept, logged, sorted(places)]))
        if server.store != "file":  # those servers keep a run's files in folders of their own
            place = parse_location(runs[list(runs)[DOORS.index(door)]].info.artifact_uri).below("one")
            storage = Storage(registry)
            assert storage.measure(place) == Measured(2, 8)
            storage.erase(place)
            storage.erase(place)
            assert storage.measure(place) == Measured(0, 0)
    assert shown[0] == shown[1]
    assert {run.run_id: run.deleted for run in kept.values()} == dict(zip(runs, (False, True), strict=True))
    assert len(logged) == (0 if server.version == "2.22.4" else 1)


def test_both_doors_copy_runs_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run with each value of its metrics, written by one door and read by both, also from the trash."""
    mlflow = client(server.url)
    values = [float("nan"), float("inf"), float("-inf"), 0.1, -1e300]
    points = [Point("odd 1/2", value, 1000 + step, step) for step, value in enumerate(values)]
    tags = {"k": "🫀", "empty": ""}
    doors = {door: through(door, server.url, monkeypatch).connection.door for door in DOORS}
    seen = []
    for name, door in doors.items():
        door.create_experiment(f"whole runs {name}")
        made = [other.experiment(f"whole runs {name}") for other in doors.values()]
        assert made[0] == made[1]
        assert made[0] is not None
        experiment = made[0].experiment_id
        run_id = door.create_run(experiment, 1000, tags, "its name")
        door.log(run_id, {"p": "🫀", "long": "x" * 500}, {"one": 1.0}, 2000)
        door.log_points(run_id, points)
        door.end_run(run_id, "FAILED", 5000)
        for _ in range(2):
            both = [other.whole_run(run_id) for other in doors.values()]
            assert plain(both[0]) == plain(both[1])
            mlflow.delete_run(run_id)
        mlflow.restore_run(run_id)
        histories = [sorted_points(other, run_id, "odd 1/2") for other in doors.values()]
        assert histories[0] == histories[1]
        assert len(json.loads(histories[0])) == len(points)
        found = [
            other.find_runs(experiment, "tags.k = '🫀'", limit=10, page_token="") for other in doors.values()
        ]
        assert plain(found[0]) == plain(found[1])
        assert [run.run_id for run in found[0]] == [run_id]
        whole = both[0]._replace(run_id="", uri="", experiment=both[0].experiment.removesuffix(name))
        seen.append((whole, histories[0]))
        door.delete_run(run_id)
        assert mlflow.get_run(run_id).info.lifecycle_stage == "deleted"
    assert plain(seen[0]) == plain(seen[1])
    assert (whole.experiment, whole.name, whole.status) == ("whole runs ", "its name", "FAILED")
    assert (whole.started, whole.ended) == (1000, 5000)
    assert whole.params == {"p": "🫀", "long": "x" * 500}
    assert tags.items() <= whole.tags.items()


def sorted_points(door: Door, run_id: str, key: str) -> str:
    """All values of a metric, in an order of their own: file stores have another than databases."""
    return plain(sorted(door.points(run_id, key, page_token=""), key=lambda point: point.step))


def test_both_doors_move_files_the_same(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one door stores in a run's folder, both list and fetch; the other deletes it."""
    mlflow = client(server.url)
    experiment = mlflow.create_experiment("moved files")
    run_id = mlflow.create_run(experiment).info.run_id
    doors = [through(door, server.url, monkeypatch).connection.door for door in DOORS]
    source, into = tmp_path / "source", tmp_path / "into"
    odd = (
        "ü🫀" if server.version == OWN_VERSION else "u"
    )  # the older servers fail to send a file of such a name
    for number, (one, other) in enumerate((doors, doors[::-1])):
        folder = f"{experiment}/{run_id}/artifacts/{number}"
        for name, content in {
            f"a b + {odd}.txt": b"seven b",
            "empty": b"",
            f"below/{odd}.bin": bytes(range(256)),
        }.items():
            source.write_bytes(content)
            for _ in range(2):
                one.store_file(f"{folder}/{name}", source)
            for door in doors:
                door.fetch_file(f"{folder}/{name}", into)
                assert into.read_bytes() == content
        listed = [sorted(door.files(folder)) for door in doors]
        assert listed[0] == listed[1]
        assert [(file.name, file.is_dir) for file in listed[0]] == [
            (f"a b + {odd}.txt", False),
            ("below", True),
            ("empty", False),
        ]
        assert [door.has_artifacts(f"mlflow-artifacts:/{folder}") for door in doors] == [True, True]
        other.delete_files(folder)
        assert [door.files(folder) for door in doors] == [[], []]
        assert [door.has_artifacts(f"mlflow-artifacts:/{folder}") for door in doors] == [False, False]


def test_flags_by_both_doors(reached: Reached, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that one door raises is seen, renewed and lowered by the other."""
    first, second = (through(door, server.url, monkeypatch) for door in DOORS)
    for one, other in ((first, second), (second, first)):
        raised = one.raise_flag("jenkins-mlflow.lock.x", {"k": "v"}, "words")
        assert other.flags() == one.flags()
        [(name, renewed, tags, _)] = one.flags()
        assert (name, tags) == ("jenkins-mlflow.lock.x", {"k": "v"})
        assert renewed >= raised > 10**12
        with pytest.raises(Exception, match=r".") as caught:
            other.raise_flag("jenkins-mlflow.lock.x", {}, "")
        assert classify(caught.value).exists
        stamped = other.renew_flag("jenkins-mlflow.lock.x", "words")
        assert one.flags()[0][1] == stamped >= renewed
        other.lower_flag("jenkins-mlflow.lock.x")
        again = fault(lambda registry: registry.lower_flag("jenkins-mlflow.lock.x"), one)
        assert (again and again.status) == (None if reached.sees_all else 403)
        assert one.flags() == []


REFUSED: dict[str, Callable[[Registry], object]] = {
    "missing model": lambda r: r.connection.door.model("nowhere"),
    "missing version": lambda r: r.connection.door.version("refused", 9),
    "missing version's stage": lambda r: r.set_stage("refused", 9, "Production"),
    "missing version's alias": lambda r: r.set_alias("refused", "a", 9),
    "missing version's tag": lambda r: r.tag_version("refused", 9, {"k": "v"}),
    "missing model's tag": lambda r: r.tag_model("nowhere", "k", "v"),
    "missing model deleted": lambda r: r.connection.door.delete_model("nowhere"),
    "missing version deleted": lambda r: r.delete_version("refused", 9),
    "somebody else's model": lambda r: r.connection.door.model(SOMEBODY_ELSES),
    "somebody else's version": lambda r: r.connection.door.version(SOMEBODY_ELSES, 1),
    "somebody else's stage": lambda r: r.set_stage(SOMEBODY_ELSES, 1, "Production"),
    "somebody else's tag": lambda r: r.tag_model(SOMEBODY_ELSES, "k", "v"),
    "somebody else's version deleted": lambda r: r.delete_version(SOMEBODY_ELSES, 1),
    "no stage": lambda r: r.set_stage("refused", 1, "Nonsense"),
    "no alias": lambda r: r.set_alias("refused", "v1", 1),
    "no filter": lambda r: r.connection.door.models("nonsense = 1", limit=1, page_token=""),
    "no page": lambda r: r.connection.door.models("", limit=1, page_token="nonsense"),
    "no path of a file": lambda r: r.connection.door.files("../a"),
    "no name": lambda r: r.connection.door.create_model("", {}, ""),
}


def test_both_doors_are_refused_the_same(
    reached: Reached, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own errors arrive unchanged: status, code and words."""
    seed(server.url, {"refused": [Spec()]}, "refusals")
    faults = {
        door: {what: fault(call, through(door, server.url, monkeypatch)) for what, call in REFUSED.items()}
        for door in DOORS
    }
    assert faults["http"] == faults["store"]
    assert faults["http"]["missing version"] is not None
    assert faults["http"]["missing version"].not_found
    theirs = faults["http"]["somebody else's model"]
    assert theirs is not None
    assert theirs.status == (404 if reached.sees_all else 403)


@pytest.mark.parametrize("reached", FRONTS, ids=named, indirect=True)
@pytest.mark.parametrize(
    "call", [lambda r: r.connection.door.model("m"), lambda r: r.tag_model("m", "k", "v")]
)
def test_both_doors_are_shut_out_the_same(
    call: Callable[[Registry], object], reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wrong password, without the client's certificate, outside of the path."""
    environ, url = reached.shut_out
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = [fault(call, through(door, url, monkeypatch)) for door in DOORS]
    for each in found:
        assert each is not None
        assert not each.not_found
    if url.startswith("https:"):  # TLS 1.3 refuses after the handshake: which error arrives first is chance
        assert [each and (each.connection, each.status) for each in found] == [(True, None)] * 2
    else:
        assert found[0] == found[1]
