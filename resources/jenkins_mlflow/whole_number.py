"""The click type of every option that is a whole number."""

from __future__ import annotations

import re
from typing import Any

import click


class WholeNumber(click.IntRange):
    """A whole number of the digits 0 to 9. Python's int also reads `1_0`, `+2`, blanks and other alphabets."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; any other text is bad usage."""
        if isinstance(value, str) and not re.fullmatch(r"[0-9]+", value):
            self.fail(f"{value!r} is not a whole number: expected digits only", param, ctx)
        return super().convert(value, param, ctx)
