"""The findings of `doctor` in the models of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from jenkins_mlflow.commands.conflicts import Half, champions, conflict, halves, keep_one
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.history.book import unwritten
from jenkins_mlflow.promotion.allowed import allowed_intent
from jenkins_mlflow.promotion.intent import is_unfinished, unsigned
from jenkins_mlflow.promotion.record import is_unsigned
from jenkins_mlflow.registry.promotion_records import record_for
from jenkins_mlflow.registry.snapshot import Model, Snapshot
from jenkins_mlflow.registry.version import PRODUCTION, STAGING, Target
from jenkins_mlflow.results.doctor import Finding
from jenkins_mlflow.tags import BUILD_URL, CHECK_TAG, INTENT_TAG, PENDING, PROMOTED_AT
from jenkins_mlflow.text import argument, plural, redact


def examine(
    snapshot: Snapshot,
    target: Target,
    drifted: Collection[str] = (),
    uri: str = "",
    group: tuple[str, ...] = (),
) -> list[Finding]:
    """Find problems in the models. Pure.

    Args:
        snapshot: The models.
        target: Stage and alias of production.
        drifted: The models whose production was changed without this tool; another finding covers that.
        uri: The registry's address, for the advised commands; a password in it is not shown.
        group: The name patterns of the group.
    """
    half = {one.version.model: one for one in halves(snapshot, target) if one.version.model not in drifted}
    found = [
        finding
        for model in snapshot.models
        for finding in _of(model, target, group, uri, half.get(model.name), drifted=model.name in drifted)
    ]
    if target.exclusive:
        found += _several_champions(snapshot, target)
    count = (
        f"{plural(len(snapshot.models), 'model')}, {plural(sum(1 for _ in snapshot.versions()), 'version')}"
    )
    if drifted or any(finding.status == "problem" for finding in found):
        return found
    return [Finding("models", "fine", f"{count}: each has at most one version in production"), *found]


def _of(
    model: Model, target: Target, group: tuple[str, ...], uri: str, half: Half | None, *, drifted: bool
) -> list[Finding]:
    """The findings in one model; suggestions are omitted if there are problems."""
    found = list(_intent(model, target, group))
    if not is_unfinished(model):
        if not drifted and (two := conflict(model, target)):
            found.append(Finding(two.kind, "problem", two.message, keep_one(two.versions)))
        if half:
            found.append(Finding("partly in production", "problem", half.message, half.fix))
        found += _records(model, target)
    return [
        *found,
        *_aliases(model, uri),
        *(() if found or drifted else _stages(model, target)),
        *_unwritten(model),
    ]


def _intent(model: Model, target: Target, group: tuple[str, ...]) -> Iterator[Finding]:
    """A promotion that has not ended, or a tag that looks like one but is not signed."""
    if text := unsigned(model):
        yield Finding("intent not signed", "problem", text, f"remove the tag {INTENT_TAG} of {model.name}")
    if is_unfinished(model):
        try:
            intent = allowed_intent(model, target, group)
            text = f"{intent.title} has not ended" if intent else ""
            fix = f"`jenkins-mlflow promote --recover --models {argument(model.name)}`"
        except JenkinsMlflowError as error:
            text, fix = error.message, error.next_step
        yield Finding("unfinished promotion", "problem", text, fix)


def _records(model: Model, target: Target) -> Iterator[Finding]:
    """What is missing in the records of the versions in production."""
    for version in model.production(target):
        if is_unsigned(version, target):
            yield Finding(
                "record not signed",
                "note",
                f"{version.label} is in production, and its promotion record is not signed with this key: "
                "no rollback follows it",
                f"nothing, until it is replaced; `jenkins-mlflow rollback --model {argument(model.name)} --to N` "
                "goes to a version that you name, and signs that one's record",
            )
        record = record_for(version.tags, target)
        if record.get(CHECK_TAG) == PENDING:
            origin = record.get(BUILD_URL) or record.get(PROMOTED_AT, "")
            yield Finding(
                "check not ended",
                "problem",
                f"{version.label} is in production, but the check after its promotion has not ended ({origin})",
                "if nothing runs it any more: "
                f"`jenkins-mlflow promote --model {argument(model.name)} --version {version.number}`",
            )


def _several_champions(snapshot: Snapshot, target: Target) -> Iterator[Finding]:
    serving = champions(snapshot, target)
    if len(serving) > 1:
        labels = ", ".join(version.label for version in serving)
        yield Finding(
            "several champions",
            "problem",
            f"the group is exclusive, but {len(serving)} of its models are in production: {labels}",
            keep_one(serving),
        )


def _aliases(model: Model, uri: str) -> Iterator[Finding]:
    """Aliases on missing versions, and aliases that MLflow's UI refuses, although its API accepts them."""
    for alias, number in sorted(model.aliases.items()):
        name, quoted = argument(model.name), argument(alias)
        start = f"MLFLOW_TRACKING_URI={argument(redact(uri))} python -c "
        remove = f"MlflowClient().delete_registered_model_alias({model.name!r}, {alias!r})"
        if model.version(number) is None:
            yield Finding(
                "dangling alias",
                "problem",
                f"{model.name}: alias {alias} is on version {number}, which does not exist: loading it fails",
                f"{start}{argument(f'from mlflow import MlflowClient; {remove}')}",
            )
        elif alias != alias.lower():
            lower = alias.lower()
            move = f"MlflowClient().set_registered_model_alias({model.name!r}, {lower!r}, '{number}')"
            yield Finding(
                "alias with upper case",
                "note",
                f"{model.name}: the alias {alias} contains upper-case letters: MLflow's UI cannot set it, "
                "only the API can",
                f"set {lower} too, change what loads models:/{name}@{quoted}, and remove {quoted} then: "
                f"{start}{argument(f'from mlflow import MlflowClient; {move}')}",
            )


def _stages(model: Model, target: Target) -> Iterator[Finding]:
    """Versions that only a stage marks. Stages are deprecated, and teams that leave them need an alias."""
    staged = [v for v in model.versions if v.stage in (PRODUCTION, STAGING) and not v.aliases]
    if not staged:
        return
    marks = ", ".join(f"version {version.number} in {version.stage}" for version in reversed(staged))
    serving = next((version for version in staged if version.stage == target.stage), None)
    fix = "set an alias beside each stage"
    if serving and target.alias:
        fix = f"`jenkins-mlflow promote --model {argument(model.name)} --version {serving.number}`"
    yield Finding(
        "stage without alias",
        "note",
        f"{model.name}: {marks}, without an alias; stages are deprecated since MLflow 2.9",
        fix,
    )


def _unwritten(model: Model) -> Iterator[Finding]:
    if unwritten_changes := list(unwritten([model])):
        yield Finding(
            "history not written",
            "note",
            f"{model.name}: {plural(len(unwritten_changes), 'change')} of production not written into the history yet, "
            f"such as the {unwritten_changes[0].title}",
            "nothing: the next command that changes this model does it; if it stays, the account may not make runs in "
            "the experiment jenkins-mlflow",
        )
