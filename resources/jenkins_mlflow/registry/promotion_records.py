"""The promotion records of one version: one for each target, as a version may serve in Staging and in Production.

The tags themselves are the record that was written last. The others are in one tag, as JSON. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from jenkins_mlflow.registry.version import Target, Version
from jenkins_mlflow.tags import BEFORE, LONGEST_TAG, OTHER_RECORDS, RECORD_TAGS, TARGET
from jenkins_mlflow.text import parsed_json

Record = Mapping[str, str]
"""The tags of one promotion record."""

_RECORDS: TypeAdapter[list[dict[str, str]]] = TypeAdapter(list[dict[str, str]])


def records(tags: Mapping[str, str]) -> Iterator[Record]:
    """Every record among a version's tags, the one that was written last first."""
    yield tags
    yield from _others(tags)


def record_for(tags: Mapping[str, str], target: Target) -> Record:
    """The record for a target, signed or not; empty if there is none."""
    return next((record for record in records(tags) if target.counts(record.get(TARGET, ""))), {})


def counted(version: Version, names: frozenset[str] | None, target: Target | None) -> Version:
    """The version with the record that counts.

    Args:
        version: The version as it was read.
        names: The tags that are signed; None without a key: then all count.
        target: What the record must be for; None for the one that was written last.
    """
    if names is None and (target is None or target.counts(version.tags.get(TARGET, ""))):
        return version  # all its tags count, which is the usual case
    signed = None if names is None else {name: version.tags[name] for name in names if name in version.tags}
    counting = version.tags if signed is None else signed
    return replace(version, signed=signed, counted=record_for(counting, target) if target else counting)


def kept(version: Version, target: Target) -> str:
    """The tag OTHER_RECORDS beside a new record for a target: the version's records for all other targets.

    The oldest entries of what was in production before are left out if MLflow's limit demands it.
    """
    if version.has_copied_record:
        return ""
    tags = _counting(version)
    last = {name: text for name, text in tags.items() if name in RECORD_TAGS - {OTHER_RECORDS} and text}
    return _fitting([one for one in (last, *_others(tags)) if not target.counts(one.get(TARGET, ""))])


def noted(version: Version, target: Target, tags: Record) -> Record:
    """The tags to write in order to add some to the version's record for a target; without one, to the last record."""
    known = _counting(version)
    if record_for(known, target) in (known, {}):
        return tags
    others = [{**one, **tags} if target.counts(one.get(TARGET, "")) else one for one in _others(known)]
    return {OTHER_RECORDS: _fitting(others)}


def _counting(version: Version) -> Record:
    """The tags of all its records that count. A new signature must not cover what somebody else wrote."""
    return version.tags if version.signed is None else version.signed


def _others(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The records in the tag OTHER_RECORDS; none if it cannot be read."""
    text = tags.get(OTHER_RECORDS)
    if not text:  # as nearly always; a cleanup looks at every version of the registry
        return []
    try:
        return _RECORDS.validate_json(text, strict=True)
    except ValidationError:
        return []


def _fitting(others: Sequence[Record]) -> str:
    """These records as JSON that fits into a tag; empty without any."""
    kept = [dict(one) for one in others]
    while kept and len(text := json.dumps(kept, separators=(",", ":"))) > LONGEST_TAG:
        longest = max(kept, key=lambda one: len(one.get(BEFORE, "")))
        if not _shortened(longest):
            kept.pop()
    return text if kept else ""


def _shortened(record: dict[str, str]) -> bool:
    """Leave out the oldest entry of what was in production before; False if only one is there, or none can be read."""
    try:
        entries = parsed_json(record.get(BEFORE, "[]"))
    except ValueError:
        entries = []
    if not isinstance(entries, list) or len(entries) < 2:
        return False
    record[BEFORE] = json.dumps(entries[1:], separators=(",", ":"))
    return True
