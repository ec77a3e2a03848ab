"""Addresses that no command could work with are refused in words, without the secrets in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jenkins_mlflow.cli.main import run
from jenkins_mlflow.errors import ConnectionFailed, UsageError
from jenkins_mlflow.registry.connection import address, check_uri, connect
from jenkins_mlflow.registry.sending import Sender


@pytest.mark.parametrize(
    ("uri", "message", "next_step"),
    [
        ("localhost:5000", "'localhost:5000': no scheme", "did you mean http://localhost:5000?"),
        (
            "mlflow.example:5000/x",
            "'mlflow.example:5000/x': no scheme",
            "did you mean http://mlflow.example:5000/x?",
        ),
        ("http://", "'http://': no host", "for example http://mlflow.example:5000"),
        (
            "http://u:s3/cret@h",
            "'http://***@h': not a valid address",
            "for example http://mlflow.example:5000; in a password write %2F for / and %40 for @",
        ),
    ],
)
def test_an_address_that_cannot_work_is_refused(uri: str, message: str, next_step: str) -> None:
    """With what was probably meant."""
    with pytest.raises(UsageError) as refused:
        check_uri(uri, may_create=False)
    assert (refused.value.message, refused.value.next_step) == (f"tracking URI {message}", next_step)


@pytest.mark.parametrize(
    ("uri", "next_step"),
    [
        (
            "mlflow.example",
            "did you mean http://mlflow.example? A store in a folder is made by the first training",
        ),
        ("no/such/mlruns", "check --tracking-uri or MLFLOW_TRACKING_URI, or train first"),
    ],
)
def test_a_folder_that_is_not_there_may_be_a_host(uri: str, next_step: str) -> None:
    """Someone forgot the scheme and the port."""
    with pytest.raises(ConnectionFailed) as refused:
        check_uri(uri, may_create=False)
    assert refused.value.message.startswith("there is no MLflow store at ")
    assert refused.value.next_step == next_step


HERE = "https://mlflow.example/x"


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("https://ann:s3cret@mlflow.example/x", HERE),
        ("https://t0ken@mlflow.example/x/", HERE),
        ("HTTPS://MLflow.Example:443/x", HERE),
        ("http://mlflow:80/", "http://mlflow"),
        ("http://u:p@[::1]:5000", "http://[::1]:5000"),
        ("postgresql+psycopg://u:s3/cret@DB:5432/mlflow", "postgresql+psycopg://db:5432/mlflow"),
        ("postgresql://h/db?sslmode=require", "postgresql://h/db?sslmode=require"),
        ("sqlite:////data/m.db", "/data/m.db"),
        ("file:///data/mlruns/", "/data/mlruns"),
        ("databricks", "databricks"),
        ("databricks-uc", "databricks-uc"),
    ],
)
def test_a_registry_has_one_address(uri: str, same: str) -> None:
    """Whoever asks, and however it is written."""
    assert address(uri) == address(same) == same


@pytest.mark.parametrize(
    "other",
    ["http://mlflow.example/x", "https://mlflow.example/X", f"{HERE}/y", "https://mlflow.example:80/x"],
)
def test_another_registry_has_another_address(other: str) -> None:
    assert address(other) != address(HERE)


def test_a_login_without_a_scheme_is_not_shown() -> None:
    """What stands before its host may be a password."""
    with pytest.raises(UsageError) as refused:
        check_uri("u:s3cret@h:5000", may_create=False)
    assert refused.value.message == "tracking URI: scheme 'u' is not supported"


def test_a_password_with_a_slash_is_left_to_the_database() -> None:
    """SQLAlchemy reads it, though it is not a valid URL."""
    check_uri("postgresql+psycopg://u:s3/cret@h/db", may_create=False)


def test_a_database_that_is_down_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on port 9. MLflow tries 11 times by itself, over 100 s; once is enough here."""
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 0)
    with pytest.raises(ConnectionFailed) as failed:
        connect("postgresql+psycopg://u:s3cret@127.0.0.1:9/db")
    assert failed.value.message.startswith(
        "cannot open the MLflow store postgresql+psycopg://***@127.0.0.1:9/db: (psycopg.OperationalError) "
        "connection failed"
    )


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_SERVER_CERT_PATH"])
def test_a_certificate_that_is_not_there_is_a_mistake_on_this_machine(name: str, tmp_path: Path) -> None:
    """Not one that the server's log could explain."""
    with pytest.raises(UsageError) as refused:
        Sender("https://mlflow.example", {name: str(tmp_path / "no.pem")}, None)
    assert refused.value.message == f"{name}: cannot read {tmp_path}/no.pem: No such file or directory"
    assert refused.value.state == "nothing was read or written"
    assert refused.value.next_step == f"set {name} to a file that exists and that you may read"
    (tmp_path / "ca.pem").touch()
    Sender("https://mlflow.example", {name: str(tmp_path / "ca.pem")}, None)


@pytest.mark.parametrize(
    "inside", ["http://mlflow .example", "http://ml\nflow:5000/x", "http://h/a\tb", "https://h/\x00"]
)
def test_an_address_with_a_blank_in_it_is_refused(inside: str) -> None:
    """Python's own parser drops some of them without a word."""
    with pytest.raises(UsageError) as refused:
        check_uri(inside, may_create=False)
    assert refused.value.message.endswith(": it contains a space, a line break or another such character")


@pytest.mark.parametrize("around", ["\n", " ", "\r\n", "\t"])
@pytest.mark.parametrize("by", ["--tracking-uri", "MLFLOW_TRACKING_URI"])
def test_blanks_around_an_address_do_not_count(
    around: str, by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that a variable was read from ends with a line break."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLOPS__PROMOTE__RETRY__ATTEMPTS", "1")
    uri = f"http://127.0.0.1:9{around}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri if by == "MLFLOW_TRACKING_URI" else "")
    assert run(["list", "--output=json", *([f"{by}={uri}"] if by != "MLFLOW_TRACKING_URI" else [])]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["tracking_uri"], document["error"]["type"]) == ("http://127.0.0.1:9", "ConnectionFailed")
