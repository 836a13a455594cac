"""What holds wherever the objects lie."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from reconciler.errors import StateError
from reconciler.objects.check import require_create_once

from .conftest import BUCKETS, PLACES, Place
from .proxy import overwriting

everywhere = pytest.mark.parametrize("place", PLACES, indirect=True)
RACERS = 8
RACER = """
import sys
from reconciler.objects.opening import open_objects
objects = open_objects(sys.argv[1])
sys.stdin.readline()
print(objects.create("race/1", sys.argv[2].encode()))
"""


@everywhere
def test_an_object_is_created_once_and_read_by_all(place: Place) -> None:
    objects = place.open()
    assert objects.read("runs/1/00000000") is None
    assert objects.create("runs/1/00000000", b"first")
    assert not objects.create("runs/1/00000000", b"second")
    assert place.open().read("runs/1/00000000") == b"first"


@everywhere
def test_to_create_the_same_bytes_again_is_no_refusal(place: Place) -> None:
    objects = place.open()
    assert [objects.create("a", b"mine"), objects.create("a", b"mine")] == [True, True]


@everywhere
@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 40960], ids=["none", "10 MiB"])
def test_any_bytes_are_kept(place: Place, data: bytes) -> None:
    """Also those that the library would rather send in parts, which have no precondition."""
    objects = place.open()
    assert objects.create("a/b", data)
    assert not objects.create("a/b", data + b"other")
    assert objects.read("a/b") == data


@everywhere
def test_what_was_removed_is_gone_and_may_be_created_again(place: Place) -> None:
    objects = place.open()
    for data in (b"first", b"second"):
        assert objects.create("a/b", data)
        assert objects.create("a/b-c", data)
        objects.remove("a/b")
        assert list(objects.names("")) == ["a/b-c"]
        objects.remove("a/b")
        objects.remove("a/b-c")


@everywhere
def test_names_are_found_in_order_and_of_their_folder_only(place: Place) -> None:
    objects = place.open()
    assert list(objects.names("runs")) == []
    names = ["runs/1/0", "runs/1/1", "runs/1-a", "runs/1.end", "runs/10/0", "runs/1/0.b", "s/1"]
    for name in names:
        objects.create(name, name.encode())
    assert list(objects.names("runs/1")) == ["runs/1/0", "runs/1/0.b", "runs/1/1"]
    assert list(objects.names("runs")) == sorted(names[:-1])
    assert list(objects.names("")) == sorted(names)
    assert list(objects.names("run")) == []
    assert list(objects.folders("runs")) == ["1", "10"]
    assert list(objects.folders("runs/1")) == []
    assert list(objects.folders("run")) == []


@everywhere
def test_more_folders_than_a_page_are_all_found(place: Place) -> None:
    objects = place.open()
    for number in range(8):
        objects.create(f"runs/{number}/0", b"")
        objects.create(f"runs/{number}/1", b"")
        objects.create(f"runs/log-{number}", b"")
    assert list(objects.folders("runs")) == [str(number) for number in range(8)]


@everywhere
def test_what_somebody_else_put_there_is_shown(place: Place) -> None:
    objects = place.open()
    objects.create("runs/1", b"1")
    for name in ("runs/ a b", "runs/100%25", "runs/ü"):
        place.put(name, b"?")
    assert list(objects.names("runs")) == ["runs/ a b", "runs/1", "runs/100%25", "runs/ü"]


@everywhere
@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "a/../b", ".", ".new-1", "a b", "ü", "a\n"]
)
def test_a_name_that_may_not_be_is_a_mistake_of_the_caller(place: Place, name: str) -> None:
    objects = place.open()
    with pytest.raises(ValueError, match="not the name of an object"):
        objects.create(name, b"")
    with pytest.raises(ValueError, match="not the name of an object"):
        objects.read(name)
    if name:
        with pytest.raises(ValueError, match="not the name of an object"):
            list(objects.names(name))


@everywhere
def test_one_of_many_threads_wins(place: Place) -> None:
    objects = place.open()
    barrier = Barrier(RACERS)

    def race(number: int) -> bool:
        barrier.wait()
        return objects.create(f"race/{turn}", b"%d" % number)

    with ThreadPoolExecutor(RACERS) as threads:
        for turn in range(5):
            won = list(threads.map(race, range(RACERS)))
            assert won.count(True) == 1
            assert objects.read(f"race/{turn}") == b"%d" % won.index(True)


@pytest.mark.slow
@everywhere
def test_one_of_many_processes_wins(place: Place) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, place.url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RACERS)
    ]
    won = [racer.communicate("\n")[0].strip() for racer in racers]
    assert sorted(won) == ["False"] * (RACERS - 1) + ["True"]
    assert place.open().read("race/1") == b"%d" % won.index("True")


@everywhere
def test_a_store_that_keeps_the_promise_is_seen(place: Place) -> None:
    require_create_once(place.open(), "n0nce")
    assert list(place.open().names("check")) == ["check/n0nce"]
    place.open().create("check/2", b"of somebody else")
    with pytest.raises(StateError, match="exists already"):
        require_create_once(place.open(), "2")


@pytest.mark.parametrize("place", BUCKETS, indirect=True)
def test_a_look_alike_that_ignores_preconditions_is_refused(place: Place) -> None:
    place.sign_no_headers()
    place.spoilt.always["PUT"] = overwriting
    with pytest.raises(StateError, match="ignores preconditions: it overwrote an object"):
        require_create_once(place.open(), "n0nce")
