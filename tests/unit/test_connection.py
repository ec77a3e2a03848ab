"""Addresses that no command could work with are refused in words, without the secrets in them."""

from __future__ import annotations

import pytest
from jenkins_mlflow.errors import ConnectionFailed, UsageError
from jenkins_mlflow.registry.connection import address, check_uri, connect


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
