"""Completion in the shell, by the very lines of docs/install.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.servers import clean_environ

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("### Completion")[2].partition("\n## ")[0]
BASH, ZSH, FISH = re.findall(r"```\w+\n(.*?)\n```", SECTION)
# What the Tab key does: the function that is registered for the command is called with the words before the cursor.
TAB = """
{line}
registered=$(complete -p jenkins-mlflow)
[[ $registered =~ -F\\ ([^ ]+) ]]
COMP_WORDS=({typed})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
"${{BASH_REMATCH[1]}}" jenkins-mlflow
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def run(script: str) -> list[str]:
    """The lines that bash prints, with the command on its PATH and no server to ask."""
    environ = clean_environ(MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    command = ["bash", "--norc", "-euc", script]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("jenkins-mlflow prom", ["promote"]),
        ("jenkins-mlflow re", ["reclaim", "restore"]),
        ("jenkins-mlflow promote --appro", ["--approved-by"]),
        ("jenkins-mlflow promote --model m --vers", ["--version"]),
        ("jenkins-mlflow select --output j", ["json"]),
        ("jenkins-mlflow jobs ap", ["apply"]),
        ("jenkins-mlflow promote --models m", []),
    ],
)
def test_bash_completes(typed: str, completed: list[str]) -> None:
    """Commands, options, an option's values; a model's name is none of ours to know."""
    assert [line for line in run(TAB.format(line=BASH, typed=typed)) if line] == completed


@pytest.mark.parametrize(
    ("line", "shell", "registered"),
    [
        (ZSH, "zsh", "compdef _jenkins_mlflow_completion jenkins-mlflow"),
        (FISH, "fish", "complete --no-files --command jenkins-mlflow"),
    ],
)
def test_the_lines_for_other_shells_give_what_those_load(line: str, shell: str, registered: str) -> None:
    """The command in the page's line prints a script for this shell, and that one asks in this shell's way."""
    command = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line).removesuffix(" | source")
    script = "\n".join(run(command))
    assert registered in script
    assert f"_JENKINS_MLFLOW_COMPLETE={shell}_complete" in script
    typed = {"zsh": "jenkins-mlflow prom", "fish": "jenkins-mlflow "}[shell]
    current = {"zsh": "1", "fish": "prom"}[shell]
    asked = (
        f'COMP_WORDS="{typed}" COMP_CWORD={current} _JENKINS_MLFLOW_COMPLETE={shell}_complete jenkins-mlflow'
    )
    assert "promote" in ",".join(run(asked))
