"""The situations that commands meet in the dimensions of faults: a promotion, in a group, by copy, back, half done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dimensions import Bench
from jenkins_mlflow.promotion.intent import Intent
from jenkins_mlflow.promotion.plan import plan_promotion
from jenkins_mlflow.registry.client import Registry
from jenkins_mlflow.registry.connection import connect
from jenkins_mlflow.registry.version import Target
from support.seeding import Spec, seed
from support.servers import Server

Make = Callable[[Server, Path, str], Bench]
CHAMPION = Spec(stage="Production", aliases=("champion",))
RECORD = {"jenkins_mlflow.promoted_at": "2026-11-01T00:00:00+00:00"}
RECORDED = Spec(stage="Production", aliases=("champion",), tags=RECORD)


def plain(server: Server, folder: Path, name: str) -> Bench:
    """Version 2 over version 1."""

    def prepare(model: str) -> None:
        seed(server.store_uri, {model: [CHAMPION, Spec(), Spec()]})

    return Bench(
        server,
        folder,
        name,
        prepare,
        lambda model: ("promote", "--models", model, "--model", model, "--version", "2"),
    )


def exclusive(server: Server, folder: Path, name: str) -> Bench:
    """The other two models of the group have champions, too, with a record."""
    bench = plain(server, folder, name)

    def prepare(model: str) -> None:
        models = {
            model: [CHAMPION, Spec(), Spec()],
            f"{model}-b": [RECORDED, Spec()],
            f"{model}-c": [RECORDED],
        }
        seed(server.store_uri, models)

    bench.seed = prepare
    bench.argv = lambda model: ("promote", "--models", f"{model}*", "--model", model, "--version", "2")
    bench.rival = lambda model: (
        "promote",
        "--models",
        f"{model}*",
        "--model",
        f"{model}-b",
        "--version",
        "2",
    )
    bench.names = lambda model: (model, f"{model}-b", f"{model}-c")
    bench.env = {"MLOPS__PROMOTE__EXCLUSIVE": "true"}
    return bench


def copying(server: Server, folder: Path, name: str) -> Bench:
    """A copy of version 2 over a copy of version 1, in a production model of its own."""
    bench = plain(server, folder, name)

    def prepare(model: str) -> None:
        made = seed(server.store_uri, {model: [Spec(), Spec(), Spec()]})
        production = f"{model}-prod"
        made.create_registered_model(production)
        run = made.get_model_version(model, "1").run_id
        made.create_model_version(production, f"models:/{model}/1", run)
        made.set_registered_model_alias(production, "champion", "1")

    bench.seed = prepare
    bench.serving = lambda model: f"{model}-prod"
    bench.names = lambda model: (model, f"{model}-prod")
    bench.env = {
        "MLOPS__PROMOTE__METHODS": "[copy]",
        "MLOPS__PROMOTE__STAGE": "null",
        "MLOPS__PROMOTE__COPY_TO": "NAME-prod",
    }
    return bench


def rolling_back(server: Server, folder: Path, name: str) -> Bench:
    """From 1 to 2, which was in production before it."""
    bench = plain(server, folder, name)

    def prepare(model: str) -> None:
        before = {"jenkins_mlflow.previous_version": "2", **RECORD}
        champion = Spec(stage="Production", aliases=("champion",), tags=before)
        mlflow = seed(server.url, {model: [champion, Spec(tags=RECORD), Spec()]}, experiment="with files")
        run = mlflow.get_model_version(model, "2").run_id
        mlflow.log_text(str(run), "weights", "model/weights.txt")

    bench.seed = prepare
    bench.argv = lambda model: ("rollback", "--models", model, "--model", model)
    return bench


def recovering(server: Server, folder: Path, name: str) -> Bench:
    """A promotion of 2 over 1 stopped after its stages, before its alias."""
    bench = plain(server, folder, name)
    prepare = bench.seed

    def stopped(model: str) -> None:
        prepare(model)
        registry = Registry(connect(server.url))
        table = plan_promotion(registry.snapshot([model]), model, 2, Target("Production", "champion")).table
        for key, text in Intent.of(table, "promotion", "2026-11-02T00:00:00+00:00", "ann", "").tags().items():
            registry.tag_model(model, key, text)
        registry.set_stage(model, 2, "Production")
        registry.set_stage(model, 1, "Archived")

    bench.seed = stopped
    bench.argv = lambda model: ("promote", "--recover", "--models", model)
    return bench


ALL = (plain, exclusive, copying, rolling_back, recovering)
