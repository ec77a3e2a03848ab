"""Every tag that is stored in MLflow, and the limits of MLflow's storage."""

from __future__ import annotations

TAG_PREFIX = "jenkins_mlflow."

# Of a run: the build that made it, its candidate, how that candidate's command ended, and what was in
# production when the command began.
BUILD_TAG = TAG_PREFIX + "build"
JOB_TAG = TAG_PREFIX + "job"
COMMIT_TAG = TAG_PREFIX + "git_commit"
CANDIDATE_TAG = TAG_PREFIX + "candidate"
CHANGE_TAG = TAG_PREFIX + "change"  # the change request that trained it: not a candidate for any other build
OUTCOME_TAG = TAG_PREFIX + "outcome"
PRODUCTION_BEFORE = TAG_PREFIX + "production_before"
OK = "ok"  # the outcome of a training that ended well
LOST = "lost"  # the outcome of runs whose command was lost with its agent

# Of a version: its promotion record. A version without PROMOTED_AT was never promoted by this tool.
PROMOTED_AT = TAG_PREFIX + "promoted_at"
PROMOTED_BY = TAG_PREFIX + "promoted_by"
APPROVED_BY = TAG_PREFIX + "approved_by"
BUILD_URL = TAG_PREFIX + "build_url"
METHOD = TAG_PREFIX + "method"
COPY, RECOVERED = "copy", "recovered"  # the methods of a copy that this tool made, also after an interruption
TARGET = TAG_PREFIX + "target"  # the stage and the alias that it got: a record counts only for these
OTHER_RECORDS = (
    TAG_PREFIX + "other_records"
)  # its records for other targets, see registry/promotion_records.py
METRIC = TAG_PREFIX + "metric"
PREVIOUS_MODEL = TAG_PREFIX + "previous_model"
PREVIOUS_VERSION = TAG_PREFIX + "previous_version"
BEFORE = TAG_PREFIX + "before"  # everything that was in production before it, oldest first
ROLLED_BACK_AT = TAG_PREFIX + "rolled_back_at"
ROLLED_BACK_BY = TAG_PREFIX + "rolled_back_by"
ROLLED_BACK_FROM = TAG_PREFIX + "rolled_back_from"

# Of a version: the state of the check after its promotion.
CHECK_TAG = TAG_PREFIX + "check"
PENDING, PASSED, FAILED = "pending", "passed", "failed"

# The tags that a signature covers, see registry/signing.py.
RECORD_TAGS = frozenset(
    {
        *(PROMOTED_AT, PROMOTED_BY, APPROVED_BY, BUILD_URL, METHOD, METRIC, CHECK_TAG, TARGET, OTHER_RECORDS),
        *(PREVIOUS_MODEL, PREVIOUS_VERSION, BEFORE, ROLLED_BACK_AT, ROLLED_BACK_BY, ROLLED_BACK_FROM),
    }
)
# The signature of a version's record, of a model's intent, or of the holder of a flag.
SIGNATURE_TAG = TAG_PREFIX + "signature"

# Of a version: a tag that keeps it from every cleanup, whatever its value; and who runs it until when. Each
# holder has a separate tag.
KEEP_TAG = TAG_PREFIX + "keep"
LEASE_TAG = TAG_PREFIX + "lease."

# Of a version: the deleted version from which it was restored, as NUMBER@CREATED.
RESTORED_FROM = TAG_PREFIX + "restored_from"

# Of a version, and of its run: the version of another server from which it was copied, as JSON and as an id;
# of a version also the digest of its files when they were compared with that version's.
COPIED_FROM = TAG_PREFIX + "copied_from"
COPY_ID = TAG_PREFIX + "copy_id"
COPIED_FILES = TAG_PREFIX + "copied_files"

# Of a run in the experiment of records: what it records, and for a change of production its facts.
RECORD_TAG = TAG_PREFIX + "record"
CLEANUP, PRODUCTION_CHANGE, RESTORE = "cleanup", "production", "restore"
EVENT_ID = TAG_PREFIX + "event.id"
EVENT_MODEL = TAG_PREFIX + "event.model"
EVENT_PART = TAG_PREFIX + "event.part."

# Of a registered model: a change of production that is not yet written as a run. Each event has a separate
# tag.
UNWRITTEN_TAG = TAG_PREFIX + "unwritten."

# Of a run: the journal of deletions.
JOURNAL_MODEL = TAG_PREFIX + "journal.model"
JOURNAL_BUILD = TAG_PREFIX + "journal.build"
JOURNAL_PART = TAG_PREFIX + "journal.part."
JOURNAL_RECLAIMING = TAG_PREFIX + "journal.reclaiming."  # one tag for each version, as NUMBER-CREATED
JOURNAL_RECLAIMED = TAG_PREFIX + "journal.reclaimed."  # the same, once all of its files are gone
JOURNAL_KEPT = TAG_PREFIX + "journal.kept."  # the same, for one that was not deleted after all

# Of a registered model: a promotion that has begun and not ended; of a lock's flag: who holds it.
INTENT_TAG = TAG_PREFIX + "intent"
HOLDER_TAG = TAG_PREFIX + "lock"

# Registered models with this prefix are the flags of registry/lock.py: no command shows them as models.
FLAG_PREFIX = "jenkins-mlflow.lock."

# And these are the scratch models of `doctor --probe`, which removes them again.
PROBE_PREFIX = "jenkins-mlflow.probe."
HIDDEN_PREFIXES = (FLAG_PREFIX, PROBE_PREFIX)

# A SQL store allows 5,000 characters in a tag (MLflow 3.17.2, SqlRegisteredModelTag, SqlModelVersionTag).
LONGEST_TAG = 5000
