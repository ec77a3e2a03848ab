"""What the registry says after a build, by MLflow's own client and past the proxy."""

from __future__ import annotations

from support import seeding
from support.seeding import Spec, client

from acceptance.served import Mlflow

CHAMPION = Spec(stage="Production", aliases=("champion",))


def give_files(mlflow: Mlflow, model: str) -> None:
    """Give every version the files of a model."""
    seeding.give_files(mlflow.direct, model)


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
