"""The origin of a copy, as recorded in a tag, and a summary of its files. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.version import READY, Version
from jenkins_mlflow.tags import COPIED_FILES, COPIED_FROM, COPY_ID
from jenkins_mlflow.text import redact


@dataclass(frozen=True)
class Origin:
    """A version on another server; ``created`` is in milliseconds.

    The server's address is only for people, because a server may have several. The other fields identify the
    version.
    """

    server: str
    model: str
    version: int
    run: str
    created: int

    @classmethod
    def of(cls, version: Version, uri: str) -> Origin:
        return cls(redact(uri), version.model, version.number, version.run_id or "", version.created)

    @property
    def id(self) -> str:
        """An id of the version that does not depend on its server's address."""
        parts = (self.model, str(self.version), self.run, str(self.created))
        return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]

    def tags(self) -> dict[str, str]:
        """The tags of a run or version that is a copy of it."""
        text = json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))
        return {COPIED_FROM: text, COPY_ID: self.id}


_ORIGIN: TypeAdapter[Origin] = TypeAdapter(Origin)


def read_origin(version: Version) -> Origin | None:
    """Read where a version was copied from; None if it is not a copy or its tag cannot be read."""
    try:
        return _ORIGIN.validate_json(version.tags.get(COPIED_FROM, ""))
    except ValidationError:
        return None


def copies(model: Model, origin: Origin) -> list[Version]:
    """The existing copies of a version, newest first."""
    found = (version for version in model.versions if version.status == READY)
    return [version for version in found if version.tags.get(COPY_ID) == origin.id and version.run_id]


@dataclass(frozen=True)
class Contents:
    """A summary of a version's files: one digest of all, their number and their size."""

    sha256: str
    files: int
    bytes: int

    @classmethod
    def of(cls, digests: Mapping[str, str], sizes: Mapping[str, int]) -> Contents:
        """Summarise files, given the digest and the size of each by its path.

        The digest of all is that of the sorted lines that `sha256sum` prints for them.
        """
        lines = "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))
        return cls(hashlib.sha256(lines.encode()).hexdigest(), len(digests), sum(sizes.values()))

    def tag(self) -> dict[str, str]:
        return {COPIED_FILES: json.dumps(asdict(self), separators=(",", ":"))}


_CONTENTS: TypeAdapter[Contents] = TypeAdapter(Contents)


def read_contents(version: Version) -> Contents | None:
    """The summary of a copy's files when they were compared with the origin's; None if its tag does not say."""
    try:
        return _CONTENTS.validate_json(version.tags.get(COPIED_FILES, ""))
    except ValidationError:
        return None
