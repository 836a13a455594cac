"""What a store says of its studies, as it arrives: some hundred bytes for each.

It is the same for every rule. Sets of modalities are few, so each is held once.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from reconciler.model.address import is_uid
from reconciler.model.live import OddRow, SeriesRow, StudyRow
from reconciler.model.selection.packed_uid import pack
from reconciler.selecting.judgement import Last

Seen = frozenset[str | None]
Value = TypeVar("Value", bound=Hashable)

UNKNOWN = -1
"""A number that no row says."""

_LARGEST = 2**31 - 1


class Shared(Generic[Value]):
    """Values that many have, each with a number; the first has 0."""

    def __init__(self, first: Value) -> None:
        self.values = [first]
        self._numbers = {first: 0}

    def number(self, value: Value) -> int:
        """The number of the value."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


@dataclass(frozen=True, slots=True)
class Study:
    """All that is known of one study once everything was seen.

    ``year`` is None without a date; ``series`` and ``instances`` are `UNKNOWN` where nothing says
    how many there are. ``modalities`` have None besides where not all its series were seen.
    """

    uid: bytes
    modalities: Seen
    last: Last | None
    year: int | None
    series: int
    instances: int


class Studies:
    """The studies of a store, by the order in which they were first seen."""

    def __init__(self, *, with_patients: bool) -> None:
        self._with_patients = with_patients
        self._numbers: dict[bytes, int] = {}
        self._uids: list[bytes] = []
        self._days = array("I")  # as ordinals, 0 without one
        self._rows = (array("i"), array("i"))  # series and instances, as rows of studies say
        self._patient_of = array("Q")  # 0 without one
        self._last: dict[int, Last] = {}
        self._lasts: dict[Last, Last] = {}  # each is held once
        self._modalities = Shared[Seen](frozenset())
        self._modalities_of = array("I")
        self._counts = (array("i"), array("i"))  # series and instances, as rows of series say
        self.odd: set[OddRow] = set()

    def __len__(self) -> int:
        return len(self._uids)

    def add(self, row: StudyRow) -> int | None:
        """Take a row of a search for studies; the number of the study, None if it has no UID.

        A row that differs from an earlier one of the study leaves doubt.
        """
        patient = self._note_patient(row) if self._with_patients else 0
        if isinstance(row.study_uid, OddRow):
            self.odd.add(row.study_uid)
            return None
        uid = pack(row.study_uid)
        day = 0 if row.day is None else row.day.toordinal()
        number = self._numbers.setdefault(uid, len(self._uids))
        if number == len(self._uids):
            self._uids.append(uid)
            self._begin(row, day, patient)
            return number
        if self._days[number] != day:
            self._days[number] = 0
        if self._patient_of[number] != patient:
            self._patient_of[number] = 0
        return number

    def _begin(self, row: StudyRow, day: int, patient: int) -> None:
        self._days.append(day)
        self._patient_of.append(patient)
        for counts, count in zip(self._rows, (row.series, row.instances), strict=True):
            counts.append(_stored(count))
        self._modalities_of.append(0)
        for counts in self._counts:
            counts.append(UNKNOWN)

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

    def study(self, number: int, *, with_series: bool) -> Study:
        """What is known of a study; without its series only what rows of studies say."""
        series, instances = (said[number] for said in self._rows)
        modalities: Seen = frozenset()
        if with_series:
            modalities = self._modalities.values[self._modalities_of[number]]
            if self.series_read(number) < series:
                modalities |= {None}
            if series == UNKNOWN:
                series = self._counts[0][number]
            if instances == UNKNOWN:
                instances = self._counts[1][number]
        uid, last = self._uids[number], self.last(number)
        return Study(uid, modalities, last, self.year(number), series, instances)

    def uid(self, number: int) -> bytes:
        """The study's UID, packed."""
        return self._uids[number]

    def year(self, number: int) -> int | None:
        """The year of the study; None without a date."""
        day = self._days[number]
        return date.fromordinal(day).year if day else None

    def last(self, number: int) -> Last | None:
        """What is known of the studies of the study's patient."""
        return self._last.get(self._patient_of[number])

    def series_read(self, number: int) -> int:
        """How many rows of series the study has."""
        return max(0, self._counts[0][number])


def _stored(count: int | None) -> int:
    """A number as arrays hold it; one that no store has is none."""
    return UNKNOWN if count is None or count > _LARGEST else count
