#!/usr/bin/env python3
"""Writes the command line's options for the Jenkins steps: Options.groovy and the pages in vars/.

The options of every command are defined once, in `jenkins_mlflow.cli`; names, kinds, ranges and choices
follow from them and from the config's schema. `--check` changes nothing and fails if a file is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from jenkins_mlflow.cli.main import cli
from jenkins_mlflow.cli.options import DEFAULT_REPORT, Configured, Related
from jenkins_mlflow.commands.notify import TELLING
from jenkins_mlflow.config.schema import schema_of
from jenkins_mlflow.config.values import EVENTS
from jenkins_mlflow.results.schema import RESULTS

Kind = str | list[str] | dict[str, list[str]]
# a number of StepArguments.rule, not all zeros
POSITIVE = "(?=[0-9.]*[1-9])[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?"

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ROOT / "src" / "jenkinsmlflow" / "Options.groovy"
PAGES = ROOT / "vars"
NOT_FOR_BUILDS = {"reclaim", "migrate"}
COMMANDS = tuple(sorted(RESULTS.keys() - NOT_FOR_BUILDS))
# Commands without a step of their own: mlflowRun has their parameters.
OF_RUN = ("list", "history", "restore")
# A build has nobody to ask and reads JSON; the step itself decides how candidates are spread over agents.
NOT_FOR_STEPS = ("output", "quiet", "help", "yes", "ask", "resume", "gather", "brief")

PLACE = (
    "label, image, agent, prepare, dir, credentials, python: the agent, folder, credentials and Python to use; see "
    "mlflowAgent"
)
MAX_PARALLEL = (
    "maxParallel: how many agents train at once; a whole number from 1 (default: one for each candidate)"
)
NOTIFY = (
    "notify: a closure that is called with the result (a map) when there is news. The key event of the result is one "
    f"of {', '.join(EVENTS)}; notify.on in the config selects which of them count. An error in the closure is logged "
    "and does not fail the build"
)
ALL_MODELS = "allModels: true: work on every model of the registry, if neither config nor step names models"
PIPELINE = (
    (
        "approve: a person must approve the promotion: true, or a map of submitter (users or groups, separated by "
        "commas) and timeout (such as '2h', default '1d'); only outside an agent"
    ),
    "milestone: false: an older build may promote after a newer one (default: true)",
    "cleanup: true: delete old versions at the end (default: false)",
    (
        "promoteChanges: true: a change request of a multibranch job promotes and cleans up, too (default: false: it "
        "is only trained and compared)"
    ),
    "comment: a closure that is called with what a change request would do, as Markdown, to post it",
)
# The names of the parameters above: only the steps have them.
ONLY_STEPS = {
    name
    for text in (PLACE, MAX_PARALLEL, NOTIFY, ALL_MODELS, *PIPELINE)
    for name in text.partition(":")[0].split(", ")
}
DECIDED = (
    "model",
    "version",
    "recover",
    "approvedBy",
    "over",
    "run",
    "plan",
    "apply",
    "at",
    "allowRemoveAll",
)
DRY_PIPELINE = (
    "dryRun: true: show the candidates that would be trained, select among the registered versions, show "
    "what the promotion and the cleanup would change; train and change nothing"
)
REPORT = (
    "report: folder for logs, notices, index.html, COMMAND.json, COMMAND.csv and a JUnit report of the gates (default: "
    f"{DEFAULT_REPORT})"
)
FAILURE = "FAILURE when something failed or is configured wrongly"
BY_HAND = "UNSTABLE when a person must continue by hand: the notice is in the log and among the artifacts"
GATES = "UNSTABLE when no candidate passes the gates"
TESTED = "UNSTABLE when no candidate passes the gates, or the best one fails its smoke test"
SOME_FAILED = (
    "with onFailure: 'continue', failed candidates make only the stage unstable, and the build continues"
)
EFFECTS = {
    "mlflowTrain": (FAILURE, SOME_FAILED),
    "mlflowSelect": (GATES, FAILURE),
    "mlflowPromote": (TESTED, BY_HAND, FAILURE),
    "mlflowRollback": (BY_HAND, FAILURE),
    "mlflowCleanup": (FAILURE,),
    "mlflowLease": (FAILURE,),
    "mlflowPipeline": (TESTED, BY_HAND, FAILURE, SOME_FAILED),
    "mlflowDoctor": (
        "UNSTABLE when production was changed without this tool",
        "FAILURE on any other problem",
    ),
    "mlflowRun": (
        "the same as that of the step for that command",
        "FAILURE when list, history or restore fails",
    ),
}
STEPS = {
    "mlflowTrain": "train",
    "mlflowSelect": "select",
    "mlflowPromote": "promote",
    "mlflowRollback": "rollback",
    "mlflowCleanup": "cleanup",
    "mlflowDoctor": "doctor",
    "mlflowLease": "lease",
    "mlflowRun": "list",
    "mlflowPipeline": "",
}


def options(command: str) -> Iterator[tuple[str, click.Option]]:
    """The options of a command that its step has, each with the name of the step's parameter."""
    for option in cli.commands[command].params:
        if not isinstance(option, click.Option):
            continue  # a step's parameters have names
        for switch in option.opts:
            name = switch.removeprefix("--")
            if switch.startswith("--") and name not in NOT_FOR_STEPS:
                if parameter(name) in ONLY_STEPS:  # the step would use one text for two things
                    sys.exit(
                        f"{switch} of {command}: the steps have a parameter {parameter(name)} of another meaning; "
                        "choose another name"
                    )
                yield parameter(name), option


def parameter(name: str) -> str:
    """The step's name for an option: `dry-run` is dryRun."""
    return re.sub("[-_]([a-z])", lambda match: match[1].upper(), name)


def kind(option: click.Option) -> Kind:
    """The values that the step accepts: a kind, see StepArguments.rule, a list of choices, or a range's rule."""
    takes = option.type
    if isinstance(takes, click.IntRange) and takes.min is not None and takes.max is not None:
        numbers = "|".join(map(str, range(int(takes.min), int(takes.max) + 1)))
        return {"rule": [f" *0*({numbers}) *", f"a whole number from {takes.min} to {takes.max}"]}
    if isinstance(takes, click.FloatRange) and takes.min == 0 and takes.min_open:
        return {"rule": [POSITIVE, "a number above 0"]}
    kinds = {
        "folder": isinstance(takes, click.Path) and not takes.file_okay,
        "boolean": option.is_flag,
        "duration": option.metavar == "DURATION",
        "texts": option.multiple,
        "number": isinstance(takes, click.FloatRange),
        "count": isinstance(takes, click.IntRange) and takes.min == 1,
        "whole": isinstance(takes, click.IntRange),
    }
    known = next((kind for kind, applies in kinds.items() if applies), "")
    return known or (_described(schema_of(option.key)) if isinstance(option, Configured) else "text")


def _described(schema: Mapping[str, Any]) -> Kind:
    forms = _forms(schema)
    if choices := [choice for form in forms for choice in form.get("enum", ())]:
        return [*choices, *("null" for form in forms if form.get("type") == "null")]
    if any("(ms|s|m|h|d|w)" in form.get("pattern", "") for form in forms):
        return "duration"
    if any(form.get("type") == "integer" for form in forms):
        return "count" if any(form.get("minimum") == 1 for form in forms) else "whole"
    return "number" if any(form.get("type") == "number" for form in forms) else "text"


def _forms(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A schema and its alternatives."""
    return [schema, *(form for each in schema.get("anyOf", ()) for form in _forms(each))]


def groovy() -> str:
    """The text of the class that the steps read."""
    kinds: dict[str, Any] = {}
    required: dict[str, Any] = {}
    needs: dict[str, Any] = {}
    excludes: dict[str, Any] = {}
    for command in COMMANDS:
        found = dict(options(command))
        names = {str(option.name): name for name, option in reversed(found.items())}
        kinds[command] = {name: kind(option) for name, option in found.items()}
        if command in TELLING:
            kinds[command]["notify"] = "block"
        required[command] = [name for name, option in found.items() if option.required]
        related = {name: option for name, option in found.items() if isinstance(option, Related)}
        needs[command] = {name: names[option.needs] for name, option in related.items() if option.needs}
        excludes[command] = {
            name: [names[other] for other in option.excludes]
            for name, option in related.items()
            if option.excludes
        }
    methods = (
        ("kinds", "Each command's parameters and their kinds, see StepArguments.rule.", kinds),
        ("required", "Parameters that a command requires.", required),
        ("needs", "Parameters that require another one.", needs),
        ("excludes", "Parameters that cannot be combined with others.", excludes),
    )
    body = "\n".join(_method(*each) for each in methods)
    return (
        "package jenkinsmlflow\n\nimport com.cloudbees.groovy.cps.NonCPS\n\n"
        "/** The options of the runner's command line. Made by scripts/steps.py: change the command line instead. */\n"
        "class Options implements Serializable {\n\n    private static final long serialVersionUID = 1L\n\n"
        f"{body}\n}}\n"
    )


def _method(name: str, says: str, value: Mapping[str, Mapping[str, Any] | list[str]]) -> str:
    lines = []
    for command, content in value.items():
        if not content:
            continue
        if isinstance(content, list):
            lines.append(f"            {command}: {_literal(content)},")
            continue
        whole = (f"{key}: {_literal(each)},".replace(" ", "\0") for key, each in content.items())
        indent = " " * 16
        wrapped = textwrap.wrap(
            " ".join(whole),
            116,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        rows_of_items = (row.replace("\0", " ") for row in wrapped)
        lines += [f"            {command}: [", *rows_of_items, "            ],"]
    rows = "\n".join(lines)
    return f"    /** {says} */\n    @NonCPS\n    static Map {name}() {{\n        return [\n{rows}\n        ]\n    }}\n"


def _literal(value: Kind) -> str:
    if isinstance(value, dict):
        return f"[{', '.join(f'{key}: {_literal(each)}' for key, each in value.items())}]"
    return f"'{value}'" if isinstance(value, str) else f"[{', '.join(map(_literal, value))}]"


def page(step: str, text: str) -> str:
    """A step's help page with its generated part: from the parameters to the effect on the build."""
    head, _, rest = text.partition("\nParameters")
    at = rest.find("\nReturns ")
    if at < 0:
        sys.exit(
            f"vars/{step}.txt needs a line that begins with Parameters, and after it one that begins with Returns"
        )
    returns = rest[at:]
    lines = [
        "",
        "Parameters. All are optional unless marked required. Strings from a build form are accepted. A parameter that",
        "has a key in the config defaults to the value there:",
        "",
    ]
    for line in _parameters(step):
        lines += textwrap.wrap(f"- {line}", 116, subsequent_indent="  ", break_on_hyphens=False)
    effects = "; ".join(EFFECTS[step])
    lines += ["", *textwrap.wrap(f"Effect on the build: {effects}; otherwise none.", 116)]
    return head + "\n".join(lines) + "\n" + returns


def _parameters(step: str) -> Iterator[str]:
    if step == "mlflowRun":
        yield (
            f"command: required: {', '.join(COMMANDS)}. The parameters of {', '.join(OF_RUN)} are below; "
            "those of another command are on the page of its step"
        )
    parts = (STEPS[step],) if STEPS[step] else ("train", "select", "promote", "cleanup")
    said = set(DECIDED) if step == "mlflowPipeline" else set()
    descriptions = {"report": REPORT} | ({"dryRun": DRY_PIPELINE} if step == "mlflowPipeline" else {})
    for command in parts:
        for name, option in options(command):
            if name in said:
                continue
            said.add(name)
            yield descriptions.get(name) or f"{name}: {_help(option)}"
            if name == "report":
                yield PLACE
    yield from _more(step, parts)
    if step == "mlflowRun":
        yield from _of_run()


def _of_run() -> Iterator[str]:
    """The options of history and restore that list does not have."""
    first, *others = OF_RUN
    known = dict(options(first))
    for command in others:
        for name, option in options(command):
            if name not in known:
                yield f"{name} (with {command}): {_help(option)}"


def _more(step: str, parts: Sequence[str]) -> Iterator[str]:
    """The parameters that only the steps have."""
    if "train" in parts:
        yield MAX_PARALLEL
    if TELLING.intersection(parts):
        yield NOTIFY
    if step in ("mlflowPromote", "mlflowCleanup"):
        yield ALL_MODELS
    if step == "mlflowPipeline":
        yield from PIPELINE


def _help(option: click.Option) -> str:
    text = (option.help_with_default if isinstance(option, Configured) else option.help or "").rstrip(".")
    default = re.search(r" \[(.*)\]$", text)
    text = text[: default.start()] if default else text
    text = text[0].lower() + text[1:] if text[1].islower() or text[1] == " " else text
    text = re.sub("--([a-z-]+)", lambda match: parameter(match[1]), text)
    takes = kind(option)
    if option.required:
        text = f"required: {text}"
    if option.is_flag:
        text = f"true: {text}"
    elif isinstance(takes, list):
        text += f"; {' or '.join(takes)}"
    elif takes == "texts":
        text += "; a text or a list of texts"
    elif option.metavar == "FILE":
        text += "; a file's path"
    elif isinstance(takes, dict):
        text += f"; {takes['rule'][1]}"
    elif takes in ("count", "whole"):
        text += "; a whole number" + (" from 1" if takes == "count" else "")
    stated = default[1] if default else option.default if option.show_default and not option.is_flag else None
    return text + (f" (default: {stated})" if stated is not None else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail if a file is stale, write nothing")
    check = parser.parse_args().check
    files = {OPTIONS: groovy()}
    for step in STEPS:
        path = PAGES / f"{step}.txt"
        files[path] = page(step, path.read_text(encoding="utf-8"))
    for path, text in files.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            sys.exit(f"{path.relative_to(ROOT)} is stale: run scripts/steps.py")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
