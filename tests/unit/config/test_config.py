"""The config: every kind of mistake gives one line with place, key, expectation and value; layers override in order."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings, strategies as st
from jenkins_mlflow.config.cleanup import KeepRules, Reclaim
from jenkins_mlflow.config.gates import OPERATORS, Gate
from jenkins_mlflow.config.loading import Overrides
from jenkins_mlflow.config.registry_values import DEFAULT_METHODS, METHOD_NAMES
from jenkins_mlflow.config.schema import Config, default_of, json_schema, load, schema_of
from jenkins_mlflow.config.section import Section
from jenkins_mlflow.config.servers import OtherServer
from jenkins_mlflow.config.train import Train
from jenkins_mlflow.config.values import LONGEST, UNIT_SECONDS, parse_duration
from jenkins_mlflow.errors import ConfigError
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from support.thorough import examples

COMPLETE = """\
models: [heart-*, "other"]
tracking_uri: http://mlflow:5000
train:
  experiment: heart
  candidates:
    forest: python train.py --name "two words"
    logistic: [python, train.py]
  register: heart-{candidate}
  jobs: 2
  timeout: 30m
  on_failure: continue
select:
  metric: auc
  direction: minimize
  gates: {auc: ">= 0.80", brier: "<.2", drift: "!= -1e-3"}
  min_improvement: 1e-3
  scope: build
promote:
  stage: production
  alias: best
  exclusive: true
  methods: [stage, alias]
  file_store: /srv/mlruns
  retry: {attempts: 5, max_wait: 1.5s, deadline: 2m}
cleanup:
  keep_last: 0
  min_age: 7d
  protect: {stages: [Staging, archived], aliases: [best], tags: {keep: "true", since: 2026-01-31}}
  max_deletions: 10
  reclaim: {mode: artifacts, grace: 14d}
ui: {url: "http://localhost:5001/", tunnel: "ssh -L 5001:localhost:5001 user@server"}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test writes its config; the working directory is the file's, so that messages have a short name."""
    monkeypatch.chdir(tmp_path)
    return Path("mlops.yaml")


def refused(path: Path | None, overrides: Overrides | None = None, **environ: str) -> ConfigError:
    """The error that loading gives."""
    with pytest.raises(ConfigError) as caught:
        load(path, overrides or {}, environ)
    assert caught.value.exit_code == 2
    return caught.value


def problems(path: Path | None, overrides: Overrides | None = None, **environ: str) -> list[str]:
    """The lines of the error that loading gives."""
    return refused(path, overrides, **environ).message.split("\n")


def test_complete_file(file: Path) -> None:
    """Every key is read into its type."""
    file.write_text(COMPLETE)
    config = load(file, {}, {})
    assert config.models == ("heart-*", "other")
    assert config.train is not None
    assert config.train.commands == {
        "forest": ("python", "train.py", "--name", "two words"),
        "logistic": ("python", "train.py"),
    }
    assert (config.train.register_as, config.train.timeout) == ("heart-{candidate}", 1800.0)
    assert config.select.gates == {
        "auc": Gate(">=", 0.8),
        "brier": Gate("<", 0.2),
        "drift": Gate("!=", -0.001),
    }
    assert config.select.min_improvement == 0.001
    assert (config.promote.stage, config.promote.methods) == ("Production", ("stage", "alias"))
    assert (config.promote.retry.max_wait, config.promote.retry.deadline) == (1.5, 120.0)
    assert config.cleanup.min_age == 7 * 86_400
    assert config.cleanup.protect.stages == ("Staging", "Archived")
    assert config.cleanup.protect.tags == {"keep": "true", "since": "2026-01-31"}
    assert config.ui.url == "http://localhost:5001"
    assert config.source == file


def test_defaults_without_file(file: Path) -> None:
    """Every command works without a config file."""
    config = load(None, {}, {})
    assert config == Config()
    assert config.source is None
    assert config.train is None
    assert (config.models, config.select.metric, config.cleanup.keep_last) == (("*",), "roc_auc", 3)
    assert (config.promote.stage, config.promote.alias, config.promote.exclusive) == (
        "Production",
        "champion",
        False,
    )
    assert config.promote.methods == DEFAULT_METHODS
    assert (config.cleanup.protect.stages, config.cleanup.protect.aliases) == ("all", "all")


def test_file_in_working_directory_is_found(file: Path) -> None:
    """`mlops.yaml` is read without being named."""
    file.write_text("models: a\n")
    assert load(None, {}, {}).models == ("a",)
    assert load(None, {}, {}).source == file


def test_a_file_with_the_other_ending_is_refused(file: Path) -> None:
    """Ignored, it would leave a command with every model and no gates. A file that is named is read."""
    other = Path("mlops.yml")
    other.write_text("models: a\n")
    error = refused(None, {"models": ("--models", ["b"])})
    assert error.message == "mlops.yml is not read: the config in a folder is mlops.yaml"
    assert error.next_step == "rename it to mlops.yaml, or give --config mlops.yml"
    assert load(other, {}, {}).models == ("a",)
    file.write_text("models: b\n")
    assert load(None, {}, {}).models == ("b",)


WORDS = [
    case(word) for word in ("on", "off", "yes", "no", "y", "n") for case in (str.lower, str.upper, str.title)
]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_old_yaml_takes_for_true_or_false_is_text(file: Path, word: str) -> None:
    """As a key and as a value, as YAML 1.2 has it."""
    file.write_text(
        f"notify: {{on: promoted}}\nselect: {{metric: {word}, gates: {{{word}: '> 1'}}}}\ntrain:\n  experiment: {word}\n"
        f"  candidates:\n    {word}: [train, {word}]\n    g: {{command: 'x {{a}}', matrix: {{a: [{word}, true, False]}}}}\n"
    )
    config = load(file, {}, {})
    assert config.notify.on == ("promoted",)
    assert (config.select.metric, list(config.select.gates)) == (word, [word])
    assert config.train is not None
    assert config.train.experiment == word
    assert config.train.commands == {
        word: ("train", word),
        f"g-a-{word}": ("x", word),
        "g-a-true": ("x", "true"),
        "g-a-false": ("x", "false"),
    }


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("on", True), ("YES", True), ("True", True), ("off", False), ("No", False), ("FALSE", False)],
)
def test_a_switch_takes_these_words_too(file: Path, word: str, wanted: bool) -> None:
    """A config that was written for YAML 1.1 goes on working, and so does a variable."""
    file.write_text(f"models: m\npromote: {{exclusive: {word}}}\n")
    assert load(file, {}, {}).promote.exclusive is wanted
    environ = {"MLOPS__PROMOTE__EXCLUSIVE": word, "MLOPS__MODELS": "m"}
    assert load(None, {}, environ).promote.exclusive is wanted


@pytest.mark.parametrize("word", ["no", "off", "none", "true"])
def test_an_alias_of_that_name_is_written_in_quotes(file: Path, word: str) -> None:
    """Without quotes, it most likely means that there should be no alias."""
    file.write_text(f"promote: {{alias: '{word}'}}\n")
    assert load(file, {}, {}).promote.alias == word
    assert load(None, {"promote.alias": ("--alias", word)}, {}).promote.alias == word


def test_an_exclusive_group_must_be_named(file: Path) -> None:
    """One promotion took the champions of all other teams out of production."""
    file.write_text("select: {metric: auc}\npromote:\n  exclusive: true\n")
    message = (
        "promote.exclusive: expected `models` to name the group, because all its other models leave production, "
        'for example models: churn-*; "*" means every model of the registry'
    )
    with pytest.raises(ConfigError) as refused:
        load(file, {}, {})
    assert refused.value.message == f"mlops.yaml:3: {message}"
    assert refused.value.next_step == (
        "correct promote.exclusive in mlops.yaml; `jenkins-mlflow schema` describes every key"
    )
    with pytest.raises(
        ConfigError, match=r"environment variable MLOPS__PROMOTE__EXCLUSIVE: expected `models`"
    ):
        load(None, {}, {"MLOPS__PROMOTE__EXCLUSIVE": "true"})
    assert load(file, {}, {"MLOPS__MODELS": "a*"}).models == ("a*",)
    assert load(file, {"models": ("--models", ["b*"])}, {}).models == ("b*",)
    file.write_text("models: '*'\npromote: {exclusive: true}\n")
    assert load(file, {}, {}).models == ("*",), "every model, but somebody wrote so"


@pytest.mark.parametrize("text", ["", "# nothing\n", "select:\npromote:\n  retry:\n", "---\n"])
def test_empty_sections_have_defaults(file: Path, text: str) -> None:
    """A file or section with everything commented out is no mistake."""
    file.write_text(text)
    assert load(file, {}, {}).model_dump() == Config().model_dump()


def test_single_command(file: Path) -> None:
    """One command that trains all models is a candidate of its own."""
    file.write_text("train: {experiment: e, command: python src/models/train.py}\n")
    config = load(file, {}, {})
    assert config.train is not None
    assert config.train.commands == {"train": ("python", "src/models/train.py")}


DURATION = "expected a duration: a number and its unit (ms, s, m, h, d, w)"
COMPARISON = 'expected a comparison such as ">= 0.8"'
ONE_LINE = "expected one line of text that is not blank"
MAPPING = "expected a mapping of keys and values"
CANDIDATE = "expected a candidate name: at most 100 letters, digits, dots, dashes, underscores; no dot first"
METHODS = ", ".join(METHOD_NAMES)
SHELL = 'for a shell write ["bash", "-c", "..."]'
RESERVED = "expected an alias that MLflow does not reserve (latest, v1, v2, ...)"
ALIAS = "expected an alias of letters, digits, dash and underscore (or null for no alias)"
NO_ALIAS = "expected an alias, or null for none"
STAGE = "expected null for no stage, or one of Production, Staging"
COMMAND = "train: {experiment: e, command: x, "

# ruff: noqa: E501 - a table
GRID = "train: {experiment: e, candidates: {g: "
GRID_AT = "1: train.candidates.g: expected"
MATRIX_AT = "1: train.candidates.g.matrix.a"
MISTAKES = [
    # keys
    ("select:\n  metrc: x", '2: select.metrc: unknown key; did you mean "metric"?'),
    ("slect: {}", '1: slect: unknown key; did you mean "select"?'),
    ("\nmetric: x", '2: metric: unknown key; did you mean "select.metric"?'),
    ("retention: {keep_last: 3}", '1: retention: unknown key; did you mean "cleanup"?'),
    ("zzz: 1", "1: zzz: unknown key"),
    ("source: x.yaml", "1: source: unknown key"),
    ("ui: {tracking_uri: x}", '1: ui.tracking_uri: unknown key; did you mean "tracking_uri" at the top level?'),
    ("cleanup:\n  keep-last: 3", '2: cleanup.keep-last: unknown key; did you mean "keep_last"?'),
    ("select: {gates: {a: '> 1'}, gates: {}}", "1: select.gates: the key is here twice (first on line 1)"),
    ("select:\n  metric: a\nui: {}\nselect: {}", "4: select: the key is here twice (first on line 1)"),
    ("true: 1", "1: expected text as a key, got true; put it in quotes"),
    ('"a\\nb": 1', '1: "a\\nb": unknown key'),
    # YAML
    ("models: [a\nselect: 3", "2: expected YAML, got a syntax error: expected ',' or ']', but got ':'"),
    ("a: 'x", "1: expected YAML, got a syntax error: found unexpected end of stream"),
    ("- a", "1: expected a mapping of keys and values, got a list"),
    ("\nmodels", '2: expected a mapping of keys and values, got "models"'),
    ("ui: {}\n---\nui: {}", "2: expected one YAML document, got a second one"),
    ("ui: !!python/object/apply:os.system [ls]", '1: expected plain YAML values, got the tag "!!python/object/apply:'),
    ("\n\nmodels: !!int x", '3: expected plain YAML values, got a value that does not fit its tag "!!int"'),
    ("ui: {}\nmodels: \0", "2: expected YAML text, got a character that is not allowed"),
    # types
    ("cleanup: {keep_last: '3'}", '1: cleanup.keep_last: expected a whole number, got "3"'),
    ("cleanup: {keep_last: true}", "1: cleanup.keep_last: expected a whole number, got true"),
    ("cleanup: {keep_last: 3.0}", "1: cleanup.keep_last: expected a whole number, got 3.0"),
    ("cleanup: {keep_last: -1}", "1: cleanup.keep_last: expected at least 0, got -1"),
    ("cleanup: {max_deletions: 0}", "1: cleanup.max_deletions: expected at least 1, got 0"),
    (
        "cleanup: {reclaim: all}",
        '1: cleanup.reclaim.mode: expected none or artifacts or runs, got "all"',
    ),
    ("cleanup:\n  reclaim: {grace: soon}", '2: cleanup.reclaim.grace: expected a duration: a number and its unit (ms, s, m, h, d, w), got "soon"'),
    ("promote: {exclusive: 1}", "1: promote.exclusive: expected true or false, got 1"),
    ("promote:\n  retry: {attempts: 0}", "2: promote.retry.attempts: expected at least 1, got 0"),
    ("select: 3", f"1: select: {MAPPING}, got 3"),
    ("select: {metric: 3}", "1: select.metric: expected text, got 3; put it in quotes"),
    ("select: {metric: ' '}", f'1: select.metric: {ONE_LINE}, got " "'),
    ("select: {metric: null}", "1: select.metric: expected text, got nothing"),
    ("select: {gates: [a]}", "1: select.gates: expected a mapping of keys and values, got a list"),
    ("cleanup: {protect: {tags: {keep: true}}}", "1: cleanup.protect.tags.keep: expected text, got true; put it in quotes"),
    ("select: {direction: maximise}", '1: select.direction: expected maximize or minimize, got "maximise"; did you mean "maximize"?'),
    # numbers, durations, comparisons
    ("select: {min_improvement: .nan}", "1: select.min_improvement: expected a finite number, got nan"),
    ("select: {min_improvement: .inf}", "1: select.min_improvement: expected a finite number, got inf"),
    ("select: {min_improvement: -0.1}", "1: select.min_improvement: expected at least 0, got -0.1"),
    ("cleanup: {min_age: 7}", f'1: cleanup.min_age: {DURATION}, got 7; did you mean "7d"?'),
    ("train: {experiment: e, command: x, timeout: 30}", f'1: train.timeout: {DURATION}, got 30; did you mean "30s"?'),
    ("cleanup: {keep_last: 0x1F}", '1: cleanup.keep_last: expected a whole number, got "0x1F"'),
    ("cleanup: {keep_last: 1:30}", '1: cleanup.keep_last: expected a whole number, got "1:30"'),
    ("select:\n  gates:\n    auc: >= 0.9", '3: expected YAML, got a comparison without quotes; write auc: ">= 0.9"'),
    ("select:\n  gates: {a: '> 1', f 1: > 0.9}", '2: expected YAML, got a comparison without quotes; write f 1: "> 0.9"'),
    ("select:\n  gates:\n    drift: != 0.5 # never\n", '3: expected YAML, got a comparison without quotes; write drift: "!= 0.5"'),
    ("cleanup: {keep_within: 7}", f'1: cleanup.keep_within: {DURATION}, got 7; did you mean "7d"?'),
    ("cleanup: {plan_expires: 7}", f'1: cleanup.plan_expires: {DURATION}, got 7; did you mean "7d"?'),
    ("cleanup: {min_age: '7'}", f'1: cleanup.min_age: {DURATION}, got "7"; did you mean "7d"?'),
    ("cleanup: {min_age: 7 days}", f'1: cleanup.min_age: {DURATION}, got "7 days"; did you mean "7d"?'),
    ("cleanup: {min_age: 1 Hour}", f'1: cleanup.min_age: {DURATION}, got "1 Hour"; did you mean "1h"?'),
    ("cleanup: {min_age: 30min}", f'1: cleanup.min_age: {DURATION}, got "30min"; did you mean "30m"?'),
    ("cleanup: {min_age: 2 months}", f'1: cleanup.min_age: {DURATION}, got "2 months"'),
    ("cleanup: {min_age: -7d}", f'1: cleanup.min_age: {DURATION}, got "-7d"'),
    ("cleanup: {min_age: 7M}", f'1: cleanup.min_age: {DURATION}, got "7M"'),
    ("cleanup: {min_age: ٧d}", f'1: cleanup.min_age: {DURATION}, got "٧d"'),
    ("cleanup: {min_age: .inf}", f"1: cleanup.min_age: {DURATION}, got inf"),
    ("cleanup: {min_age: false}", f"1: cleanup.min_age: {DURATION}, got false"),
    ("select:\n  gates:\n    auc: '=> 0.8'", f'3: select.gates.auc: {COMPARISON}, got "=> 0.8"; did you mean ">= 0.8"?'),
    ("select: {gates: {a: 0.8}}", f'1: select.gates.a: {COMPARISON}, got 0.8; did you mean ">= 0.8" or "<= 0.8"?'),
    ("select: {gates: {a: '>= nan'}}", f'1: select.gates.a: {COMPARISON}, got ">= nan"'),
    ("select: {gates: {a: '>= 1e999'}}", f'1: select.gates.a: {COMPARISON}, got ">= 1e999"'),
    ("select: {gates: {a: 0.1 < x}}", f'1: select.gates.a: {COMPARISON}, got "0.1 < x"'),
    # names
    ("models: []", '1: models: expected at least one model name or pattern ("*" is every model), got an empty list'),
    ("models: ''", f'1: models: {ONE_LINE}, got ""'),
    ("models:\n- a\n- 3", "3: models[1]: expected text, got 3; put it in quotes"),
    ("models: {a: b}", "1: models: expected a text or a list of texts, got a mapping"),
    ("promote: {methods: []}", f"1: promote.methods: expected each method at most once, and one at least, out of {METHODS}, got an empty list"),
    ("promote: {methods: [alias, alias]}", f"1: promote.methods: expected each method at most once, and one at least, out of {METHODS}, got a list"),
    ("promote: {methods: [alias, stage-archiv]}", f'1: promote.methods[1]: expected a method out of {METHODS}, got "stage-archiv"; did you mean "stage-archive"?'),
    ("promote: {methods: [3]}", "1: promote.methods[0]: expected text, got 3; put it in quotes"),
    ("promote: {methods: [alias], force_methods: [alias, stage]}", "1: promote: expected methods that promote.methods has, got stage"),
    ("promote: {force_methods: [stage, alais]}", f'1: promote.force_methods[1]: expected a method out of {METHODS}, got "alais"; did you mean "alias"?'),
    ("promote: {copy_to: heart/prod}", '1: promote.copy_to: expected a model name without / and : (MLflow refuses them), got "heart/prod"'),
    ("promote: {copy_to: ''}", f'1: promote.copy_to: {ONE_LINE}, got ""'),
    ("promote: {stage: Archived}", f'1: promote.stage: {STAGE}, got "Archived"'),
    ("promote: {stage: 'None'}", f'1: promote.stage: {STAGE}, got "None"'),
    ("promote: {stage: prodution}", f'1: promote.stage: {STAGE}, got "prodution"; did you mean "Production"?'),
    ("promote: {alias: no}", f'1: promote.alias: {NO_ALIAS}, got "no"; an alias of that name needs quotes: "no"'),
    ("promote: {alias: Off}", f'1: promote.alias: {NO_ALIAS}, got "Off"; an alias of that name needs quotes: "Off"'),
    ("promote: {alias: none}", f'1: promote.alias: {NO_ALIAS}, got "none"; an alias of that name needs quotes: "none"'),
    ("promote: {alias: false}", f'1: promote.alias: {NO_ALIAS}, got false; an alias of that name needs quotes: "false"'),
    ("promote: {stage: no}", f'1: promote.stage: {STAGE}, got "no"'),
    ("select: {include: {aliases: [a, yes]}}", f'1: select.include.aliases[1]: {NO_ALIAS}, got "yes"; an alias of that name needs quotes: "yes"'),
    ("promote: {alias: ''}", f'1: promote.alias: {ALIAS}, got ""'),
    ("promote: {alias: 'a b'}", f'1: promote.alias: {ALIAS}, got "a b"'),
    ("promote: {alias: Latest}", f'1: promote.alias: {RESERVED}, got "Latest"'),
    ("promote: {alias: v12}", f'1: promote.alias: {RESERVED}, got "v12"'),
    ("promote: {alias: " + "a" * 256 + "}", f'1: promote.alias: {ALIAS}, got "{"a" * 56}...'),
    ("promote:\n  alias: null\n  stage: null", "3: promote: expected a stage or an alias (or both), but both are null"),
    ("cleanup: {protect: {stages: [Prod]}}", '1: cleanup.protect.stages[0]: expected all, or stages out of Production, Staging, Archived, None, got "Prod"'),
    ("cleanup: {protect: {aliases: [v1]}}", f'1: cleanup.protect.aliases[0]: {RESERVED}, got "v1"'),
    ("ui: {url: localhost:5001}", '1: ui.url: expected an address that starts with http:// or https://, got "localhost:5001"'),
    ("ui: {url: 'javascript:alert(1)'}", '1: ui.url: expected an address that starts with http:// or https://, got "javascript:alert(1)"'),
    # training
    ("train: {command: x}", "1: train.experiment: expected a value, but the key is missing"),
    ("train: {experiment: e}", "1: train: expected either candidates or command, but neither is set"),
    ("train:\n  experiment: e\n  command: x\n  candidates: {a: b}", "4: train: expected either candidates or command, but both are set"),
    ("train: {experiment: e, candidates: {a/b: x}}", f'1: train.candidates: {CANDIDATE}, got "a/b"'),
    ("train: {experiment: e, candidates: {..: x}}", f'1: train.candidates: {CANDIDATE}, got ".."'),
    ("train: {experiment: e, candidates: {1: x}}", f"1: train.candidates: {CANDIDATE}, got 1; put it in quotes"),
    ("train: {experiment: e, candidates: {failFast: x}}", '1: train.candidates: expected a candidate name other than failFast, which Jenkins takes for a setting, got "failFast"'),
    ("train: {experiment: e, candidates: {'$(id)': x}}", f'1: train.candidates: {CANDIDATE}, got "$(id)"'),
    ("train: {experiment: e, command: ''}", '1: train.command: expected a command that is not empty, got ""'),
    ("train: {experiment: e, command: []}", "1: train.command: expected a command that is not empty, got an empty list"),
    ("train: {experiment: e, command: [1]}", "1: train.command: expected a command: a text or a list of texts, got a list"),
    ("train: {experiment: e, command: 'a \"b'}", '1: train.command: expected a command (no closing quotation), got "a \\"b"'),
    ("train: {experiment: e, command: a && b}", f'1: train.command: expected a command that needs no shell, got "a && b"; {SHELL}'),
    (COMMAND + "register: 'h-{cand}'}", '1: train.register: expected a model name with no placeholder but {candidate}, got "h-{cand}"; did you mean "candidate"?'),
    (COMMAND + "register: 'h-{candidate!r}'}", '1: train.register: expected a model name with no placeholder but {candidate}, got "h-{candidate!r}"'),
    (COMMAND + "register: 'h-{'}", '1: train.register: expected a model name, with {candidate} for the candidate\'s name, got "h-{"'),
    (COMMAND + "register: a/b}", '1: train.register: expected a model name without / and : (MLflow refuses them), got "a/b"'),
    (GRID + "{command: 'x {a}', matrx: {a: [1]}}}}", f'{GRID_AT} a command, or the keys command and matrix, got a mapping; did you mean "matrix"?'),
    (GRID + "{matrix: {a: [1]}}}}", f"{GRID_AT} the key command beside matrix, got a mapping"),
    (GRID + "{command: [], matrix: {a: [1]}}}}", f"{GRID_AT} under command a command that is not empty, got a mapping"),
    (GRID + "{command: 'x {b}', matrix: {a: [1]}}}}", f"{GRID_AT} no placeholders but {{a}} under command, got a mapping; write {{{{ and }}}} for braces"),
    (GRID + "{command: 'x {a!r}', matrix: {a: [1]}}}}", f'{GRID_AT} no placeholders but {{a}} under command, got a mapping; did you mean "a"?'),
    (GRID + "{command: 'x {a.real}', matrix: {a: [1]}}}}", f"{GRID_AT} no placeholders but {{a}} under command, got a mapping; write {{{{ and }}}} for braces"),
    (GRID + "{command: 'x {', matrix: {a: [1]}}}}", f"{GRID_AT} pairs of braces under command, got a mapping; write {{{{ and }}}} for braces"),
    (GRID + "{command: 'x', matrix: {a: [1]}}}}", f"{GRID_AT} {{a}} under command, where the matrix parameter goes, got a mapping"),
    (GRID + "{command: 'x {a}', matrix: {a: 1}}}}", f"{MATRIX_AT}: expected a list of values for the matrix parameter, got 1"),
    (GRID + "{command: 'x {a}', matrix: {a: []}}}}", f"{MATRIX_AT}: expected a list of values for the matrix parameter, got an empty list"),
    (GRID + "{command: 'x {a}', matrix: {a: [2, [1]]}}}}", f"{MATRIX_AT}[1]: expected a text, a number, true or false, got a list"),
    (GRID + "{command: 'x {a}', matrix: {a: [1, '1']}}}}", f'{MATRIX_AT}[1]: expected each value once, got "1" twice, at [0] too'),
    (GRID + "{command: 'x {a}', matrix: {a: [1e-3, 2, 0.001]}}}}", f"{MATRIX_AT}[2]: expected each value once, got 0.001 twice, at [0] too"),
    (GRID + "{command: 'x {a}', matrix: {a: [\"1\\n2\"]}}}}", f'{MATRIX_AT}[0]: expected one line of text, got "1\\n2"'),
    (GRID + "{command: 'x {a}', matrix: {a: [A-b, a-B]}}}}", "1: train: the matrices expand to the candidates g-a-A-b and g-a-a-B, which would have one log where case does not matter"),
    (GRID + "{command: 'x {a}', matrix: {a b: [1]}}}}", f"{GRID_AT} matrix parameters of letters, digits and underscores, got a mapping; the command has them in {{braces}}"),
    (GRID + "{command: 'x {a}', matrix: [a]}}}", f"{GRID_AT} a matrix of parameters, each with a list of values, such as {{depth: [3, 5]}}, got a mapping"),
    (GRID + "{command: 'x {a}', matrix: {a: [b c, b-c]}}}}", "1: train: the matrices expand to two candidates of the name g-a-b-c"),
    (GRID + "{command: 'x {a}', matrix: {a: [1, 2, 3]}}}, max_candidates: 2}", "1: train: the matrices expand to 3 candidates, more than max_candidates (2)"),
    (GRID + "{command: 'x {a}', matrix: {a: [" + "y" * 99 + "]}}}}", f"1: train: the matrices expand to a candidate name of 103 characters (g-a-{'y' * 36}...), more than 100"),
    (COMMAND + "jobs: 0}", "1: train.jobs: expected at least 1, got 0"),
    (COMMAND + "timeout: 0}", "1: train.timeout: expected more than 0, got 0"),
    (COMMAND + "on_failure: halt}", '1: train.on_failure: expected stop or continue, got "halt"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"), MISTAKES, ids=[text.replace("\n", " ")[:50] for text, _ in MISTAKES]
)
def test_mistake_in_file(file: Path, text: str, problem: str) -> None:
    """Each mistake is one line with file, line, key, expectation and value."""
    file.write_text(text, encoding="utf-8")
    (line,) = problems(file)
    assert line.startswith(f"mlops.yaml:{problem}")
    exact = "YAML" not in problem and not problem.endswith("...")
    assert not exact or line == f"mlops.yaml:{problem}"


def test_all_problems_at_once(file: Path) -> None:
    """Problems of all layers come together: the file's by line, then the environment's, then the options'."""
    file.write_text(
        "select:\n  metrc: x\nmodels: []\ncleanup: {min_age: 3}\nmodels: a\npromote: {stage: x}\n"
    )
    lines = problems(
        file,
        {"cleanup.keep_last": ("--keep-last", "many")},
        MLOPS__SELECT__DIRECTION="up",
        MLOPS__UI="{url: x}",
    )
    assert [line.rpartition(": expected")[0] or line.split(": unknown")[0] for line in lines] == [
        "mlops.yaml:2: select.metrc",
        "mlops.yaml:4: cleanup.min_age",
        lines[2],
        "mlops.yaml:6: promote.stage",
        "environment variable MLOPS__UI: url",
        "environment variable MLOPS__SELECT__DIRECTION",
        "--keep-last",
    ]
    assert lines[2] == "mlops.yaml:5: models: the key is here twice (first on line 3)"


def test_file_that_cannot_be_read(file: Path, tmp_path: Path) -> None:
    """A missing file, a folder and a file of another encoding are each said."""
    assert problems(Path("no.yaml")) == ["no.yaml: cannot be read: No such file or directory"]
    assert problems(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]
    file.write_bytes(b"models: a\nui: {tunnel: \xe9}\n")
    assert problems(None) == ["mlops.yaml:2: expected UTF-8 text, got the byte 0xe9"]
    file.unlink()
    file.symlink_to("gone.yaml")
    assert problems(None) == ["mlops.yaml: cannot be read: No such file or directory"]


ITSELF = "expected plain YAML values, got one that contains itself"
TOO_MANY = "expected at most 10000 values, got more (the values of an alias count each time)"
LAUGHS = "a0: &a0 lol\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 5000, "mlops.yaml: expected a config, got brackets nested too deeply to be read"),
        ("\na: &a [*a]", f"mlops.yaml:2: {ITSELF}"),
        ("a: &a {b: *a}", f"mlops.yaml:1: {ITSELF}"),
        (LAUGHS, f"mlops.yaml:5: {TOO_MANY}"),
        ("a: [" + "1, " * 10_001 + "]", f"mlops.yaml:1: {TOO_MANY}"),
        ("#" * 1_000_001, "mlops.yaml: expected a config of at most 1000000 bytes, got more"),
    ],
    ids=["nested", "list in itself", "mapping in itself", "billion laughs", "many values", "large file"],
)
def test_endless_values(file: Path, text: str, problem: str) -> None:
    """Nesting without end and a value that contains itself are refused, not followed."""
    file.write_text(text)
    assert problems(file) == [problem]


def test_aliases_in_a_variable_do_not_expand() -> None:
    """A variable whose value cannot be read as YAML is taken as text, and refused as such."""
    laughs = "{" + LAUGHS.strip().replace("\n", ", ") + "}"
    (line,) = problems(None, None, MLOPS__SELECT__GATES=laughs)
    assert line.startswith(f"environment variable MLOPS__SELECT__GATES: {MAPPING}, got ")


def test_anchors_and_merge_keys_work(file: Path) -> None:
    """Ordinary reuse stays possible."""
    file.write_text("select: {gates: &g {a: '> 1'}}\ncleanup: {protect: {tags: {<<: {keep: 'y'}}}}\n")
    assert load(file, {}, {}).cleanup.protect.tags == {"keep": "y"}


def test_python_tag_runs_nothing(file: Path, tmp_path: Path) -> None:
    """The classic attack on unsafe loaders leaves no trace."""
    file.write_text(f"ui: !!python/object/apply:os.mkdir [{tmp_path}/made]\n")
    problems(file)
    assert not (tmp_path / "made").exists()


def test_password_is_not_shown(file: Path) -> None:
    """An address in a message has no password."""
    file.write_text('tracking_uri: "postgresql://user:secret@host/db\\n"\n')
    (line,) = problems(file)
    assert line == f'mlops.yaml:1: tracking_uri: {ONE_LINE}, got "postgresql://***@host/db\\n"'


def test_precedence(file: Path) -> None:
    """Options beat the environment, the environment beats the file, the file beats the defaults."""
    file.write_text("select: {metric: file, gates: {a: '> 1'}}\ncleanup: {keep_last: 1, max_deletions: 9}\n")
    environ = {"MLOPS__SELECT__METRIC": "env", "MLOPS__CLEANUP__KEEP_LAST": "2"}
    config = load(file, {"select.metric": ("--metric", "flag")}, environ)
    assert config.select.metric == "flag"
    assert (config.cleanup.keep_last, config.cleanup.max_deletions) == (2, 9)
    assert config.select.gates == {"a": Gate(">", 1)}


ENVIRONMENT: list[tuple[str, str, str, Any]] = [
    ("MLOPS__MODELS", "*", "models", ("*",)),
    ("MLOPS__MODELS", "[a, 'b*']", "models", ("a", "b*")),
    ("MLOPS__SELECT__METRIC", "3", "select.metric", "3"),
    ("MLOPS__SELECT__METRIC", "true", "select.metric", "true"),
    ("MLOPS__SELECT__GATES__F1_Score", ">= 0.5", "select.gates", {"F1_Score": Gate(">=", 0.5)}),
    ("MLOPS__SELECT__GATES", '{a: "< 1"}', "select.gates", {"a": Gate("<", 1)}),
    ("MLOPS__SELECT__MIN_IMPROVEMENT", "1e-3", "select.min_improvement", 0.001),
    ("MLOPS__PROMOTE__ALIAS", "null", "promote.alias", None),
    ("MLOPS__PROMOTE__RETRY__DEADLINE", "1m", "promote.retry.deadline", 60.0),
    ("MLOPS__PROMOTE__EXCLUSIVE", "true", "promote.exclusive", True),
    ("MLOPS__PROMOTE__METHODS", "[alias]", "promote.methods", ("alias",)),
    ("MLOPS__PROMOTE__METHODS", "STAGE", "promote.methods", ("stage",)),
    (
        "MLOPS__PROMOTE__FORCE_METHODS",
        "[stage, file-store, Stage]",
        "promote.force_methods",
        ("stage", "file-store"),
    ),
    ("MLOPS__PROMOTE__FORCE_METHODS", "[]", "promote.force_methods", ()),
    ("MLOPS__PROMOTE__COPY_TO", "heart-prod", "promote.copy_to", "heart-prod"),
    ("MLOPS__CLEANUP__KEEP_LAST", "010", "cleanup.keep_last", 10),
    ("MLOPS__CLEANUP__MIN_AGE", "0", "cleanup.min_age", 0.0),
    ("MLOPS__CLEANUP__PROTECT__STAGES", "all", "cleanup.protect.stages", "all"),
    ("MLOPS__CLEANUP__PROTECT__TAGS", "{keep: 'yes'}", "cleanup.protect.tags", {"keep": "yes"}),
    ("MLOPS__MODELS", "my model #2", "models", ("my model #2",)),
    ("MLOPS__MODELS", "[ab]*", "models", ("[ab]*",)),
    ("MLOPS__MODELS", '"[ab]"', "models", ("[ab]",)),
    ("MLOPS__MODELS", "- a", "models", ("- a",)),
    ("MLOPS__MODELS", " a\n", "models", ("a",)),
    ("MLOPS__SELECT__METRIC", "val: acc", "select.metric", "val: acc"),
    ("MLOPS__SELECT__METRIC", "'val: acc'", "select.metric", "val: acc"),
    ("MLOPS__SELECT__METRIC", "'a' # 'b'", "select.metric", "'a' # 'b'"),
    ("MLOPS__SELECT__METRIC", "null", "select.metric", "null"),
    ("MLOPS__SELECT__METRIC", "[auc]", "select.metric", "[auc]"),
    ("MLOPS__SELECT__GATES__a", '"< 1"', "select.gates", {"a": Gate("<", 1)}),
    ("MLOPS__PROMOTE__STAGE", "null", "promote.stage", None),
    ("MLOPS__PROMOTE__COPY_TO", "{x}", "promote.copy_to", "{x}"),
    ("MLOPS__UI__TUNNEL", "~", "ui.tunnel", None),
    ("MLOPS__UI__TUNNEL", "'null'", "ui.tunnel", "null"),
    ("MLOPS__UI__TUNNEL", "ssh -J a: b # c", "ui.tunnel", "ssh -J a: b # c"),
    ("MLOPS__PROMOTE__CHECK", "command: [a, b]", "promote.check.command", ("a", "b")),
    ("MLOPS__PROMOTE__CHECK__COMMAND", "[a, 'b #2']", "promote.check.command", ("a", "b #2")),
    ("MLOPS__PROMOTE__CHECK__COMMAND", "'a b' 'c: d'", "promote.check.command", ("a b", "c: d")),
    ("MLOPS__CLEANUP__PROTECT__TAGS__Keep", "3", "cleanup.protect.tags", {"Keep": "3"}),
    (
        "MLOPS__CLEANUP__OVERRIDES__Churn__KEEP_LAST",
        "7",
        "cleanup.overrides",
        {"Churn": KeepRules(keep_last=7)},
    ),
    ("MLOPS__CLEANUP__OVERRIDES__m", "{keep_last: 7}", "cleanup.overrides", {"m": KeepRules(keep_last=7)}),
    ("MLOPS__SERVERS__PROD__URI", "http://x", "servers", {"PROD": OtherServer(uri="http://x")}),
    ("MLOPS__SERVERS__uri", "{uri: 'http://x'}", "servers", {"uri": OtherServer(uri="http://x")}),
]


@pytest.mark.parametrize(
    ("name", "text", "path", "value"), ENVIRONMENT, ids=[f"{e[0]}={e[1]}" for e in ENVIRONMENT]
)
def test_environment(file: Path, name: str, text: str, path: str, value: object) -> None:
    """A variable sets the key that its name spells, with its value read as YAML where text is not wanted."""
    found: Any = load(None, {}, {"MLOPS__MODELS": "m", name: text})
    for key in path.split("."):
        found = getattr(found, key)
    assert found == value


BAD_ENVIRONMENT = [
    ("MLOPS__SELCT__METRIC", "x", 'unknown key; did you mean "select"?'),
    ("MLOPS__SELECT__METRC", "x", 'unknown key; did you mean "metric"?'),
    ("MLOPS__", "x", "unknown key"),
    ("MLOPS__CLEANUP__KEEP_LAST", "'3'", 'expected a whole number, got "3"'),
    ("MLOPS__CLEANUP__KEEP_LAST", "", 'expected a whole number, got ""'),
    ("MLOPS__PROMOTE__ALIAS", "", f'{ALIAS}, got ""'),
    ("MLOPS__PROMOTE", "{stag: x}", 'stag: unknown key; did you mean "stage"?'),
    ("MLOPS__CLEANUP__OVERRIDES__A__KEEP_LST", "7", 'unknown key; did you mean "keep_last"?'),
    ("MLOPS__TRAIN__JOBS", "3", "train.experiment: expected a value, but the key is missing"),
    ("MLOPS__SELECT__GATES", '{a: "> 1"', f'{MAPPING}, got "{{a: \\"> 1\\""'),
]


@pytest.mark.parametrize(
    ("name", "text", "problem"), BAD_ENVIRONMENT, ids=[f"{e[0]}={e[1]}" for e in BAD_ENVIRONMENT]
)
def test_mistake_in_environment(file: Path, name: str, text: str, problem: str) -> None:
    """A mistake in a variable names the variable."""
    assert problems(None, None, **{name: text}) == [f"environment variable {name}: {problem}"]


def test_variables_add_to_what_the_file_names(file: Path) -> None:
    """One key of one server; the others stay as the file has them. A name in another case is another server."""
    file.write_text("servers:\n  Prod: {uri: 'http://x', model: 'p-{model}'}\n")
    environ = {"MLOPS__SERVERS__Prod__URI": "http://y", "MLOPS__SERVERS__PROD__URI": "http://z"}
    assert load(file, {}, environ).servers == {
        "Prod": OtherServer(uri="http://y", model="p-{model}"),
        "PROD": OtherServer(uri="http://z"),
    }


TEXT_KEYS = (
    "models",
    "select.metric",
    "promote.copy_to",
    "promote.check.command",
    "cleanup.exclude",
    "cleanup.protect.aliases",
    "cleanup.protect.tags.t",
    "train.candidates.c",
    "train.register",
    "servers.prod.model",
    "ui.tunnel",
)
BESIDE = (
    '{"train": {"experiment": "e", "candidates": {"b": "fit"}}, "servers": {"prod": {"uri": "http://x"}}}'
)
ODD = st.sampled_from([*"#:'\"[]{}-!&*%@`,|>?=~ \\0a", ": ", " #", "{model}", "{candidate}", "null"])


def with_value(key: str, value: object) -> dict[str, Any]:
    """A config with this value at a key, and what has to be beside it."""
    whole: dict[str, Any] = json.loads(BESIDE)
    *above, last = key.split(".")
    place = whole
    for part in above:
        place = place.setdefault(part, {})
    place[last] = value
    return whole


@settings(max_examples=examples(300))
@given(
    key=st.sampled_from(TEXT_KEYS),
    text=st.lists(ODD | st.characters().filter(str.isprintable), max_size=8).map("".join),
)
def test_a_text_arrives_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, key: str, text: str
) -> None:
    """Through a variable and through an option: in quotes always, and without them unless it looks like something else."""
    try:
        wanted = Config.model_validate(with_value(key, text)).model_dump()
    except ValidationError:
        return
    path = tmp_path_factory.getbasetemp() / "beside.yaml"
    if not path.exists():
        path.write_text(BESIDE, encoding="utf-8")
    looks_else = text.strip() != text or text[:1] in "'\"[{" or text in ("null", "Null", "NULL", "~")
    quoted = json.dumps(text, ensure_ascii=False)
    for written in (quoted,) if looks_else else (quoted, text):
        assert load(path, {}, {f"MLOPS__{key.replace('.', '__')}": written}).model_dump() == wanted
        assert load(path, {key: ("--option", written)}, {}).model_dump() == wanted


def test_environment_of_others_is_ignored(file: Path) -> None:
    """Only the double underscore makes a variable ours."""
    assert load(None, {}, {"MLOPS_SELECT": "x", "MLOPS": "y", "XMLOPS__A": "z"}) == Config()


BAD_FLAGS: list[tuple[str, str, object, str]] = [
    ("cleanup.keep_within", "--min-age", "5", f'--min-age: {DURATION}, got 5; did you mean "5d"?'),
    ("models", "MODEL", ("a", ""), f'MODEL: {ONE_LINE}, got ""'),
    (
        "promote.force_methods",
        "--force-method",
        ["stage", "alais"],
        f'--force-method: expected a method out of {METHODS}, got "alais"; did you mean "alias"?',
    ),
    ("select.direction", "--direction", "up", '--direction: expected maximize or minimize, got "up"'),
    (
        "promote.stage",
        "--stage",
        "null",
        "--stage: expected a stage or an alias (or both), but both are null",
    ),
]


@pytest.mark.parametrize(
    ("key", "option", "value", "problem"), BAD_FLAGS, ids=[option for _, option, *_ in BAD_FLAGS]
)
def test_mistake_in_flag(file: Path, key: str, option: str, value: object, problem: str) -> None:
    """A mistake in a flag names the option as it was typed, also where it clashes with the file."""
    file.write_text("promote: {alias: null}\n")
    assert problems(None, {key: (option, value)}) == [problem]


def test_a_group_that_is_what_it_is_copied_to_is_refused(file: Path) -> None:
    """Nothing could ever be selected there. One that only has it among others is left alone."""
    text = "models: {}\npromote:\n  methods: [copy]\n  copy_to: cp\n"
    file.write_text(text.format("cp"))
    error = refused(None)
    assert error.message == (
        "mlops.yaml:4: promote.copy_to: expected a model that `models` does not name, because its "
        'versions are not candidates, got "cp"'
    )
    assert error.next_step == (
        "correct promote.copy_to in mlops.yaml; `jenkins-mlflow schema` describes every key"
    )
    for models in ("'*'", "c*", "[churn, cp]", "churn"):
        file.write_text(text.format(models))
        assert load(None, {}, {}).promote.copy_to == "cp"


def test_the_command_line_may_name_what_is_copied_to(file: Path) -> None:
    """`list`, `cleanup` and others work on the production model; and without the method, copy_to is not used."""
    file.write_text("models: churn\npromote: {methods: [copy], copy_to: cp}\n")
    assert load(None, {"models": ("--models", ["cp"])}, {}).models == ("cp",)
    file.write_text("models: cp\npromote: {copy_to: cp}\n")
    assert load(None, {}, {}).models == ("cp",)


@pytest.mark.parametrize(
    ("text", "overrides", "environ", "places"),
    [
        pytest.param("select: {metrc: x}", {}, {}, "select.metrc in mlops.yaml", id="a key of the file"),
        pytest.param("a: 'x", {}, {}, "line 1 of mlops.yaml", id="no YAML"),
        pytest.param("#" * 1_000_001, {}, {}, "mlops.yaml", id="too long"),
        pytest.param("true: 1", {}, {}, "mlops.yaml", id="no key"),
        pytest.param("", {}, {"MLOPS__UI": "{url: x}"}, "environment variable MLOPS__UI", id="a variable"),
        pytest.param(
            "", {"cleanup.reclaim.mode": ("--reclaim", "x")}, {}, "--reclaim", id="an option, not its key"
        ),
        pytest.param(
            "select: {metrc: x}\nmodels: []\nui: 1\ncleanup: {min_age: x}",
            {"cleanup.keep_last": ("--keep-last", "x")},
            {"MLOPS__PROMOTE__STAGE": "x"},
            "select.metrc, models, ui and 1 more in mlops.yaml, environment variable MLOPS__PROMOTE__STAGE, --keep-last",
            id="many",
        ),
    ],
)
def test_what_to_correct_is_said(
    file: Path, text: str, overrides: Overrides, environ: dict[str, str], places: str
) -> None:
    """The keys, variables and options; and the page that describes all of them."""
    file.write_text(text)
    error = refused(file, overrides, **environ)
    assert error.next_step == f"correct {places}; `jenkins-mlflow schema` describes every key"


def test_a_file_that_is_not_there_has_no_place_to_correct(file: Path) -> None:
    assert refused(Path("no.yaml")).next_step == "give a file that exists and that you may read"


SERVERS = [
    (
        "{uri: 'https://ann:geheim@x'}",
        "uri: expected an address without a login: username_env, password_env or token_env name it",
    ),
    ("{uri: x}", 'uri: expected an address that starts with http:// or https://, got "x"'),
    ("{}", "uri: expected a value, but the key is missing"),
    (
        "{uri: 'http://x', token_env: dapi-123}",
        "token_env: expected the name of an environment variable: a secret itself does not belong in a config",
    ),
    (
        "{uri: 'http://x', token_env: MLFLOW_TRACKING_TOKEN}",
        "token_env: expected a variable other than MLFLOW_TRACKING_TOKEN, which never holds the login of another server",
    ),
    (
        "{uri: 'http://x', token_env: JENKINS_MLFLOW_SIGNING_KEY}",
        "token_env: expected a variable other than JENKINS_MLFLOW_SIGNING_KEY, which never holds the login of another server",
    ),
    ("{uri: 'http://x', username_env: A}", "expected username_env and password_env together"),
    (
        "{uri: 'http://x', username_env: A, password_env: B, token_env: C}",
        "expected either a user and password or a token, not both",
    ),
    (
        "{uri: 'http://x', model: 'a/{model}'}",
        'model: expected a model name with {model}, for the name here, and without / : * ? [, got "a/{model}"',
    ),
    (
        "{uri: 'http://x', model: prod}",
        'model: expected a model name with {model}, for the name here, and without / : * ? [, got "prod"',
    ),
    ("{uri: 'http://x', models: a}", 'unknown key; did you mean "model"?'),
    ("{uri: 'http://x', tracking_uri: 'http://x'}", 'unknown key; did you mean "uri"?'),
]


@pytest.mark.parametrize(("text", "problem"), SERVERS)
def test_mistake_in_a_server(file: Path, text: str, problem: str) -> None:
    """It is named, and no login is shown."""
    file.write_text(f"servers:\n  prod: {text}\n")
    (line,) = problems(None)
    assert line.endswith(problem)
    assert "geheim" not in line
    assert "dapi" not in line


@pytest.mark.parametrize(
    ("select", "doubtful"),
    [
        ({"metric": "val_loss"}, True),
        ({"metric": "RMSE"}, True),
        ({"metric": "perplexity"}, True),
        ({"metric": "rmse", "direction": "minimize"}, False),
        ({"metric": "rmse", "direction": "maximize"}, False),
        ({"metric": "neg_log_loss"}, False),
        ({"metric": "roc_auc"}, False),
        ({}, False),
    ],
)
def test_a_direction_is_doubtful_only_if_nobody_wrote_it(select: dict[str, str], doubtful: bool) -> None:
    assert Config.model_validate({"select": select}).select.doubtful_direction == doubtful


def test_frozen() -> None:
    """A config cannot be changed after it was checked."""
    with pytest.raises(ValidationError, match="frozen"):
        Config().cleanup.keep_last = 0


# For which values each operator holds: less than the limit (-), equal to it (0), more (1).
HOLDS = {">=": "01", ">": "1", "<=": "-0", "<": "-", "==": "0", "!=": "-1"}


@pytest.mark.parametrize("op", OPERATORS)
def test_gate_compares(op: str) -> None:
    """Every operator compares as it reads; NaN and the infinities pass no gate, not even !=."""
    values = {"-": 0.4, "0": 0.5, "1": 0.6}
    assert {name for name, value in values.items() if Gate(op, 0.5).holds(value)} == set(HOLDS[op])
    assert not any(Gate(op, 0.5).holds(value) for value in (math.nan, math.inf, -math.inf))


def test_what_is_no_operator_is_no_gate() -> None:
    with pytest.raises(ValueError, match="not a comparison: ~ 1"):
        Gate("~", 1)


@given(
    op=st.sampled_from(list(OPERATORS)),
    limit=st.floats(allow_nan=False, allow_infinity=False),
)
def test_gate_text_round_trips(op: str, limit: float) -> None:
    """A comparison reads back from its own text without loss."""
    gate = Gate(op, limit)
    assert Config.model_validate({"select": {"gates": {"m": str(gate)}}}).select.gates["m"] == gate


@given(number=st.integers(min_value=0, max_value=10**9), unit=st.sampled_from(sorted(UNIT_SECONDS)))
def test_durations(number: int, unit: str) -> None:
    """A duration is its number times its unit, up to what a date can be counted from."""
    seconds = number * UNIT_SECONDS[unit]
    if seconds <= LONGEST:
        assert parse_duration(f"{number}{unit}") == seconds
        datetime.now(timezone.utc) + timedelta(seconds=seconds)
        return
    with pytest.raises(PydanticCustomError, match="at most 100 years"):
        parse_duration(f"{number}{unit}")


@example("\x85\t", {})  # to YAML a line ends there
@given(st.text(), st.dictionaries(st.sampled_from(["MLOPS__SELECT__METRIC", "MLOPS__A"]), st.text()))
def test_any_text_loads_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, environ: dict[str, str]
) -> None:
    """No content, however odd, ends in anything but a config or printable lines."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load(path, {}, environ)
    except ConfigError as error:
        assert all(line.isprintable() and line for line in error.message.split("\n"))


def test_schema_describes_every_key() -> None:
    """The JSON Schema is valid and has a sentence for every key."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for section in (schema, *schema["$defs"].values()):
        assert section["additionalProperties"] is False
        for name, key in section["properties"].items():
            text = schema["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key
            assert text["description"], name


def test_a_default_time_is_written_as_in_a_config() -> None:
    """In the schema, which the help and the page of all keys show: 7d, not 604800.0; and it is the time that counts."""
    kinds = [(kind, *kind.__subclasses__()) for kind in Section.__subclasses__()]
    models = {model.__name__: model for kind in kinds for model in kind}
    seen = 0
    for title, section in json_schema()["$defs"].items():
        for name, key in section["properties"].items():
            if "(ms|s|m|h|d|w)" in str(key) and key.get("default") is not None:
                default = key["default"]
                assert re.fullmatch(r"\d+(ms|s|m|h|d|w)", str(default)), f"{title}.{name}: {default}"
                assert parse_duration(default) == models[title].model_fields[name].default, f"{title}.{name}"
                seen += 1
    assert seen > 8


@pytest.mark.parametrize(
    ("page", "phrase", "key"),
    [
        ("README.md", "the metric is `{}`", "select.metric"),
        ("docs/commands.md", "those of the config, which are {} by default", "cleanup.keep_last"),
        ("docs/jenkins.md", "With `{}`, the default,", "train.on_failure"),
        ("docs/notify.md", "`notify.timeout` (`{}` by default)", "notify.timeout"),
        ("docs/reliability.md", "(`promote.lock.lease`, `{}` by default)", "promote.lock.lease"),
        ("docs/retention.md", "`plan_expires` (`{}` by default)", "cleanup.plan_expires"),
        ("docs/retention.md", "| `{}` (default) |", "cleanup.reclaim.mode"),
        ("docs/methods.md", "The default is `[{}]`", "promote.methods"),
    ],
)
def test_a_page_states_the_default_that_counts(page: str, phrase: str, key: str) -> None:
    """Prose that states a default goes stale when it changes: then this names the page."""
    default = default_of(key) or ", ".join(schema_of(key)["default"])
    text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    assert phrase.format(default) in " ".join(text.split())


def test_schema_agrees_with_loading(file: Path) -> None:
    """What loads is valid by the schema; of what does not, the schema catches the wrong keys and types."""
    validator = Draft202012Validator(json_schema())
    text = COMPLETE.replace("2026-01-31", "'2026-01-31'").replace(
        "1e-3\n", "0.001\n"
    )  # as other loaders read it
    text = text.replace("production", "Production").replace("archived", "Archived")
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []
    mistakes: list[dict[str, Any]] = [{"slect": {}}, {"cleanup": {"keep_last": "3"}}, {"models": []}]
    for wrong in [*mistakes, {"cleanup": {"min_age": 7}}]:
        assert not validator.is_valid(wrong)


def test_one_word_is_the_mode_of_a_reclaim(file: Path) -> None:
    """In the file, where a flag may change it and leave the grace as it is."""
    file.write_text("cleanup: {reclaim: artifacts}")
    assert load(file, {}, {}).cleanup.reclaim == Reclaim(mode="artifacts")
    assert load(file, {"cleanup.reclaim.mode": ("--mode", "runs")}, {}).cleanup.reclaim.mode == "runs"
    environ = {"MLOPS__CLEANUP__RECLAIM__GRACE": "1d"}
    assert load(file, {}, environ).cleanup.reclaim == Reclaim(mode="artifacts", grace="1d")  # type: ignore[arg-type]
    for text, grace in (
        ("runs", 86400),
        ("{mode: runs}", 7 * 86400),
    ):  # a mapping takes the place of the whole
        file.write_text("cleanup: {reclaim: {grace: 1d}}")
        reclaim = load(file, {}, {"MLOPS__CLEANUP__RECLAIM": text}).cleanup.reclaim
        assert (reclaim.mode, reclaim.grace) == ("runs", grace)


def test_import_is_light() -> None:
    """Reading a config does not import mlflow, which takes over a second."""
    code = "import sys, jenkins_mlflow.config; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_matrix_expands_to_candidates() -> None:
    """Names tell the parameters; a value with a blank stays one argument; two hundred are as easy as two."""
    grid = {"command": "fit --k {k} '{name}'", "matrix": {"k": [1, 0.5], "name": ["a b", True]}}
    train = Train.model_validate(
        {"experiment": "e", "candidates": {"plain": "fit {untouched}", "grid": grid}}
    )
    assert train.commands == {
        "plain": ("fit", "{untouched}"),
        "grid-k-1-name-a-b": ("fit", "--k", "1", "a b"),
        "grid-k-1-name-true": ("fit", "--k", "1", "true"),
        "grid-k-0.5-name-a-b": ("fit", "--k", "0.5", "a b"),
        "grid-k-0.5-name-true": ("fit", "--k", "0.5", "true"),
    }
    many = {"g": {"command": "fit {seed}", "matrix": {"seed": list(range(200))}}}
    assert len(Train.model_validate({"experiment": "e", "candidates": many}).commands) == 200


@pytest.mark.parametrize("op", OPERATORS)
def test_an_operator_of_a_gate_is_one_line(op: str) -> None:
    """What the table of operators holds is parsed, accepted by the published schema, and compared."""
    gate = Config(select={"gates": {"auc": f"{op} 0.8"}}).select.gates["auc"]  # type: ignore[arg-type]
    assert gate == Gate(op, 0.8)
    assert gate.holds(0.8) is OPERATORS[op](0.8, 0.8)
    pattern = json_schema()["$defs"]["Select"]["properties"]["gates"]["additionalProperties"]["pattern"]
    assert re.fullmatch(pattern, f"{op} 0.8")


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, math.nan, 1.7976931348623157e308, -1.7976931348623157e308]
)
def test_no_gate_holds_for_what_is_no_number(value: float) -> None:
    """MLflow's SQL stores keep an infinity as the largest float there is."""
    assert not Gate("!=", 0.5).holds(value)
