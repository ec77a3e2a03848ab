"""What speaks against a version before anybody looks at its metrics. Pure.

No selection takes such a version without being told to, and no rule of a cleanup counts it: it would displace those
that may be selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jenkins_mlflow.registry.promotion_records import records
from jenkins_mlflow.registry.version import NOTHING, Run, Version
from jenkins_mlflow.tags import BUILD_TAG, CHANGE_TAG, CHECK_TAG, FAILED, KEEP_TAG, LOST, OK, OUTCOME_TAG

_ENDED_BADLY = frozenset({"FAILED", "KILLED"})
"""The statuses of a run whose training MLflow counts as unsuccessful."""
_TELLING = (CHANGE_TAG, KEEP_TAG)
_TAGS = (BUILD_TAG, OUTCOME_TAG, *_TELLING)


@dataclass(frozen=True)
class Unfit:
    """Why a version is not fit; ``advice`` says what a person can do about it. As text, it is both."""

    why: str
    advice: str = ""

    def __str__(self) -> str:
        return self.why + self.advice


def unfit(version: Version, build: str | None = None) -> Unfit | None:
    """What speaks against a version; None if nothing does, as far as is known.

    Args:
        version: The version with its run, of which ``telling_tags`` are enough.
        build: The build that asks. Its own change request speaks against no version.
    """
    return failed_check(version) or wrongly_trained(version, build)


def failed_check(version: Version) -> Unfit | None:
    """Whether it failed the check after a promotion to any target."""
    if any(record.get(CHECK_TAG) == FAILED for record in records(version.tags)):
        return Unfit("it failed the check after its promotion", "; promote it by name to try again")
    return None


def wrongly_trained(version: Version, build: str | None) -> Unfit | None:
    """Why a version's training speaks against it: it belongs to a change request, ended badly, or was thrown away.

    A version may be registered long before its training ends, and its metrics may be those of the first epoch. A
    run that has not ended counts only against a version that this tool has trained: notebooks often leave their
    runs open.
    """
    if version.run is None:
        return None
    change = change_request(version)
    if change and not is_own(version, build):
        return Unfit(f"trained by the change request {change}, which is no branch", ": promote it by name")
    return _ended_badly(version.run)


def _ended_badly(run: Run) -> Unfit | None:
    outcome = run.tags.get(OUTCOME_TAG)
    by_name = ": promote it by name if it is good all the same"
    if outcome == LOST:
        return Unfit("its training was lost with its agent, before it had ended")
    if not outcome and run.running and BUILD_TAG in run.tags:
        return Unfit("its training has not ended")
    if outcome and outcome != OK:
        return Unfit(f"its training did not end well ({outcome})", by_name)
    if run.status in _ENDED_BADLY:
        return Unfit(f"its run is {run.status} in MLflow", by_name)
    if run.deleted:
        back = f"`mlflow runs restore --run-id {run.run_id}` brings it back"
        return Unfit("its run is in MLflow's trash", f": {back}; or promote the version by name")
    return None


def change_request(version: Version) -> str:
    """The change request that trained it; empty if none did."""
    return version.run.tags.get(CHANGE_TAG, "") if version.run else ""


def is_own(version: Version, build: str | None) -> bool:
    """Whether this build trained it."""
    return build is not None and version.run is not None and version.run.tags.get(BUILD_TAG) == build


def telling_tags(run: Run) -> Mapping[str, str]:
    """The tags of a run that a cleanup needs. Most runs have ended well and need none, which saves memory."""
    tags = {name: run.tags[name] for name in _TAGS if name in run.tags}
    tells = run.running or tags.get(OUTCOME_TAG, OK) != OK or any(name in tags for name in _TELLING)
    return tags if tells else NOTHING
