"""The session on another server: its login, its names, and nothing of the first server."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.promote.other_server import name_there, other_session
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.config.promote import Promote, SmokeTest
from jenkins_mlflow.config.schema import Config, Ui
from jenkins_mlflow.config.servers import OtherServer
from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.terminal import Terminal


def session(uri: str = "http://here") -> Session:
    server = OtherServer(uri="https://prod", model="{model}-prod", username_env="PU", password_env="PP")
    promote = Promote(file_store="/srv/here", smoke_test=SmokeTest())
    config = Config(models=("churn-*",), servers={"prod": server}, promote=promote, ui=Ui(url="http://here"))
    return Session(config, uri, Terminal(quiet=True), Path("r"), BuildContext())


def test_the_session_there_has_its_own_login_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the first server: no login, no certificate, no folder, no page."""
    for name in ("USERNAME", "PASSWORD", "TOKEN", "CLIENT_CERT_PATH", "INSECURE_TLS", "AWS_SIGV4", "AUTH"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "here")
    monkeypatch.setenv("MLFLOW_WORKSPACE", "here")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.setenv("PU", "ann")
    monkeypatch.setenv("PP", "geheim")
    other = other_session(session(), "prod")
    assert other.account is not None
    assert {key: text for key, text in other.account.items() if text == "here"} == {}
    assert other.account["MLFLOW_TRACKING_USERNAME"] == "ann"
    assert other.account["MLFLOW_TRACKING_PASSWORD"] == "geheim"
    assert other.account["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert "here" not in other.environ.values()
    assert other.uri == "https://prod"
    assert other.scope.models == ("churn-*-prod",)
    assert (other.config.promote.file_store, other.config.promote.smoke_test, other.config.ui.url) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("uri", "name", "message"),
    [
        ("http://here", "stage", r"^the config has no server 'stage' \(it has: prod\)$"),
        ("https://prod/", "prod", r"^prod is the server that has the versions$"),
        ("https://ann:geheim@PROD:443", "prod", r"^prod is the server that has the versions$"),
        ("http://[here", "prod", r"^tracking URI 'http://\[here': not a valid address$"),
        ("http://here", "prod", r"^the login of the server prod is not in the environment: PU, PP$"),
    ],
)
def test_a_server_that_cannot_be_used(uri: str, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        other_session(session(uri), name)


def test_the_name_there() -> None:
    assert name_there(OtherServer(uri="http://x"), "churn") == "churn"
    assert name_there(OtherServer(uri="http://x", model="team-{model}"), "churn-*") == "team-churn-*"
