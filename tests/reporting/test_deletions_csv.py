"""Deletions as CSV: the name over each column is that of what stands in it."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion, RecordedReply, RecordedRun
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.plan import GitState
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester
from reconciler.reporting.export.deletions_csv import deletions_as_csv

REQUESTER = Requester("github", "jdoe", "17", "https://ci.example/1", ("asmith", "bwong"))
PROVENANCE = Provenance("robot@example.com", REQUESTER, git=GitState("c0ffee", "", dirty=False))
DELETION = RecordedDeletion(
    RecordedRun("run-1", "0.1.0", "plan-1", "sha256:0a", "https://store.example", PROVENANCE),
    datetime(2026, 3, 1, 9, tzinfo=UTC),
    StoreAddress("imaging-prod", "europe-west4", "radiology", "archive"),
    InstanceAddress("1.2", "1.3", "1.4"),
    Outcome.DELETED,
    Presence.ABSENT,
    "seen twice",
    2,
    (RecordedReply(503, "r-1"), RecordedReply(200, "r-2")),
    Source("specs/a.yaml", 7),
    Reason(ReasonCode.REJECTED_FOR_PATIENT_SAFETY_REASONS, "wrong patient", "QA-7"),
    settled_by="run-2",
    copy=ArchivedCopy(Path("/srv/archive"), "run-1/data/1", "0b"),
    patient="hmac-sha256:0c",
    empties_study=True,
    restored_by="run-3",
)
"""A deletion of which everything is known, and nothing is like anything else."""


def test_each_column_is_named_for_what_it_holds() -> None:
    names, cells = csv.reader("".join(deletions_as_csv([DELETION])).splitlines())

    assert list(zip(names, cells, strict=True)) == [
        ("time", "2026-03-01T09:00:00.000Z"),
        ("run", "run-1"),
        ("store", str(DELETION.store)),
        ("studiesId", "1.2"),
        ("seriesId", "1.3"),
        ("instancesId", "1.4"),
        ("outcome", "deleted"),
        ("presence", "absent"),
        ("detail", "seen twice"),
        ("attempts", "2"),
        ("http_status", "200"),
        ("request_id", "r-2"),
        ("earlier_answers", "503 r-1"),
        ("settled_by", "run-2"),
        ("restored_by", "run-3"),
        ("empties_study", "true"),
        ("reason_code", "113037"),
        ("reason", "Rejected for Patient Safety Reasons"),
        ("reason_text", "wrong patient"),
        ("ticket", "QA-7"),
        ("source", "specs/a.yaml:7"),
        ("archive_sha256", "0b"),
        ("patient", "hmac-sha256:0c"),
        ("actor", "robot@example.com"),
        ("requester", "jdoe"),
        ("approvers", "asmith bwong"),
        ("change", "17"),
        ("pipeline", "https://ci.example/1"),
        ("commit", "c0ffee"),
        ("plan_id", "plan-1"),
        ("digest", "sha256:0a"),
        ("endpoint", "https://store.example"),
        ("tool_version", "0.1.0"),
    ]
