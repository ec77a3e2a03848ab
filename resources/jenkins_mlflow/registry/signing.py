"""Signs what the commands write into the registry: intents, promotion records and flags of the lock.

Anybody who may edit a model can write its tags. With a key, which only the commands have, these three carry
an HMAC (SHA-256) over a text that names everything they belong to, and they do not count without a valid one.
So nobody else can forge one, or move one to another model, version or flag. But an old one can be written
again in its own place; only the creation times of the versions and flags in it limit that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from jenkins_mlflow.errors import UsageError
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.tags import HOLDER_TAG, INTENT_TAG, RECORD_TAGS, SIGNATURE_TAG
from jenkins_mlflow.text import parsed_json

VARIABLE = "JENKINS_MLFLOW_SIGNING_KEY"
_SHORTEST = 32
_FORM = "jenkins-mlflow 1"


@dataclass(frozen=True)
class Keys:
    """The signing key, and older ones that are still accepted. Without keys, nothing is signed and all counts."""

    texts: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Keys:
        """Remove the keys from the environment, so that programs that are started later do not inherit them.

        Raises:
            UsageError: the variable is set but contains no valid key.
        """
        text = environ.pop(VARIABLE, None)
        if text is None:
            return cls()
        keys = tuple(text.split())
        if not keys or min(map(len, keys)) < _SHORTEST:
            raise UsageError(
                f"{VARIABLE} holds {'a key that is too short' if keys else 'no key'}",
                state="nothing was read or written",
                next_step=f"set it to {_SHORTEST} or more characters, such as `openssl rand -hex 32` prints; "
                "older keys that still count follow after a space; or unset it",
            )
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self.texts)

    def intent(self, model: str, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags of an intent with their signature, in the order in which to write them."""
        return {SIGNATURE_TAG: self._sign(_intent(model, tags)), **tags} if self else dict(tags)

    def count_intent(self, model: str, tags: Mapping[str, str]) -> bool:
        """Whether a model's intent counts; true if it has none."""
        return (
            not self or not tags.get(INTENT_TAG) or self._fits(tags.get(SIGNATURE_TAG), _intent(model, tags))
        )

    def flag(self, name: str, created: int, tags: Mapping[str, str]) -> str:
        """The signature of a flag."""
        return self._sign(_flag(name, created, tags))

    def count_flag(self, name: str, created: int, tags: Mapping[str, str]) -> bool:
        """Whether a flag's statement about its holder counts."""
        return not self or self._fits(tags.get(SIGNATURE_TAG), _flag(name, created, tags))

    def record(self, version: Version, tags: Mapping[str, str]) -> dict[str, str]:
        """These tags of a promotion record, followed by the signature over them and the tags that are already signed.

        Args:
            version: The version in its current state.
            tags: The tags to add or change.
        """
        complete = {**{name: version.tags[name] for name in self.vouched(version) or ()}, **tags}
        signed = {name: text for name, text in complete.items() if name in RECORD_TAGS and text}
        return {**tags, SIGNATURE_TAG: json.dumps([sorted(signed), self._sign(_record(version, signed))])}

    def vouched(self, version: Version) -> frozenset[str] | None:
        """The names of the tags in a version's record that count; None for all if there is no key."""
        if not self:
            return None
        names, signature = _listed(version.tags.get(SIGNATURE_TAG, ""))
        signed = {name: version.tags.get(name, "") for name in names}
        return frozenset(names) if names and self._fits(signature, _record(version, signed)) else frozenset()

    def _sign(self, what: bytes) -> str:
        return _hmac(self.texts[0], what)

    def _fits(self, signature: str | None, what: bytes) -> bool:
        given = (signature or "").encode(errors="replace")
        return any(hmac.compare_digest(given, _hmac(key, what).encode()) for key in self.texts)


def _hmac(key: str, what: bytes) -> str:
    return hmac.new(key.encode(errors="surrogateescape"), what, hashlib.sha256).hexdigest()


def _intent(model: str, tags: Mapping[str, str]) -> bytes:
    parts = sorted((name, text) for name, text in tags.items() if _is_part(name) and text)
    return _text("intent", model, parts)


def _is_part(name: str) -> bool:
    return name == INTENT_TAG or name.startswith(f"{INTENT_TAG}.")


def _flag(name: str, created: int, tags: Mapping[str, str]) -> bytes:
    return _text("flag", name, created, tags.get(HOLDER_TAG, ""))


def _record(version: Version, tags: Mapping[str, str]) -> bytes:
    return _text("record", *version.identity, version.run_id or "", sorted(tags.items()))


def _text(kind: str, *what: object) -> bytes:
    """A text for these values that is different for every different list of values."""
    return json.dumps([_FORM, kind, *what], ensure_ascii=True, separators=(",", ":")).encode()


def _listed(text: str) -> tuple[list[str], str]:
    """The names that a record's signature covers, and the signature; empty if the tag holds anything else."""
    try:
        names, signature = parsed_json(text)
    except (ValueError, TypeError):
        return [], ""
    known: list[Any] = names if isinstance(names, list) else []
    fine = all(isinstance(name, str) and name in RECORD_TAGS for name in known)
    return (known, signature) if fine and isinstance(signature, str) else ([], "")
