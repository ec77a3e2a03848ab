# The MLflow server to try the library with; see compose.yaml. psycopg2, because archiving by MLflow's own call fails
# on PostgreSQL with psycopg 3 (MLflow 3.17).
FROM python:3.12-slim
RUN pip install --no-cache-dir mlflow==3.17.2 psycopg2-binary==2.9.13
EXPOSE 5000
