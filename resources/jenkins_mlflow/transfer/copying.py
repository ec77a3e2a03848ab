"""Copies a version to another server, under a lock there. The copy is registered last, after its bytes were compared.

So a version with an origin was complete when it was created. An interruption leaves a run without a version,
which the next try finds by its tag and continues file by file. Nothing here changes what is in production.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jenkins_mlflow.errors import Refused
from jenkins_mlflow.parallel import side_by_side
from jenkins_mlflow.registry.door_types import WholeRun
from jenkins_mlflow.registry.faults import unless_there
from jenkins_mlflow.registry.files import Files
from jenkins_mlflow.registry.snapshot import Model
from jenkins_mlflow.registry.storage import OutOfReach
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.transfer.origin import Contents, copies
from jenkins_mlflow.transfer.plan import Part
from jenkins_mlflow.transfer.reading import WORKERS, compare, look, unreadable
from jenkins_mlflow.transfer.run import NOT_REGISTERED, CopyRun


@dataclass(frozen=True)
class Copied:
    """A copy whose files were compared with its origin's; ``sent`` is the number of bytes that this command sent."""

    version: Version
    contents: Contents
    sent: int
    made: bool


@dataclass(frozen=True)
class Copying(CopyRun):
    """Makes one copy; see ``CopyRun``.

    Attributes:
        warn: Called with a message about a damaged copy.
    """

    warn: Callable[[str], None]

    def copy(self) -> Copied:
        """Find the copy or make it.

        Raises:
            Refused: the version or its files changed while copying, or cannot be read or written from here.
            RegistryError, ConnectionFailed, LockLost: a server refused a request or does not answer.
        """
        made = self._there()
        for copy in made[:1]:
            seen = compare(self.source, self.plan, self.other, copy)
            if seen.same:
                return Copied(copy, seen.found, 0, made=False)
            self.warn(
                f"{copy.label} on {self.where} does not have the files of {self.plan.version.label}: copying it again"
            )
        try:
            run = self.find_or_make({str(copy.run_id) for copy in made})
            digests, sent = self._files(run)
            self.log(run)
            self._require_unchanged()
        except OutOfReach as error:
            raise unreadable(self.plan.version, error) from error
        model = self.plan.model
        contents = Contents.of({path: digests[model.target(path)] for path in model.files}, model.files)
        return Copied(self._register(run, contents), contents, sent, made=True)

    def _there(self) -> list[Version]:
        return copies(self.other.find_model(self.plan.into) or Model(self.plan.into), self.plan.origin)

    def _files(self, run: WholeRun) -> tuple[dict[str, str], int]:
        """Copy every missing file.

        Returns:
            The digest of each file by its path in the run, and the number of bytes sent.
        """
        files = Files(self.other)
        existing = files.tree(run.uri)
        work = [(part, path) for part in (self.plan.beside, self.plan.model) for path in part.files]
        done = side_by_side(lambda each: self._file(run, files, existing, *each), work, workers=WORKERS)
        if files.tree(run.uri) != self.plan.targets:
            raise Refused(
                f"{self.where} lacks some files of {self.plan.version.label} or has additional ones",
                state=NOT_REGISTERED,
                next_step="run the command again",
            )
        return {target: digest for target, digest, _ in done}, sum(sent for *_, sent in done)

    def _file(
        self, run: WholeRun, files: Files, existing: Mapping[str, int], part: Part, path: str
    ) -> tuple[str, str, int]:
        """Copy one file and read it back.

        Returns:
            Its path in the run, its digest, and the number of bytes sent.
        """
        target, length = part.target(path), part.files[path]
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "file")
            digest = Files(self.source).fetch(part.uri, path, local)
            if local.stat().st_size != length:
                raise self._changed()
            if existing.get(target) == length and files.digest(run.uri, target) == digest:
                return target, digest, 0
            files.store(run.uri, target, local)
        if files.digest(run.uri, target) != digest:
            raise Refused(
                f"{path} of {self.plan.version.label} did not arrive on {self.where} unchanged",
                state=NOT_REGISTERED,
                next_step="run the command again",
            )
        return target, digest, length

    def _require_unchanged(self) -> None:
        """Make sure that nothing that was copied has changed since, for example by a cleanup or a new artifact."""
        version = self.source.version(self.plan.version.model, self.plan.version.number)
        if version.identity != self.plan.version.identity:
            raise self._changed()
        now = look(self.source, version, self.plan.into)
        if (now.model, now.beside.files) != (self.plan.model, self.plan.beside.files):
            raise self._changed()

    def _changed(self) -> Refused:
        return Refused(
            f"{self.plan.version.label} or its files were changed while they were copied to {self.where}",
            state=NOT_REGISTERED,
            next_step="run the command again: it copies the current files",
        )

    def _register(self, run: WholeRun, contents: Contents) -> Version:
        """Register the copy with its tags in one request, or find the one that an earlier try has registered."""
        name, door = self.plan.into, self.other.connection.door
        source = f"{run.uri}/{self.plan.model.into}" if self.plan.model.into else run.uri
        like = Version(name, 0, run_id=run.run_id, source=source, description=self.plan.version.description)
        tags = {**self.plan.version_tags, **contents.tag()}

        def found() -> Version | None:
            return next((copy for copy in self._there() if copy.run_id == run.run_id), None)

        def create() -> None:
            if found() is None:
                self.other.register_version(like, tags)

        if self.other.find_model(name) is None:
            self.other.writing(
                f"making the registered model {name}",
                lambda: unless_there(lambda: door.create_model(name, {}, "")),
            )
        self.other.retrying(f"registering the copy in {name}", create)
        if copy := found():
            return copy
        raise Refused(
            f"the copy of {self.plan.version.label} is not READY in {name} on {self.where}",
            state="nothing in production was changed",
            next_step="check the copy there, then run the command again",
        )
