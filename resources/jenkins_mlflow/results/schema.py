"""The JSON Schema of each command's document, made from the result's fields and the strings below them."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from jenkins_mlflow.results.base import Failure, Part, Result, keys
from jenkins_mlflow.results.cleanup import CleanupResult
from jenkins_mlflow.results.doctor import DoctorResult
from jenkins_mlflow.results.history import HistoryResult
from jenkins_mlflow.results.lease import LeaseResult
from jenkins_mlflow.results.list import ListResult
from jenkins_mlflow.results.migrate import MigrateResult
from jenkins_mlflow.results.promote import PromoteResult, RollbackResult
from jenkins_mlflow.results.reclaim import ReclaimResult
from jenkins_mlflow.results.restore import RestoreResult
from jenkins_mlflow.results.select import SelectResult
from jenkins_mlflow.results.train import TrainResult

RESULTS: Mapping[str, type[Result]] = {
    "train": TrainResult,
    "select": SelectResult,
    "promote": PromoteResult,
    "rollback": RollbackResult,
    "cleanup": CleanupResult,
    "reclaim": ReclaimResult,
    "restore": RestoreResult,
    "lease": LeaseResult,
    "list": ListResult,
    "history": HistoryResult,
    "doctor": DoctorResult,
    "migrate": MigrateResult,
}
_CODE: Mapping[str, Mapping[str, Any]] = {
    "exit_code": {"type": "integer"},
    "build_result": {
        "type": "string",
        "enum": ["SUCCESS", "UNSTABLE", "FAILURE"],
        "description": "What the exit code means for a Jenkins build.",
    },
}


def result_schema(command: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's document, including that of a failure."""
    kinds = (RESULTS[command], Failure)
    refs, adapted = TypeAdapter.json_schemas(
        [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds]
    )
    classes = {part.__name__: part for part in _parts(Part)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The result of jenkins-mlflow {command}",
        "anyOf": list(refs.values()),
        "$defs": {name: _as_document(node, texts(classes[name])) for name, node in adapted["$defs"].items()},
    }


def _parts(part: type[Part]) -> Iterator[type[Part]]:
    yield part
    for kind in part.__subclasses__():
        yield from _parts(kind)


def texts(part: type) -> dict[str, str]:
    """The strings below the fields of a class and its bases, by the field's name."""
    found: dict[str, str] = {}
    for base in reversed(part.__mro__):
        if issubclass(base, Part):
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(definition, ast.ClassDef)
            for field, below in itertools.pairwise(definition.body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    match below:
                        case ast.Expr(ast.Constant(str(text))):
                            found[field.target.id] = inspect.cleandoc(text)
    return found


def _as_document(node: Mapping[str, Any], described: Mapping[str, str]) -> dict[str, Any]:
    """The schema of a dataclass as that of its document: every key is required, under its name in JSON."""
    properties: dict[str, Any] = {}
    for name, child in node["properties"].items():
        shown = {word: value for word, value in child.items() if word not in ("title", "default")}
        shown |= {"description": described[name]} if name in described else {}
        for key in keys(name):
            properties[key] = {"description": described[name], **_CODE[key]} if name == "code" else shown
    return {**node, "properties": properties, "required": list(properties)}
