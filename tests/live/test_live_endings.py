"""Every answer has an end, however slowly or endlessly a server speaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from itertools import product

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.live.http.bounds import Bounds
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress
from reconciler.model.live import PRESENT, Presence
from reconciler.model.reply import ReplyKind

from ..faulty_server import (
    AT_ONCE,
    SLOWLY,
    Faulty,
    Speech,
    running_faulty_server,
    slow_body,
    white_space_after,
)
from ..sampling import some

SHORT = Bounds(
    whole=0.6, window=0.6, json_size=4 * 1024**2, image_size=8 * 1024**2, head_size=64 * 1024
)
LONG = Bounds(in_flight=0.3, after_stop=0.6)
SOON = 25.0
"""Seconds: many times the bounds above, for a busy machine, and less than the real ones."""

Behind = Callable[..., tuple[HealthcareStore, Faulty]]


@pytest.fixture
def one(put) -> InstanceAddress:
    return put("1.2", "1.2.1", "1.2.1.1", 4 * 1024**2)


@pytest.fixture
def behind(emulator, connect) -> Iterator[Behind]:
    """The store behind a faulty server whose every answer is the given speech."""
    with ExitStack() as stack:

        def store_behind(speech: Speech, interval: float = 0.0, **settings: object):
            faulty = Faulty(lambda method, path: True, speech, interval)
            url = stack.enter_context(running_faulty_server(emulator.url, faulty))
            defaults = {"bounds": SHORT, "retry": RetryPolicy(attempts=1)}
            return connect(url, **(defaults | settings)).store(DEMO_STORE), faulty

        yield store_behind


def asked(
    store: HealthcareStore, one: InstanceAddress, speech: Speech
) -> dict[str, Callable[[], object]]:
    """Each sort of question, which must find that there is no answer.

    Where a whole one is followed by white space, what it says is read before that is too much.
    """
    is_whole = speech is white_space_after

    def probe() -> None:
        assert store.probe(one).presence is (Presence.PRESENT if is_whole else Presence.UNKNOWN)

    def delete() -> None:
        assert store.delete(one).kind in {ReplyKind.UNCLEAR, ReplyKind.UNEXPECTED}

    def listing() -> None:
        with pytest.raises(LiveError):
            list(store.list_instances("1.2"))

    def retrieve() -> None:
        with pytest.raises(LiveError), store.retrieve(one) as body:
            for _ in body.chunks:
                pass

    def preflight() -> None:
        with nullcontext() if is_whole else pytest.raises(LiveError):
            store.preflight(deleting=True)

    return {one.__name__: one for one in (probe, delete, listing, retrieve, preflight)}


QUESTIONS = ["probe", "delete", "listing", "retrieve", "preflight"]


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(
    ("speech", "question"), some(product(SLOWLY, QUESTIONS), each=4), ids=name_of
)
def test_what_comes_byte_by_byte_ends(behind: Behind, one, speech, question) -> None:
    store, _ = behind(speech, 0.02)
    began = time.monotonic()
    asked(store, one, speech)[question]()
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize(
    ("speech", "question"), some(product(AT_ONCE, QUESTIONS), each=4), ids=name_of
)
def test_what_has_no_end_ends(behind: Behind, one, speech, question) -> None:
    store, _ = behind(speech)
    began = time.monotonic()
    asked(store, one, speech)[question]()
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize(
    ("speech", "interval", "question"),
    some(
        [
            (speech, interval, question)
            for speeches, interval in ((SLOWLY, 0.05), (AT_ONCE, 0.001))
            for speech, question in product(speeches, QUESTIONS)
        ],
        each=4,
    ),
    ids=name_of,
)
def test_a_run_that_stops_waits_for_no_answer(
    behind: Behind, one, speech, interval, question
) -> None:
    stop = threading.Event()
    bounds = Bounds(
        in_flight=0.3, after_stop=0.6, json_size=2**40, image_size=2**40, head_size=2**40
    )
    store, faulty = behind(speech, interval, bounds=bounds, stop=stop)

    def stop_amid() -> None:
        faulty.struck.wait()
        time.sleep(0.1)
        stop.set()

    threading.Thread(target=stop_amid).start()
    began = time.monotonic()
    asked(store, one, speech)[question]()
    assert time.monotonic() - began < SOON


def test_what_is_asked_after_the_stop_has_its_time_and_no_more(behind: Behind, one) -> None:
    stop = threading.Event()
    store, faulty = behind(slow_body, 0.05, bounds=LONG, stop=stop)
    began = time.monotonic()
    stop.set()
    assert store.probe(one).presence is Presence.UNKNOWN
    assert 0.5 < time.monotonic() - began < SOON
    seen = len(faulty.seen)
    assert store.probe(one).detail == "the run stops; nothing was sent after 1 attempt"
    assert len(faulty.seen) == seen


def pieces(true: bytes) -> Iterator[bytes]:
    return (true[at : at + 65536] for at in range(0, len(true), 65536))


def test_an_image_that_keeps_up_takes_as_long_as_it_takes(behind: Behind, one) -> None:
    """4 MiB at about 1.2 MiB a second, with a window that is shorter."""
    store, _ = behind(pieces, 0.05, bounds=Bounds(whole=1.0, window=1.0))
    with store.retrieve(one) as body:
        assert sum(map(len, body.chunks)) == body.length


def test_an_image_that_gets_slow_is_given_up_soon(behind: Behind, one) -> None:
    """Half of it comes at once: what came early does not make up for a crawl."""

    def crawl(true: bytes) -> Iterator[bytes]:
        yield true[: len(true) // 2]
        yield from (true[at : at + 1] for at in range(len(true) // 2, len(true)))

    store, _ = behind(crawl, 0.02)
    began = time.monotonic()
    with pytest.raises(LiveError, match="no answer in time"), store.retrieve(one) as body:
        b"".join(body.chunks)
    assert time.monotonic() - began < SOON


def test_a_client_that_is_slow_itself_is_no_slow_answer(behind: Behind, one) -> None:
    store, _ = behind(pieces, bounds=Bounds(window=1.0, image_rate=3 * 1024**2 // 2))
    with store.retrieve(one) as body:
        size = 0
        for piece in body.chunks:
            time.sleep(1.0)
            size += len(piece)
        assert size == body.length


def test_a_server_may_think_before_it_speaks(behind: Behind, one) -> None:
    def think(true: bytes) -> Iterator[bytes]:
        yield from (b"", b"", b"", b"", true)

    store, _ = behind(think, 0.1, bounds=Bounds(whole=3.0, window=1.0))
    assert store.probe(one) == PRESENT
    assert list(store.list_instances("1.2")) == [one]
