"""A search is read to its end, or not at all, whatever the server makes of limit and offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.live.dicomweb import store as dicomweb
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress

from ..faulty_server import Faulty, running_faulty_server

PAGE = 5


@pytest.fixture(params=[1, PAGE - 1, PAGE, 3 * PAGE, 3 * PAGE + 1])
def held(put, request) -> set[InstanceAddress]:
    return {put("1.2", "1.2.1", f"1.2.1.{number}") for number in range(1, request.param + 1)}


@pytest.fixture
def rewriting(emulator, connect) -> Iterator[Callable[..., HealthcareStore]]:
    """The store behind a server that asks for other pages than it is asked for."""
    with ExitStack() as stack:

        def store(pattern: str, replacement: str) -> HealthcareStore:
            faulty = Faulty(
                lambda method, path: "limit=" in path,
                rewrite=lambda path: re.sub(pattern, replacement, path),
            )
            url = stack.enter_context(running_faulty_server(emulator.url, faulty))
            return connect(url, page_size=PAGE).store(DEMO_STORE)

        yield store


@pytest.mark.parametrize("cap", [1, 2, PAGE - 1, PAGE])
def test_pages_that_are_capped_make_a_whole_listing(rewriting, held, cap) -> None:
    store = rewriting("limit=[0-9]+", f"limit={cap}")
    rows = list(store.list_instances("1.2"))
    assert len(rows) == len(set(rows))
    assert set(rows) == held


def test_a_capped_search_finds_every_address(rewriting, put) -> None:
    held = {put(f"1.{n}", f"1.{n}.1", "1.9.9") for n in range(1, 4)}
    store = rewriting("limit=[0-9]+", "limit=1")
    assert set(store.find("1.9.9")) == held
    assert set(store.list_studies()) == {one.study_uid for one in held}


def test_an_offset_that_is_ignored_is_no_listing(rewriting, held) -> None:
    store = rewriting("offset=[0-9]+", "offset=0")
    with pytest.raises(LiveError, match="twice with the same rows"):
        list(store.list_instances("1.2"))
    with pytest.raises(LiveError, match="twice with the same rows"):
        list(store.list_studies())
    with pytest.raises(LiveError, match="twice with the same rows"):
        list(store.list_series("1.2"))


def test_more_rows_than_were_asked_for_are_no_listing(rewriting, held) -> None:
    store = rewriting("limit=[0-9]+", "limit=1000")
    if len(held) > PAGE:
        with pytest.raises(LiveError, match="more rows than requested"):
            list(store.list_instances("1.2"))
    else:
        assert set(store.list_instances("1.2")) == held


def test_pages_without_end_are_no_listing(rewriting, put, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4 * PAGE):
        put("1.2", "1.2.1", f"1.2.1.{number}")
    monkeypatch.setattr(dicomweb, "MOST_ROWS", 3 * PAGE)
    with pytest.raises(LiveError, match="more than 15 rows"):
        list(rewriting("$", "").list_instances("1.2"))
    monkeypatch.setattr(dicomweb, "MOST_ROWS", 4 * PAGE)
    assert len(list(rewriting("$", "").list_instances("1.2"))) == 4 * PAGE


def test_what_is_not_asked_for_is_not_read(emulator, rewriting, put) -> None:
    for number in range(2 * PAGE):
        put("1.2", "1.2.1", f"1.2.1.{number}")
    rows = rewriting("$", "").list_instances("1.2", "1.2.1", at_most=3)
    assert len([next(rows) for _ in range(3)]) == 3
    assert len(emulator.requests()) == 1


def test_pages_are_as_long_as_the_service_documents(emulator, connect, put) -> None:
    instance = put("1.2", "1.2.1", "1.2.1.1")
    store = connect(emulator.url).store(DEMO_STORE)
    list(store.list_instances("1.2"))
    store.find(instance.instance_uid)
    list(store.list_studies())
    list(store.list_series("1.2"))
    limits = {
        (path.partition("?")[0].rpartition("/")[2], limit)
        for path in (one.path for one in emulator.requests())
        for limit in re.findall(r"limit=([0-9]+)", path)
    }
    assert limits == {("instances", "50000"), ("studies", "5000"), ("series", "5000")}
