"""Planning and promoting below the command line, quickly, and what a promotion that was killed leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

from jenkins_mlflow.config.promote import Promote
from jenkins_mlflow.methods.choice import load_methods
from jenkins_mlflow.promotion.apply import Begun, Promotion
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan, plan_promotion
from jenkins_mlflow.promotion.record import next_time, tags_over
from jenkins_mlflow.promotion.recovery import Recovered, Recovery
from jenkins_mlflow.promotion.rights import forbidden
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.retries import RetryPolicy
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.registry.writer import Writer
from jenkins_mlflow.tags import PROMOTED_AT, PROMOTED_BY

from support.seeding import Spec, client, seed
from support.servers import Server

BOTH = Target("Production", "champion")
METHODS = ("stage-archive", "stage", "file-store")
QUICK = RetryPolicy(max_wait=0.05)
"""As commands retry, with waits that no test notices."""

AT = "2026-11-23T02:00:00+00:00"


def without_flags(url: str, retry: RetryPolicy = QUICK) -> Registry:
    """A registry without the flags that other tests' commands left to their leases, as a lost answer makes them do."""
    registry = Registry(connect(url), retry)
    for flag in registry.flags():
        registry.lower_flag(flag.name)
    return registry


def planned(
    registry: Registry, name: str, number: int, target: Target = BOTH, group: Sequence[str] = ()
) -> Plan:
    """A plan made from what is there now."""
    names = [name, *group, *([target.copy_to] if target.copy_to else [])]
    return plan_promotion(registry.snapshot(names, with_runs=True), name, number, target)


def promote(
    uri: str, name: str, number: int, target: Target = BOTH, group: Sequence[str] = (), **options: object
) -> Outcome:
    """Plan and apply through ``uri``."""
    registry = Registry(connect(uri), QUICK)
    plan = planned(registry, name, number, target, group)
    keys = ("methods", "file_store", "force_methods")
    rules = Promote(**{"methods": METHODS, **{key: options.pop(key) for key in keys if key in options}})  # type: ignore[arg-type]
    methods = load_methods(registry, rules)
    writer = Writer(QUICK, sleep=lambda seconds: None, show=options.pop("show", lambda attempt: None))  # type: ignore[arg-type]
    refusal = forbidden(registry, plan.table)
    promotion = Promotion(registry, plan, methods, writer, group=group, forbidden=refusal, **options)  # type: ignore[arg-type]
    begun = Begun(at=next_time([plan.candidate, *plan.leaving]), by="tester")
    return promotion.apply({PROMOTED_BY: "tester", PROMOTED_AT: begun.at, **tags_over(plan.replaces)}, begun)


def recover(
    uri: str, name: str, target: Target = BOTH, group: tuple[str, ...] = (), **rules: object
) -> Recovered | None:
    """Finish or undo what a promotion of this model left."""
    registry = Registry(connect(uri), QUICK)
    methods = load_methods(registry, Promote(**rules))  # type: ignore[arg-type]
    return Recovery(
        registry, methods, Writer(QUICK, sleep=lambda seconds: None), target, group, by="ann"
    ).run(name)


def intent_over_1(uri: str, name: str) -> Intent:
    """The intent to promote version 2 over version 1, whatever their marks are now."""
    versions = {version.number: version for version in Registry(connect(uri)).model(name).versions}
    return Intent(
        work="promotion",
        model=name,
        number=2,
        changes=[
            (name, 2, "None", "Production"),
            (name, 1, "Production", "Archived"),
            (name, "champion", 1, 2),
        ],
        created=[(name, number, versions[number].created) for number in sorted(versions) if number in (1, 2)],
        at=AT,
        by="jenkins",
    )


def crashed(server: Server, name: str, *, stages: dict[int, str], alias: int | None) -> None:
    """A model of two versions as a promotion of version 2 that was killed somewhere left it.

    Its files are served (there are none): an experiment that was made in the store directly would have them elsewhere.
    """
    seed(server.url, {name: [Spec(), Spec()]}, experiment="with files")
    mlflow = client(server.store_uri)
    for number, stage in stages.items():
        mlflow.transition_model_version_stage(name, str(number), stage)
    if alias:
        mlflow.set_registered_model_alias(name, "champion", str(alias))
    for key, text in intent_over_1(server.url, name).tags().items():
        mlflow.set_registered_model_tag(name, key, text)
