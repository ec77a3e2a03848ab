"""Times in tags, which are texts that anybody may have written."""

from __future__ import annotations

from datetime import datetime, timezone

LATEST = 253_402_300_799_000
"""The year 9999 in milliseconds; anything later is invalid."""


def milliseconds(text: str) -> int:
    """The time in an ISO 8601 text, since 1970; 0 if it is not a time. UTC if no zone is given.

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
