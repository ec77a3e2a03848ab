#!/usr/bin/env python3
"""List, promote and clean up models: `--list`, `--auto`, `--cleanup [MODEL KEEP]`, `MODEL [VERSION]`."""

import checkout

if __name__ == "__main__":
    checkout.use()
    from jenkins_mlflow.cli.promote_model import main

    main()
