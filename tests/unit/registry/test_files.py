"""Which files can be read from here, and reading them: bounded, and through no link."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.storage import OutOfReach

RUN = "0123456789abcdef0123456789abcdef"


def files(uri: str = "http://127.0.0.1:9") -> Files:
    return Files(Registry(connect(uri)))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mlflow-artifacts:/1/x", True),
        ("mlflow-artifacts://127.0.0.1:9/1/x", True),
        ("mlflow-artifacts://elsewhere/1/x", False),
        ("s3://bucket/1/x", False),
        ("https://elsewhere/1/x", False),
        ("/srv/mlruns/1/x", True),
        ("file:///srv/mlruns/1/x", True),
    ],
)
def test_what_comes_without_the_client_of_mlflow(uri: str, expected: bool) -> None:
    assert files().at_hand(uri) == expected


def test_a_folder_of_this_machine(tmp_path: Path) -> None:
    """Its own files, not those below, and no link; a folder that is gone is empty where no server names it."""
    folder = tmp_path / RUN / "artifacts"
    (folder / "model").mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"12345")
    (folder / "model" / "b.csv").touch()
    (folder / "link.csv").symlink_to(folder / "a.csv")
    for reader in (files(), files(f"{tmp_path}")):
        assert reader.listing(str(folder)) == {"a.csv": 5}
        assert reader.read(str(folder), "a.csv", 5) == b"12345"
        with pytest.raises(OutOfReach, match=r"^a.csv is larger than 4 B$"):
            reader.read(str(folder), "a.csv", 4)
    assert files(f"{tmp_path}").listing(str(tmp_path / "gone")) == {}
    with pytest.raises(OutOfReach, match="there is no"):
        files().listing(str(tmp_path / RUN / "gone"))


def test_a_server_opens_no_other_folder(tmp_path: Path) -> None:
    """What it calls a run's artifacts has to look like them."""
    with pytest.raises(OutOfReach, match="is not the folder of a run or a logged model"):
        files().listing(str(tmp_path))
