"""`jenkins-mlflow jobs`: Jenkins jobs as code, with python-jenkins. Agents do not get this folder."""
