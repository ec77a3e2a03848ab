"""The promotion record: the tags of a version that say when and by whom it was promoted, and what was there before.

With a signing key only the signed ones count, see ``Version.record``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from pydantic import TypeAdapter, ValidationError

from jenkins_mlflow.registry.snapshot import Target, Version, newest_record
from jenkins_mlflow.registry.times import LATEST
from jenkins_mlflow.tags import (
    BEFORE,
    LONGEST_TAG,
    METHOD,
    PREVIOUS_MODEL,
    PREVIOUS_VERSION,
    PROMOTED_AT,
    RECORD_TAGS,
    ROLLED_BACK_AT,
    TARGET,
)

Entry = tuple[str, int, int]
"""Model, number and creation time of a version that was in production."""

_ENTRIES: TypeAdapter[list[Entry]] = TypeAdapter(list[Entry])
_MOST = 20


def is_recorded(version: Version) -> bool:
    """Whether a promotion or rollback of this tool put the version into production at some time."""
    return bool(version.recorded_at)


def is_unsigned(version: Version, target: Target) -> bool:
    """Whether the version has a record of this target that does not count, because it is not signed."""
    return _has_tags(version) and not is_elsewhere(version, target) and not is_recorded(version)


def is_elsewhere(version: Version, target: Target) -> bool:
    """Whether the version's record is of another stage and alias than what marks production here."""
    return _has_tags(version) and not target.counts(version.tags.get(TARGET, ""))


def _has_tags(version: Version) -> bool:
    return any(version.tags.get(name) for name in (PROMOTED_AT, ROLLED_BACK_AT))


def before(version: Version) -> list[Entry]:
    """What was in production before this version, oldest first, as its promotion recorded it.

    A tag that cannot be read counts as none. A record of version 0.1 knows one step and no creation time (0).
    """
    record = version.record
    text = record.get(BEFORE)
    if text is not None:
        try:
            return _ENTRIES.validate_json(text, strict=False)
        except ValidationError:
            return []
    number = record.get(PREVIOUS_VERSION, "")
    known = number.isdecimal() and len(number) < 10
    return [(record.get(PREVIOUS_MODEL, version.model), int(number), 0)] if known else []


def before_tags(entries: Sequence[Entry]) -> dict[str, str]:
    """The tags that record what was in production before; the last one of it also by names that people read."""
    kept = [*entries[-_MOST:]]
    while len(text := json.dumps(kept, separators=(",", ":"))) > LONGEST_TAG:
        kept = kept[1:]
    last = entries[-1] if entries else None
    return {
        BEFORE: text,
        PREVIOUS_MODEL: last[0] if last else "",
        PREVIOUS_VERSION: str(last[1]) if last else "",
    }


def tags_over(replaced: Version | None) -> dict[str, str]:
    """The same for a version that replaces another one in production."""
    return before_tags([*before(replaced), replaced.identity] if replaced else [])


def fresh(version: Version | None, tags: Mapping[str, str]) -> dict[str, str]:
    """A whole new record: what an earlier one says beside it is emptied, such as who approved that one.

    Args:
        version: What gets the record, as it is now; None for a copy that is not made yet.
        tags: The record.
    """
    always = {TARGET, METHOD, *tags}
    old = sorted(name for name in RECORD_TAGS - always if version and version.tags.get(name))
    return {**dict.fromkeys(old, ""), **tags}


def given(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that have a value."""
    return {name: text for name, text in tags.items() if text}


def next_time(versions: Iterable[Version]) -> str:
    """The time of a new record: this agent's, but later than every record and the registration of these versions.

    These times tell which version was promoted last, the clocks of agents differ, and two promotions may follow each
    other within a second.

    Args:
        versions: Those of the models that the record is about.
    """
    known = tuple(versions)
    made = max((version.created // 1000 for version in known), default=0)
    after = max(newest_record(known), made) + 1
    seconds = max(int(time.time()), min(after, LATEST // 1000))
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
