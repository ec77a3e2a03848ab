"""The endpoints of MLflow's documented REST API that are used."""

from __future__ import annotations

from jenkins_mlflow.registry.answers import (
    ChangedRun,
    Empty,
    Experiments,
    Files,
    LoggedModels,
    MadeExperiment,
    Models,
    OneExperiment,
    OneLogged,
    OneModel,
    OneRun,
    OneUser,
    OneVersion,
    Points,
    Runs,
    Uri,
    Versions,
)
from jenkins_mlflow.registry.sending import Endpoint

_MODEL = "/api/2.0/mlflow/registered-models/"
_EXPERIMENT = "/api/2.0/mlflow/experiments/"
_LOGGED_MODEL = "/api/2.0/mlflow/logged-models/"
_RUN = "/api/2.0/mlflow/runs/"
_VERSION = "/api/2.0/mlflow/model-versions/"
SEARCH_MODELS = Endpoint("GET", _MODEL + "search", Models)
GET_MODEL = Endpoint("GET", _MODEL + "get", OneModel)
CREATE_MODEL = Endpoint("POST", _MODEL + "create", OneModel)
UPDATE_MODEL = Endpoint("PATCH", _MODEL + "update", OneModel)
DELETE_MODEL = Endpoint("DELETE", _MODEL + "delete", Empty)
TAG_MODEL = Endpoint("POST", _MODEL + "set-tag", Empty)
UNTAG_MODEL = Endpoint("DELETE", _MODEL + "delete-tag", Empty)
SET_ALIAS = Endpoint("POST", _MODEL + "alias", Empty)
DELETE_ALIAS = Endpoint("DELETE", _MODEL + "alias", Empty)
SEARCH_VERSIONS = Endpoint("GET", _VERSION + "search", Versions)
GET_VERSION = Endpoint("GET", _VERSION + "get", OneVersion)
CREATE_VERSION = Endpoint("POST", _VERSION + "create", OneVersion)
DELETE_VERSION = Endpoint("DELETE", _VERSION + "delete", Empty)
TAG_VERSION = Endpoint("POST", _VERSION + "set-tag", Empty)
UNTAG_VERSION = Endpoint("DELETE", _VERSION + "delete-tag", Empty)
TRANSITION = Endpoint("POST", _VERSION + "transition-stage", OneVersion)
DOWNLOAD_URI = Endpoint("GET", _VERSION + "get-download-uri", Uri)
SEARCH_EXPERIMENTS = Endpoint("POST", _EXPERIMENT + "search", Experiments)
GET_EXPERIMENT = Endpoint("GET", _EXPERIMENT + "get-by-name", OneExperiment)
EXPERIMENT_BY_ID = Endpoint("GET", _EXPERIMENT + "get", OneExperiment)
CREATE_EXPERIMENT = Endpoint("POST", _EXPERIMENT + "create", MadeExperiment)
SEARCH_RUNS = Endpoint("POST", _RUN + "search", Runs)
CREATE_RUN = Endpoint("POST", _RUN + "create", OneRun)
GET_RUN = Endpoint("GET", _RUN + "get", OneRun)
GET_POINTS = Endpoint("GET", "/api/2.0/mlflow/metrics/get-history", Points)
LOG_BATCH = Endpoint("POST", _RUN + "log-batch", Empty)
UPDATE_RUN = Endpoint("POST", _RUN + "update", ChangedRun)
TAG_RUN = Endpoint("POST", _RUN + "set-tag", Empty)
SEARCH_LOGGED_MODELS = Endpoint("POST", _LOGGED_MODEL + "search", LoggedModels)
GET_LOGGED_MODEL = Endpoint("GET", _LOGGED_MODEL, OneLogged)
TAG_LOGGED_MODEL = Endpoint("PATCH", _LOGGED_MODEL, Empty)
DELETE_RUN = Endpoint("POST", _RUN + "delete", Empty)
DELETE_LOGGED_MODEL = Endpoint("DELETE", _LOGGED_MODEL, Empty)
THIS_USER = Endpoint("GET", "/api/2.0/mlflow/users/current", OneUser)
ANY_USER = Endpoint("GET", "/api/2.0/mlflow/users/get", OneUser)
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
LIST_FILES = Endpoint("GET", ARTIFACTS, Files)
DELETE_FILES = Endpoint("DELETE", ARTIFACTS + "/", Empty)
