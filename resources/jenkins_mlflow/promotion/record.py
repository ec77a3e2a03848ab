"""The promotion record: the tags that say when and by whom a version was promoted, and what was in production before.

With a signing key, only signed records count; see ``Version.record``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone

from pydantic import TypeAdapter, ValidationError

from jenkins_mlflow.registry.promotion_records import kept, record_for
from jenkins_mlflow.registry.version import Target, Version, newest_record
from jenkins_mlflow.tags import (
    BEFORE,
    LONGEST_TAG,
    METHOD,
    OTHER_RECORDS,
    PREVIOUS_MODEL,
    PREVIOUS_VERSION,
    PROMOTED_AT,
    RECORD_TAGS,
    ROLLED_BACK_AT,
    TARGET,
)
from jenkins_mlflow.times import LATEST

Entry = tuple[str, int, int]
"""Model, number and creation time of a version that was in production."""

_ENTRIES: TypeAdapter[list[Entry]] = TypeAdapter(list[Entry])
_MOST = 20


def is_recorded(version: Version) -> bool:
    """Whether this tool ever put the version into production, by a promotion or a rollback."""
    return bool(version.recorded_at)


def is_unsigned(version: Version, target: Target) -> bool:
    """Whether the version has a record for this target that does not count because it is not signed."""
    return was_recorded(version) and not is_elsewhere(version, target) and not is_recorded(version)


def is_elsewhere(version: Version, target: Target) -> bool:
    """Whether the version has records, but only for other stages and aliases than this target's."""
    return was_recorded(version) and not record_for(version.tags, target)


def was_recorded(version: Version) -> bool:
    """Whether it has a promotion record for any target, which need not count."""
    return any(version.tags.get(name) for name in (PROMOTED_AT, ROLLED_BACK_AT))


def before(version: Version) -> list[Entry]:
    """The versions in production before this one, oldest first, as its promotion recorded them.

    A tag that cannot be read counts as missing. Records written by version 0.1 hold one step and no creation
    time (0).
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
    """The tags that record what was in production before. The most recent version also gets tags that people read."""
    kept = [*entries[-_MOST:]]
    while len(text := json.dumps(kept, separators=(",", ":"))) > LONGEST_TAG:
        kept = kept[1:]
    last = entries[-1] if entries else None
    return {
        BEFORE: text,
        PREVIOUS_MODEL: last[0] if last else "",
        PREVIOUS_VERSION: str(last[1]) if last else "",
    }


def tags_over(
    replaced: Version | None, recorded: Version | None = None, promoted: Version | None = None
) -> dict[str, str]:
    """Like ``before_tags``, for a promotion.

    If somebody has changed production without this tool, the steps recorded until then stay.

    Args:
        replaced: The version that is replaced; None if nothing is in production.
        recorded: The version in production according to the records, see ``last_recorded``.
        promoted: The promoted version, which may be the recorded one itself; None for a copy not made yet.
    """
    last = replaced if replaced and is_recorded(replaced) else recorded
    again = last is not None and promoted is not None and last.identity == promoted.identity
    steps = [*before(last), *([] if again else [last.identity])] if last else []
    return before_tags([*steps, replaced.identity] if replaced and replaced is not last else steps)


def fresh(version: Version | None, target: Target, tags: Mapping[str, str]) -> dict[str, str]:
    """A complete new record. Tags of an earlier one, such as its approver, are cleared; other targets keep theirs.

    Args:
        version: The version that gets the record, in its current state; None for a copy not made yet.
        target: What the record is for.
        tags: The record.
    """
    others = kept(version, target) if version else ""
    tags = {**({OTHER_RECORDS: others} if others else {}), **tags}
    always = {TARGET, METHOD, *tags}
    old = sorted(name for name in RECORD_TAGS - always if version and version.tags.get(name))
    return {**dict.fromkeys(old, ""), **tags}


def continued(version: Version, target: Target, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that a rollback to a version adds to its record for a target."""
    if target.counts(version.tags.get(TARGET, "")):
        return dict(tags)
    earlier = {name: text for name, text in version.record.items() if name in RECORD_TAGS - {OTHER_RECORDS}}
    return fresh(version, target, {**given(earlier), **tags})


def given(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that have a value."""
    return {name: text for name, text in tags.items() if text}


def time_tag(work: str) -> str:
    """The tag with the time of a promotion or, if the work is a rollback, of that."""
    return ROLLED_BACK_AT if work == "rollback" else PROMOTED_AT


def next_time(versions: Iterable[Version], now: int = 0) -> str:
    """The time for a new record: now, but later than any record and any registration of these versions.

    These times show which version was promoted last, and whether a record is older than the version that has it.
    Two promotions may happen within the same second.

    Args:
        versions: The versions of the models that the record is about.
        now: The time in milliseconds by the store's clock, because agents' clocks differ and the registry's times
            are the store's; 0 for the earliest time that the record may have.
    """
    known = tuple(versions)
    made = max((version.created // 1000 for version in known), default=0)
    after = max(newest_record(known), made) + 1
    return _iso(max(now // 1000, min(after, LATEST // 1000)))


def dated(earliest: str, now: int) -> str:
    """The time for a new record, as for ``next_time``, once the lock has shown the store's time."""
    return max(earliest, _iso(now // 1000))


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
