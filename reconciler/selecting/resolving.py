"""Asks a store for all that selectors look at, and lists what each selects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import NamedTuple

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.desired import EntryKind
from reconciler.model.live import OddRow, SeriesRow
from reconciler.model.patient import Attributes, PatientKey
from reconciler.model.selection.packed_uid import pack
from reconciler.model.selection.resolution import Resolution, Target
from reconciler.model.selection.selector import (
    LastStudyOfPatient,
    ListLevel,
    Modalities,
    Selector,
)
from reconciler.selecting.answers import Answers, StudyAnswers
from reconciler.selecting.judgement import undecided, verdict
from reconciler.selecting.studies import UNKNOWN, Studies

UNNAMED = "unknown"
"""What is counted of what has no year, or no modality."""


def resolve(
    asked: Sequence[tuple[Selector, date]],
    store: ReadableStore,
    key: PatientKey,
    on_row: Callable[[], None] = lambda: None,
) -> list[Resolution]:
    """List what the rule of each selector selects on its day.

    All studies are searched once for all of them; all series only where a rule asks for
    modalities, series are listed, or the rows of studies do not say how many series they have.
    What one selector is given does not depend on the others. ``on_row`` is called for each row
    that was read.

    Raises:
        LiveError: a search could not be read, or what a selector needs cannot be searched for.
    """
    needs_last = any(selector.rule.asks(LastStudyOfPatient) for selector, _ in asked)
    studies = Studies(with_patients=needs_last)
    listings = [_LISTINGS[one.level](one, day, key, studies) for one, day in asked]

    for row in store.search_studies(key, partial(_note_split, listings, ListLevel.STUDY)):
        on_row()
        number = studies.add(row)
        for one in listings:
            one.answers.take(number, row)
    waiting = [one for one in listings if one.needs_series()]
    if waiting:
        _read_series(waiting, studies, store, on_row)
    return [one.resolution() for one in listings]


def _read_series(
    waiting: Sequence[_Listing], studies: Studies, store: ReadableStore, on_row: Callable[[], None]
) -> None:
    for row in store.search_series(partial(_note_split, waiting, ListLevel.SERIES)):
        on_row()
        number = studies.add_series(row)
        if number is not None and not isinstance(row.uids, OddRow):
            target = (studies.uid(number), pack(row.uids[1]))
            for one in waiting:
                one.take(number, row, target)


def _note_split(listings: Sequence[_Listing], what: ListLevel) -> None:
    for one in listings:
        one.note_split(what)


class _Counts(NamedTuple):
    """Studies and series that a list covers, and studies of which it leaves nothing."""

    studies: int
    series: int
    emptied: int


@dataclass(slots=True)
class _Listing(ABC):
    """The list of one selector while it is made."""

    selector: Selector
    as_of: date
    key: PatientKey
    studies: Studies
    answers: StudyAnswers = field(init=False)
    is_split: bool = False
    years: Counter[str] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)
    not_judged: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    seen: dict[Target, str] = field(default_factory=dict)
    instances: array[int] = field(default_factory=lambda: array("q"))

    def __post_init__(self) -> None:
        self.answers = StudyAnswers(self.selector.rule, self.as_of, self.selector.bind)

    @abstractmethod
    def needs_series(self) -> bool:
        """Whether it waits for series, once all studies were seen."""

    def take(self, number: int, row: SeriesRow, target: Target) -> None:  # noqa: B027 - not all list series
        """Take a row of a search for series that the studies have taken."""

    @abstractmethod
    def resolution(self) -> Resolution:
        """The list, once all was seen."""

    def note_split(self, what: ListLevel) -> None:
        """Note that of the studies, or series, only those with a Study Date are found.

        Raises:
            LiveError: those without one would have to be in the list, or be looked at.
        """
        self.is_split = True
        of_studies = what is ListLevel.STUDY
        if self.selector.intent is EntryKind.KEEP and (of_studies or self.selector.level is what):
            self._refuse_split("what has none is kept")
        if of_studies and self.selector.rule.asks(LastStudyOfPatient):
            self._refuse_split("lastStudyOfPatient needs all studies of a patient")

    def _refuse_split(self, why: str) -> None:
        raise LiveError(
            f"{self.selector.path} cannot be resolved: in a store of more than a million, those"
            f" without a Study Date cannot be searched for, and {why}"
        )

    def _is_selected(self, uid: bytes, answers: Answers) -> bool:
        """Whether it is listed; what cannot be judged is listed only to be kept."""
        found = verdict(self.selector.rule, answers)
        if found is not None:
            return found
        self._note_not_judged(uid, undecided(self.selector.rule, answers))
        return self.selector.intent is EntryKind.KEEP

    def _is_bound(self, target: Target, attributes: Attributes) -> bool:
        """Note what it is, where the list is bound to that; what cannot be read is not listed."""
        if not self.selector.bind:
            return True
        seen = self.key.seen(attributes, self.selector.bind)
        if seen is None or self.seen.setdefault(target, seen) != seen:
            self._note_not_judged(target[0], ["bind"])
            return False
        return True

    def _note_not_judged(self, uid: bytes, why: Iterable[str]) -> None:
        self.not_judged[uid] = tuple(dict.fromkeys((*self.not_judged.get(uid, ()), *why)))

    def _made(self, listed: list[Target], counts: _Counts) -> Resolution:
        return Resolution(
            as_of=self.as_of,
            listed=listed,
            studies=counts.studies,
            series=counts.series,
            instances=None if UNKNOWN in self.instances else sum(self.instances),
            emptied=counts.emptied,
            years=dict(sorted(self.years.items())),
            modalities=dict(sorted(self.modalities.items())) or None,
            named=self.answers.unseen.named(),
            not_judged=dict(sorted(self.not_judged.items())),
            odd=tuple(sorted(self.studies.odd, key=str)),
            searched=len(self.studies),
            is_split=self.is_split,
            key=self.key.check,
            seen=self.seen,
        )


@dataclass(slots=True)
class _StudyListing(_Listing):
    """A list of studies; ``chosen`` are their numbers."""

    chosen: array[int] = field(default_factory=lambda: array("I"))
    with_series: bool = False

    def needs_series(self) -> bool:
        if self.selector.rule.asks(Modalities):
            self.with_series = True
        else:
            self._choose()
            said = (self.studies.study(one, with_series=False).series for one in self.chosen)
            self.with_series = UNKNOWN in said
        return self.with_series

    def resolution(self) -> Resolution:
        if self.selector.rule.asks(Modalities):
            self._choose()
        listed: list[Target] = []
        series = 0
        for number in self.chosen:
            study = self.studies.study(number, with_series=self.with_series)
            listed.append((study.uid,))
            self.years[_named(study.year)] += 1
            self.modalities.update(map(_named, study.modalities))
            series += max(0, study.series)
            self.instances.append(study.instances)
        return self._made(sorted(listed), _Counts(len(listed), series, len(listed)))

    def _choose(self) -> None:
        for number in range(len(self.studies)):
            study = self.studies.study(number, with_series=self.with_series)
            answers = self.answers.of(number, study.last, study.modalities)
            if self._is_selected(study.uid, answers) and self._is_bound(
                (study.uid,), self.answers.attributes(number)
            ):
                self.chosen.append(number)


@dataclass(slots=True)
class _SeriesListing(_Listing):
    """A list of series; ``found`` are those that were selected, with what is counted of them.

    A series may have several rows. Of those that the rule does not select alike nothing is listed
    to be removed; the hashes of what was not selected are kept for that, and nothing else of it.
    """

    found: dict[Target, tuple[int, str | None, int]] = field(default_factory=dict)
    others: array[int] = field(default_factory=lambda: array("q"))
    again: Counter[int] = field(default_factory=Counter)

    def needs_series(self) -> bool:
        return True

    def take(self, number: int, row: SeriesRow, target: Target) -> None:
        answers = self.answers.of(number, self.studies.last(number), frozenset({row.modality}))
        said = {**self.answers.attributes(number), **dict(row.attributes)}
        if not self._is_selected(target[0], answers) or not self._is_bound(target, said):
            self.others.append(hash(target))
        elif target in self.found:
            self.again[number] += 1
        else:
            instances = UNKNOWN if row.instances is None else row.instances
            self.found[target] = (number, row.modality, instances)

    def resolution(self) -> Resolution:
        self._leave_out_doubtful()
        by_study: Counter[int] = Counter()
        for number, modality, instances in self.found.values():
            by_study[number] += 1
            self.years[_named(self.studies.year(number))] += 1
            self.modalities[_named(modality)] += 1
            self.instances.append(instances)
        emptied = sum(
            self.studies.series_read(number) - self.again[number] == count
            for number, count in by_study.items()
        )
        return self._made(sorted(self.found), _Counts(len(by_study), len(self.found), emptied))

    def _leave_out_doubtful(self) -> None:
        """Take out what was selected by one row and not by another; to be kept, one suffices."""
        others = set(self.others)
        for target in [one for one in self.found if hash(one) in others]:
            if target[0] not in self.not_judged:
                self._note_not_judged(target[0], [Modalities.key])
            if self.selector.intent is EntryKind.REMOVE:
                del self.found[target]


_LISTINGS: Mapping[ListLevel, type[_Listing]] = {
    ListLevel.STUDY: _StudyListing,
    ListLevel.SERIES: _SeriesListing,
}


def _named(found: object) -> str:
    return UNNAMED if found is None else str(found)
