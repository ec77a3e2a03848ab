"""The intent: the table of a promotion, kept in the registry while the promotion runs.

It is written as tags of the promoted version's model before the first change, and removed once the last
change is verified. A command that finds one knows that a promotion stopped in the middle. It is a hint where
to look, not an authority, because anybody who may edit that model can write it. So it is validated and
compared with what the reader's own config allows (``allowed.py``), and neither the target nor an approval is
taken from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jenkins_mlflow.errors import RegistryError, UsageError
from jenkins_mlflow.promotion.changes import Table
from jenkins_mlflow.registry.change import Change
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.tags import INTENT_TAG, LONGEST_TAG, SIGNATURE_TAG
from jenkins_mlflow.text import one_line, parsed_json

_MOST_PARTS = 99
_Text = Annotated[str, Field(max_length=1000)]
_Number = Annotated[int, Field(ge=1, le=2**31)]
_Value = _Number | _Text | None


class Intent(BaseModel):
    """A promotion that has started and not ended.

    Attributes:
        work: What was started.
        model, number: The version that goes into production.
        changes: The table: model, mark, found, wanted.
        created: When the versions in the table were created: model, number, milliseconds.
        at: When it started, by its agent's clock. The version's record gets the same time at the end.
        by, url: Who started it, and in which build; only for messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[2] = 2
    work: Literal["promotion", "rollback"]
    model: _Text
    number: _Number
    changes: Annotated[list[tuple[_Text, _Number | _Text, _Value, _Value]], Field(max_length=5000)]
    created: Annotated[list[tuple[_Text, _Number, int]], Field(max_length=10000)]
    at: _Text = ""
    by: _Text = ""
    url: _Text = ""

    @classmethod
    def of(cls, table: Table, work: Literal["promotion", "rollback"], at: str, by: str, url: str) -> Intent:
        """The intent to carry out a table."""
        return cls(
            work=work,
            model=table.model,
            number=table.number,
            changes=[(change.model, change.mark, change.found, change.wanted) for change in table.changes],
            created=[(model, number, when) for (model, number), when in table.created.items()],
            at=at,
            by=by[:1000],
            url=url[:1000],
        )

    @property
    def table(self) -> Table:
        return Table(
            self.model,
            self.number,
            tuple(Change(*row) for row in self.changes),
            {(model, number): when for model, number, when in self.created},
        )

    def renamed(self, name: str) -> Intent:
        """The same intent for a model whose name was changed."""
        rows = [(name if row[0] == self.model else row[0], *row[1:]) for row in self.changes]
        created = [(name if row[0] == self.model else row[0], *row[1:]) for row in self.created]
        return self.model_copy(update={"model": name, "changes": rows, "created": created})

    @property
    def title(self) -> str:
        """What was started and by whom: `the promotion of churn version 2 begun by jenkins at ...`."""
        what = "rollback to" if self.work == "rollback" else "promotion of"
        known = (("by", self.by), ("at", self.at), ("in", self.url))
        origin = " ".join(f"{word} {one_line(value)}" for word, value in known if value)
        return f"the {what} {self.model} version {self.number} begun {origin}".removesuffix("begun ").rstrip()

    def tags(self) -> dict[str, str]:
        """The tags that hold it, in the order in which to write them: the one that readers look for comes last.

        Raises:
            UsageError: the table does not fit even into many tags.
        """
        text = self.model_dump_json(exclude_defaults=True)
        text = json.dumps(json.loads(text), ensure_ascii=True, separators=(",", ":"))
        if len(text) <= LONGEST_TAG:
            return {INTENT_TAG: text}
        parts = [text[start : start + LONGEST_TAG] for start in range(0, len(text), LONGEST_TAG)]
        if len(parts) > _MOST_PARTS:
            raise UsageError(
                f"the changes of this promotion take {len(text)} bytes to record, "
                f"but {_MOST_PARTS} tags in MLflow hold only {_MOST_PARTS * LONGEST_TAG}",
                state="nothing was written",
                next_step="split the group",
            )
        head = json.dumps({"parts": len(parts), "digest": _digest(text)})
        return {_part(number): part for number, part in enumerate(parts)} | {INTENT_TAG: head}


def is_unfinished(model: Model) -> bool:
    """Whether the model has an intent. An empty tag is left if the account could empty the intent but not remove it.

    With a signing key, an unsigned intent does not count; see ``unsigned``.
    """
    return bool(model.tags.get(INTENT_TAG)) and model.signed


def unsigned(model: Model) -> str:
    """The warning about an intent that is ignored because it is not signed; empty if there is none."""
    if model.signed:
        return ""
    return (
        f"{model.name} carries an intent that is not signed with this key, or was renamed since: anybody who may "
        f"edit the model could have written it, so it is left alone; remove the tag {INTENT_TAG} in MLflow, unless a "
        "promotion without the key is running there"
    )


def read_intent(model: Model) -> Intent | None:
    """Read a model's unfinished intent; None if it has none. It has the model's present name if that was changed.

    Raises:
        RegistryError: the intent cannot be read, or it is about another model.
    """
    if not is_unfinished(model):
        return None
    try:
        intent = Intent.model_validate_json(_joined(model.tags))
    except (ValidationError, ValueError) as error:
        raise _unreadable(model.name) from error
    if intent.model == model.name:
        return intent
    if not _is_about(intent, model):
        raise _unreadable(model.name)
    return intent.renamed(model.name)


def _is_about(intent: Intent, model: Model) -> bool:
    """Whether an intent with another name is about this model, which was renamed: a version in it is in the model.

    The process that wrote it can change nothing any more, because its requests have the old name.
    """
    named = {(number, created) for name, number, created in intent.created if name == intent.model}
    return model.name not in intent.table.models and any(
        (version.number, version.created) in named for version in model.versions
    )


def parts_of(tags: Mapping[str, str]) -> Iterator[str]:
    """The names of all tags that hold an intent, starting with the one that readers look for."""
    if INTENT_TAG in tags:
        yield INTENT_TAG
    yield from (name for name in (_part(number) for number in range(_MOST_PARTS)) if name in tags)
    if SIGNATURE_TAG in tags:
        yield SIGNATURE_TAG


def _joined(tags: Mapping[str, str]) -> str:
    text = tags[INTENT_TAG]
    head = parsed_json(text)
    if not isinstance(head, dict) or "parts" not in head:
        return text
    count = head["parts"]
    if not isinstance(count, int) or not 0 < count <= _MOST_PARTS:
        raise ValueError(count)
    joined = "".join(tags.get(_part(number), "") for number in range(count))
    if _digest(joined) != head.get("digest"):
        raise ValueError(joined)
    return joined


def _part(number: int) -> str:
    return f"{INTENT_TAG}.{number}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _unreadable(name: str) -> RegistryError:
    return RegistryError(
        f"{name} carries an unfinished promotion that cannot be read",
        state="nothing was changed",
        next_step=f"look at its tag {INTENT_TAG} in MLflow, correct stages and aliases, then remove the tag",
    )
