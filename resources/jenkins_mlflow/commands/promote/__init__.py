"""`promote`, with `--to-server`, its check afterwards, and how a plan is carried out; `rollback` uses that too."""
