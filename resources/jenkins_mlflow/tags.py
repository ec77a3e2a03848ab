"""Every tag that is stored in MLflow, and the limits of what MLflow stores."""

from __future__ import annotations

TAG_PREFIX = "jenkins_mlflow."

# Of a run: the build that made it, the candidate it belongs to, how that candidate's command ended, and what was in
# production when the command began.
BUILD_TAG = TAG_PREFIX + "build"
CANDIDATE_TAG = TAG_PREFIX + "candidate"
OUTCOME_TAG = TAG_PREFIX + "outcome"
PRODUCTION_BEFORE = TAG_PREFIX + "production_before"
LOST = "lost"  # the outcome of runs whose command went away with its agent, before it could end

# Of a version: its promotion record. A version without PROMOTED_AT was never promoted by this tool.
PROMOTED_AT = TAG_PREFIX + "promoted_at"
PROMOTED_BY = TAG_PREFIX + "promoted_by"
APPROVED_BY = TAG_PREFIX + "approved_by"
BUILD_URL = TAG_PREFIX + "build_url"
METHOD = TAG_PREFIX + "method"
METRIC = TAG_PREFIX + "metric"
PREVIOUS_MODEL = TAG_PREFIX + "previous_model"
PREVIOUS_VERSION = TAG_PREFIX + "previous_version"
BEFORE = TAG_PREFIX + "before"  # everything that was in production before it, oldest first
ROLLED_BACK_AT = TAG_PREFIX + "rolled_back_at"
ROLLED_BACK_BY = TAG_PREFIX + "rolled_back_by"
ROLLED_BACK_FROM = TAG_PREFIX + "rolled_back_from"

# Of a version: how far the check after its promotion is.
CHECK_TAG = TAG_PREFIX + "check"
PENDING, PASSED, FAILED = "pending", "passed", "failed"

# Of a version: a tag that keeps it from every cleanup, whatever its value; and who runs it until when, a tag a holder.
KEEP_TAG = TAG_PREFIX + "keep"
LEASE_TAG = TAG_PREFIX + "lease."

# Of a version: which deleted version it was registered again from, as NUMBER@CREATED.
RESTORED_FROM = TAG_PREFIX + "restored_from"

# Of a run: the journal of deletions.
JOURNAL_MODEL = TAG_PREFIX + "journal.model"
JOURNAL_BUILD = TAG_PREFIX + "journal.build"
JOURNAL_PART = TAG_PREFIX + "journal.part."

# Of a registered model: a promotion that has begun and not ended; of a lock's flag: who holds it.
INTENT_TAG = TAG_PREFIX + "intent"
HOLDER_TAG = TAG_PREFIX + "lock"

# Registered models of these names are the flags of registry/lock.py: no command shows them as models.
FLAG_PREFIX = "jenkins-mlflow.lock."

# A SQL store keeps 5,000 characters of a tag (MLflow 3.17.2, SqlRegisteredModelTag, SqlModelVersionTag).
LONGEST_TAG = 5000
