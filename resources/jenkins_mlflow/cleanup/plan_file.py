"""A cleanup's plan as a file: made at one time, looked at by people, carried out later as it stands.

The file says what goes; it is no authority on what may go. Each version is looked at again right before its deletion.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jenkins_mlflow.cleanup.plan import CleanupPlan, Item
from jenkins_mlflow.cleanup.protection import Protection
from jenkins_mlflow.errors import Refused, UsageError
from jenkins_mlflow.registry.connection import address
from jenkins_mlflow.registry.snapshot import Version
from jenkins_mlflow.text import parsed_json, span

FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """Where a plan comes from.

    Attributes:
        registry: The registry, see ``address``.
        made: When it was made, in seconds since the epoch by the store's clock.
        config: The digest of what file and environment said when it was made; its options are not part of it.
    """

    registry: str
    made: float
    config: str


def digest(value: Any) -> str:
    """A digest of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_plan(path: Path, plan: CleanupPlan, origin: Origin) -> None:
    """Write a plan to a file.

    Raises:
        UsageError: the file cannot be written.
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
            next_step="name a file after --plan that you may write",
        ) from error


def read_plan(
    path: Path, protection: Protection, origin: Origin, expires: float
) -> tuple[CleanupPlan, Origin]:
    """Read a plan that may be carried out here and now, and where it comes from.

    Args:
        path: The file.
        protection: What protects versions by the present config.
        origin: The present registry, time and config.
        expires: Age in seconds from which a plan is too old.

    Raises:
        UsageError: the file is no plan, or cannot be read.
        Refused: it is for another registry, too old, or was edited.
    """
    try:
        content = parsed_json(path.read_text(encoding="utf-8"))
        sealed = content.pop("digest") == digest(content)
        found = Origin(address(content["registry"]), content["made"], content["config"])
        items = tuple(_item(entry) for entry in content["items"]) if sealed else ()
        policy = tuple((pattern, tuple(rules)) for pattern, rules in content["policy"])
        known = content["format"] == FORMAT
    except OSError as error:
        raise UsageError(
            f"the plan {path} cannot be read: {error.strerror}",
            next_step="name a file that `jenkins-mlflow cleanup --plan FILE` wrote",
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} is no plan of a cleanup", next_step="write one with --plan") from error
    age = origin.made - found.made
    problems = {
        "it was edited after it was written": not sealed,
        "another version of jenkins-mlflow wrote it": not known,
        f"it is for the registry {found.registry}, this is {origin.registry}": found.registry
        != origin.registry,
        f"it is {span(age)} old, and plans expire after {span(expires)}": age > expires,
    }
    problem = next((text for text, applies in problems.items() if applies), "")
    if problem:
        raise Refused(
            f"the plan {path} cannot be carried out: {problem}",
            state="nothing was deleted",
            next_step="write a new one with --plan, and look at it",
        )
    return CleanupPlan(items, protection, policy), found


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


def _item(entry: dict[str, Any]) -> Item:
    version = Version(
        model=entry["model"],
        number=entry["version"],
        stage=entry["stage"],
        aliases=tuple(entry["aliases"]),
        status=entry["status"],
        created=entry["created"],
        run_id=entry["run_id"],
        source=entry["source"],
        tags=entry["tags"],
        description=entry["description"],
    )
    return Item(
        version,
        entry["action"],
        entry["reason"],
        entry["rule"],
        entry["rank"],
        bytes=entry.get("bytes"),
        storage=entry.get("storage", ""),
    )
