"""Stage runners of the jenkins-mlflow shared library: train, select, promote and clean up MLflow models."""

VERSION = "0.2.0"
