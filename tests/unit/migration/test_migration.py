"""Plans of a migration: ids that fit, texts that do not, aliases from stages; a folder that is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jenkins_mlflow.config.promote import DEFAULT_ALIASES
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.migration.folder import check_target, experiments, find_folder, fingerprint, view
from jenkins_mlflow.migration.plan import LARGEST_ELSEWHERE, Limits, experiment_numbers
from jenkins_mlflow.migration.source import python_values_are_nothing
from jenkins_mlflow.migration.stages import config_without_stages, plan_aliases, wrong_alias
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.results.migrate import MigrateResult


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [
        (["0"], {"0": 0}),
        (["0", "3", "876230764990866375"], {"0": 0, "3": 3, "876230764990866375": 4}),
        (["9" * 18, "8" * 18], {"8" * 18: 1, "9" * 18: 2}),
        (["2147483647", "named"], {"2147483647": 2147483647, "named": 2147483648}),
    ],
)
def test_an_id_stays_where_it_fits(ids: list[str], numbers: dict[str, int]) -> None:
    """The others get the next free ones, the same in every run."""
    assert experiment_numbers(ids, LARGEST_ELSEWHERE) == numbers
    assert experiment_numbers(reversed(ids), LARGEST_ELSEWHERE) == numbers


def test_a_text_that_does_not_fit_is_named() -> None:
    """With the run that it belongs to."""
    limits = Limits({"tags": {"value": 3}}, takes_nul=False)
    assert list(limits.problems("tags", {"run_uuid": "r1", "key": "k", "value": "abc"})) == []
    assert list(limits.problems("tags", {"run_uuid": "r1", "key": "k", "value": "abcd"})) == [
        "run r1, tags k: value has 4 characters, the database allows 3"
    ]
    assert list(limits.problems("tags", {"run_uuid": "r1", "key": "k", "value": "\0"})) == [
        "run r1, tags k: value has a NUL character, which the database does not allow"
    ]


def make_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mlruns"
    for place in ("0", "0/run", "0/run/artifacts", "models/m", "models/m/version-1", "models/m/version-2"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "meta.yaml").write_text(place)
    return folder


def test_a_change_in_the_folder_is_noticed_but_not_one_of_files(tmp_path: Path) -> None:
    """Files of a run may come and go."""
    folder = make_folder(tmp_path)
    assert find_folder(str(tmp_path)) == find_folder(folder.as_uri()) == folder
    before = fingerprint(folder)
    (folder / "0/run/artifacts/model.bin").write_text("x")
    assert fingerprint(folder) == before
    (folder / "models/m/version-2/meta.yaml").write_text("other")
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "the folder does not exist"),
        ("file", "it is not a folder"),
        ("empty", "it contains no experiment"),
    ],
)
def test_why_there_is_no_file_store(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        find_folder(str(tmp_path / name))
    assert refused.value.message == f"there is no MLflow file store in {tmp_path / name}: {why}"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///?mode=ro",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite+pysqlite://",
        "http://u:secret@h",
        "mssql://h/db",
        "x.db",
    ],
)
def test_a_target_that_keeps_nothing_is_refused(uri: str, tmp_path: Path) -> None:
    """Before anything is read: without a file, SQLite forgets everything at the end."""
    folder = find_folder(str(make_folder(tmp_path)))
    with pytest.raises(UsageError) as refused:
        check_target(uri, str(folder))
    assert "secret" not in refused.value.message
    assert refused.value.next_step == "give sqlite:///FILE, postgresql://... or mysql://..."


def test_a_target_inside_the_folder_is_refused(tmp_path: Path) -> None:
    """The folder is never changed; a link to it leads into it, too. Beside it, a database may be."""
    folder = make_folder(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for place in (folder / "in.db", folder / "0" / "in.db", tmp_path / "link" / "in.db"):
        for source in (folder, tmp_path):
            with pytest.raises(UsageError) as refused:
                check_target(f"sqlite:///{place}", str(source))
            assert (
                refused.value.message == f"--to sqlite:///{place} is inside the folder to be copied, {folder}"
            )
    for fine in (f"sqlite:///{tmp_path}/mlflow.db", "postgresql+psycopg://h/db", "mysql://u:p@h/db"):
        check_target(fine, str(folder))


def test_a_copy_that_differs_is_not_advised_for_use() -> None:
    """A server that was started on it would hold other data."""
    result = MigrateResult(status="differs", message="m", differences=("a",), server_command="mlflow server")
    assert result.next_step == ""
    assert replace(result, status="migrated").next_step.endswith("mlflow server")


def test_the_alias_of_production_is_for_its_own_stage() -> None:
    """On the version of another stage it would put that into production, without gates and without a record."""
    problem = wrong_alias({"Production": "live", "Staging": "champion"}, None, "champion")
    assert (
        problem == "alias champion means production (promote.alias), so the version in Staging cannot have it"
    )
    assert wrong_alias({"Staging": "champion"}, "Production", "champion") == problem
    assert wrong_alias({"Production": "challenger"}, "Staging", "challenger")
    for stage, alias in (("Production", "champion"), (None, "champion"), ("Staging", "challenger")):
        assert wrong_alias(DEFAULT_ALIASES, stage, alias) == ""


def test_a_view_shows_all_but_what_is_hidden(tmp_path: Path) -> None:
    """MLflow makes its folders in the view, not in the store."""
    folder = make_folder(tmp_path)
    with view(folder, [folder / "models/m/version-1"]) as shown:
        assert (shown / ".trash").is_dir()
        assert [name for name, _ in experiments(shown)] == ["0"]
        assert sorted(path.name for path in (shown / "models/m").iterdir()) == ["meta.yaml", "version-2"]
    assert not (folder / ".trash").exists()
    assert (folder / "models/m/version-1").is_dir()


def test_values_of_python_classes_are_nothing(tmp_path: Path) -> None:
    """For a while; nothing is called."""
    text = f"name: m\nmetrics: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n"
    with python_values_are_nothing():
        assert yaml.safe_load(text) == {"name": "m", "metrics": None}
        assert yaml.load(text, yaml.CSafeLoader) == {"name": "m", "metrics": None}
    with pytest.raises(yaml.constructor.ConstructorError):
        yaml.safe_load(text)
    assert not (tmp_path / "made").exists()


def model(aliases: dict[str, int], **stages: str) -> Model:
    """``v1="Production"``: version 1 is in Production."""
    versions = tuple(
        Version(
            "m",
            int(name[1:]),
            stage=stage,
            aliases=tuple(alias for alias, number in aliases.items() if number == int(name[1:])),
        )
        for name, stage in stages.items()
    )
    return Model("m", versions, aliases)


def test_the_version_in_a_stage_gets_the_alias() -> None:
    """One that has it already is told of as there."""
    found, problems = plan_aliases(
        Snapshot((model({"champion": 2}, v3="Staging", v2="Production", v1="Archived"),)), DEFAULT_ALIASES
    )
    assert problems == []
    assert [(one.version, one.alias, one.already_set, one.loaded_by, one.load_by) for one in found] == [
        (2, "champion", True, "models:/m/Production", "models:/m@champion"),
        (3, "challenger", False, "models:/m/Staging", "models:/m@challenger"),
    ]


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (
            model({"champion": 1}, v2="Production", v1="None"),
            "m version 2 is in Production, but the alias champion is on version 1",
        ),
        (model({}, v2="Production", v1="Production"), "m has 2 versions in Production: 2, 1"),
    ],
)
def test_what_contradicts_stops_all(made: Model, problem: str) -> None:
    """Nothing is planned beside a problem."""
    assert plan_aliases(Snapshot((made,)), DEFAULT_ALIASES) == ([], [problem])


@pytest.mark.parametrize(
    ("aliases", "stage", "alias", "alias_change"),
    [
        pytest.param(DEFAULT_ALIASES, "Production", "champion", (), id="the default"),
        pytest.param(
            {"Production": "live"}, "Production", "champion", ("promote.alias: live",), id="another"
        ),
        pytest.param({"Production": "live"}, "Production", "live", (), id="as configured"),
        pytest.param({"Production": "live"}, None, "champion", ("promote.alias: live",), id="no stage"),
        pytest.param(
            DEFAULT_ALIASES, "Staging", "champion", ("promote.alias: challenger",), id="other stage"
        ),
        pytest.param({"Staging": "next"}, "Production", "champion", (), id="only of the other stage"),
    ],
)
def test_the_config_afterwards_has_the_alias_of_production(
    aliases: dict[str, str], stage: str | None, alias: str, alias_change: tuple[str, ...]
) -> None:
    """Else later promotions would move an alias that nothing loads by."""
    assert config_without_stages(aliases, stage, alias) == (
        "promote.stage: null",
        *alias_change,
        "promote.methods: [alias]",
    )
