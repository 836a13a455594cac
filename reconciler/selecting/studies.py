"""What a store says of its studies, as it arrives: some hundred bytes for each.

A study keeps its answers to the conditions of the rule, and what the last ones need that cannot be
answered before everything was seen. Answers, and sets of modalities, are few: each is held once.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from reconciler.model.address import is_uid
from reconciler.model.live import OddRow, SeriesRow, StudyRow
from reconciler.model.patient import Attribute, Attributes
from reconciler.model.selection.packed_uid import pack
from reconciler.model.selection.selector import LastStudyOfPatient, Modalities, SelectionRule
from reconciler.selecting.judgement import Answer, Facts, Last, agreed, answer
from reconciler.selecting.unseen import Unseen

Answers = tuple[Answer, ...]
Seen = frozenset[str | None]
Value = TypeVar("Value", bound=Hashable)

UNKNOWN = -1
"""A number that no row says."""

_LARGEST = 2**31 - 1

_WAITING = (LastStudyOfPatient, Modalities)
"""What cannot be answered before everything was seen."""


class _Shared(Generic[Value]):
    """Values that many have, each with a number; the first has 0."""

    def __init__(self, first: Value) -> None:
        self.values = [first]
        self._numbers = {first: 0}

    def number(self, value: Value) -> int:
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


@dataclass(frozen=True, slots=True)
class Study:
    """All that is known of one study once everything was seen.

    ``year`` is None without a date; ``series`` and ``instances`` are `UNKNOWN` where nothing says
    how many there are.
    """

    number: int
    uid: bytes
    answers: Answers
    modalities: Seen
    year: int | None
    series: int
    instances: int


class Studies:
    """The studies of a store, by the order in which they were first seen."""

    def __init__(self, rule: SelectionRule, as_of: date, bind: tuple[Attribute, ...] = ()) -> None:
        self._rule, self._as_of = rule, as_of
        self._bind = tuple(one for one in bind if one is not Attribute.MODALITY)
        self._bound: list[tuple[str | None, ...] | None] = []  # by study, where a list is bound
        self._numbers: dict[bytes, int] = {}
        self._uids: list[bytes] = []
        self._answers = _Shared[Answers]((None,) * len(rule.conditions))
        self._answered = array("I")
        self._days = array("I")  # as ordinals, 0 without one
        self._rows = (array("i"), array("i"))  # series and instances, as rows of studies say
        self._patient_of = array("Q")  # 0 without one
        self._last: dict[int, Last] = {}
        self._lasts: dict[Last, Last] = {}  # each is held once
        self._modalities = _Shared[Seen](frozenset())
        self._modalities_of = array("I")
        self._counts = (array("i"), array("i"))  # series and instances, as rows of series say
        self._asks_for_patients = rule.asks(LastStudyOfPatient)
        self._waits = rule.asks(*_WAITING)
        self.odd: set[OddRow] = set()
        self.unseen = Unseen(rule)

    def __len__(self) -> int:
        return len(self._uids)

    def add(self, row: StudyRow) -> None:
        """Take a row of a search for studies; one that differs from an earlier one leaves doubt."""
        patient = self._note_patient(row) if self._asks_for_patients else 0
        if isinstance(row.study_uid, OddRow):
            self.odd.add(row.study_uid)
            self.unseen.show(row.patient, row.accession, None)
            return
        uid = pack(row.study_uid)
        self.unseen.show(row.patient, row.accession, uid)
        facts = Facts(uid, row.day, row.patient, row.accession)
        answers = tuple(answer(one, facts, self._as_of) for one in self._rule.conditions)
        bound = self._bound_of(row)
        day = 0 if row.day is None else row.day.toordinal()
        number = self._numbers.setdefault(uid, len(self._uids))
        if number == len(self._uids):
            self._uids.append(uid)
            self._begin(row, answers, day, patient)
            if self._bind:
                self._bound.append(bound)
            return
        both = agreed(self._answers.values[self._answered[number]], answers)
        self._answered[number] = self._answers.number(both)
        if self._days[number] != day:
            self._days[number] = 0
        if self._patient_of[number] != patient:
            self._patient_of[number] = 0
        if self._bind and self._bound[number] != bound:
            self._bound[number] = None

    def _begin(self, row: StudyRow, answers: Answers, day: int, patient: int) -> None:
        self._answered.append(self._answers.number(answers))
        self._days.append(day)
        self._patient_of.append(patient)
        for counts, count in zip(self._rows, (row.series, row.instances), strict=True):
            counts.append(_stored(count))
        self._modalities_of.append(0)
        for counts in self._counts:
            counts.append(UNKNOWN)

    def _bound_of(self, row: StudyRow) -> tuple[str | None, ...] | None:
        """What the row says of what the list is bound to; None where that cannot be read."""
        said = dict(row.attributes)
        return tuple(said[one] for one in self._bind) if said.keys() >= set(self._bind) else None

    def _note_patient(self, row: StudyRow) -> int:
        """Take the day into account for the patient; what the patient is known by, 0 for none.

        That is 60 bits of the pseudonym. Should two have the same, the later day counts for both,
        and less is removed.
        """
        if row.patient is None:
            return 0
        patient = 1 + int(row.patient.rpartition(":")[2][:15], 16)
        last = self._last.get(patient, Last(None, is_certain=True))
        day = max(filter(None, (last.day, row.day)), default=None)
        seen = Last(day, is_certain=last.is_certain and row.day is not None)
        self._last[patient] = self._lasts.setdefault(seen, seen)
        return patient

    def add_series(self, row: SeriesRow) -> int | None:
        """Take a row of a search for series; the number of its study, None if that is not known."""
        if isinstance(row.uids, OddRow):
            self.odd.add(row.uids)
        uid = row.uids.uids[0] if isinstance(row.uids, OddRow) else row.uids[0]
        number = self._numbers.get(pack(uid)) if uid is not None and is_uid(uid) else None
        if number is None:
            return None
        seen = self._modalities.values[self._modalities_of[number]]
        if row.modality not in seen:
            self._modalities_of[number] = self._modalities.number(seen | {row.modality})
        series, instances = self._counts
        if series[number] == UNKNOWN:
            series[number] = instances[number] = 0
        series[number] += 1
        is_known = row.instances is not None and instances[number] != UNKNOWN
        instances[number] = _stored(instances[number] + (row.instances or 0) if is_known else None)
        return number

    def __iter__(self) -> Iterator[Study]:
        return map(self.__getitem__, range(len(self._uids)))

    def __getitem__(self, number: int) -> Study:
        modalities = self._modalities.values[self._modalities_of[number]]
        series, instances = (
            counted[number] if said[number] == UNKNOWN else said[number]
            for said, counted in zip(self._rows, self._counts, strict=True)
        )
        day = self._days[number]
        return Study(
            number,
            self._uids[number],
            self._final(number, modalities),
            modalities,
            date.fromordinal(day).year if day else None,
            series,
            instances,
        )

    def attributes(self, number: int) -> Attributes:
        """What the rows say in one voice of what the list is bound to, the modality apart."""
        bound = self._bound[number] if self._bind else ()
        return {} if bound is None else dict(zip(self._bind, bound, strict=True))

    def uid(self, number: int) -> bytes:
        """The study's UID, packed."""
        return self._uids[number]

    def series_read(self, number: int) -> int:
        """How many rows of series the study has."""
        return max(0, self._counts[0][number])

    def answers_of_series(self, number: int, modality: str | None) -> Answers:
        """The answers of a series of the study: its own modality is what counts."""
        return self._final(number, frozenset({modality}))

    def _final(self, number: int, modalities: Seen) -> Answers:
        """The answers, with those that had to wait until all was seen."""
        answers = self._answers.values[self._answered[number]]
        if not self._waits:
            return answers
        facts = Facts(b"", None, None, None, self._last.get(self._patient_of[number]), modalities)
        return tuple(
            answer(one, facts, self._as_of) if isinstance(one, _WAITING) else found
            for one, found in zip(self._rule.conditions, answers, strict=True)
        )


def _stored(count: int | None) -> int:
    """A number as arrays hold it; one that no store has is none."""
    return UNKNOWN if count is None or count > _LARGEST else count
