"""Fetches a model version, then loads it and predicts once; run by the team's own Python, 3.8 or newer.

These are two separate steps, because the second one runs without the account's secrets.

Arguments: `fetch`, the registered model, the version, the folder for its files, and the file for the result;
or `predict`, the model's folder, the input file (empty: the model's own input example), MLflow's environment
manager (empty: predict in this Python), and the file for the result.
It imports nothing from jenkins_mlflow, because that Python does not have it.
"""

from __future__ import annotations

import functools
import json
import math
import re
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, Dict, Iterator
from urllib.parse import urlsplit


def rows(data: Any) -> int:
    """The number of rows in a table, an array, a list or a mapping of columns; 1 for a single value."""
    if hasattr(data, "shape"):
        return int(data.shape[0]) if data.shape else 1
    if isinstance(data, dict):
        return max((rows(column) for column in data.values()), default=0)
    return len(data) if isinstance(data, (list, tuple)) else 1


def leaves(data: Any) -> Iterator[Any]:
    """Every single value in a prediction of any form."""
    if hasattr(data, "toarray"):
        data = data.toarray()
    if hasattr(data, "to_numpy"):
        data = data.to_numpy()
    if hasattr(data, "tolist"):
        data = data.tolist()
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for item in data:
            yield from leaves(item)
    else:
        yield data


def is_missing(value: Any) -> bool:
    """Whether a value is None, any kind of NaN, or pandas' NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)  # noqa: PLR0124  only NaN differs from itself, also in Decimal
    except (TypeError, ValueError):
        return False


def summary(given: Any, predicted: Any) -> Dict[str, Any]:
    """The figures by which the prediction is judged."""
    values = list(leaves(predicted))
    numbers = [
        v
        for v in values
        if isinstance(v, (int, float, Decimal)) and not isinstance(v, bool) and not is_missing(v)
    ]
    finite = [float(v) for v in numbers if math.isfinite(v)]
    return {
        "rows_in": rows(given),
        "rows_out": rows(predicted),
        "values": len(values),
        "missing": sum(is_missing(value) for value in values),
        "infinite": len(numbers) - len(finite),
        "numbers": len(numbers),
        "least": min(finite, default=None),
        "most": max(finite, default=None),
    }


def read(path: str) -> Any:
    """Read the input file as a table."""
    import pandas as pd

    if path.endswith(".csv"):
        return pd.read_csv(path)
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    if isinstance(data, dict) and set(data) == {"dataframe_split"}:
        return pd.DataFrame(**data["dataframe_split"])
    return pd.DataFrame(data)


AZURE_SCHEMES = ("abfs", "abfss", "wasb", "wasbs")
AZURE_HOST = re.compile(
    r"[a-z0-9.-]+\.(blob|dfs)\.(core\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de)"
    r"|storage\.azure\.net|fabric\.microsoft\.com)",
    re.IGNORECASE | re.ASCII,
)
"""Azure's storage hosts. MLflow's client sends the agent's token to any domain that an address names."""


def foreign_host(where: str, tracking_uri: str) -> str:
    """The host to which MLflow would send the login, if that is not the tracking server; otherwise empty.

    The scheme is included if only that differs, because a login for https must not be sent over http. A token
    for Azure's storage may go only to Azure.
    """
    try:
        storage, server = urlsplit(where), urlsplit(tracking_uri)
    except ValueError:
        return where
    if "\\" in where:  # some parsers read it as part of the login, others as the end of the host
        return where
    host, over_http = storage.netloc.rpartition("@")[2], storage.scheme in ("http", "https")
    if storage.scheme in AZURE_SCHEMES and not AZURE_HOST.fullmatch(host):
        return host or where
    if host and (over_http or storage.scheme == "mlflow-artifacts"):
        if host != server.netloc.rpartition("@")[2]:
            return host
        if over_http and storage.scheme != server.scheme:
            return f"{storage.scheme}://{host}"
    return ""


class ForeignHost(Exception):
    """An address leads to a host that is not the tracking server."""


def keep_login_at_home(repositories: Dict[str, Any], tracking_uri: str) -> None:
    """Make MLflow refuse to send the login to another host.

    A version's source may be the address of a run or a logged model, which MLflow resolves to another
    address.

    Args:
        repositories: MLflow's artifact repository for each scheme.
        tracking_uri: The server that the login is for.
    """

    def at_home(opened: Any, where: str, *args: Any, **kwargs: Any) -> Any:
        host = foreign_host(where, tracking_uri)
        if host:
            raise ForeignHost(host)
        return opened(where, *args, **kwargs)

    for scheme in ("http", "https", "mlflow-artifacts", *AZURE_SCHEMES):
        if scheme in repositories:
            repositories[scheme] = functools.partial(at_home, repositories[scheme])


def fetch(name: str, number: str, folder: str) -> Dict[str, Any]:
    """Download the files with the environment's login, without running any of the model's code."""
    try:
        from mlflow import get_tracking_uri
        from mlflow.artifacts import download_artifacts
        from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
    except ImportError as error:
        return {"no_mlflow": f"{sys.executable} has no MLflow: {error}"}
    keep_login_at_home(get_registered_artifact_repositories(), get_tracking_uri())
    Path(folder).mkdir()
    try:
        return {"model": download_artifacts(f"models:/{name}/{number}", dst_path=folder)}
    except ForeignHost as host:
        return {"error": f"its files are on another host than the tracking server, {host}: not fetched"}
    except Exception as error:  # noqa: BLE001  a registry or a storage may raise anything
        return {"error": f"it cannot be loaded: {type(error).__name__}: {error}"}


def run(files: str, source: str) -> Dict[str, Any]:
    """Load the model, predict and summarise, or say what failed."""
    try:
        import mlflow.pyfunc
    except ImportError as error:
        return {"error": f"{sys.executable} has no MLflow: {error}"}
    try:
        model = mlflow.pyfunc.load_model(files)
    except Exception as error:  # noqa: BLE001  a model may raise anything
        return {"error": f"it cannot be loaded: {type(error).__name__}: {error}"}
    try:
        given = read(source) if source else model.input_example
    except Exception as error:  # noqa: BLE001  a model may raise anything
        return {"error": f"its input cannot be read: {type(error).__name__}: {error}"}
    if given is None:
        return {"error": "it has no input example, and promote.smoke_test.input is not set"}
    try:
        return summary(given, model.predict(given))
    except Exception as error:  # noqa: BLE001  a model may raise anything
        return {"error": f"it cannot predict: {type(error).__name__}: {error}"}


def serving_input(table: Any) -> str:
    """Turn a DataFrame into a request to a model server."""
    return json.dumps({"dataframe_split": json.loads(table.to_json(orient="split", index=False))})


def serving_rows(payload: Any) -> int:
    """The number of rows in a request to a model server (MLflow 3.17, "inference/accepted formats")."""
    if not isinstance(payload, dict):
        return 0
    if "dataframe_split" in payload:
        return rows(payload["dataframe_split"]["data"])
    known = ("dataframe_records", "instances", "inputs")
    return next((rows(payload[key]) for key in known if key in payload), 0)


def run_elsewhere(files: str, source: str, manager: str, folder: Path) -> Dict[str, Any]:
    """Like ``run``, in the model's own environment: MLflow creates it and predicts there as a model server."""
    try:
        from mlflow.models import Model, predict as predict_in_environment
    except ImportError as error:
        return {"error": f"{sys.executable} has no MLflow that can make environments: {error}"}
    try:
        model = Model.load(files)
    except Exception as error:  # noqa: BLE001  its description may contain anything
        return {"error": f"it cannot be loaded: {type(error).__name__}: {error}"}
    try:
        given = serving_input(read(source)) if source else model.get_serving_input(files)
    except Exception as error:  # noqa: BLE001  a model may raise anything
        return {"error": f"its input cannot be read: {type(error).__name__}: {error}"}
    if given is None:
        return {"error": "it has no input example, and promote.smoke_test.input is not set"}
    request, answer = folder / "request.json", folder / "answer.json"
    request.write_text(given, encoding="utf-8")
    try:
        predict_in_environment(
            files, input_path=str(request), content_type="json", output_path=str(answer), env_manager=manager
        )
        found = json.loads(answer.read_text(encoding="utf-8"))
    except Exception as error:  # noqa: BLE001  a package that cannot be installed, a model that raises
        return {"error": f"it cannot predict in an environment of {manager} (see the log): {error}"}
    predicted = found.get("predictions", found) if isinstance(found, dict) else found
    report = summary(None, predicted)
    report["rows_in"] = serving_rows(json.loads(given)) or report["rows_out"]
    return report


def predict(files: str, source: str, manager: str) -> Dict[str, Any]:
    """Predict in this Python or in another environment."""
    if not manager:
        return run(files, source)
    with tempfile.TemporaryDirectory() as folder:
        return run_elsewhere(files, source, manager, Path(folder))


def main() -> None:
    """Run one step and write its result to the file."""
    if sys.path[0] == str(Path(__file__).parent):  # the modules beside this file do not belong to the model
        del sys.path[0]
    steps: Dict[str, Callable[..., Dict[str, Any]]] = {"fetch": fetch, "predict": predict}
    answer = steps[sys.argv[1]](*sys.argv[2:-1])
    if "error" in answer:
        answer["error"] = answer["error"][:2000]
    Path(sys.argv[-1]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
