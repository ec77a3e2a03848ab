"""A cleanup in the report: which versions stay by which rule, which go, and their bytes. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jenkins_mlflow.page.documents import Document, part, parts, text
from jenkins_mlflow.text import plural, size
from jenkins_mlflow.times import shown

LISTED = 500
_MOST = 10**18
_GONE = ("deleted", "already gone")
_NO_KEEP_RULE = {"protected": "protected", "unknown": "metric unknown"}
_WORDS = {"keep": "kept", "delete": "would be deleted", "defer": "later"}


@dataclass(frozen=True)
class OfModel:
    """A model: how many versions stay by which rule, how many are deleted, and the size of their files."""

    model: str
    stays: str
    goes: str
    bytes: str


@dataclass(frozen=True)
class Fate:
    """A version: its fate and the reason."""

    name: str
    what: str
    why: str
    bytes: str


@dataclass(frozen=True)
class Cleaned:
    """A cleanup.

    Attributes:
        message: The result, in a sentence.
        policy: The keep rules in sentences.
        models: The models whose versions were considered.
        versions: The versions, at most ``LISTED``; deletions first.
        more: How many more versions there are.
        storage: Labels and amounts: the size of the files to be deleted, of the files held back, and of those
            freed.
    """

    message: str
    policy: tuple[str, ...] = ()
    models: tuple[OfModel, ...] = ()
    versions: tuple[Fate, ...] = ()
    more: int = 0
    storage: tuple[tuple[str, str], ...] = ()


def cleaned(document: Document) -> Cleaned | None:
    """The cleanup in a result; None if there is none."""
    if not document:
        return None
    items = parts(document, "items")
    of_model: dict[str, list[Document]] = defaultdict(list)
    for item in items:
        of_model[text(item.get("model"))].append(item)
    shown = sorted(items, key=lambda item: item.get("action") != "delete")
    return Cleaned(
        text(document.get("message")),
        tuple(_policy(parts(document, "policy"))),
        tuple(_of_model(model, found) for model, found in of_model.items()),
        tuple(map(_fate, shown[:LISTED])),
        max(len(items) - LISTED, 0),
        tuple(_storage(document)),
    )


def _policy(documents: Sequence[Document]) -> Iterator[str]:
    for each in documents:
        whose = "each model" if each.get("models") is None else f"models {text(each.get('models'))}"
        keep = each.get("keep")
        rules = ", ".join(map(text, keep)) if isinstance(keep, list | tuple) else ""
        yield f"Keep for {whose}: {rules or 'nothing'}."


def _of_model(model: str, items: Sequence[Document]) -> OfModel:
    stays, goes = Counter[str](), Counter[str]()
    for item in items:
        if item.get("action") == "keep":
            rule = text(item.get("rule"))
            stays[_NO_KEEP_RULE.get(rule, f"by keep_{rule}")] += 1
        elif _what(item).startswith("kept: "):
            stays[_what(item).removeprefix("kept: ")] += 1
        else:
            goes[_what(item)] += 1
    takes = {
        text(item.get("storage")): count
        for item in items
        if _goes(item) and (count := _count(item)) is not None
    }
    return OfModel(model, _counted(stays), _counted(goes), size(sum(takes.values())) if takes else "")


def _fate(item: Document) -> Fate:
    name = f"{text(item.get('model'))} v{text(item.get('version'))}"
    rule = text(item.get("rule"))
    why = text(item.get("error")) or text(item.get("reason"))
    takes = _count(item)
    return Fate(name, _what(item), f"{rule}: {why}" if rule else why, "" if takes is None else size(takes))


def _storage(document: Document) -> Iterator[tuple[str, str]]:
    if (takes := _count(document)) is not None:
        yield "files of deleted versions", size(takes)
    held, reclaim = part(document, "held"), part(document, "reclaim")
    if versions := _count(held, "versions"):
        uncounted = _count(held, "uncounted") or 0
        known = [size(_count(held) or 0)] if uncounted < versions else []
        known += [f"{uncounted} not measured"] if uncounted else []
        yield "can be restored", ", ".join([plural(versions, "version"), *known, *_until(held)])
    if reclaim:
        planned = reclaim.get("status") == "planned"
        yield (
            "would be freed" if planned else "freed",
            size(_count(reclaim, "bytes" if planned else "freed") or 0),
        )


def _until(held: Document) -> Iterator[str]:
    """The time until which all of it can be restored; nothing if it stays."""
    first = held.get("first")
    if isinstance(first, int | float) and 0 <= first < 10**11:
        yield f"the first until {shown(first * 1000, '%Y-%m-%d %H:%M')} UTC"


def _what(item: Document) -> str:
    return text(item.get("outcome")) or _WORDS.get(text(item.get("action")), "")


def _goes(item: Document) -> bool:
    return item.get("action") == "delete" and item.get("outcome") in ("", *_GONE)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _count(document: Document, key: str = "bytes") -> int | None:
    found = document.get(key)
    return found if isinstance(found, int) and 0 <= found < _MOST else None
