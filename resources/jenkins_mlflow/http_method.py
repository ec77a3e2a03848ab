"""The method that speaks MLflow's REST protocol itself: for a client library newer or older than the server."""

from __future__ import annotations

from typing import ClassVar

from jenkins_mlflow.promotion_plan import Plan
from jenkins_mlflow.snapshot import Version
from jenkins_mlflow.stage_methods import Stage

TRANSITION = "/api/2.0/mlflow/model-versions/transition-stage"


class Http(Stage):
    """One raw request for each version, the new one first.

    The endpoint is the same on servers from 2.22 to 3.17, whatever a client library makes of stages. Host, login and
    TLS are MLflow's own (`MLFLOW_TRACKING_USERNAME`, `_PASSWORD`, `_TOKEN`, `_SERVER_CERT_PATH`, `_INSECURE_TLS`, ...).
    """

    name: ClassVar[str] = "http"

    def obstacle(self, plan: Plan) -> str:
        if not self._registry.connection.over_http:
            return "the store is opened directly, without HTTP"
        return super().obstacle(plan)

    def move(self, version: Version, stage: str) -> None:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request, verify_rest_response

        change = {
            "name": version.model,
            "version": str(version.number),
            "stage": stage,
            "archive_existing_versions": False,
        }
        host = get_default_host_creds(self._registry.connection.uri)
        verify_rest_response(http_request(host, TRANSITION, "POST", json=change), TRANSITION)
