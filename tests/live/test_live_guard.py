"""No request leaves whose URL is not the one that was meant; no DELETE but of one instance."""

import re

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError, ReadOnlyError
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.message import target_of
from reconciler.live.http.transport import Call
from reconciler.live.providers.google.store import guards
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence

HOSTILE = [
    "",
    ".",
    "..",
    "../..",
    "../../..",
    "%2e%2e",
    "%2E%2E",
    "1/../2",
    "1/..",
    "1/%2e%2e/2",
    "1/./2",
    "1//2",
    "1/instances/2",
    "\uff11.\uff12",
    "\u0661.\u0662",
    "1.2\n",
    "1.2\r\nX-Evil: 1",
    " 1.2",
    "1.2 ",
    "1.2?x=1",
    "1.2#x",
    "1.2;x",
    "1.2%0a",
    "1.2%2f3",
    "1.2\\..",
    "1..2",
    ".1",
    "1.",
    "1." + "2" * 63,
    "a.b",
    "*",
    "1.2:getStorageInfo",
]
PLACES = range(3)


def hostile_address(place: int, uid: str) -> InstanceAddress:
    uids = ["1.2", "1.2.1", "1.2.1.1"]
    uids[place] = uid
    return InstanceAddress(*uids)


@pytest.mark.parametrize("place", PLACES)
def test_a_delete_of_anything_but_an_instance_is_never_sent(emulator, store, place) -> None:
    for uid in HOSTILE:
        with pytest.raises(LiveError, match="refused"):
            store.delete(hostile_address(place, uid))
        assert emulator.requests() == [], uid


@pytest.mark.parametrize("place", PLACES)
def test_a_probe_of_another_url_is_never_sent_nor_believed(emulator, store, place) -> None:
    for uid in ["..", "%2e%2e", "1/../2", "1.2\n", "1.2?x=1", "1.2#x", "\uff11"]:
        seen = store.probe(hostile_address(place, uid))
        assert seen.presence is Presence.UNKNOWN
        assert emulator.requests() == [], uid


def test_the_pattern_is_that_of_one_store_and_an_instance() -> None:
    address = StoreAddress("example.com:p", "l", "d.1", "s")
    base = "/v1/projects/example.com:p/locations/l/datasets/d.1/dicomStores/s"
    pattern = guards(address).delete
    path = f"{base}/dicomWeb/studies/1.2/series/1.2.01/instances/0"
    assert pattern.fullmatch(path)
    for other in (
        path.rpartition("/instances")[0],
        path.rpartition("/series")[0],
        path + "/",
        path + "\n",
        path + "/frames/1",
        path.replace("d.1", "dx1"),
        path.replace("/s/", "/t/"),
        "/x" + path,
    ):
        assert pattern.fullmatch(other) is None


def test_a_domain_scoped_project_can_be_deleted_from(emulator, connect) -> None:
    address = StoreAddress("example.com:project", "europe-west4", "d_1.x", "s-1")
    emulator.add_store(address)
    reply = connect(emulator.url).store(address).delete(InstanceAddress("1.2", "1.2.1", "1.2.1.1"))
    assert reply.status == 404


def test_the_planning_transport_deletes_nothing(emulator, connect, put) -> None:
    instance = put("1.2", "1.2.1", "1.2.1.1")
    store = connect(emulator.url, read_only=True).store(DEMO_STORE)
    with pytest.raises(ReadOnlyError):
        store.delete(instance)
    assert emulator.requests() == []
    assert emulator.instances(DEMO_STORE) == {instance}


def test_the_planning_transport_reads_and_asks_for_permissions(emulator, connect, put) -> None:
    instance = put("1.2", "1.2.1", "1.2.1.1")
    store = connect(emulator.url, read_only=True).store(DEMO_STORE)
    store.preflight(deleting=True)
    assert store.probe(instance).presence is Presence.PRESENT
    assert list(store.list_instances("1.2")) == [instance]


STORE = f"/v1/{DEMO_STORE}"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{STORE}/dicomWeb/studies", ""),
        (f"{STORE}:testIamPermissions/", ""),
        (f"{STORE}:testIamPermissions", "x=1"),
        (f"{STORE}/x:testIamPermissions", ""),
        (f"{STORE}x:testIamPermissions", ""),
        (f"{STORE}:setIamPolicy", ""),
        (f"{STORE}/..{STORE}:testIamPermissions", ""),
    ],
)
def test_the_planning_transport_posts_nowhere_else(emulator, connect, path, query) -> None:
    transport = connect(emulator.url, read_only=True).store(DEMO_STORE)._transport
    with pytest.raises(LiveError):
        transport.open(Call(RequestKind.PREFLIGHT, path, query, body=b"{}"))
    assert emulator.requests() == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", ""),
        ("/", ""),
        ("x", ""),
        ("//host/x", ""),
        ("/a//b", ""),
        ("/a/", ""),
        ("/a/..", ""),
        ("/a/..", "x=1"),
        ("/a/./b", ""),
        ("/a/%2e%2e", ""),
        ("/a?x=1", ""),
        ("/a?x=1", "y=1"),
        ("/a#x", ""),
        ("/a b", ""),
        ("/a\n", ""),
        ("/a", "x=1\n"),
        ("/a", "x= "),
        ("/a", "x=1#y"),
        ("/a", "x=1?y"),
        ("/a", "x=%20"),
        ("/\u0661", ""),
        ("/a", "x=\u0661"),
        ("http://host/a", ""),
    ],
)
def test_what_a_library_or_a_server_may_rewrite_is_no_target(path, query) -> None:
    with pytest.raises(ValueError, match="not the target"):
        target_of(path, query)


def test_what_is_sent_is_what_was_checked(emulator, connect, put) -> None:
    """urllib3 and `http.client` leave a target as it is."""
    instance = put("1.2", "1.2.1", "1.2.1.1")
    store = connect(emulator.url).store(DEMO_STORE)
    store.preflight(deleting=True)
    list(store.list_instances("1.2"))
    store.find(instance.instance_uid)
    store.probe(instance)
    store.delete(instance)
    sent = [one.path for one in emulator.requests()]
    assert f"{STORE}/dicomWeb{instance}" in sent
    assert sent == [target_of(*one.split("?")) for one in sent]


def test_only_one_line_of_the_room_names_the_verb(request) -> None:
    room = request.config.rootpath / "reconciler" / "live"
    lines = [
        line
        for file in sorted(room.rglob("*.py"))
        for line in file.read_text().splitlines()
        if re.search(r"""["']DELETE["']|_transport\.delete\b""", line)
    ]
    assert len(lines) == 3, "Transport.delete, and each provider's call of it"
