"""The section `servers` of the config: other MLflow servers, to which versions are copied."""

from __future__ import annotations

from pydantic import Field, model_validator

from jenkins_mlflow.config.mistakes import broken_rule
from jenkins_mlflow.config.registry_values import CopyName
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.values import ServerAddress, Variable


class OtherServer(Section):
    """Another MLflow server, to which `promote --to-server` copies versions."""

    uri: ServerAddress = Field(description="Its address.")
    model: CopyName = Field(
        default="{model}", description="Name of the registered model there; {model} is the name here."
    )
    username_env: Variable | None = Field(
        default=None, description="Environment variable that holds the user of its login."
    )
    password_env: Variable | None = Field(
        default=None, description="Environment variable that holds the password."
    )
    token_env: Variable | None = Field(
        default=None, description="Environment variable that holds a token, instead of user and password."
    )

    @model_validator(mode="after")
    def _one_login(self) -> OtherServer:
        if (self.username_env is None) != (self.password_env is None):
            raise broken_rule(
                "expected username_env and password_env together", "username_env", "password_env"
            )
        if self.token_env and self.username_env:
            raise broken_rule(
                "expected either a user and password or a token, not both", "token_env", "username_env"
            )
        return self
