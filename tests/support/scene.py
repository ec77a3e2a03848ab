"""Commands that run as one account of a real server with logins, and what the others see of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from jenkins_mlflow.cli import main as cli
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.signing import VARIABLE, Keys
from jenkins_mlflow.registry.snapshot import Model

from support import seeding
from support.accounts import Accounts


@dataclass
class Scene:
    """A server with its accounts, and commands that run in this process.

    Attributes:
        group: The pattern of the models that the commands work on.
        key: The signing keys of the commands, as the variable has them; empty for none.
    """

    accounts: Accounts
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]
    group: str
    key: str = ""

    def with_key(self, key: str) -> Scene:
        """The same with this signing key."""
        return replace(self, key=key)

    def registry(self, account: str) -> Registry:
        """The registry as an account sees it; with the scene's key for the admin alone."""
        keys = Keys(tuple(self.key.split())) if account == "admin" else Keys()
        return Registry(connect(self.accounts.url(account)), keys=keys)

    def models(self, *patterns: str) -> dict[str, Model]:
        """These models as they are now, without their signatures' verdicts: from the store, which asks for no login."""
        found = Registry(connect(self.accounts.server.store_uri)).snapshot(patterns).models
        return {model.name: model for model in found}

    def run(self, account: str, config: Mapping[str, str], *arguments: str) -> tuple[int, str]:
        """Exit code, and all that is printed; what is printed never holds a key."""
        with self.monkeypatch.context() as patch:
            for name, value in {**self.accounts.environ(account), **config}.items():
                patch.setenv(name, value)
            if self.key:
                patch.setenv(VARIABLE, self.key)
            patch.setenv("MLOPS__MODELS", json.dumps([self.group]))
            patch.setenv("MLOPS__PROMOTE__LOCK__WAIT", "0s")
            patch.setenv("MLOPS__SELECT__GATES", '{"roc_auc": ">= 0.5"}')
            self.capfd.readouterr()
            code = cli.run([*arguments, "--output=json"])
            shown = self.capfd.readouterr()
        assert "this is a bug" not in shown.out + shown.err, shown
        assert "Traceback" not in shown.err, shown
        assert not any(key in shown.out + shown.err for key in self.key.split())
        json.loads(shown.out)
        return code, shown.out + shown.err


def give_files(accounts: Accounts, *models: str) -> None:
    """Give every version of these models a file, as the administrator."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in accounts.environ().items():
            patch.setenv(name, value)
        seeding.give_files(accounts.server.url, *models)
