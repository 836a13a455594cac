"""The store of the Healthcare API, against a loopback store that speaks its wire."""

import json
import socket

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
from reconciler.errors import CredentialsError, LiveError, PreflightError
from reconciler.live.http.bounds import Bounds
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import ABSENT, ABSENT_BY_TEXT, PRESENT, Presence
from reconciler.model.reply import ReplyKind

MISSING = InstanceAddress("1.2.7", "1.2.8", "1.2.9")


def fault(kind: FaultKind, **options: object) -> Faults:
    return Faults(rules=(FaultRule(kind, **options),))


@pytest.fixture
def one(put) -> InstanceAddress:
    return put("1.2", "1.2.1", "1.2.1.1", size=300_000)


def test_a_stored_instance_is_present_and_a_missing_one_absent(store, one) -> None:
    assert store.probe(one) == PRESENT
    assert store.probe(MISSING) == ABSENT
    assert store.probe(one._replace(series_uid="1.2.2")) == ABSENT


def test_a_probe_moves_no_pixel_data(emulator, store, one) -> None:
    store.probe(one)
    (record,) = emulator.requests()
    assert (record.method, record.path) == ("GET", f"/v1/{DEMO_STORE}/dicomWeb{one}/metadata")
    assert record.headers["accept"] == "application/dicom+json"
    assert record.headers["x-request-id"] == "request-1"


@pytest.mark.parametrize("shape", ErrorShape)
def test_every_form_of_the_apis_error_says_absent(tmp_path, connect, shape) -> None:
    with running_emulator(EmulatorSettings(tmp_path, error_shape=shape)) as emulator:
        seen = connect(emulator.url).store(DEMO_STORE).probe(MISSING)
        assert seen == (ABSENT_BY_TEXT if shape is ErrorShape.STRING else ABSENT)


@pytest.mark.parametrize(
    ("faults", "detail"),
    [
        (fault(FaultKind.STATUS, status=503), "HTTP 503 after 3 attempts"),
        (fault(FaultKind.STATUS, status=429, retry_after=30), "HTTP 429 after 3 attempts"),
        (fault(FaultKind.STATUS, status=403), "HTTP 403"),
        (fault(FaultKind.STATUS, status=401), "HTTP 401"),
        (fault(FaultKind.HTML), "HTTP 502 after 3 attempts"),
        (fault(FaultKind.HTML, status=200), "HTTP 200 with HTML"),
        (fault(FaultKind.HTML, status=404), "HTTP 404 with HTML"),
        (fault(FaultKind.REDIRECT, location="https://evil.example/"), "HTTP 302, a redirect"),
        (fault(FaultKind.RESET), "the connection broke after 3 attempts"),
        (fault(FaultKind.TRUNCATE), "the connection broke after 3 attempts"),
    ],
)
def test_whatever_else_is_answered_is_unknown(emulator, store, one, faults, detail) -> None:
    emulator.set_faults(faults)
    seen = store.probe(one)
    assert (seen.presence, seen.detail) == (Presence.UNKNOWN, detail)


def test_no_answer_in_time_is_unknown(emulator, connect, one) -> None:
    store = connect(emulator.url, bounds=Bounds(whole=0.2)).store(DEMO_STORE)
    emulator.set_faults(fault(FaultKind.HANG))
    assert store.probe(one).detail == "no answer in time after 3 attempts"


def test_no_server_is_unknown(connect, one) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        seen = connect(url).store(DEMO_STORE).probe(one)
    assert seen.detail == "no connection; nothing was sent after 3 attempts"


@pytest.mark.parametrize(
    "kind", [FaultKind.STATUS, FaultKind.RESET, FaultKind.TRUNCATE, FaultKind.HTML]
)
def test_a_fault_that_passes_is_ridden_out(emulator, store, one, kind) -> None:
    emulator.set_faults(fault(kind, status=503 if kind is FaultKind.STATUS else None, times=2))
    assert store.probe(one) == PRESENT
    assert len(emulator.requests()) == 3


def metadata_of(instance: InstanceAddress, *others: dict[str, object]) -> bytes:
    """The metadata of one instance; ``others`` are further elements."""
    tags = ("0020000D", "0020000E", "00080018")
    row = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(tags, instance, strict=True)}
    for other in others:
        row |= other
    return json.dumps([row]).encode()


def test_probes_keep_their_connection(scripted, connect) -> None:
    instance = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
    path = f"/v1/{DEMO_STORE}/dicomWeb{instance}/metadata"
    scripted.replies["GET", path] = (
        200,
        {"Content-Type": "application/dicom+json"},
        metadata_of(instance, {"00100010": {"vr": "PN", "Value": ["Doe^Jane"]}}),
    )
    store = connect(scripted.url).store(DEMO_STORE)
    for _ in range(5):
        assert store.probe(instance) == PRESENT
        assert store.probe(MISSING).presence is Presence.UNKNOWN
    assert len(scripted.connections) == 1


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_metadata_without_a_dataset_is_no_proof_of_presence(scripted, connect, body) -> None:
    path = f"/v1/{DEMO_STORE}/dicomWeb{MISSING}/metadata"
    scripted.replies["GET", path] = (200, {"Content-Type": "application/dicom+json"}, body)
    seen = connect(scripted.url).store(DEMO_STORE).probe(MISSING)
    assert (seen.presence, seen.detail) == (
        Presence.UNKNOWN,
        "HTTP 200 without a dataset after 3 attempts",
    )


def test_wholes_are_probed_by_their_metadata(store, one) -> None:
    assert store.probe_study_or_series("1.2", None) == PRESENT
    assert store.probe_study_or_series("1.2", "1.2.1") == PRESENT
    assert store.probe_study_or_series("1.2", "1.2.2") == ABSENT
    assert store.probe_study_or_series("1.3", None) == ABSENT


def test_listings_page_until_an_empty_page(emulator, connect, put) -> None:
    stored = {put("1.2", f"1.2.{n % 2}", f"1.2.0.{n}") for n in range(10)}
    put("1.3", "1.3.1", "1.3.1.1")
    store = connect(emulator.url, page_size=4).store(DEMO_STORE)
    emulator.clear_requests()
    assert sorted(store.list_instances("1.2")) == sorted(stored)
    assert len(emulator.requests()) == 4
    in_series = {instance for instance in stored if instance.series_uid == "1.2.1"}
    assert set(store.list_instances("1.2", "1.2.1")) == in_series
    assert list(store.list_instances("1.9")) == []


def test_a_broken_page_is_read_again(emulator, store, put) -> None:
    stored = {put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(20)}
    emulator.set_faults(fault(FaultKind.TRUNCATE, times=2))
    assert set(store.list_instances("1.2")) == stored


@pytest.mark.parametrize(
    "faults",
    [
        fault(FaultKind.STATUS, status=403),
        fault(FaultKind.STATUS, status=404),
        fault(FaultKind.STATUS, status=503),
        fault(FaultKind.HTML, status=200),
        fault(FaultKind.TRUNCATE),
        fault(FaultKind.REDIRECT, location="/"),
        fault(FaultKind.RESET),
    ],
)
def test_a_listing_that_cannot_be_read_raises(emulator, store, put, faults) -> None:
    put("1.2", "1.2.1", "1.2.1.1")
    emulator.set_faults(faults)
    with pytest.raises(LiveError):
        list(store.list_instances("1.2"))
    with pytest.raises(LiveError):
        store.find("1.2.1.1")


LISTING_QUERY = "includefield=0020000D,0020000E,00080016,00080008,00080060,00080020&limit=2&offset="


def listed(*instances: str) -> tuple[int, dict[str, str], bytes]:
    rows = ",".join(
        f'{{"0020000D": {{"Value": ["1.2"]}}, "0020000E": {{"Value": ["1.2.1"]}},'
        f' "00080018": {{"Value": ["{uid}"]}}}}'
        for uid in instances
    )
    return 200, {"Content-Type": "application/dicom+json"}, f"[{rows}]".encode()


def test_a_row_that_moves_to_the_next_page_hides_none(scripted, connect) -> None:
    path = f"/v1/{DEMO_STORE}/dicomWeb/studies/1.2/instances?{LISTING_QUERY}"
    scripted.replies["GET", path + "0"] = listed("1.1", "1.2")
    scripted.replies["GET", path + "2"] = listed("1.2", "1.3")
    scripted.replies["GET", path + "4"] = (204, {}, b"")
    store = connect(scripted.url, page_size=2).store(DEMO_STORE)
    found = {instance.instance_uid for instance in store.list_instances("1.2")}
    assert found == {"1.1", "1.2", "1.3"}


def test_a_row_of_something_else_makes_an_answer_worthless(scripted, connect) -> None:
    web = f"/v1/{DEMO_STORE}/dicomWeb"
    scripted.replies["GET", f"{web}/studies/1.3/instances?{LISTING_QUERY}0"] = listed("1.1")
    series = f"{web}/studies/1.2/series/1.2.2/instances?{LISTING_QUERY}0"
    scripted.replies["GET", series] = listed("1.1")
    fields = "includefield=0020000D,0020000E&limit=2&offset=0"
    search = f"{web}/instances?SOPInstanceUID=1.9&{fields}"
    scripted.replies["GET", search] = listed("1.1")
    store = connect(scripted.url, page_size=2).store(DEMO_STORE)
    with pytest.raises(LiveError, match="another study"):
        list(store.list_instances("1.3"))
    with pytest.raises(LiveError, match="another study or series"):
        list(store.list_instances("1.2", "1.2.2"))
    with pytest.raises(LiveError, match="another instance"):
        store.find("1.9")


def test_find_gives_every_address_of_an_instance(store, put) -> None:
    put("1.2", "1.2.1", "1.2.1.2")
    there = put("1.2", "1.2.1", "1.2.1.1")
    elsewhere = put("1.3", "1.3.1", "1.2.1.1")
    assert store.find("1.2.1.1") == (there, elsewhere)
    assert store.find("1.9.9") == ()


@pytest.mark.parametrize("uid", ["", "..", "1&limit=0", "1.2\n", "1#", "*"])
def test_find_asks_for_uids_only(emulator, store, uid) -> None:
    with pytest.raises(LiveError):
        store.find(uid)
    assert emulator.requests() == []


def test_retrieve_gives_the_bytes_as_stored(emulator, store, one) -> None:
    with store.retrieve(one) as body:
        data = b"".join(body.chunks)
    assert body.content_type.startswith("application/dicom; transfer-syntax=")
    assert body.length == len(data) > 300_000
    assert data[128:132] == b"DICM"
    (record,) = emulator.requests()
    assert record.headers["accept"] == "application/dicom; transfer-syntax=*"


def test_a_short_body_is_never_taken_for_the_whole(emulator, store, one) -> None:
    emulator.set_faults(fault(FaultKind.TRUNCATE, body_bytes=200_000))
    with store.retrieve(one) as body, pytest.raises(LiveError):
        b"".join(body.chunks)


@pytest.mark.parametrize(
    "faults", [Faults(), fault(FaultKind.HTML, status=200), fault(FaultKind.STATUS, status=503)]
)
def test_what_cannot_be_retrieved_raises(emulator, store, faults) -> None:
    emulator.set_faults(faults)
    with pytest.raises(LiveError), store.retrieve(MISSING):
        pass


def test_preflight_passes_for_what_the_caller_may(store) -> None:
    store.preflight(deleting=False)
    store.preflight(deleting=True)


READ, DELETE, GET = (
    f"healthcare.dicomStores.{verb}" for verb in ("dicomWebRead", "dicomWebDelete", "get")
)


@pytest.mark.parametrize(
    ("permissions", "deleting", "missing"),
    [
        ({READ, GET}, True, DELETE),
        ({DELETE, GET}, False, READ),
        ({GET}, True, f"{READ} and {DELETE}"),
    ],
)
def test_preflight_names_the_missing_permission(
    tmp_path, connect, permissions, deleting, missing
) -> None:
    settings = EmulatorSettings(tmp_path, permissions=frozenset(permissions))
    with running_emulator(settings) as emulator:
        store = connect(emulator.url).store(DEMO_STORE)
        with pytest.raises(PreflightError, match=missing) as caught:
            store.preflight(deleting=deleting)
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (StoreAddress("demo-project", "europe-west4", "demo-dataset", "typo"), "no DICOM store"),
        (StoreAddress("demo-project", "europe-west4", "typo", "demo-store"), "dataset"),
    ],
)
def test_preflight_names_what_does_not_exist(emulator, connect, address, message) -> None:
    with pytest.raises(PreflightError, match=message):
        connect(emulator.url).store(address).preflight(deleting=False)


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (fault(FaultKind.STATUS, status=401), CredentialsError),
        (fault(FaultKind.STATUS, status=503), PreflightError),
        (fault(FaultKind.HTML, status=200), PreflightError),
        (fault(FaultKind.REDIRECT, location="/"), PreflightError),
        (fault(FaultKind.RESET), PreflightError),
        (fault(FaultKind.HTML, status=200, path="testIamPermissions"), PreflightError),
        (fault(FaultKind.STATUS, status=500, path="testIamPermissions"), PreflightError),
    ],
)
def test_preflight_fails_on_anything_unclear(emulator, store, faults, error) -> None:
    emulator.set_faults(faults)
    with pytest.raises(error) as caught:
        store.preflight(deleting=False)
    assert caught.value.hint is not None


def test_a_deleted_instance_is_gone_and_nothing_else(emulator, store, one, put) -> None:
    other = put("1.2", "1.2.1", "1.2.1.2")
    reply = store.delete(one)
    assert (reply.kind, reply.status, reply.request_id) == (ReplyKind.ACCEPTED, 200, "request-1")
    assert store.probe(one) == ABSENT
    assert store.delete(one).kind is ReplyKind.NOT_FOUND
    assert emulator.instances(DEMO_STORE) == {other}


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (fault(FaultKind.STATUS, status=503), (ReplyKind.UNCLEAR, 503)),
        (fault(FaultKind.STATUS, status=503, after_effect=True), (ReplyKind.UNCLEAR, 503)),
        (fault(FaultKind.STATUS, status=429, retry_after=7), (ReplyKind.THROTTLED, 429)),
        (fault(FaultKind.STATUS, status=401), (ReplyKind.UNAUTHENTICATED, 401)),
        (fault(FaultKind.STATUS, status=403), (ReplyKind.REFUSED, 403)),
        (fault(FaultKind.HTML, status=200, after_effect=True), (ReplyKind.UNEXPECTED, 200)),
        (fault(FaultKind.HTML, status=404), (ReplyKind.UNEXPECTED, 404)),
        (fault(FaultKind.REDIRECT, location="/elsewhere"), (ReplyKind.UNEXPECTED, 302)),
        (fault(FaultKind.RESET), (ReplyKind.UNCLEAR, None)),
        (fault(FaultKind.RESET, after_effect=True), (ReplyKind.UNCLEAR, None)),
    ],
)
def test_a_delete_is_sent_exactly_once(emulator, store, one, faults, expected) -> None:
    emulator.set_faults(faults)
    reply = store.delete(one)
    assert (reply.kind, reply.status) == expected
    assert reply.request_id == "request-1"
    assert [record.method for record in emulator.requests()] == ["DELETE"]
    assert reply.retry_after == (7 if reply.status == 429 else None)


def test_a_delete_that_reached_nobody_says_so(connect) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        reply = connect(url).store(DEMO_STORE).delete(MISSING)
    assert (reply.kind, reply.status) == (ReplyKind.THROTTLED, None)
    assert "nothing was sent" in reply.detail


def test_requests_are_counted_by_kind(emulator, connect, one) -> None:
    connection = connect(emulator.url)
    store = connection.store(DEMO_STORE)
    store.preflight(deleting=True)
    store.probe(one)
    store.find(one.instance_uid)
    emulator.set_faults(fault(FaultKind.STATUS, status=503, times=1))
    list(store.list_instances("1.2"))
    store.delete(one)
    counts = connection.traffic.requests
    assert counts == {"preflight": 2, "probe": 1, "search": 5, "delete": 1}
    assert sum(counts.values()) == len(emulator.requests())
