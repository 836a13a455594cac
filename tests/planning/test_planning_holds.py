"""What the removal of a hold sets free, against a model of sets; and holds that are overdue."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.api.listener import SILENT
from reconciler.api.recording import record_plan
from reconciler.journal.earlier_plans import overridden_before
from reconciler.journal.places.disk import DiskState
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.desired import (
    Claims,
    DesiredState,
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
from reconciler.model.live import ABSENT, PRESENT, LiveStore, StudyContents, unknown
from reconciler.model.plan import OverriddenInstances, Plan, SavedPlan, Why
from reconciler.model.problem import Source
from reconciler.planning.holds import freed_from, overridden_by_holds
from reconciler.planning.plan_file import digest_of
from reconciler.planning.planner import make_plan

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
ENDPOINT = "https://healthcare.googleapis.com"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
STUDIES = ["1.1", "1.2"]
SERIES = [f"{study}.1" for study in STUDIES]
EVERYTHING = frozenset(
    InstanceAddress(series[:3], series, f"{series}.{n}") for series in SERIES for n in (1, 2, 3)
)
HOLDS = [
    Hold("Trial 7"),
    Hold("Litigation", "legal", "LIT-7", date(2026, 2, 1)),
    Hold("Litigation", "legal", "LIT-9"),
]
PATHS = [("specs",), ("specs",), ("specs",), ("other",)]
REMOVE, KEEP = EntryKind.REMOVE, EntryKind.KEEP


@dataclass(frozen=True)
class Said:
    """An entry of a file: the instances that it covers, how wide it is, and the hold of a keep."""

    intent: EntryKind
    covers: frozenset[InstanceAddress]
    width: int
    hold: Hold | None = None

    def entry(self, line: int) -> Entry:
        first = min(self.covers)
        uids = tuple(sorted(one.instance_uid for one in self.covers))
        lines = array("I", [line] * len(uids))
        return Entry(
            self.intent,
            first.study_uid,
            first.series_uid if self.width < 2 else None,
            InstanceList(uids, lines, lines) if self.width == 0 else None,
            Source("specs/a.yaml", line),
            REASON if self.intent is REMOVE else None,
            self.hold,
        )


@st.composite
def said(draw: st.DrawFn, intent: EntryKind) -> Said:
    width = draw(st.integers(0, 2))
    series = draw(st.sampled_from(SERIES))
    inside = [one for one in EVERYTHING if one.series_uid == series]
    covers = {
        0: st.sets(st.sampled_from(sorted(inside)), min_size=1).map(frozenset),
        1: st.just(frozenset(inside)),
        2: st.just(frozenset(one for one in EVERYTHING if one.study_uid == series[:3])),
    }[width]
    hold = draw(st.sampled_from([*HOLDS, None])) if intent is KEEP else None
    return Said(intent, draw(covers), width, hold)


PRESENT_SETS = st.sets(st.sampled_from(sorted(EVERYTHING))).map(lambda out: EVERYTHING - out)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[Said], frozenset[InstanceAddress]]]:
    """Files that take entries in and out, and what the store has meanwhile."""
    entries = draw(st.lists(said(REMOVE), min_size=2, max_size=4))
    entries += draw(st.lists(said(KEEP), min_size=2, max_size=4))
    plans = []
    for _ in range(draw(st.integers(2, 6))):
        chosen = [draw(st.integers(0, 9)) < (8 if one.intent is REMOVE else 4) for one in entries]
        plans.append((list(compress(entries, chosen)), draw(PRESENT_SETS)))
    return plans


def desired(files: list[Said], paths: tuple[str, ...] = ("specs",)) -> DesiredState:
    entries = [one.entry(line) for line, one in enumerate(files, 3)]
    by_intent = {
        intent: Claims(tuple(entry for entry in entries if entry.intent is intent))
        for intent in EntryKind
    }
    store = DesiredStore(STORE, Limits(), by_intent[REMOVE], by_intent[KEEP])
    inputs = (InputFile("specs/a.yaml", "0" * 64, InputRole.SELECTED),)
    return DesiredState((store,), paths, inputs, {}, {})


def live(
    present: frozenset[InstanceAddress], silent: frozenset[InstanceAddress] = frozenset()
) -> Mapping[StoreAddress, LiveStore]:
    seen = {one: PRESENT if one in present else ABSENT for one in EVERYTHING}
    seen |= dict.fromkeys(silent, unknown("no answer"))
    instances = {
        SeriesAddress(series[:3], series): {
            one.instance_uid: look for one, look in seen.items() if one.series_uid == series
        }
        for series in SERIES
    }
    listed = {
        study: {
            series: frozenset(one.instance_uid for one in present if one.series_uid == series)
            for series in SERIES
            if series[:3] == study
        }
        for study in STUDIES
    }
    targets = {(series[:3], series): PRESENT for series in SERIES}
    targets |= {(study, None): PRESENT for study in STUDIES}
    contents = {study: StudyContents(series) for study, series in listed.items()}
    return {STORE: LiveStore(STORE, instances, targets, contents, {})}


@dataclass
class Chain:
    """Plans of one state, each on record before the next is made."""

    state: DiskState
    made: int = 0

    def plan(
        self,
        files: list[Said],
        present: frozenset[InstanceAddress] = EVERYTHING,
        silent: frozenset[InstanceAddress] = frozenset(),
        *,
        paths: tuple[str, ...] = ("specs",),
        created: datetime = NOON,
        endpoint: str = ENDPOINT,
    ) -> SavedPlan:
        wanted, seen = desired(files, paths), live(present, silent)
        plan = make_plan(wanted, seen)
        before = overridden_before(self.state, plan, endpoint)
        self.made += 1
        saved = SavedPlan(
            plan,
            digest_of(plan),
            f"plan-{self.made}",
            created,
            created + timedelta(hours=1),
            "0.1.0",
            endpoint,
            freed=freed_from(plan, before),
        )
        overridden = overridden_by_holds(wanted, seen, before)
        record_plan(saved, overridden, self.state, principal=None, requester=None, listener=SILENT)
        return saved


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(DiskState(tmp_path / "state"))


def by_hold(saved: SavedPlan) -> dict[Hold, set[str]]:
    found: dict[Hold, set[str]] = {}
    for one in saved.freed:
        found.setdefault(one.hold, set()).update(one.instances)
    return found


# The model


def overridden(
    files: list[Said], present: frozenset[InstanceAddress]
) -> tuple[dict[str, set[Hold]], set[str], set[str]]:
    """By the model: what all holds override, what only other keeps do, and what is deleted."""
    held: dict[str, set[Hold]] = {}
    plain, deleted = set(), set()
    for one in present:
        if any(said.intent is REMOVE and one in said.covers for said in files):
            keeps = [said for said in files if said.intent is KEEP and one in said.covers]
            holds = {keep.hold for keep in keeps if keep.hold is not None}
            if holds:
                held[one.instance_uid] = holds
            else:
                (plain if keeps else deleted).add(one.instance_uid)
    return held, plain, deleted


@settings(deadline=None, max_examples=60)
@given(history=histories(), data=st.data())
def test_what_is_free_is_what_a_hold_overrode_and_is_deleted_now(
    history: list[tuple[list[Said], frozenset[InstanceAddress]]], data: st.DataObject
) -> None:
    """Whatever the clocks say, and though it was a keep without a hold meanwhile."""
    known: dict[tuple[str, ...], dict[str, set[Hold]]] = {}
    freed_at_all = 0
    with TemporaryDirectory() as folder:
        chain = Chain(DiskState(Path(folder)))
        for files, present in history:
            paths = data.draw(st.sampled_from(PATHS))
            created = NOON + timedelta(minutes=data.draw(st.integers(0, 9)))
            saved = chain.plan(files, present, paths=paths, created=created)
            held, plain, deleted = overridden(files, present)
            assert {one.instance_uid for one in saved.plan.stores[0].deletions()} == deleted
            free = {uid: holds for uid, holds in known.get(paths, {}).items() if uid in deleted}
            pairs = [(uid, hold) for uid, holds in free.items() for hold in holds]
            series = [SeriesAddress(one.study_uid, one.series_uid) for one in saved.freed]
            assert series == sorted(series)
            found = [(uid, one.hold) for one in saved.freed for uid in one.instances]
            assert Counter(found) == Counter(pairs)
            earlier = known.get(paths, {})
            known[paths] = held | free | {uid: earlier[uid] for uid in plain & earlier.keys()}
            freed_at_all += len(free)
    event(f"free: {min(freed_at_all, 3)}")


# One by one

INSIDE = frozenset(one for one in EVERYTHING if one.series_uid == "1.1.1")
STUDY = frozenset(one for one in EVERYTHING if one.study_uid == "1.1")
ASKED = Said(REMOVE, STUDY, 2)
HELD = Said(KEEP, INSIDE, 1, HOLDS[1])


def test_a_plan_without_a_clear_answer_is_no_plan_to_compare_with(chain: Chain) -> None:
    chain.plan([ASKED, HELD])
    silent = frozenset([min(INSIDE)])
    unclear = chain.plan([ASKED], silent=silent)
    assert unclear.plan.count(Why.PROBE_FAILED) == 1
    assert by_hold(unclear) == {HOLDS[1]: {one.instance_uid for one in INSIDE - silent}}
    assert by_hold(chain.plan([ASKED])) == {HOLDS[1]: {one.instance_uid for one in INSIDE}}


def test_a_hold_is_missed_though_it_became_a_plain_keep_before_it_went(chain: Chain) -> None:
    chain.plan([ASKED, HELD])
    plain = Said(KEEP, INSIDE, 1)
    for _ in range(2):
        assert chain.plan([ASKED, plain]).freed == ()
    assert by_hold(chain.plan([ASKED])) == {HOLDS[1]: {one.instance_uid for one in INSIDE}}


def test_of_equally_wide_holds_each_is_named(chain: Chain) -> None:
    both = [Said(KEEP, INSIDE, width, hold) for width, hold in zip((1, 1), HOLDS, strict=False)]
    chain.plan([ASKED, *both])
    assert by_hold(chain.plan([ASKED])).keys() == set(HOLDS[:2])


def test_nothing_is_said_without_an_earlier_plan_or_for_another_service(chain: Chain) -> None:
    assert chain.plan([ASKED]).freed == ()
    chain.plan([ASKED, HELD])
    assert chain.plan([ASKED], endpoint="http://127.0.0.1:8080").freed == ()


def test_what_a_hold_overrode_in_one_store_is_not_missed_in_another() -> None:
    """Two stores have copies of a series; the hold was on those of the first."""
    plain = [ASKED, Said(KEEP, INSIDE, 1)]
    wanted, seen = desired(plain), live(EVERYTHING)
    other = replace(STORE, dicom_store_id="copies")
    both = replace(wanted, stores=(*wanted.stores, replace(wanted.stores[0], store=other)))
    uids = tuple(sorted(one.instance_uid for one in INSIDE))
    before = OverriddenInstances(STORE, *min(INSIDE).series, HOLDS[1], uids)
    found = overridden_by_holds(both, {**seen, other: replace(seen[STORE], store=other)}, [before])
    assert [(one.store, one.hold, set(one.instances)) for one in found] == [
        (STORE, HOLDS[1], set(uids))
    ]


def test_what_is_set_free_is_no_part_of_the_digest(chain: Chain) -> None:
    first = chain.plan([ASKED])
    chain.plan([ASKED, HELD])
    assert chain.plan([ASKED]).freed
    assert chain.plan([ASKED]).digest == first.digest


# Overdue


def overdue(plan: Plan, today: date) -> list[tuple[int, int, int]]:
    (store,) = plan.stores
    return [(one.overdue_days, one.instances, one.overridden) for one in store.overdue_holds(today)]


def test_a_hold_is_overdue_from_the_day_after_its_review(chain: Chain) -> None:
    whole = Said(KEEP, frozenset(one for one in EVERYTHING if one.study_uid == "1.2"), 2, HOLDS[1])
    saved = chain.plan([ASKED, HELD, whole, Said(KEEP, INSIDE, 1, HOLDS[2])])
    assert overdue(saved.plan, date(2026, 2, 1)) == []
    assert overdue(saved.plan, date(2026, 2, 2)) == [(1, 6, 3)]
    assert [one.overdue_days for one in saved.overdue_holds] == [28]


def test_the_digest_does_not_change_from_day_to_day(chain: Chain) -> None:
    days = [chain.plan([ASKED, HELD], created=NOON + timedelta(days=n)) for n in (-40, 0, 1)]
    assert [len(one.overdue_holds) for one in days] == [0, 1, 1]
    assert len({one.digest for one in days}) == 1
