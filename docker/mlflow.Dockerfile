# The MLflow server to try the library with; see compose.yaml. psycopg2, because archiving by MLflow's own call fails
# on PostgreSQL with psycopg 3 (MLflow 3.17).
FROM python:3.12-slim
COPY docker/mlflow.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.txt \
    && useradd --create-home mlflow \
    && install --directory --owner=mlflow /artifacts
USER mlflow
EXPOSE 5000
