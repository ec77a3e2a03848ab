"""What the registry says after a build, by MLflow's own client and past the proxy."""

from __future__ import annotations

from support.seeding import Spec, client

from acceptance.served import Mlflow

CHAMPION = Spec(stage="Production", aliases=("champion",))


def give_files(mlflow: Mlflow, model: str) -> None:
    """Give every version the files of a model; a rollback goes to no version without."""
    direct = client(mlflow.direct)
    for version in direct.search_model_versions(f"name = '{model}'"):
        direct.log_text(str(version.run_id), "weights", "model/weights.txt")


def stages(mlflow: Mlflow, model: str) -> dict[int, str]:
    """Every version's stage."""
    found = client(mlflow.direct).search_model_versions(f"name = '{model}'")
    return {int(each.version): str(each.current_stage) for each in found}


def in_production(mlflow: Mlflow, model: str) -> list[int]:
    """The versions in stage Production."""
    return sorted(number for number, stage in stages(mlflow, model).items() if stage == "Production")


def champion(mlflow: Mlflow, model: str) -> int | None:
    """The version with the alias."""
    aliases = client(mlflow.direct).get_registered_model(model).aliases
    return int(aliases["champion"]) if "champion" in aliases else None
