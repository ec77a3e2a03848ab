"""`python -m jenkins_mlflow`: the same as the `jenkins-mlflow` command."""

from jenkins_mlflow.cli.main import main

if __name__ == "__main__":
    main()
