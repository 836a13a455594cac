"""What a bucket answers, or does not, and what a create makes of it."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from reconciler.errors import StateError

from . import google
from .conftest import BUCKETS, Place
from .proxy import Fault, Forward, Reply, Request, honest, late, lost, says, unheard

in_buckets = pytest.mark.parametrize("place", BUCKETS, indirect=True)
PRECONDITIONS = {"if-none-match": "*", "x-goog-if-generation-match": "0"}

STORED: dict[str, Fault] = {
    "reply lost": lost,
    "reply too late": late(1.5),
    "500": says(500, "InternalError", acts=True),
    "503": says(503, "SlowDown", acts=True),
    "504 of a gateway": says(504, acts=True),
    "403": says(403, "AccessDenied", acts=True),
    "408": says(408, acts=True),
    "409": says(409, "BlobAlreadyExists", acts=True),
    "412": says(412, "PreconditionFailed", acts=True),
    "400": says(400, "RequestTimeout", acts=True),
}
"""The store has acted, and the client cannot know."""

NOT_STORED: dict[str, Fault] = {
    "never heard": unheard,
    "500 before": says(500, "InternalError"),
    "503 before": says(503, "ServerBusy"),
    "429": says(429),
    "400 before": says(400, "RequestTimeout"),
    "409 amid another's request": says(409, "ConditionalRequestConflict"),
    "412 without an object": says(412, "PreconditionFailed"),
}
"""It has not, and may the next time."""

ALL = {**STORED, **NOT_STORED}


@in_buckets
@pytest.mark.parametrize("fault", STORED.values(), ids=STORED)
def test_one_s_own_object_is_known_whatever_was_answered(place: Place, fault: Fault) -> None:
    objects = place.open(patience=3.0)
    place.spoilt.queued["PUT"] = [fault]
    assert objects.create("a/b", b"mine, by a nonce")
    assert objects.read("a/b") == b"mine, by a nonce"


@in_buckets
def test_the_library_repeats_what_was_done_and_is_then_refused(place: Place) -> None:
    """By itself, it would make a loser of the winner."""
    place.spoilt.queued["PUT"] = [lost, says(503, acts=True)]
    assert place.open().create("a/b", b"mine, by a nonce")
    assert place.spoilt.count("PUT") == 3


@in_buckets
@pytest.mark.parametrize("fault", ALL.values(), ids=ALL)
def test_another_s_object_is_a_refusal_whatever_was_answered(place: Place, fault: Fault) -> None:
    objects = place.open(patience=3.0)
    assert objects.create("a/b", b"of somebody else")
    place.spoilt.queued["PUT"] = [fault]
    assert not objects.create("a/b", b"mine, by a nonce")
    assert objects.read("a/b") == b"of somebody else"


@in_buckets
@pytest.mark.parametrize("fault", NOT_STORED.values(), ids=NOT_STORED)
def test_what_may_pass_is_tried_again(place: Place, fault: Fault) -> None:
    place.spoilt.queued["PUT"] = [fault, fault]
    assert place.open().create("a/b", b"mine, by a nonce")


@in_buckets
def test_a_read_that_fails_at_first_is_tried_again(place: Place) -> None:
    place.spoilt.queued = {"PUT": [lost], "GET": [says(503), unheard, says(500)]}
    assert place.open().create("a/b", b"mine, by a nonce")


@in_buckets
@pytest.mark.parametrize("fault", [unheard, says(503, "SlowDown"), late(9)], ids=["a", "b", "c"])
def test_what_does_not_pass_ends_in_time(place: Place, fault: Fault) -> None:
    objects = place.open(patience=1.5)
    place.spoilt.always = {"PUT": fault, "GET": fault}
    for ask in (lambda: objects.create("a", b""), lambda: objects.read("a")):
        start = time.monotonic()
        with pytest.raises(StateError, match=r"no answer|503 SlowDown"):
            ask()
        assert time.monotonic() - start < 3.5
    with pytest.raises(StateError, match=r"no answer|503 SlowDown"):
        list(objects.names("a"))


@in_buckets
def test_an_object_is_missing_only_if_the_store_says_so(place: Place) -> None:
    objects = place.open()
    for fault in (says(404), says(404, "NotFound"), says(404, "NoSuchBucket")):
        place.spoilt.queued["GET"] = [fault]
        with pytest.raises(StateError, match="404"):
            objects.read("a/b")
    assert objects.read("a/b") is None


@in_buckets
def test_every_create_has_its_precondition_and_nothing_is_ever_removed(place: Place) -> None:
    objects = place.open()
    for data in (b"first", b"second"):
        objects.create("a/b", data)
    list(objects.names("a"))
    seen = place.spoilt.seen
    assert {request.method for request in seen} == {"PUT", "GET"}
    puts = [dict(request.headers) for request in seen if request.method == "PUT"]
    assert len(puts) == 2
    for headers in puts:
        assert len(PRECONDITIONS.items() & headers.items()) == 1
        assert ("x-amz-checksum-sha256" in headers) == (place.kind == "s3")


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_the_environment_cannot_turn_the_precondition_off(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    monkeypatch.setenv("AWS_BUCKET", "another")
    objects = place.open()
    assert [objects.create("a", data) for data in (b"1", b"2")] == [True, False]


@pytest.mark.parametrize("place", ["google"], indirect=True)
def test_tokens_are_for_objects_only(place: Place, fake_google: google.Google) -> None:
    place.open().read("a")
    claims = fake_google.assertions[-1].split(".")[1]
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert read["scope"] == google.SCOPE


@in_buckets
def test_one_of_many_wins_over_a_bad_line(place: Place) -> None:
    """The winner of each round is one, knows it, and nobody else believes it."""
    faults = [lost, honest, says(503, acts=True), unheard, says(412), says(409), honest, says(500)]

    def in_turn(request: Request, forward: Forward) -> Reply | None:
        return faults[len(place.spoilt.seen) % len(faults)](request, forward)

    place.spoilt.always["PUT"] = in_turn
    objects = place.open()
    with ThreadPoolExecutor(8) as threads:
        for turn in range(6):
            create = partial(objects.create, f"a/{turn}")
            won = list(threads.map(create, [b"%d" % one for one in range(8)]))
            assert won.count(True) == 1
            assert objects.read(f"a/{turn}") == b"%d" % won.index(True)
