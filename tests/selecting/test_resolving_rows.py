"""Rows as no well-meaning store has them: doubled, malformed, shared, without counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.model.desired import EntryKind
from reconciler.model.live import OddRow, SeriesRow, StudyRow
from reconciler.model.patient import Attribute, PatientKey
from reconciler.model.selection.packed_uid import pack, unpack
from reconciler.model.selection.resolution import Resolution
from reconciler.model.selection.selector import (
    Age,
    Bound,
    Condition,
    LastStudyOfPatient,
    ListLevel,
    Modalities,
    SelectionRule,
    Selector,
    StudyDate,
)
from reconciler.selecting.resolving import resolve

KEY = PatientKey(b"k" * 32)
AS_OF = date(2022, 3, 1)
OLD, NEW = date(2000, 1, 1), date(2022, 2, 1)
TEN_YEARS = Bound(Age(10, "y"), None)
UIDS = st.lists(st.integers(0, 10**9).map(str), min_size=1, max_size=6).map(".".join)


@dataclass
class Rows:
    """What a store answers to the two searches."""

    studies: list[StudyRow]
    series: list[SeriesRow] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    is_split: bool = False
    are_series_split: bool = False

    def search_studies(self, _key: PatientKey, on_split: Callable[[], None]) -> Iterator[StudyRow]:
        self.asked.append("studies")
        if self.is_split:
            on_split()
        yield from self.studies

    def search_series(self, on_split: Callable[[], None]) -> Iterator[SeriesRow]:
        self.asked.append("series")
        if self.are_series_split:
            on_split()
        yield from self.series


def study(
    uid: str | OddRow,
    day: date | None = OLD,
    patient: str = "P1",
    counts: tuple[int | None, int | None] = (1, 1),
) -> StudyRow:
    return StudyRow(uid, day, KEY.pseudonym(patient), None, *counts)


def selector_of(
    *conditions: Condition,
    level: ListLevel = ListLevel.STUDY,
    intent: EntryKind = EntryKind.REMOVE,
) -> Selector:
    return Selector("a", "", DEMO_STORE, {}, level, SelectionRule(conditions), intent, {}, ())


def resolved(
    rows: Rows,
    *conditions: Condition,
    level: ListLevel = ListLevel.STUDY,
    intent: EntryKind = EntryKind.REMOVE,
) -> Resolution:
    selector = selector_of(*conditions, level=level, intent=intent)
    (found,) = resolve([(selector, AS_OF)], rows, KEY)  # type: ignore[arg-type]  # the two searches suffice
    return found


def test_a_study_that_is_shown_twice_alike_counts_once() -> None:
    found = resolved(Rows([study("1.2"), study("1.2")]), StudyDate(TEN_YEARS))
    assert [*found.rows()] == ["1.2"]
    assert found.searched == 1


def test_a_study_that_is_shown_in_two_ways_or_not_readably_cannot_be_bound() -> None:
    def row(uid: str, **said: str | None) -> StudyRow:
        return study(uid)._replace(attributes=tuple((Attribute(k), v) for k, v in said.items()))

    selector = selector_of(StudyDate(TEN_YEARS))
    bind = (Attribute.PATIENT, Attribute.STUDY_DATE)
    rows = Rows(
        [
            *(row("1.1", patient="A", studyDate="1"), row("1.1", patient="A", studyDate="1")),
            *(row("1.2", patient="A", studyDate="1"), row("1.2", patient="B", studyDate="1")),
            *(row("1.3", patient="A"), row("1.4", patient=None, studyDate=None)),
        ]
    )
    (found,) = resolve([(replace(selector, bind=bind), AS_OF)], rows, KEY)  # type: ignore[arg-type]  # as above
    seen = KEY.seen({Attribute.PATIENT: "A", Attribute.STUDY_DATE: "1"}, bind)
    nothing = KEY.seen(dict.fromkeys(bind), bind)
    assert [*found.rows()] == [f"1.1,{seen}", f"1.4,{nothing}"]
    assert found.not_judged == {pack("1.2"): ("bind",), pack("1.3"): ("bind",)}


def test_a_study_that_is_shown_in_two_ways_cannot_be_judged() -> None:
    found = resolved(Rows([study("1.2", OLD, "P1"), study("1.2", NEW, "P2")]), StudyDate(TEN_YEARS))
    assert [*found.rows()] == []
    assert {unpack(uid): why for uid, why in found.not_judged.items()} == {"1.2": ("studyDate",)}


def test_a_study_of_two_patients_is_the_last_of_neither() -> None:
    rows = Rows([study("1.2", OLD, "P1"), study("1.2", OLD, "P2")])
    found = resolved(rows, LastStudyOfPatient(TEN_YEARS))
    assert [*found.rows()] == []
    assert [unpack(uid) for uid in found.not_judged] == ["1.2"]


@pytest.mark.parametrize("uid", [" 1.3", None, "1..3"])
def test_a_study_that_cannot_be_addressed_is_named_and_counts_for_its_patient(
    uid: str | None,
) -> None:
    rows = Rows([study("1.2"), study(OddRow((uid,)), NEW)])
    assert [*resolved(rows, LastStudyOfPatient(TEN_YEARS)).rows()] == []
    found = resolved(rows, StudyDate(TEN_YEARS))
    assert [*found.rows()] == ["1.2"]
    assert found.odd == (OddRow((uid,)),)


def test_a_series_that_cannot_be_addressed_has_its_modality_and_leaves_its_study_there() -> None:
    rows = Rows(
        [study("1.2")],
        [SeriesRow(("1.2", "1.2.1"), "US", 1), SeriesRow(OddRow(("1.2", "1..2")), "MG", 1)],
    )
    only_us = Modalities(frozenset({"US"}), None, None)
    assert [*resolved(rows, only_us).rows()] == []
    found = resolved(rows, only_us, level=ListLevel.SERIES)
    assert [*found.rows()] == ["1.2,1.2.1"]
    assert found.emptied == 0


def test_series_are_counted_where_studies_do_not_say() -> None:
    series = [SeriesRow(("1.2", f"1.2.{n}"), "US", n) for n in (1, 2)]
    rows = Rows([study("1.2", counts=(None, None)), study("1.3", NEW)], series)
    found = resolved(rows, StudyDate(TEN_YEARS))
    assert rows.asked == ["studies", "series"]
    assert (found.series, found.instances) == (2, 3)
    assert found.modalities == {"US": 1}

    rows = Rows([study("1.2"), study("1.3", NEW, counts=(None, None))], series)
    assert resolved(rows, StudyDate(TEN_YEARS)).series == 1
    assert rows.asked == ["studies"]


@pytest.mark.parametrize("counts", [(1, None), (1, 2**40)])
def test_instances_that_are_not_counted_are_no_limit(counts: tuple[int, int | None]) -> None:
    rows = Rows([study("1.2", counts=counts), study("1.3")])
    found = resolved(rows, StudyDate(TEN_YEARS))
    assert (found.series, found.instances) == (2, None)


def test_a_study_without_any_series_has_no_modality_that_is_known() -> None:
    found = resolved(Rows([study("1.2")]), Modalities(None, None, frozenset({"MG"})))
    assert [*found.rows()] == []
    assert [unpack(uid) for uid in found.not_judged] == ["1.2"]


def test_of_a_study_whose_series_were_not_all_seen_the_modalities_are_not_known() -> None:
    """One may have come or gone amid the search, or have no date where dates are split."""
    rows = Rows([study("1.2", counts=(2, 2))], [SeriesRow(("1.2", "1.2.1"), "US", 1)])
    only_us = Modalities(frozenset({"US"}), None, None)
    found = resolved(rows, only_us)
    assert [*found.rows()] == []
    assert found.not_judged == {pack("1.2"): ("modalities",)}
    assert [*resolved(rows, Modalities(None, frozenset({"US"}), None)).rows()] == ["1.2"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_series_that_is_shown_in_two_ways_is_not_removed_and_is_kept(order: int) -> None:
    both = [SeriesRow(("1.2", "1.2.1"), modality, 1) for modality in ("US", "MG")][::order]
    only_us = Modalities(frozenset({"US"}), None, None)
    rows = Rows([study("1.2")], [*both, SeriesRow(("1.2", "1.2.2"), "US", 1)])
    found = resolved(rows, only_us, level=ListLevel.SERIES)
    assert [*found.rows()] == ["1.2,1.2.2"]
    assert (found.series, found.emptied, found.modalities) == (1, 0, {"US": 1})
    assert found.not_judged == {pack("1.2"): ("modalities",)}
    found = resolved(rows, only_us, level=ListLevel.SERIES, intent=EntryKind.KEEP)
    assert [*found.rows()] == ["1.2,1.2.1", "1.2,1.2.2"]


def test_a_series_that_is_shown_twice_alike_counts_once() -> None:
    row = SeriesRow(("1.2", "1.2.1"), "US", 2)
    found = resolved(Rows([study("1.2")], [row, row]), StudyDate(TEN_YEARS), level=ListLevel.SERIES)
    assert [*found.rows()] == ["1.2,1.2.1"]
    assert (found.series, found.instances, found.emptied) == (1, 2, 1)


def test_a_series_that_is_bound_in_two_ways_is_not_listed() -> None:
    rows = [
        SeriesRow(("1.2", "1.2.1"), "US", 1, ((Attribute.MODALITY, modality),))
        for modality in ("US", "MG")
    ]
    selector = replace(
        selector_of(StudyDate(TEN_YEARS), level=ListLevel.SERIES), bind=(Attribute.MODALITY,)
    )
    (found,) = resolve([(selector, AS_OF)], Rows([study("1.2")], rows), KEY)  # type: ignore[arg-type]  # as above
    assert [*found.rows()] == []
    assert found.not_judged == {pack("1.2"): ("bind",)}


def test_selectors_share_their_searches_and_nothing_else() -> None:
    """Alone, each would be given the same."""
    series = [SeriesRow((f"1.{n}", f"1.{n}.1"), "US", n) for n in (2, 3)]
    rows = Rows([study("1.2", OLD, "P1"), study("1.3", NEW, "P1", (None, None))], series)
    asked = [
        (selector_of(StudyDate(TEN_YEARS)), AS_OF),
        (selector_of(StudyDate(TEN_YEARS)), date(2100, 1, 1)),
        (selector_of(LastStudyOfPatient(TEN_YEARS)), AS_OF),
        (selector_of(Modalities(frozenset({"US"}), None, None)), AS_OF),
        (selector_of(StudyDate(TEN_YEARS), level=ListLevel.SERIES), AS_OF),
    ]
    together = resolve(asked, rows, KEY)  # type: ignore[arg-type]  # as above
    assert rows.asked == ["studies", "series"]
    assert [one.modalities for one in together] == [
        None,
        *[{"US": 2}],
        None,
        *[{"US": 2}, {"US": 1}],
    ]
    assert together == [resolve([one], rows, KEY)[0] for one in asked]  # type: ignore[arg-type]  # as above


LAST = LastStudyOfPatient(TEN_YEARS)
OF_DATE = StudyDate(TEN_YEARS)


@pytest.mark.parametrize("level", ListLevel)
@pytest.mark.parametrize("intent", EntryKind)
@pytest.mark.parametrize("condition", [LAST, OF_DATE])
@pytest.mark.parametrize("split", ["studies", "series"])
def test_where_dates_are_split_no_list_lacks_what_has_none(
    level: ListLevel, intent: EntryKind, condition: Condition, split: str
) -> None:
    series = [SeriesRow(("1.2", "1.2.1"), "US", 1)]
    rows = Rows([study("1.2")], series, is_split=split == "studies")
    rows.are_series_split = split == "series"
    lacks_studies = split == "studies" and (intent is EntryKind.KEEP or condition is LAST)
    lacks_series = split == "series" and intent is EntryKind.KEEP and level is ListLevel.SERIES
    if lacks_studies or lacks_series:
        with pytest.raises(LiveError, match=r"a cannot be resolved: .* without a Study Date"):
            resolved(rows, condition, level=level, intent=intent)
        return
    found = resolved(rows, condition, level=level, intent=intent)
    assert found.is_split is (split == "studies" or level is ListLevel.SERIES)
    assert found.studies == 1


@pytest.mark.parametrize(
    ("day", "age", "first_that_is_not"),
    [
        (date(2026, 3, 1), Age(10, "y"), date(2016, 3, 1)),
        (date(2026, 2, 28), Age(10, "y"), date(2016, 2, 28)),
        (date(2028, 2, 29), Age(10, "y"), date(2018, 3, 1)),
        (date(2026, 3, 31), Age(1, "m"), date(2026, 3, 1)),
        (date(2026, 1, 15), Age(13, "m"), date(2024, 12, 15)),
        (date(2026, 3, 1), Age(1, "d"), date(2026, 2, 28)),
        (date(2026, 3, 1), Age(9999, "y"), date.min),
        (date(2026, 3, 1), Age(99999, "d"), date.fromordinal(date(2026, 3, 1).toordinal() - 99999)),
    ],
)
def test_ages_go_by_the_calendar(day: date, age: Age, first_that_is_not: date) -> None:
    assert age.before(day) == first_that_is_not


@settings(deadline=None)
@given(UIDS.filter(lambda uid: len(uid) <= 64), UIDS.filter(lambda uid: len(uid) <= 64))
def test_packed_uids_are_their_texts_in_order(one: str, other: str) -> None:
    assert unpack(pack(one)) == one
    assert (pack(one) < pack(other)) is (one < other)
    assert len(pack(one)) <= 32
