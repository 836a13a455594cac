"""Whether a saved plan may still be applied."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import ExitCode, PlanRefused
from reconciler.model.address import Provider, StoreAddress
from reconciler.model.desired import (
    Claims,
    DesiredStore,
    Entry,
    EntryKind,
    Hold,
    InputFile,
    InputRole,
    InstanceList,
    Limits,
    Reason,
    ReasonCode,
)
from reconciler.model.plan import (
    DeletionGroup,
    Plan,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
)
from reconciler.model.problem import Source
from reconciler.outside_memory import temporary_database
from reconciler.planning.acceptance import (
    require_digest,
    require_endpoint,
    require_nothing_kept,
    require_same_inputs,
    require_unexpired,
)
from reconciler.planning.shards.keeps import Keeps

CREATED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

A = InputFile("specs/a.yaml", "a" * 64, InputRole.SELECTED)
B = InputFile("specs/b.yaml", "b" * 64, InputRole.KEEPS)
SAVED = SavedPlan(
    plan=Plan(("specs/a.yaml",), (A, B), ()),
    digest=f"sha256:{'1' * 64}",
    plan_id="p",
    created=CREATED,
    expires=EXPIRES,
    tool_version="0.1.0",
    endpoint="https://healthcare.googleapis.com",
)


STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
OTHER = replace(STORE, dicom_store_id="research")


def deleting(store: StoreAddress, *instances: str) -> SavedPlan:
    """The plan, with deletions from series 1.1 of study 1."""
    reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
    group = DeletionGroup("specs/a.yaml", reason, False, {f"1.1.{one}": 4 for one in instances})
    study = StudyPlan("1", 9, 0, False, (SeriesPlan("1.1", 9, False, (group,)),))
    plan = replace(SAVED.plan, stores=(StorePlan(store, Limits(), (study,), (), (), ()),))
    return replace(SAVED, plan=plan)


def keeping(*entries: Entry, store: StoreAddress = STORE) -> dict[StoreAddress, Claims]:
    return {store: Claims(entries)}


def keep(line: int, study: str, series: str | None = None, *uids: str, hold: str = "") -> Entry:
    places = array("I", [line] * len(uids))
    listed = InstanceList(uids, places, places) if uids else None
    source = Source("specs/hold.yaml", line)
    return Entry(EntryKind.KEEP, study, series, listed, source, hold=Hold(hold) if hold else None)


RequireNothingKept = Callable[[SavedPlan, Mapping[StoreAddress, Claims]], None]


def require_by_database(saved: SavedPlan, keeps: Mapping[StoreAddress, Claims]) -> None:
    """As a shard is compared, for which few of the keeps are read again."""
    far = Claims(tuple(keep(1, f"7.{n}", f"7.{n}.1", f"7.{n}.1.1") for n in range(50)))
    parts = [
        DesiredStore(store, Limits(), Claims(()), found)
        for store, found in [*keeps.items(), (STORE, far)]
    ]
    with temporary_database() as database:
        found = Keeps(database, parts).covering(saved.plan)
    assert not [one for claims in found.values() for one in claims.entries if one in far.entries]
    require_nothing_kept(saved, found)


@pytest.fixture(params=[require_nothing_kept, require_by_database])
def require(request: pytest.FixtureRequest) -> RequireNothingKept:
    """Whether what is kept is in memory, or waits outside of it."""
    found: RequireNothingKept = request.param
    return found


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([keep(3, "1")], "2 instances by specs/hold.yaml:3"),
        ([keep(3, "1", "1.1", hold="H")], "2 instances by specs/hold.yaml:3 (hold: H)"),
        ([keep(3, "1", "1.1", "1.1.2", "1.1.9")], "1 instance by specs/hold.yaml:3"),
        ([keep(3, "8", "8.1", "1.1.2")], "1 instance by specs/hold.yaml:3"),
        (
            [keep(9, "1", "1.1"), keep(3, "1", "1.1", "1.1.1")],
            "1 instance by specs/hold.yaml:3, 2 instances by specs/hold.yaml:9",
        ),
    ],
)
def test_a_plan_that_deletes_what_is_kept_is_refused(
    require: RequireNothingKept, entries: list[Entry], told: str
) -> None:
    with pytest.raises(PlanRefused) as caught:
        require(deleting(STORE, "1", "2"), keeping(*entries))
    assert str(caught.value) == f"the plan deletes what the files keep: {told}"
    assert caught.value.exit_code is ExitCode.REFUSED


def test_keeps_of_other_addresses_and_other_stores_refuse_nothing(
    require: RequireNothingKept,
) -> None:
    saved = deleting(STORE, "1", "2")
    others = [keep(1, "2"), keep(2, "1", "1.2"), keep(3, "2", "1.1"), keep(4, "1", "1.1", "1.1.3")]
    require(saved, keeping(*others))
    require(saved, keeping(keep(1, "1"), store=OTHER))


def test_a_keep_holds_whatever_provider_the_plan_names_for_its_store(
    require: RequireNothingKept,
) -> None:
    """The four parameters name one store; files that disagree are refused."""
    forged = replace(STORE, provider=Provider.ORTHANC)
    with pytest.raises(PlanRefused, match="1 instance by"):
        require(deleting(forged, "1"), keeping(keep(3, "1")))


@pytest.mark.parametrize("now", [CREATED, EXPIRES - SECOND])
def test_a_plan_is_good_until_it_expires(now: datetime) -> None:
    require_unexpired(SAVED, now)


@pytest.mark.parametrize("now", [EXPIRES, EXPIRES + SECOND])
def test_an_expired_plan_is_refused(now: datetime) -> None:
    with pytest.raises(PlanRefused, match="expired at 2026-03-02 09:00:00 UTC") as caught:
        require_unexpired(SAVED, now)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.hint == "make the plan again"


def test_clocks_may_differ_by_five_minutes() -> None:
    require_unexpired(SAVED, CREATED - timedelta(minutes=5))
    with pytest.raises(PlanRefused, match="in the future"):
        require_unexpired(SAVED, CREATED - timedelta(minutes=5) - SECOND)


def test_the_same_files_are_accepted_in_any_order() -> None:
    require_same_inputs(SAVED, [B, A])


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ([A], "specs/b.yaml is missing"),
        ([A, B, InputFile("specs/c.yaml", "c" * 64, InputRole.KEEPS)], "specs/c.yaml was added"),
        ([A, replace(B, sha256="0" * 64)], "specs/b.yaml was changed"),
        ([A, replace(B, role=InputRole.SELECTED)], "specs/b.yaml is now selected"),
        ([], "specs/a.yaml is missing, specs/b.yaml is missing"),
    ],
)
def test_added_missing_and_changed_files_are_named(now: list[InputFile], message: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        require_same_inputs(SAVED, now)
    assert str(caught.value) == f"the input files are not those that were planned: {message}"


def test_of_many_differences_the_first_five_are_named() -> None:
    many = [InputFile(f"specs/x{number}.yaml", "0" * 64, InputRole.KEEPS) for number in range(7)]
    with pytest.raises(PlanRefused) as caught:
        require_same_inputs(SAVED, [A, B, *many])
    assert str(caught.value).endswith("specs/x4.yaml was added and 2 more")


def test_a_plan_of_another_service_is_refused() -> None:
    require_endpoint(SAVED, "https://healthcare.googleapis.com")
    with pytest.raises(
        PlanRefused, match=r"made for the service at https://healthcare\."
    ) as caught:
        require_endpoint(SAVED, "http://127.0.0.1:8080")
    assert "this run is set to http://127.0.0.1:8080" in str(caught.value)


def test_only_the_reviewed_digest_is_accepted() -> None:
    require_digest(SAVED.digest, SAVED.digest)
    with pytest.raises(PlanRefused, match="expected was sha256:2222"):
        require_digest(SAVED.digest, f"sha256:{'2' * 64}")
