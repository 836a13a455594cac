"""A search of a whole store finds all that stays there, in few requests, or says that it cannot."""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.live.dicomweb import sweep
from reconciler.live.dicomweb.sweep import swept
from reconciler.model.patient import PatientKey

from ..faulty_server import Faulty, running_faulty_server
from ..properties.profile import tried

KEY = PatientKey(b"k" * 32)
PAGE = 40


class Shelf:
    """Rows in order, each with a day or none, that are asked for page by page."""

    def __init__(self, rows: dict[int, date | None], cap: int = PAGE) -> None:
        self.rows = sorted(rows)
        self.days = rows
        self.cap = cap
        self.asked: list[tuple[str, int, int]] = []
        self.between: Callable[[], None] = lambda: None

    def ask(self, query: str, limit: int, offset: int) -> list[int]:
        self.asked.append((query, limit, offset))
        found = self.rows
        if query:
            first, last = re.findall("[0-9]{8}", query)
            texts = {row: f"{self.days[row]:%Y%m%d}" for row in found if self.days[row]}
            found = [row for row in found if row in texts and first <= texts[row] <= last]
        page = found[offset : offset + min(limit, self.cap)]
        self.between()
        return page


def refused() -> None:
    raise AssertionError("it was split")


@pytest.mark.parametrize("held", [0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 10 * PAGE, 10 * PAGE + 7])
@pytest.mark.parametrize("cap", [1, 2, 3, PAGE - 1, PAGE])
def test_all_rows_are_found_once_whatever_a_server_gives_at_a_time(held: int, cap: int) -> None:
    shelf = Shelf(dict.fromkeys(range(held)), cap)
    assert list(swept(shelf.ask, PAGE, refused)) == list(range(held))


@pytest.mark.parametrize("held", [5_000, 100_000, 1_000_000])
def test_it_takes_a_tenth_more_requests_than_pages_at_most(held: int) -> None:
    shelf = Shelf(dict.fromkeys(range(held)), 5_000)
    assert sum(1 for _ in swept(shelf.ask, 5_000, refused)) == held
    few = 2  # is there too much, is this the end
    assert len(shelf.asked) <= held / 5_000 * 1.1 + (few if held < 1_000_000 else 0)


@tried(200)
@given(seed=st.integers(0, 2**32), held=st.integers(0, 300), steps=st.integers(0, 4))
def test_what_stays_is_found_while_others_come_and_go(seed: int, held: int, steps: int) -> None:
    chance = random.Random(seed)
    shelf = Shelf(dict.fromkeys(chance.sample(range(1_000), held)))
    stayed = set(shelf.rows)

    def change() -> None:
        for _ in range(chance.randint(0, steps)):
            if chance.random() < 0.5 and shelf.rows:
                stayed.discard(shelf.rows.pop(chance.randrange(len(shelf.rows))))
            else:
                bisect.insort(shelf.rows, chance.randrange(1_000))

    shelf.between = change
    try:
        found = set(swept(shelf.ask, PAGE, refused))
    except LiveError:
        return
    assert stayed <= found


def test_more_than_the_overlap_that_goes_is_seen() -> None:
    shelf = Shelf(dict.fromkeys(range(5 * PAGE)))

    def change() -> None:
        if len(shelf.asked) == 2:
            del shelf.rows[: PAGE // 2]

    shelf.between = change
    with pytest.raises(LiveError, match="changed while"):
        list(swept(shelf.ask, PAGE, refused))


@pytest.mark.parametrize("held", [1, 2, 3, PAGE])
def test_an_offset_that_is_ignored_is_no_search(held: int) -> None:
    def ask(_query: str, limit: int, offset: int) -> list[int]:
        return [] if limit == 1 and offset else list(range(held))

    with pytest.raises(LiveError, match="same rows"):
        list(swept(ask, PAGE, refused))


@pytest.mark.parametrize("most", [10, 25, 100])
def test_a_store_beyond_the_largest_offset_is_asked_by_days(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(sweep, "MOST_ROWS", most)
    days = {row: date(1990 + row % 30, 1 + row % 12, 1 + row % 28) for row in range(200)}
    days |= {1_000: None, 1_001: date(1, 1, 1), 1_002: date(9999, 12, 31)}
    shelf, splits = Shelf(days), []
    found = list(swept(shelf.ask, PAGE, lambda: splits.append(1)))
    assert sorted(found) == [row for row in shelf.rows if days[row] is not None]
    assert splits == [1]
    asked = list(shelf.asked)
    list(swept(shelf.ask, PAGE, lambda: None))
    assert shelf.asked == [*asked, *asked]
    assert max(offset for _, _, offset in asked) <= most


def test_a_day_beyond_the_largest_offset_is_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MOST_ROWS", 10)
    shelf = Shelf(dict.fromkeys(range(50), date(2020, 2, 2)))
    with pytest.raises(LiveError, match="one day"):
        list(swept(shelf.ask, PAGE, lambda: None))


def test_studies_and_series_come_with_what_rules_ask(store, put, connect, emulator) -> None:
    put("1.2", "1.2.1", "1.2.1.1")
    put("1.2", "1.2.1", "1.2.1.2")
    put("1.3", "1.3.1", "1.3.1.1")
    rows = {row.study_uid: row for row in store.search_studies(KEY, refused)}
    assert rows.keys() == {"1.2", "1.3"}
    assert (rows["1.2"].series, rows["1.2"].instances) == (1, 2)
    series = {row.uids: row for row in store.search_series(refused)}
    assert series.keys() == {("1.2", "1.2.1"), ("1.3", "1.3.1")}
    assert series["1.2", "1.2.1"].instances == 2


@pytest.mark.parametrize("broken", ["limit=5000&offset=0", "offset=1000000"])
def test_a_page_that_cannot_be_read_is_no_search(connect, emulator, put, broken) -> None:
    put("1.2", "1.2.1", "1.2.1.1")
    faulty = Faulty(lambda method, path: broken in path, rewrite=lambda path: f"{path}&x=1")
    with running_faulty_server(emulator.url, faulty) as url:
        store = connect(url).store(DEMO_STORE)
        with pytest.raises(LiveError):
            list(store.search_studies(KEY, refused))
