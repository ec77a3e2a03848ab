"""`jenkins-mlflow jobs`: Jenkins jobs as code, by python-jenkins. Agents get the package without this folder."""
