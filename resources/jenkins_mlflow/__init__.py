"""Stage runners of the jenkins-mlflow shared library: train, select, promote and clean up models in an MLflow registry."""

VERSION = "0.1.0"
