"""A 404 is an absence only if something else than its words says so."""

import json
import threading
import time
from collections import Counter

import pytest

from reconciler.emulator import (
    DEMO_STORE,
    EmulatorSettings,
    ErrorShape,
    FaultKind,
    FaultRule,
    Faults,
    running_emulator,
)
from reconciler.live.dicomweb import confirmation
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT, ABSENT_BY_TEXT, PRESENT, Observation, Presence
from reconciler.model.reply import ReplyKind

from ..waiting import wait_until
from .conftest import dicom_file
from .test_live_store import metadata_of

WORDS_OF_OTHERS = [
    '{"message": "no Route matched"}',
    '{"error": "not found"}',
    '{"detail": "Not Found"}',
    '"Not Found"',
    "{}",
    "404 page not found",
]
WORDS_LIKE_THE_APIS = ['{"code": 404, "message": "no Route matched"}', '{"error": {"code": 404}}']
ON_INSTANCES = r"/instances/[0-9.]+(/metadata)?$"


def gateway(body: str, path: str = ON_INSTANCES, **options: object) -> FaultRule:
    return FaultRule(FaultKind.STATUS, status=404, body=body, path=path, **options)


def look(store, instance: InstanceAddress) -> Observation:
    return store.confirmed(instance, store.probe(instance))


def searches(emulator) -> int:
    """How many searches were begun; each ends with a page that is empty."""
    found = emulator.requests()
    return sum("includefield" in one.path and one.path.endswith("offset=0") for one in found)


def probes(emulator) -> int:
    return sum(one.path.endswith("/metadata") for one in emulator.requests())


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 0.4)


@pytest.fixture
def here(put) -> list[InstanceAddress]:
    return [put(f"1.{s}", f"1.{s}.1", f"1.{s}.1.{n}") for s in (1, 2, 3) for n in range(1, 11)]


@pytest.mark.parametrize("body", WORDS_OF_OTHERS + WORDS_LIKE_THE_APIS)
def test_a_gateways_404_is_unknown_for_what_is_there(emulator, store, here, body) -> None:
    emulator.set_faults(Faults((gateway(body),)))
    assert look(store, here[0]).presence is Presence.UNKNOWN
    assert look(store, here[0]).detail.startswith("HTTP 404")


@pytest.mark.parametrize("body", WORDS_OF_OTHERS)
def test_a_delete_that_a_gateway_answers_is_no_not_found(emulator, store, here, body) -> None:
    emulator.set_faults(Faults((gateway(body, method="DELETE"),)))
    assert store.delete(here[0]).kind is ReplyKind.UNEXPECTED


def test_what_is_gone_is_absent_if_its_study_agrees(store, here) -> None:
    gone = here[0]._replace(instance_uid="1.1.1.99")
    assert look(store, gone) == ABSENT
    assert look(store, InstanceAddress("1.9", "1.9.1", "1.9.1.1")) == ABSENT


def test_one_listing_serves_all_absences_of_a_study(emulator, store, here) -> None:
    for one in here:
        store.delete(one)
    emulator.clear_requests()
    seen: list[Observation] = []
    run_workers(here, lambda one: seen.append(look(store, one)), parallelism=8)
    assert seen == [ABSENT] * 30
    assert probes(emulator) == 30
    assert len(emulator.requests()) == 30 + 3


def test_a_listing_that_lags_is_read_again_and_not_by_each(emulator, store, here) -> None:
    emulator.set_faults(Faults(search_lag=0.3))
    for one in here[:10]:
        store.delete(one)
    emulator.clear_requests()
    seen: list[Observation] = []
    run_workers(here[:10], lambda one: seen.append(look(store, one)), parallelism=10)
    assert seen == [ABSENT] * 10
    assert searches(emulator) <= 4


def test_a_row_that_outlives_the_lag_leaves_it_unknown(emulator, store, here) -> None:
    emulator.set_faults(Faults(search_lag=60.0))
    store.delete(here[0])
    assert look(store, here[0]).detail == "HTTP 404, but the listing of its study still shows it"
    # What an accepted DELETE explains needs no listing.
    assert store.confirmed(here[0], store.probe(here[0]), explained=True) == ABSENT


def test_many_unconfirmed_absences_wait_for_the_lag_once(emulator, store, here) -> None:
    emulator.set_faults(Faults((gateway(WORDS_LIKE_THE_APIS[0]),)))
    since = time.monotonic()
    seen: list[Presence] = []

    def confirm(one: InstanceAddress) -> None:
        seen.append(store.confirmed(one, ABSENT, since=since).presence)

    run_workers(here, confirm, parallelism=2)
    assert seen == [Presence.UNKNOWN] * 30
    assert time.monotonic() - since < 3.0
    assert searches(emulator) <= 9


def test_a_listing_that_fails_confirms_nothing_and_is_not_asked_for_by_each(
    emulator, store, here
) -> None:
    absent = [one._replace(instance_uid=f"{one.instance_uid}.9") for one in here[:10]]
    emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, path=r"/instances\?", status=403),)))
    since = time.monotonic()
    for one in absent:
        seen = store.confirmed(one, store.probe(one), since=since)
        assert seen.presence is Presence.UNKNOWN
        assert "HTTP 403" in seen.detail
    assert searches(emulator) == 1


def test_a_run_that_stops_does_not_wait_for_the_lag(emulator, connect, here, monkeypatch) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 30.0)
    stop = threading.Event()
    store = connect(emulator.url, stop=stop).store(DEMO_STORE)
    emulator.set_faults(Faults((gateway(WORDS_LIKE_THE_APIS[0]),)))
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    assert look(store, here[0]).presence is Presence.UNKNOWN
    assert time.monotonic() - began < 5.0


def test_a_listing_that_is_older_than_the_look_may_be_ruled_out(emulator, store, put) -> None:
    one = InstanceAddress("1.1", "1.1.1", "1.1.1.1")
    assert look(store, one) == ABSENT
    put(*one)
    emulator.set_faults(Faults((gateway(WORDS_LIKE_THE_APIS[0]),)))
    seen = store.confirmed(one, store.probe(one), since=time.monotonic())
    assert seen.presence is Presence.UNKNOWN


@pytest.fixture
def terse(tmp_path, connect):
    """A store that says 404 by a bare string, and what it holds: ten instances of each study."""
    settings = EmulatorSettings(tmp_path / "terse", error_shape=ErrorShape.STRING)
    with running_emulator(settings) as emulator:
        held = [
            emulator.ingest(DEMO_STORE, dicom_file(f"1.{s}", f"1.{s}.1", f"1.{s}.1.{n}", 0))
            for s in (1, 2, 3)
            for n in range(1, 11)
        ]
        emulator.clear_requests()
        yield emulator, connect(emulator.url).store(DEMO_STORE), held


def test_a_bare_text_counts_if_nobody_has_the_same(terse) -> None:
    emulator, store, held = terse
    missing = held[0]._replace(instance_uid="1.1.1.99")
    assert store.probe(missing) == ABSENT_BY_TEXT
    assert look(store, missing) == ABSENT
    assert look(store, missing) == ABSENT
    asked = Counter("/2.25." in one.path for one in emulator.requests())
    assert asked == {True: 1, False: 5}
    emulator.set_faults(Faults((gateway('"Not Found"'),)))
    assert store.probe(held[0]).detail == "HTTP 404 with another text than an unused address gets"
    assert store.delete(held[0]).kind is ReplyKind.UNEXPECTED


def test_a_bare_text_that_nobody_gets_too_still_needs_a_control(terse) -> None:
    emulator, store, held = terse
    emulator.set_faults(Faults((gateway('"Not Found"'),)))
    seen = store.probe(held[0])
    assert seen == ABSENT_BY_TEXT
    for explained in (False, True):
        assert store.confirmed(held[0], seen, explained=explained).presence is Presence.UNKNOWN


def test_where_nobody_cannot_be_asked_a_bare_text_is_unknown(terse) -> None:
    emulator, store, held = terse
    emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, path="/2[.]25[.]", status=503),)))
    assert store.probe(held[0]._replace(instance_uid="1.9")).presence is Presence.UNKNOWN
    emulator.set_faults(Faults())
    assert store.probe(held[0]._replace(instance_uid="1.9")) == ABSENT_BY_TEXT


def test_where_texts_are_the_word_a_study_costs_one_request_more(terse) -> None:
    emulator, store, held = terse
    emulator.set_faults(Faults(search_lag=60.0))  # so that listings confirm nothing
    store.probe(held[0]._replace(instance_uid="1.9"))
    emulator.clear_requests()
    for one in held:
        assert store.delete(one).kind is ReplyKind.ACCEPTED
        assert store.confirmed(one, store.probe(one), explained=True).presence is Presence.ABSENT
    assert len(emulator.requests()) == 2 * 30 + 3
    assert store.delete(held[0]).kind is ReplyKind.NOT_FOUND


def test_what_is_present_speaks_for_its_study_only(terse) -> None:
    emulator, store, held = terse
    assert store.probe(held[1]) == PRESENT
    emulator.set_faults(Faults(search_lag=60.0))
    for one in (held[0], held[10]):
        store.delete(one)
    first = store.confirmed(held[0], store.probe(held[0]), explained=True)
    other = store.confirmed(held[10], store.probe(held[10]), explained=True)
    assert (first.presence, other.presence) == (Presence.ABSENT, Presence.UNKNOWN)


@pytest.mark.parametrize("depth", [1, 2])
def test_wholes_have_a_text_of_their_own(terse, depth) -> None:
    _, store, _ = terse
    assert (
        store.probe_study_or_series(*("1.9", "1.9.1")[:depth], *(None,) * (2 - depth))
        == ABSENT_BY_TEXT
    )


INSTANCE = InstanceAddress("1.1", "1.1.1", "1.1.1.1")
LONG = {"52009230": {"vr": "SQ", "Value": [{"00080018": {"Value": ["1.9"]}}] * 5000}}
PADDING = {"00080005": {"vr": "CS", "Value": ["x" * 70_000]}}


@pytest.mark.parametrize(
    ("told", "presence"),
    [
        (metadata_of(INSTANCE), "present"),
        (metadata_of(INSTANCE, LONG), "present"),
        (b'[{"00080018": {"vr": "UI", "Value": ["1.1.1.1"]}}]', "present"),
        (
            b'[{"0020000D": {"vr": "UI"}, "00080018": {"vr": "UI", "Value": ["1.1.1.1"]}}]',
            "present",
        ),
        (metadata_of(INSTANCE._replace(instance_uid="1.1.1.2")), "another"),
        (metadata_of(INSTANCE._replace(series_uid="1.1.2")), "another"),
        (metadata_of(INSTANCE._replace(study_uid="1.2")), "another"),
        (metadata_of(INSTANCE._replace(study_uid="1.2"), LONG), "another"),
        (json.dumps(2 * json.loads(metadata_of(INSTANCE))).encode(), "several"),
        (b'[{"00080018": {"vr": "UI", "Value": ["1.1.1.1", "1.1.1.2"]}}]', "another"),
        (b'[{"00080018": {"vr": "UI", "Value": [1]}}]', "another"),
        (b'[{"00080018": "1.1.1.1"}]', "another"),
        (b'[{"0020000D": {"vr": "UI", "Value": ["1.1"]}}]', "do not say"),
        (b'[{"00081140": {"Value": [{"00080018": {"Value": ["1.1.1.1"]}}]}}]', "do not say"),
        (b'[{"00080018": {"vr": "UI", "Value": []}}]', "do not say"),
        (json.dumps([PADDING]).encode(), "without a dataset"),
        (b"[" + b" " * 70_000 + b"]", "without a dataset"),
        (metadata_of(INSTANCE)[:-1], "without a dataset"),
        (metadata_of(INSTANCE)[1:-1], "without a dataset"),
        (b"[{}]", "without a dataset"),
        (b"[null]", "without a dataset"),
    ],
)
def test_only_the_metadata_of_the_instance_say_present(scripted, connect, told, presence) -> None:
    path = f"/v1/{DEMO_STORE}/dicomWeb{INSTANCE}/metadata"
    scripted.replies["GET", path] = (200, {"Content-Type": "application/dicom+json"}, told)
    seen = connect(scripted.url).store(DEMO_STORE).probe(INSTANCE)
    if presence == "present":
        assert seen == PRESENT
    else:
        assert seen.presence is Presence.UNKNOWN
        assert presence in seen.detail


def test_a_listing_that_failed_is_asked_for_again_when_it_may_have_recovered(
    emulator, store, here
) -> None:
    gone = here[0]._replace(instance_uid="1.1.1.99")
    failing = FaultRule(FaultKind.STATUS, status=403, path=r"/instances$|/instances\?")
    emulator.set_faults(Faults((failing,)))
    assert "cannot be listed" in look(store, gone).detail
    emulator.set_faults(Faults())
    wait_until(lambda: look(store, gone) == ABSENT)
