"""Times as tags have them: texts that anybody may have written."""

from __future__ import annotations

from datetime import datetime, timezone

LATEST = 253_402_300_799_000
"""The year 9999 in milliseconds: later is no time."""


def milliseconds(text: str) -> int:
    """The time that a text of ISO 8601 names, since 1970; 0 for what is no time. UTC where no zone is named.

    >>> milliseconds("1970-01-01T00:00:01"), milliseconds("soon")
    (1000, 0)
    """
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
        time = int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
    return time if 0 <= time <= LATEST else 0
