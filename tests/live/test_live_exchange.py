"""A reply belongs to its request: what nobody asked for is never read as an answer."""

import io
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.live.dicomweb import confirmation
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT, PRESENT, Presence
from reconciler.model.reply import ReplyKind

from ..sampling import some
from .proxy import DONE, NOT_THERE, Behaviour, When, reply, running_proxy
from .test_live_store import metadata_of
from .test_live_tls import make_certificate

MISSING = InstanceAddress("1.2", "1.2.1", "1.2.1.99")
EXTRAS = {
    "404": NOT_THERE,
    "200": DONE,
    "204": reply(204, b""),
    "a line end": b"\r\n",
    "a letter": b"x",
}
KIND = "application/dicom+json"
UNASKED = "unexpected bytes arrived"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 0.3)


@pytest.fixture
def here(put) -> list[InstanceAddress]:
    return [put("1.2", "1.2.1", f"1.2.1.{n}") for n in range(1, 9)]


@pytest.fixture(params=["plain", "tls"])
def context(request, tmp_path: Path) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path, "127.0.0.1"))
    return context


@pytest.fixture
def behind(emulator, connect, context, tmp_path):
    """A store behind a proxy, by what the proxy does; each call is another proxy."""
    with ExitStack() as stack:

        def store_behind(behaviour: Behaviour, **settings: object):
            url = stack.enter_context(running_proxy(emulator.url, behaviour, context=context))
            bundle = str(tmp_path / "certificate.pem") if context else None
            connection = stack.enter_context(connect(url, ca_bundle=bundle, **settings))
            return connection.store(DEMO_STORE)

        yield store_behind


@pytest.mark.parametrize("chunked", [False, True])
def test_a_proxy_that_adds_nothing_changes_nothing(behind, here, chunked) -> None:
    store = behind(Behaviour(chunked=chunked))
    assert [store.probe(one) for one in here] == [PRESENT] * 8
    assert store.probe(MISSING) == ABSENT
    assert set(store.list_instances("1.2")) == set(here)
    assert store.delete(here[0]).kind is ReplyKind.ACCEPTED


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_what_is_followed_by_something_is_no_answer(behind, here, chunked, extra) -> None:
    store = behind(Behaviour(extra, When.AT_ONCE, chunked=chunked))
    for one in (here[0], MISSING):
        seen = store.probe(one)
        assert seen.presence is Presence.UNKNOWN
        assert UNASKED in seen.detail
    with pytest.raises(LiveError, match=UNASKED):
        list(store.list_instances("1.2"))
    with pytest.raises(LiveError, match=UNASKED):
        list(store.list_instances("1.3"))
    reply_to = store.delete(here[0])
    assert (reply_to.kind, reply_to.status) == (ReplyKind.UNCLEAR, None)
    assert UNASKED in reply_to.detail
    with store.retrieve(here[1]) as body, pytest.raises(LiveError, match=UNASKED):
        b"".join(body.chunks)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("parallelism", [1, 8])
@pytest.mark.parametrize("chunked", some([False, True]))
def test_no_probe_reads_what_followed_another_reply(
    behind, here, when, parallelism, chunked
) -> None:
    """What every reply but a probe's is followed by, whenever it comes, is no probe's answer."""
    behaviour = Behaviour(
        NOT_THERE,
        when,
        matches=lambda method, path: method == "DELETE",
        fake=DONE,
        chunked=chunked,
    )
    store = behind(behaviour, parallelism=parallelism)
    seen: list[Presence] = []

    def delete_and_look(one: InstanceAddress) -> None:
        store.delete(one)
        seen.append(store.probe(one).presence)

    run_workers(here * 3, delete_and_look, parallelism=parallelism)
    assert seen == [Presence.PRESENT] * 24
    assert behaviour.lied


@pytest.mark.parametrize("when", [When.AT_ONCE, When.SOON, When.IDLE])
@pytest.mark.parametrize("parallelism", [1, 8])
def test_no_absence_is_believed_where_every_reply_is_followed_by_one(
    behind, here, when, parallelism
) -> None:
    store = behind(Behaviour(NOT_THERE, when), parallelism=parallelism)
    seen: list[Presence] = []

    def look(one: InstanceAddress) -> None:
        # Among many workers one may read what came just after its request: it is not confirmed.
        seen.append(store.confirmed(one, store.probe(one)).presence)
        threading.Event().wait(0.02)

    run_workers(here * 2, look, parallelism=parallelism)
    assert len(seen) == 16
    assert Presence.ABSENT not in seen


def test_after_a_first_stray_reply_no_connection_is_used_twice(behind, here) -> None:
    behaviour = Behaviour(NOT_THERE, When.IDLE)
    store = behind(behaviour)
    assert store.probe(here[0]) == PRESENT
    while not behaviour.lied:
        time.sleep(0.01)
    behaviour.when = When.NEXT  # would be read as the answer of what comes second
    assert [store.probe(one) for one in here] == [PRESENT] * 8
    assert behaviour.lied == 1


def test_an_absence_that_was_read_off_a_stray_reply_is_not_confirmed(behind, here) -> None:
    """It comes after the request and before its answer, so nothing tells it from the answer."""
    first = here[0]
    is_read = threading.Event()
    behaviour = Behaviour(
        NOT_THERE,
        When.NEXT,
        matches=lambda method, path: path.endswith(f"{first}/metadata"),
        pause=is_read.wait,
    )
    store = behind(behaviour)
    assert store.probe(first) == PRESENT
    seen = store.probe(here[1])
    is_read.set()
    assert seen == ABSENT  # as much as HTTP/1.1 can tell
    assert behaviour.lied == 1
    assert store.confirmed(here[1], seen).presence is Presence.UNKNOWN


@pytest.mark.parametrize("asked", ["probe", "listing", "search"])
def test_what_is_about_something_else_is_no_answer(behind, here, asked) -> None:
    """As the reply to the request before would be; a connection of its own is tried once."""
    other = InstanceAddress("1.3", "1.3.1", "1.3.1.1")
    behaviour = Behaviour(fake=reply(200, metadata_of(other), "application/dicom+json"))
    store = behind(behaviour)
    if asked == "probe":
        seen = store.probe(here[0])
        assert seen.presence is Presence.UNKNOWN
        assert seen.detail == "the metadata are those of another instance after 2 attempts"
        assert len(behaviour.seen) == 2
        store.probe(here[0])
        assert len(behaviour.seen) == 3
    elif asked == "listing":
        with pytest.raises(LiveError, match="another study or series"):
            list(store.list_instances("1.2"))
    else:
        with pytest.raises(LiveError, match="another instance"):
            store.find(here[0].instance_uid)


def test_a_reply_that_is_late_by_one_is_noticed_and_the_next_one_is_right(behind, here) -> None:
    late = reply(200, metadata_of(here[7]), "application/dicom+json")
    behaviour = Behaviour(late, When.NEXT, matches=lambda method, path: "/1.2.1.1/" in path)
    store = behind(behaviour)
    assert [store.probe(one) for one in here] == [PRESENT] * 8
    assert behaviour.lied == 1


def test_hints_before_a_reply_are_passed_by(behind, here) -> None:
    """RFC 8297: 103 comes before the reply that it is about."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    true = reply(200, metadata_of(here[0]), "application/dicom+json")
    store = behind(Behaviour(fake=hint + hint + true))
    assert store.probe(here[0]) == PRESENT
    store = behind(Behaviour(fake=hint + DONE))
    assert store.delete(here[0]).kind is ReplyKind.ACCEPTED


@pytest.mark.parametrize(
    "header",
    [
        b"content-TYPE:application/dicom+json",
        b"Content-Type: \t application/dicom+json; charset=utf-8 ",
        b"Content-Type:\r\n application/dicom+json;\r\n\tcharset=utf-8",
        b"Server: \xe9\r\nX-Empty:\r\nContent-Type: application/dicom+json",
    ],
)
def test_headers_are_read_however_they_are_written(behind, here, header) -> None:
    true = reply(200, metadata_of(here[0]), KIND)
    store = behind(Behaviour(fake=true.replace(f"Content-Type: {KIND}".encode(), header)))
    assert store.probe(here[0]) == PRESENT


def test_headers_that_break_off_are_no_answer(behind, here) -> None:
    """Without Content-Length, the end of the connection would be that of an empty body."""
    store = behind(Behaviour(fake=b"HTTP/1.1 200 OK\r\nServer: x\r\n", most=1))
    assert store.delete(here[0]).kind is ReplyKind.UNCLEAR


def test_a_reply_with_two_lengths_is_the_last_of_its_connection(behind, here) -> None:
    true = reply(200, metadata_of(here[0]), "application/dicom+json", chunked=True)
    both = true.replace(b"Transfer-Encoding", b"Content-Length: 5\r\nTransfer-Encoding")
    behaviour = Behaviour(NOT_THERE, When.NEXT, fake=both)
    store = behind(behaviour)
    assert [store.probe(here[0]) for _ in range(3)] == [PRESENT] * 3
    assert behaviour.lied == 0


@pytest.mark.parametrize(
    ("is_written", "instead"),
    [(b"HTTP/1.1", b"HTTP/1.0"), (b"\r\n", b"\r\nConnection: close\r\n")],
)
def test_a_reply_that_says_so_is_the_last_of_its_connection(
    behind, here, is_written, instead
) -> None:
    true = reply(200, metadata_of(here[0]), KIND).replace(is_written, instead, 1)
    behaviour = Behaviour(NOT_THERE, When.NEXT, fake=true)
    store = behind(behaviour)
    assert [store.probe(here[0]) for _ in range(3)] == [PRESENT] * 3
    assert behaviour.lied == 0


def test_another_version_of_http_is_no_answer(behind, here) -> None:
    store = behind(Behaviour(fake=DONE.replace(b"HTTP/1.1", b"HTTP/2")))
    assert store.delete(here[0]).kind is ReplyKind.UNCLEAR


def test_what_lies_beyond_the_buffer_shows_too(behind, here) -> None:
    """The reply fills the reader's buffer, so what follows it waits in the socket."""
    head = len(reply(200, b" " * 8000, KIND)) - 8000
    true = reply(200, metadata_of(here[0]).ljust(io.DEFAULT_BUFFER_SIZE - head), KIND)
    assert len(true) == io.DEFAULT_BUFFER_SIZE
    store = behind(Behaviour(NOT_THERE, When.AT_ONCE, fake=true))
    assert UNASKED in store.probe(here[0]).detail


@pytest.mark.parametrize("ending", ["/metadata", "/instances"])
def test_the_listing_that_confirms_has_a_connection_of_its_own(behind, here, ending) -> None:
    """An empty listing that comes before it is sent, after the probe or an earlier listing."""
    behaviour = Behaviour(
        reply(200, b"[]", KIND),
        When.NEXT,
        matches=lambda method, path: path.partition("?")[0].endswith(ending),
    )
    store = behind(behaviour)
    assert store.probe(here[0]) == PRESENT
    assert store.confirmed(here[0], ABSENT).presence is Presence.UNKNOWN
    assert len(behaviour.seen) > 2


def test_what_nobody_has_is_asked_for_on_a_connection_of_its_own(behind, here) -> None:
    words = reply(404, b'"Not Found"')
    store = behind(
        Behaviour(
            words,
            When.NEXT,
            matches=lambda method, path: path.endswith(f"{here[0].instance_uid}/metadata"),
            fake=words,
        )
    )
    assert store.probe(here[0]).presence is Presence.UNKNOWN


def test_in_doubt_an_explained_absence_is_looked_at_once_more(behind, here) -> None:
    behaviour = Behaviour(
        NOT_THERE,
        When.AT_ONCE,
        matches=lambda method, path: path.endswith(f"{here[7].instance_uid}/metadata"),
    )
    store = behind(behaviour)
    assert store.confirmed(here[0], ABSENT, explained=True) == ABSENT
    assert behaviour.seen == []
    store.probe(here[7])
    assert store.confirmed(here[0], ABSENT, explained=True) == PRESENT
