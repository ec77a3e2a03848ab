"""The request for a promotion: what to promote, and for what an approval counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jenkins_mlflow.errors import Refused
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.version import Version
from jenkins_mlflow.text import printable

NOTHING = "nothing"


@dataclass(frozen=True)
class PromoteWish:
    """The request for a promotion.

    Attributes:
        model, version: What to promote; without a model what ``select`` chooses, without a version the newest.
        plan_only: Change nothing.
        approved_by: Who approved it; recorded in the version's tags.
        over: What it may replace, as ``MODEL/VERSION`` or NOTHING; None for anything.
        run_id: The run that the version must come from; None for any.
    """

    model: str | None = None
    version: int | None = None
    plan_only: bool = False
    approved_by: str = ""
    over: str | None = None
    run_id: str | None = None

    def refuse_another_run(self, version: Version) -> None:
        """Refuse a version that has only the number of the approved one: its model was deleted and registered again."""
        if self.run_id is None or version.run_id == self.run_id:
            return
        now = f"run {printable(version.run_id)}" if version.run_id else "no run"
        raise Refused(
            f"{version.label} was to be the version from run {printable(self.run_id)}, but now it comes from {now}",
            state="nothing was written",
            next_step="select and approve again",
        )

    def refuse_plan_over_another(self, plan: Plan) -> None:
        """Refuse a plan that does not match its approval; a completed promotion replaces nothing any more."""
        if not plan.done:
            self.refuse_over_another(plan.candidate.label, plan.leaving[:1])

    def refuse_over_another(self, promoted: str, replaced: Sequence[Version]) -> None:
        """Refuse a promotion that would replace something else than was approved.

        Args:
            promoted: What was to be promoted, as text.
            replaced: What it would replace: any of these. If nothing is promoted, what is in production.

        Raises:
            Refused: ``over`` is not among these.
        """
        places = [f"{version.model}/{version.number}" for version in replaced] or [NOTHING]
        if self.over is None or self.over in places:
            return
        raise Refused(
            f"{promoted} was to replace {self.over}, but now it would replace {' or '.join(places)}",
            state="nothing was written",
            next_step="check what is in production, then select and approve again",
        )
