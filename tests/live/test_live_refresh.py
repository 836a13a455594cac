"""A refresh answers what a plan asks, and never takes what it could not see for absent."""

import json
import threading
import time
from array import array
from collections import Counter

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.errors import LiveError, PreflightError
from reconciler.live.dicomweb import confirmation
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.desired import Claims, DesiredStore, Entry, EntryKind, InstanceList, Limits
from reconciler.model.live import (
    ABSENT,
    LISTED,
    PRESENT,
    LiveStore,
    Observation,
    OddRow,
    OddRows,
    Presence,
)
from reconciler.model.problem import Source
from reconciler.survey.asking import Asking
from reconciler.survey.refresh import refresh
from reconciler.survey.stages import ProbeMode

HERE = Source("specs/a.yaml", 1)
LAG = 0.3
"""Seconds for which the store lists what is gone: shorter than a refresh waits."""


def entry(intent: EntryKind, study: str, series: str | None, *uids: str) -> Entry:
    numbers = array("I", [1] * len(uids))
    listed = InstanceList(uids, numbers, numbers) if uids else None
    return Entry(intent, study, series, listed, HERE)


def keep(study: str, series: str | None = None, *uids: str) -> Entry:
    return entry(EntryKind.KEEP, study, series, *uids)


def remove(study: str, series: str | None = None, *uids: str) -> Entry:
    return entry(EntryKind.REMOVE, study, series, *uids)


def look(store, *entries: Entry, on_progress=None, stop=None, **options: object) -> LiveStore:
    by_intent = {
        intent: Claims(tuple(one for one in entries if one.intent is intent))
        for intent in EntryKind
    }
    desired = DesiredStore(
        DEMO_STORE, Limits(), by_intent[EntryKind.REMOVE], by_intent[EntryKind.KEEP]
    )
    return refresh(desired, store, Asking(4, on_progress, stop), **options)


def seen(live: LiveStore, instance: InstanceAddress) -> Observation:
    return live.instances[instance.series][instance.instance_uid]


def metadata_requests(emulator) -> list[str]:
    return [
        record.path.partition("dicomWeb")[2].removesuffix("/metadata")
        for record in emulator.requests()
        if record.path.endswith("/metadata")
    ]


def searches(emulator) -> list[str]:
    """By their first pages."""
    return [
        record.path.partition("dicomWeb")[2].partition("?")[0]
        for record in emulator.requests()
        if "includefield" in record.path and record.path.endswith("&offset=0")
    ]


def fail(path: str, **options: object) -> Faults:
    return Faults(rules=(FaultRule(FaultKind.STATUS, path=path, **({"status": 403} | options)),))


FIRST = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
SECOND = InstanceAddress("1.2", "1.2.1", "1.2.1.2")
OTHER = InstanceAddress("1.2", "1.2.2", "1.2.2.1")


@pytest.fixture
def study(put) -> None:
    """A study of two series with two instances and one."""
    for instance in (FIRST, SECOND, OTHER):
        put(*instance)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 4 * LAG)


@pytest.mark.usefixtures("study")
def test_a_listed_remove_is_present_by_its_studys_one_listing(emulator, store) -> None:
    live = look(store, remove("1.2", "1.2.1", FIRST.instance_uid, SECOND.instance_uid))
    assert live.instances == {FIRST.series: {"1.2.1.1": LISTED, "1.2.1.2": LISTED}}
    assert live.contents["1.2"].series == {
        "1.2.1": frozenset({"1.2.1.1", "1.2.1.2"}),
        "1.2.2": frozenset({"1.2.2.1"}),
    }
    assert (live.targets, live.misplaced) == ({}, {})
    assert searches(emulator) == ["/studies/1.2/instances"]
    assert metadata_requests(emulator) == []


@pytest.mark.usefixtures("study")
def test_one_kept_instance_of_a_series_is_one_retrieve(emulator, store) -> None:
    live = look(store, keep("1.2", "1.2.1", "1.2.1.1"), keep("1.2", "1.2.2", "1.2.2.9"))
    assert seen(live, FIRST) == PRESENT
    assert seen(live, OTHER._replace(instance_uid="1.2.2.9")) == ABSENT
    assert searches(emulator) == ["/studies/1.2/instances"]  # for the absence alone
    assert live.contents == {}


def test_a_kept_list_is_one_listing_a_witness_and_a_retrieve_of_each_absence(
    emulator, store, put
) -> None:
    for n in range(1, 9):
        put("1.2", "1.2.1", f"1.2.1.{n}")
    live = look(store, keep("1.2", "1.2.1", *(f"1.2.1.{n}" for n in (8, 2, 3, 9))))
    assert live.instances[FIRST.series] == {
        "1.2.1.8": PRESENT,
        "1.2.1.2": LISTED,
        "1.2.1.3": LISTED,
        "1.2.1.9": ABSENT,
    }
    assert searches(emulator) == ["/studies/1.2/series/1.2.1/instances"]
    assert len(metadata_requests(emulator)) == 2


@pytest.mark.usefixtures("study")
def test_each_kept_entry_has_a_witness_of_its_own(emulator, store) -> None:
    look(store, keep("1.2", "1.2.1", FIRST.instance_uid), keep("1.2", "1.2.1", SECOND.instance_uid))
    assert sorted(metadata_requests(emulator)) == [str(FIRST), str(SECOND)]


def test_a_kept_list_whose_witness_is_gone_is_probed_through(emulator, store, put) -> None:
    stored = [put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(1, 5)]
    emulator.set_faults(Faults(search_lag=LAG))
    for instance in stored[:2]:
        store.delete(instance)
    live = look(store, keep("1.2", "1.2.1", *(one.instance_uid for one in stored)))
    assert live.instances[FIRST.series] == {
        "1.2.1.1": ABSENT,
        "1.2.1.2": ABSENT,
        "1.2.1.3": PRESENT,
        "1.2.1.4": PRESENT,
    }


def test_of_a_huge_series_only_so_much_is_listed_as_probes_would_cost(emulator, store, put) -> None:
    for n in range(1, 121):
        put("1.2", "1.2.1", f"1.2.1.{n:03}")
    live = look(store, keep("1.2", "1.2.1", "1.2.1.001", "1.2.1.002", "1.2.1.120"))
    assert {seen.presence for seen in live.instances[FIRST.series].values()} == {Presence.PRESENT}
    emulator.clear_requests()
    look(store, keep("1.2", "1.2.1", "1.2.1.001", "1.2.1.120"))
    (listing,) = [one.path for one in emulator.requests() if "includefield" in one.path]
    assert "limit=100&" in listing
    assert len(metadata_requests(emulator)) == 2


def test_a_listing_that_fails_leaves_the_kept_to_probes(emulator, store, put) -> None:
    for n in range(1, 4):
        put("1.2", "1.2.1", f"1.2.1.{n}")
    emulator.set_faults(fail("series/1.2.1/instances[?]"))
    live = look(store, keep("1.2", "1.2.1", *(f"1.2.1.{n}" for n in range(1, 4))))
    assert set(live.instances[FIRST.series].values()) == {PRESENT}


@pytest.mark.usefixtures("study")
def test_in_retrieve_mode_every_instance_is_retrieved(emulator, store) -> None:
    live = look(
        store,
        remove("1.2", "1.2.1", FIRST.instance_uid),
        remove("1.2", "1.2.2"),
        keep("1.2", "1.2.1", SECOND.instance_uid),
        mode=ProbeMode.RETRIEVE,
    )
    assert {seen(live, one) for one in (FIRST, SECOND, OTHER)} == {PRESENT}
    assert sorted(metadata_requests(emulator)) == [str(FIRST), str(SECOND), str(OTHER)]
    assert searches(emulator) == ["/studies/1.2/instances"]


@pytest.mark.usefixtures("study")
def test_an_absent_remove_is_proven_and_searched_for(emulator, store) -> None:
    gone = InstanceAddress("1.2", "1.2.1", "1.2.1.9")
    live = look(store, remove("1.2", "1.2.1", gone.instance_uid))
    assert seen(live, gone) == ABSENT
    assert live.misplaced == {}
    assert metadata_requests(emulator) == [str(gone)]
    assert searches(emulator) == ["/studies/1.2/instances", "/instances"]


@pytest.mark.usefixtures("study")
def test_an_instance_under_a_wrong_series_is_misplaced(store) -> None:
    wrong = OTHER._replace(series_uid="1.2.1")
    live = look(store, remove(wrong.study_uid, wrong.series_uid, wrong.instance_uid))
    assert seen(live, wrong) == ABSENT
    assert live.misplaced == {wrong: (OTHER,)}


@pytest.mark.usefixtures("study")
def test_a_failed_search_leaves_the_absence_unknown(emulator, store) -> None:
    emulator.set_faults(fail(r"dicomWeb/instances"))
    gone = InstanceAddress("1.2", "1.2.1", "1.2.1.9")
    live = look(store, remove("1.2", "1.2.1", gone.instance_uid))
    assert seen(live, gone).presence is Presence.UNKNOWN
    assert "HTTP 403" in seen(live, gone).detail


@pytest.mark.usefixtures("study")
def test_what_the_journal_records_as_deleted_is_not_searched_for(emulator, store) -> None:
    store.delete(FIRST)
    emulator.clear_requests()
    live = look(store, remove("1.2", "1.2.1", "1.2.1.1"), was_deleted={FIRST}.__contains__)
    assert seen(live, FIRST) == ABSENT
    assert searches(emulator) == ["/studies/1.2/instances"]


@pytest.mark.usefixtures("study")
def test_a_stale_row_of_a_recorded_deletion_is_dropped(emulator, store) -> None:
    emulator.set_faults(Faults(search_lag=LAG))
    store.delete(FIRST)
    assert FIRST in set(store.list_instances("1.2"))
    live = look(store, remove("1.2"), was_deleted={FIRST}.__contains__)
    assert live.instances == {SECOND.series: {"1.2.1.2": LISTED}, OTHER.series: {"1.2.2.1": LISTED}}
    assert sum(map(len, live.contents["1.2"].series.values())) == 2
    assert live.targets == {("1.2", None): PRESENT}


@pytest.mark.usefixtures("study")
def test_a_row_that_was_stored_again_is_present(store) -> None:
    live = look(store, remove("1.2", "1.2.1", "1.2.1.1"), was_deleted={FIRST}.__contains__)
    assert seen(live, FIRST) == PRESENT
    assert sum(map(len, live.contents["1.2"].series.values())) == 3


@pytest.mark.usefixtures("study")
def test_a_stale_row_elsewhere_is_no_misplacement(emulator, store) -> None:
    emulator.set_faults(Faults(search_lag=LAG))
    store.delete(OTHER)
    wrong = OTHER._replace(series_uid="1.2.1")
    live = look(store, remove("1.2", "1.2.1", OTHER.instance_uid), was_deleted={OTHER}.__contains__)
    assert seen(live, wrong) == ABSENT
    assert live.misplaced == {}


@pytest.mark.usefixtures("study")
def test_whole_removes_are_expanded_from_the_listing(store) -> None:
    live = look(store, remove("1.2", "1.2.1"), remove("1.2"))
    assert live.targets == {("1.2", "1.2.1"): PRESENT, ("1.2", None): PRESENT}
    assert live.instances == {
        FIRST.series: {"1.2.1.1": LISTED, "1.2.1.2": LISTED},
        OTHER.series: {"1.2.2.1": LISTED},
    }


@pytest.mark.usefixtures("study")
def test_a_kept_series_is_expanded_and_one_of_it_confirmed(emulator, store) -> None:
    live = look(store, keep("1.2", "1.2.1"))
    assert live.targets == {("1.2", "1.2.1"): PRESENT}
    assert live.instances == {FIRST.series: {"1.2.1.1": PRESENT, "1.2.1.2": LISTED}}
    assert metadata_requests(emulator) == [str(FIRST)]
    assert searches(emulator) == ["/studies/1.2/series/1.2.1/instances"]


@pytest.mark.usefixtures("study")
def test_a_kept_series_of_a_touched_study_needs_no_listing_of_its_own(emulator, store) -> None:
    live = look(store, keep("1.2", "1.2.1"), remove("1.2", "1.2.2", OTHER.instance_uid))
    assert live.targets == {("1.2", "1.2.1"): PRESENT}
    assert seen(live, OTHER) == LISTED
    assert searches(emulator) == ["/studies/1.2/instances"]


@pytest.mark.usefixtures("study")
def test_a_keep_inside_a_whole_confirms_it(emulator, store) -> None:
    look(store, keep("1.2"), keep("1.2", "1.2.1", SECOND.instance_uid))
    assert metadata_requests(emulator) == [str(SECOND)]


def test_a_kept_series_outlives_a_few_stale_rows(emulator, store, put) -> None:
    stored = [put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(1, 6)]
    emulator.set_faults(Faults(search_lag=LAG))
    for instance in stored[:2]:
        store.delete(instance)
    live = look(store, keep("1.2", "1.2.1"))
    assert live.targets == {("1.2", "1.2.1"): PRESENT}
    assert live.instances[SeriesAddress("1.2", "1.2.1")] == {
        "1.2.1.3": PRESENT,
        "1.2.1.4": LISTED,
        "1.2.1.5": LISTED,
    }


def test_a_kept_series_of_stale_rows_is_unknown(emulator, store, put) -> None:
    stored = [put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(1, 6)]
    emulator.set_faults(Faults(search_lag=60.0))
    for instance in stored:
        store.delete(instance)
    live = look(store, keep("1.2", "1.2.1"))
    assert live.targets["1.2", "1.2.1"].presence is Presence.UNKNOWN


def test_a_kept_series_whose_every_row_is_stale_is_absent(emulator, store, put) -> None:
    stored = [put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(1, 3)]
    emulator.set_faults(Faults(search_lag=LAG))
    for instance in stored:
        store.delete(instance)
    live = look(store, keep("1.2", "1.2.1"))
    assert live.targets == {("1.2", "1.2.1"): ABSENT}
    assert live.instances == {}


@pytest.mark.parametrize("named", [keep("1.7"), remove("1.7"), keep("1.7", "1.8")])
def test_a_whole_without_rows_is_absent_by_its_metadata(emulator, store, named) -> None:
    live = look(store, named)
    whole = (named.study_uid, named.series_uid)
    assert live.targets == {whole: ABSENT}
    series = "/series/1.8" if named.series_uid else ""
    assert metadata_requests(emulator) == [f"/studies/1.7{series}"]


class StoreThatListsNothing:
    """The emulator's store with a search index that has not caught up."""

    def __init__(self, store) -> None:
        self._store = store
        self.address = store.address

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def list_instances(self, study_uid, series_uid=None, *, at_most=None, on_series=None):
        return iter(())


@pytest.mark.usefixtures("study")
def test_a_whole_that_is_there_but_not_listed_is_unknown(store) -> None:
    live = look(StoreThatListsNothing(store), remove("1.2"), keep("1.2", "1.2.2"))
    assert {one.presence for one in live.targets.values()} == {Presence.UNKNOWN}
    assert "listing" in live.targets["1.2", None].detail


@pytest.mark.usefixtures("study")
def test_what_only_a_probe_finds_may_refer_to_others(store) -> None:
    live = look(StoreThatListsNothing(store), remove("1.2", "1.2.2"), keep("1.2", *FIRST[1:]))
    assert live.referrers["1.2"].instances == {FIRST}
    live = look(store, remove("1.2", "1.2.2"), keep("1.2", *FIRST[1:]))
    assert live.referrers["1.2"].instances == set()
    assert live.referrers["1.2"].unreported == {"1.2.1": 2, "1.2.2": 1}


@pytest.mark.usefixtures("study")
def test_an_unlisted_remove_that_is_there_counts_as_content(store) -> None:
    live = look(StoreThatListsNothing(store), remove("1.2", "1.2.1", "1.2.1.1"))
    assert seen(live, FIRST) == PRESENT
    assert live.contents["1.2"].series == {"1.2.1": frozenset({"1.2.1.1"})}


@pytest.mark.usefixtures("study")
def test_a_failed_listing_decides_nothing(emulator, store) -> None:
    emulator.set_faults(fail("studies/1.2/instances"))
    live = look(
        store,
        remove("1.2", "1.2.1", "1.2.1.1"),
        remove("1.2", "1.2.2"),
        keep("1.2", "1.2.1", "1.2.1.2"),
        keep("1.2", "1.2.3"),
    )
    assert "HTTP 403" in live.contents["1.2"].problem
    assert seen(live, FIRST).presence is Presence.UNKNOWN
    assert {one.presence for one in live.targets.values()} == {Presence.UNKNOWN}
    assert seen(live, SECOND) == PRESENT


@pytest.mark.usefixtures("study")
def test_a_probe_that_fails_is_unknown(emulator, store) -> None:
    emulator.set_faults(fail("metadata", status=503))
    live = look(store, keep("1.2", "1.2.1", "1.2.1.1"), keep("1.2", "1.2.2"))
    assert seen(live, FIRST).detail == "HTTP 503 after 3 attempts"
    assert live.targets["1.2", "1.2.2"].presence is Presence.UNKNOWN


@pytest.mark.usefixtures("study")
def test_no_404_counts_when_the_store_is_gone_at_the_end(emulator, store) -> None:
    gone = InstanceAddress("1.2", "1.2.1", "1.2.1.9")

    def lose_the_store(done: int, total: int) -> None:
        if done and done == total:
            rules = [
                FaultRule(FaultKind.STATUS, path=p, status=404) for p in ("metadata", "store$")
            ]
            emulator.set_faults(Faults(rules=tuple(rules)))

    live = look(
        store,
        keep("1.2", "1.2.1", "1.2.1.8"),
        remove("1.2", "1.2.1", gone.instance_uid),
        remove("1.7"),
        on_progress=lose_the_store,
    )
    other = gone._replace(instance_uid="1.2.1.8")
    for one in (seen(live, other), seen(live, gone), live.targets["1.7", None]):
        assert one.presence is Presence.UNKNOWN
        assert "pre-flight" in one.detail
    assert live.misplaced == {}


def test_no_probe_is_sent_to_a_store_that_does_not_answer(emulator, store) -> None:
    emulator.set_faults(fail("store$", status=404))
    with pytest.raises(PreflightError):
        look(store, keep("1.2", "1.2.1", "1.2.1.1"))
    assert metadata_requests(emulator) == []


@pytest.mark.usefixtures("study")
def test_a_held_remove_is_confirmed_as_a_keep(emulator, store) -> None:
    live = look(
        store, remove("1.2", "1.2.1", FIRST.instance_uid), keep("1.2", "1.2.1", FIRST.instance_uid)
    )
    assert seen(live, FIRST) == PRESENT
    assert metadata_requests(emulator) == [str(FIRST)]


def test_progress_ends_at_its_total(store, put) -> None:
    for n in range(1, 9):
        put("1.2", "1.2.1", f"1.2.1.{n}")
    reports: list[tuple[int, int]] = []
    look(
        store,
        keep("1.2", "1.2.1", *(f"1.2.1.{n}" for n in range(1, 20))),
        on_progress=lambda done, total: reports.append((done, total)),
    )
    assert reports[-1] == (13, 13)  # a listing, a witness, eleven absences
    assert reports == sorted(reports)


def test_a_stopped_refresh_says_so(emulator, store) -> None:
    stop = threading.Event()

    def stop_soon(done: int, total: int) -> None:
        if done == 3:
            stop.set()

    with pytest.raises(LiveError, match="interrupted"):
        look(
            store,
            keep("1.2", "1.2.1", *(f"1.2.1.{n}" for n in range(1, 200))),
            on_progress=stop_soon,
            stop=stop,
        )
    assert len(metadata_requests(emulator)) < 20


@pytest.mark.usefixtures("study")
def test_a_refresh_only_reads(emulator, connect) -> None:
    planning = connect(emulator.url, read_only=True).store(DEMO_STORE)
    look(planning, remove("1.2"), keep("1.7"), remove("1.9", "1.9.1", "1.9.1.1"))
    methods = Counter(record.method for record in emulator.requests())
    assert methods.keys() == {"GET", "POST"}
    assert methods["POST"] == 2
    assert not any(record.changed for record in emulator.requests())


# Rows that no request can address


def listed_odd(emulator, path: str, *rows: tuple[object, ...]) -> None:
    """Let a search answer with these rows, whatever stands for their UIDs."""
    tags = ("0020000D", "0020000E", "00080018")
    body = [
        {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(tags, row, strict=True) if uid}
        for row in rows
    ]
    first, rest = (
        FaultRule(FaultKind.STATUS, "GET", f"{path}.*offset={offset}", status=200, body=said)
        for offset, said in (("0$", json.dumps(body)), ("[1-9]", "[]"))
    )
    emulator.set_faults(Faults((first, rest)))


STUDY_LISTING = r"/studies/1\.2/instances\?"
ODD = {
    "letters": ("1.2", "1.2.1", "1.2.1.Ab"),
    "too long": ("1.2", "1.2.1", "1." + "2" * 63),
    "not ASCII": ("1.2", "1.2.1", "１.2"),  # noqa: RUF001 - a digit that is none here
    "another, padded": ("1.2", "1.2.1", "1.2.1.7\0"),
    "a number": ("1.2", "1.2.1", 7),
    "missing": ("1.2", "1.2.1", None),
    "of the series": ("1.2", "1.2.s", "1.2.1.7"),
    "of no series": ("1.2", None, "1.2.1.7"),
    "of no study": (None, "1.2.1", "1.2.1.7"),
}


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_beside_an_odd_row_a_named_remove_is_present_and_nothing_is_asked_twice(
    emulator, store, odd: tuple[object, ...]
) -> None:
    listed_odd(emulator, STUDY_LISTING, FIRST, odd, SECOND, FIRST)
    live = look(store, remove("1.2", "1.2.1", FIRST.instance_uid, SECOND.instance_uid))
    assert live.instances[FIRST.series] == {"1.2.1.1": LISTED, "1.2.1.2": LISTED}
    assert len(live.contents["1.2"].odd.rows) == 1
    assert searches(emulator) == ["/studies/1.2/instances"]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_study_is_not_removed_whole_beside_an_odd_row_but_it_is_kept(
    emulator, store, odd: tuple[object, ...]
) -> None:
    listed_odd(emulator, STUDY_LISTING, FIRST, odd)
    live = look(store, remove("1.2"))
    assert live.targets["1.2", None].presence is Presence.UNKNOWN
    assert "cannot be removed as a whole" in live.targets["1.2", None].detail
    assert look(store, keep("1.2")).targets["1.2", None] == PRESENT


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("odd", "presence"),
    [
        (("1.2", "1.2.1", "1.2.1.9\0"), Presence.UNKNOWN),
        (("1.2", "1.2.1", None), Presence.UNKNOWN),
        (("1.2", None, "1.2.1.9"), Presence.UNKNOWN),
        (("1.2", "1.2.1", "1.2.1.A"), Presence.ABSENT),
        (("1.2", "1.2.2", None), Presence.ABSENT),
    ],
)
def test_an_odd_row_that_may_be_an_absent_instance_leaves_it_unknown(
    emulator, store, odd: tuple[object, ...], presence: Presence
) -> None:
    listed_odd(emulator, STUDY_LISTING, FIRST, odd)
    live = look(store, remove("1.2", "1.2.1", "1.2.1.9"))
    assert seen(live, FIRST._replace(instance_uid="1.2.1.9")).presence is presence


@pytest.mark.usefixtures("study")
def test_what_is_found_where_no_request_can_address_it_is_unknown_and_not_asked_twice(
    emulator, store
) -> None:
    listed_odd(emulator, r"/dicomWeb/instances\?", ("1.9", "1.9.x", "1.2.1.9"))
    live = look(store, remove("1.2", "1.2.1", "1.2.1.9"))
    unseen = seen(live, FIRST._replace(instance_uid="1.2.1.9"))
    assert unseen.presence is Presence.UNKNOWN
    assert 'malformed SeriesInstanceUID "1.9.x"' in unseen.detail
    assert searches(emulator).count("/instances") == 1


@pytest.mark.usefixtures("study")
def test_a_kept_list_is_seen_beside_an_odd_row(emulator, store) -> None:
    listed_odd(emulator, r"/series/1\.2\.1/instances\?", FIRST, ODD["letters"], SECOND)
    live = look(store, keep("1.2", "1.2.1", FIRST.instance_uid, SECOND.instance_uid))
    assert {one.presence for one in live.instances[FIRST.series].values()} == {Presence.PRESENT}


def test_many_odd_rows_cost_no_square() -> None:
    rows = tuple(OddRow(("1.2", f"1.2.{n}", None)) for n in range(50_000))
    odd = OddRows(rows)
    began = time.process_time()
    shown = sum(odd.may_be("1.2", f"1.2.{n}", "1.2.3") for n in range(100_000))
    assert shown == len(rows)
    assert time.process_time() - began < 5
