#!/usr/bin/env python3
"""`jenkins-mlflow jobs` from a checkout: `apply`, `run JOB KEY=VALUE ...`, `status`, `logs JOB`."""

import sys

import checkout

if __name__ == "__main__":
    checkout.use()
    from jenkins_mlflow.cli.main import run

    sys.exit(run(["jobs", *sys.argv[1:]]))
