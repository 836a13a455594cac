"""A selector: the rule by which whole studies or series are listed, and what becomes of them."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import TypeAlias

from reconciler.model.address import StoreAddress
from reconciler.model.desired import EntryKind
from reconciler.model.patient import Attribute
from reconciler.model.problem import Source


class ListLevel(Enum):
    """What a selector lists."""

    STUDY = "study"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class Age:
    """So many years (y), months (m) or days (d) of the calendar."""

    count: int
    unit: str

    def before(self, day: date) -> date:
        """The first day that is not so old on ``day``: what is earlier had its anniversary before.

        It is the same day so long before; where the month has no such day, the first one after it.
        So the anniversary of 29 February is 28 February in other years. What would be before the
        year 1 is its first day.
        """
        if self.unit == "d":
            return date.fromordinal(max(1, day.toordinal() - self.count))
        months = self.count * (12 if self.unit == "y" else 1)
        year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
        if year < 1:
            return date.min
        last = calendar.monthrange(year, month + 1)[1]
        begin = date(year, month + 1, min(day.day, last))
        return begin if day.day <= last else begin + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a date must be earlier than; where both are given, than both."""

    older_than: Age | None
    day: date | None

    def on(self, as_of: date) -> date:
        """The day that a date must be earlier than, on that day."""
        days = [] if self.day is None else [self.day]
        if self.older_than is not None:
            days.append(self.older_than.before(as_of))
        return min(days)


@dataclass(frozen=True, slots=True)
class StudyDate:
    """The Study Date (0008,0020) is earlier."""

    bound: Bound
    key = "studyDate"


@dataclass(frozen=True, slots=True)
class LastStudyOfPatient:
    """The latest Study Date that the store holds of the patient is earlier."""

    bound: Bound
    key = "lastStudyOfPatient"


@dataclass(frozen=True, slots=True)
class Modalities:
    """There is no other modality than ``only``, one of ``any_of``, and none of ``none_of``."""

    only: frozenset[str] | None
    any_of: frozenset[str] | None
    none_of: frozenset[str] | None
    key = "modalities"


@dataclass(frozen=True, slots=True)
class Patients:
    """The pseudonym of the Patient ID is one of these."""

    pseudonyms: frozenset[str]
    key = "patients"


@dataclass(frozen=True, slots=True)
class Accessions:
    """The pseudonym of the Accession Number is one of these."""

    pseudonyms: frozenset[str]
    key = "accessions"


@dataclass(frozen=True, slots=True)
class Studies:
    """The Study Instance UID is one of these, which are packed."""

    uids: Set[bytes]
    key = "studies"


Condition: TypeAlias = StudyDate | LastStudyOfPatient | Modalities | Patients | Accessions | Studies


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """All of ``select`` must hold, and of no exception all that it says."""

    select: tuple[Condition, ...]
    exceptions: tuple[tuple[Condition, ...], ...] = ()

    @property
    def groups(self) -> Iterator[tuple[Condition, ...]]:
        """What is selected, then each exception."""
        yield self.select
        yield from self.exceptions

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, group by group."""
        return tuple(condition for group in self.groups for condition in group)

    def asks(self, *kinds: type[Condition]) -> bool:
        """Whether there is a condition of one of these kinds."""
        return any(isinstance(condition, kinds) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Selector:
    """One file of selectors/, read and checked, with what the files hold that it names.

    ``path`` is relative to the project's root; ``digest`` covers the file and all that it names.
    ``store`` and ``terms`` (what ``then`` says of the entry: reason, archive, hold) are as they
    are written. ``key_checks`` say by which key each file of pseudonyms was made, with the place
    that names it; None where the file does not say. ``bind`` is what the list is bound to.
    """

    path: str
    digest: str
    address: StoreAddress
    store: Mapping[str, object]
    level: ListLevel
    rule: SelectionRule
    intent: EntryKind
    terms: Mapping[str, object]
    key_checks: tuple[tuple[Source, str | None], ...]
    bind: tuple[Attribute, ...] = ()
