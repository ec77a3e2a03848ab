"""A training script as a team writes it, and what agents need to run one."""

from __future__ import annotations

import os

import pytest

TRAIN = """
import mlflow

client = mlflow.MlflowClient()
with mlflow.start_run(run_name="one") as run:
    mlflow.log_metric("score", 0.9)
try:
    client.create_registered_model("MODEL")
except mlflow.MlflowException:
    pass
client.create_model_version("MODEL", run.info.artifact_uri + "/model", run.info.run_id)
"""
"""Registers one version of MODEL with the metric score."""

NEEDS_PYTHON = pytest.mark.skipif(
    not os.environ.get("JENKINS_MLFLOW_TEST_PATH"),
    reason="needs JENKINS_MLFLOW_TEST_PATH: a folder on the agents with a python that has mlflow",
)
