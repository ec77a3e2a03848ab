"""Times that anybody may have written: in tags, and as the start of a run, which its client sets."""

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


def utc(milliseconds: float) -> datetime | None:
    """A time since 1970; None if it is not between 1970 and 9999, for which Python has no dates or odd ones.

    >>> utc(1000), utc(1_764_547_200_000_000_000), utc(-1)
    (datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc), None, None)
    """
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc) if 0 <= milliseconds <= LATEST else None


def shown(milliseconds: float, form: str) -> str:
    """A time since 1970 in UTC, as ``strftime`` writes it; "an unknown time" if ``utc`` has none."""
    found = utc(milliseconds)
    return found.strftime(form) if found else "an unknown time"
