"""A cleanup's plan as a file: written now, read by people, carried out later exactly as it stands.

The file says which versions to delete, not whether they may be: each is read again right before its deletion.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from jenkins_mlflow.cleanup.plan import CleanupPlan, Item
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.connection import address
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.text import parsed_json, span

FORMAT = 1
CLOCKS_DIFFER = 3600.0
"""How many seconds the clocks of two agents, or of two servers on one store, may differ."""


class _Entry(BaseModel):
    """One version in the file, which may have been written by others."""

    model: str
    version: Annotated[int, Field(ge=0, le=2**31)]
    created: Annotated[int, Field(ge=0, le=2**63)]
    run_id: str | None
    source: str
    status: str
    stage: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    description: str
    action: Literal["keep", "delete", "defer"]
    reason: str
    rule: str
    rank: int
    bytes: int | None = None
    storage: str = ""


class _File(BaseModel):
    """The file without its digest."""

    registry: str
    made: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    config: str
    policy: tuple[tuple[str | None, tuple[str, ...]], ...]
    items: tuple[_Entry, ...]


@dataclass(frozen=True)
class Origin:
    """Where a plan comes from.

    Attributes:
        registry: The registry, see ``address``.
        made: When the plan was made, in seconds since the epoch by the store's clock.
        config: A digest of the config's file and environment at that time, without command-line options.
    """

    registry: str
    made: float
    config: str


def digest(value: Any) -> str:
    """A digest of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def check_replaceable(path: Path) -> None:
    """Refuse to replace a file that is not an earlier plan, such as the config; a device is no such file.

    Raises:
        UsageError: It would be lost.
    """
    try:
        if not path.is_file() or not (text := path.read_text(encoding="utf-8").strip()):
            return
        content = parsed_json(text)
    except (OSError, ValueError):
        content = None
    if not (isinstance(content, dict) and {"format", "registry", "items", "digest"} <= content.keys()):
        raise UsageError(
            f"{path} exists and is not a plan of a cleanup, so it is not overwritten",
            state="nothing was read or deleted",
            next_step="give --plan another file, or delete this one",
        )


def write_plan(path: Path, plan: CleanupPlan, origin: Origin) -> None:
    """Write a plan to a file.

    Raises:
        UsageError: The file cannot be written.
    """
    content = {
        "format": FORMAT,
        **vars(origin),
        "policy": [list(policy) for policy in plan.policy],
        "items": [_entry(item) for item in plan.items],
    }
    text = json.dumps(content | {"digest": digest(content)}, ensure_ascii=False, indent=1) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the plan cannot be written to {path}: {error.strerror}",
            state="nothing was deleted",
            next_step="give --plan a file that you may write",
        ) from error


def read_plan(
    path: Path, protection: Protection, origin: Origin, expires: float
) -> tuple[CleanupPlan, Origin]:
    """Read a plan that may be carried out here and now.

    Args:
        path: The file.
        protection: What protects versions by the current config.
        origin: The current registry, time and config.
        expires: Age in seconds from which a plan is too old.

    Raises:
        UsageError: The file is not a plan, or cannot be read.
        Refused: It is for another registry, too old, or was edited.
    """
    try:
        content = parsed_json(path.read_text(encoding="utf-8"))
        sealed = content.pop("digest") == digest(content)
        known = content["format"] == FORMAT
        written = _reader().validate_python(content if sealed and known else content | {"items": []})
        found = Origin(address(written.registry), written.made, written.config)
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}",
            next_step="name a file that `jenkins-mlflow cleanup --plan FILE` wrote",
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} is not a plan of a cleanup", next_step="write one with --plan") from error
    age = origin.made - found.made
    problems = {
        "it was edited after it was written": not sealed,
        "another version of jenkins-mlflow wrote it": not known,
        f"it is for the registry {found.registry}, this is {origin.registry}": found.registry
        != origin.registry,
        "it is from the future: the clock of the machine that made it, or of MLflow's store, was ahead": age
        < -CLOCKS_DIFFER,
        f"it is {span(max(age, 0))} old, and plans expire after {span(expires)}": age > expires,
    }
    problem = next((text for text, applies in problems.items() if applies), "")
    if problem:
        raise Refused(
            f"the plan {path} cannot be carried out: {problem}",
            state="nothing was deleted",
            next_step="write a new one with --plan, and review it",
        )
    return CleanupPlan(tuple(map(_item, written.items)), protection, written.policy), found


def _entry(item: Item) -> dict[str, Any]:
    version = item.version
    return {
        "model": version.model,
        "version": version.number,
        "created": version.created,
        "run_id": version.run_id,
        "source": version.source,
        "status": version.status,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "tags": dict(version.tags),
        "description": version.description,
        "action": item.action,
        "reason": item.reason,
        "rule": item.rule,
        "rank": item.rank,
        "bytes": item.bytes,
        "storage": item.storage,
    }


def _item(entry: _Entry) -> Item:
    facts = entry.model_dump(exclude={"version", "action", "reason", "rule", "rank", "bytes", "storage"})
    version = Version(number=entry.version, **facts)
    return Item(
        version,
        entry.action,
        entry.reason,
        entry.rule,
        entry.rank,
        bytes=entry.bytes,
        storage=entry.storage,
    )


@functools.cache
def _reader() -> TypeAdapter[_File]:
    return TypeAdapter(_File)
