# A Jenkins agent on which the runner's environment is ready: the first build on it installs nothing.
# Build it at the library's root: docker build -f docker/agent.Dockerfile -t jenkins-mlflow-agent .
# A team adds what its training needs: FROM jenkins-mlflow-agent, then its own pip install.
FROM jenkins/inbound-agent:3355.v388858a_47b_33-14-jdk21
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY resources/jenkins_mlflow/agent/requirements.txt /opt/jenkins-mlflow/requirements.txt
COPY resources/jenkins_mlflow/agent/stores.txt /opt/jenkins-mlflow/stores.txt
COPY resources/jenkins_mlflow/agent/notify.txt /opt/jenkins-mlflow/notify.txt
# Without stores.txt the image is 80 MB smaller, and enough where commands only talk with an MLflow server.
RUN python3 -m venv /opt/jenkins-mlflow/venv \
    && /opt/jenkins-mlflow/venv/bin/python -m pip install --no-cache-dir --require-hashes \
        --requirement /opt/jenkins-mlflow/requirements.txt --requirement /opt/jenkins-mlflow/stores.txt \
        --requirement /opt/jenkins-mlflow/notify.txt
ENV JENKINS_MLFLOW_RUNNER_PYTHON=/opt/jenkins-mlflow/venv/bin/python
USER jenkins
