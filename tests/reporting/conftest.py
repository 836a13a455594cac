"""Plans and reports to render, and the golden files that hold what they look like.

``RECONCILER_WRITE_GOLDEN=1 pytest tests/reporting`` writes the golden files anew; read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Hold, InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport, RunState
from reconciler.model.patient import Attribute, Binding
from reconciler.model.plan import (
    Dangling,
    DeletionGroup,
    Finding,
    KeptEntry,
    MayRefer,
    NotLookedAt,
    OverriddenEntry,
    OverriddenInstances,
    Plan,
    ReferredSeries,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    StudySeen,
    Unread,
    Why,
)
from reconciler.model.problem import Source

GOLDEN = Path(__file__).parent / "golden"
WRITE_GOLDEN = "RECONCILER_WRITE_GOLDEN"

EXPIRED = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, ticket="RET-1042")
WRONG_PATIENT = Reason(
    ReasonCode.REJECTED_FOR_PATIENT_SAFETY_REASONS,
    "stored under the wrong patient by the night shift and sent again since, see the ticket",
    "QA-7",
)
ARCHIVE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
LONG = StoreAddress(
    "example.com:imaging-production",
    "europe-west4",
    "radiology-and-cardiology",
    "long-term-archive",
)


def uid(*parts: int) -> str:
    """A UID of 64 characters."""
    root = "1.2.826.0.1.3680043.10.1000"
    ending = ".".join(str(part) for part in parts)
    return f"{root}.{'1' * (62 - len(root) - len(ending))}.{ending}"


def line(number: int, path: str = "specs/retention.yaml") -> Source:
    return Source(path, number)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name, or write it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get(WRITE_GOLDEN):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8")

    return compare


@pytest.fixture
def plans() -> dict[str, SavedPlan]:
    """A plan with something of everything, one of two stores, and one with nothing to do."""
    return {
        "everything": replace(_saved(_everything()), freed=_freed(), seen=_seen()),
        "two-stores": _saved(_small(LONG), _small(ARCHIVE)),
        "nothing-pending": _saved(
            StorePlan(ARCHIVE, Limits(), (), (), (KeptEntry(line(30), "1.2", None, 240),), ())
        ),
    }


def _saved(*stores: StorePlan) -> SavedPlan:
    inputs = (InputFile("specs/retention.yaml", "a" * 64, InputRole.SELECTED),)
    return SavedPlan(
        plan=Plan(("specs",), inputs, stores),
        digest=f"sha256:{'d' * 64}",
        plan_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        created=datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
        expires=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        tool_version="0.1.0",
        endpoint="https://healthcare.googleapis.com",
    )


def _small(store: StoreAddress) -> StorePlan:
    group = DeletionGroup("specs/retention.yaml", EXPIRED, False, {uid(1, 1, 1): 12})
    study = StudyPlan(uid(1), 1, 0, True, (SeriesPlan(uid(1, 1), 1, True, (group,)),))
    return StorePlan(store, Limits(), (study,), (), (), ())


def _everything() -> StorePlan:
    listed = DeletionGroup(
        "specs/retention.yaml", EXPIRED, False, {uid(1, 1, n): 11 + n for n in range(100, 123)}
    )
    second = DeletionGroup("specs/quality.yaml", WRONG_PATIENT, False, {uid(1, 1, 200): 7})
    whole = DeletionGroup(
        *("specs/retention.yaml", EXPIRED, True, {uid(1, 2, n): 40 for n in (1, 2)}),
        bound=Binding((Attribute.PATIENT, Attribute.STUDY_DATE), "0" * 16, "5" * 64),
    )
    studies = (
        StudyPlan(
            uid(1),
            1218,
            12,
            False,
            (
                SeriesPlan(uid(1, 1), 1204, False, (listed, second)),
                SeriesPlan(uid(1, 2), 2, True, (whole,)),
            ),
        ),
        StudyPlan(uid(2), 2, 0, True, (SeriesPlan(uid(2, 1), 2, True, (_two(2, 1),)),)),
    )
    hold = Hold(
        "Litigation 2026-17, do not touch before the court of appeal has decided",
        "legal department",
        "LIT-7",
        date(2026, 1, 31),
    )
    return StorePlan(
        LONG,
        Limits(),
        studies,
        _findings(),
        (
            KeptEntry(line(60), uid(1), uid(1, 3), 238, hold),
            KeptEntry(line(64), uid(3), None, 1, None),
        ),
        (OverriddenEntry(line(40), line(60), uid(1), None, 3, hold),),
        _dangling(),
        (MayRefer(uid(1), uid(1, 8), uid(1, 8, 1), None),),
        NotLookedAt((Unread(uid(1), uid(1, 9), uid(1, 9, 1), "HTTP 503"),), 7, 1, 12),
    )


def _dangling() -> tuple[Dangling, ...]:
    first = tuple(uid(1, 1, n) for n in range(100, 105))
    images = ReferredSeries(uid(1), uid(1, 1), 24, first, as_a_whole=False)
    series = ReferredSeries(uid(2), uid(2, 1), 0, (), as_a_whole=True)
    return (
        Dangling(uid(1), uid(1, 3), uid(1, 3, 1), line(60), (images, series)),
        Dangling(uid(1), uid(1, 7), uid(1, 7, 1), None, (images,)),
        Dangling(uid(1), uid(1, 7), uid(1, 7, 2), None, (series,)),
    )


def _seen() -> tuple[StudySeen, ...]:
    return (
        StudySeen(LONG, uid(1), None, {"CT": 24}),
        StudySeen(LONG, uid(2), 2016, {"MR": 1, "SR": 1}),
    )


def _freed() -> tuple[OverriddenInstances, ...]:
    hold = Hold("Trial 7", "research office")
    return (
        OverriddenInstances(LONG, uid(1), uid(1, 1), hold, (uid(1, 1, 100), uid(1, 1, 101))),
        OverriddenInstances(LONG, uid(2), uid(2, 1), hold, (uid(2, 1, 2),)),
    )


def _two(*series: int) -> DeletionGroup:
    return DeletionGroup(
        "specs/expired-2016.csv",
        EXPIRED,
        False,
        {uid(*series, n): n for n in (2, 3)},
        "/srv/dicom-archive",
        allow_damaged=True,
    )


def _findings() -> tuple[Finding, ...]:
    elsewhere = InstanceAddress(uid(9), uid(9, 1), uid(1, 1, 300))
    return (
        Finding(Why.ALREADY_ABSENT, uid(1), uid(1, 1), uid(1, 1, 400), line(44)),
        Finding(Why.NEVER_SEEN, uid(6), None, None, line(46)),
        Finding(Why.MISPLACED, uid(1), uid(1, 1), uid(1, 1, 300), line(43), "", (elsewhere,)),
        Finding(Why.MISSING, uid(1), uid(1, 4), None, line(62)),
        Finding(
            Why.PROBE_FAILED,
            uid(5),
            None,
            None,
            line(66),
            "it could not be listed: the service answered 503 (Service Unavailable) five times",
        ),
    )


@pytest.fixture
def report() -> RunReport:
    """An apply that stopped before its end, with its results in the order they came."""
    return RunReport(
        Operation.APPLY,
        run="20260301T091500Z-1f2e3d4c",
        plan_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        digest=f"sha256:{'d' * 64}",
        state=RunState.STOPPED,
        started=datetime(2026, 3, 1, 9, 15, tzinfo=UTC),
        ended=datetime(2026, 3, 1, 9, 16, 30, tzinfo=UTC),
        counts={
            Outcome.DELETED: 1200,
            Outcome.ALREADY_ABSENT: 2,
            Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT: 1,
            Outcome.FAILED: 1,
            Outcome.UNCONFIRMED: 1,
            Outcome.NOT_ATTEMPTED: 1,
        },
        unproven=(
            _result(3, Outcome.NOT_ATTEMPTED, "the store no longer accepts the credentials"),
            _result(2, Outcome.UNCONFIRMED, "DELETE: 200; retrieve: present"),
            _result(1, Outcome.FAILED, "DELETE: 403 PERMISSION_DENIED; retrieve: present"),
        ),
        stopped_because="the store no longer accepts the credentials",
        resumed=("20260301T090000Z-00000000",),
        journal_head="c" * 64,
    )


@pytest.fixture
def finished(report: RunReport) -> RunReport:
    """An apply that proved all it planned."""
    return replace(
        report,
        state=RunState.COMPLETED,
        counts={Outcome.DELETED: 3},
        unproven=(),
        stopped_because=None,
        resumed=(),
        journal_head=None,
    )


def _result(number: int, outcome: Outcome, detail: str) -> InstanceResult:
    address = InstanceAddress(uid(1), uid(1, 1), uid(1, 1, number))
    return InstanceResult(ARCHIVE, address, outcome, detail)
