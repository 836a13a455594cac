"""The desired state: what the files ask a store to keep and to remove."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from datetime import date
from enum import Enum
from typing import Any, NamedTuple, Self

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.patient import Binding
from reconciler.model.problem import Problem, Source


class EntryKind(Enum):
    """What a file asks for."""

    KEEP = "keep"
    REMOVE = "remove"


class ReasonCode(Enum):
    """DICOM PS3.16 CID 7031, Reason for Removal from Operational Use."""

    meaning: str
    """The code meaning of CID 7031, such as ``Data Retention Policy Expired``."""

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Give each code its value and its meaning."""
        code = object.__new__(cls)
        code._value_ = value
        code.meaning = meaning
        return code

    REJECTED_FOR_QUALITY_REASONS = ("113001", "Rejected for Quality Reasons")
    REJECTED_FOR_PATIENT_SAFETY_REASONS = ("113037", "Rejected for Patient Safety Reasons")
    INCORRECT_MODALITY_WORKLIST_ENTRY = ("113038", "Incorrect Modality Worklist Entry")
    DATA_RETENTION_POLICY_EXPIRED = ("113039", "Data Retention Policy Expired")
    QUALITY_CONTROL_INTENT = ("113680", "Quality Control Intent")
    DATA_NOT_ACCESSIBLE_FROM_STORAGE = ("130752", "Data Not Accessible from Storage")
    PROCESSED_KEY_OBJECT_SELECTION = ("130753", "Processed Key Object Selection")
    REPLACED_BY_ALTERNATE_REPRESENTATION = ("130754", "Replaced by Alternate Representation")


_TICKET = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")


def is_ticket(text: str) -> bool:
    """Whether ``text`` may be a ticket, which goes into request headers."""
    return _TICKET.fullmatch(text) is not None


def _checked_ticket(text: str) -> str:
    if not is_ticket(text):
        raise ValueError(f"not a ticket: {text!r}")
    return text


@dataclass(frozen=True, slots=True)
class Reason:
    """Why instances are removed: a code of CID 7031, words, and a ticket."""

    code: ReasonCode
    """A code of DICOM PS3.16 CID 7031, Reason for Removal from Operational Use."""
    text: str | None = None
    """The reason in words; never in the header of a request."""
    ticket: str | None = field(default=None, metadata=as_json(check=_checked_ticket))
    """A reference of 1 to 64 printable ASCII characters, which is sent in request headers."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nobody may remove what a keep names, and who is responsible; it never expires by itself.

    As a text it reads ``Litigation 2026-17; owner legal; ticket LIT-7; review by 2026-12-31``.
    """

    text: str
    """The reason in words."""
    owner: str | None = None
    """Who is responsible for it."""
    ticket: str | None = field(default=None, metadata=as_json(check=_checked_ticket))
    """Where it was decided: 1 to 64 printable ASCII characters."""
    review_by: date | None = None
    """The last day for reviewing whether it is still needed."""

    def __str__(self) -> str:
        parts = (("owner", self.owner), ("ticket", self.ticket), ("review by", self.review_by))
        return "; ".join([self.text, *(f"{name} {value}" for name, value in parts if value)])

    @property
    def name(self) -> tuple[str, str | None]:
        """What it goes by when its owner or its day of review changes."""
        return self.text, self.ticket

    def overdue_days(self, today: date) -> int:
        """How many days it is past its review; 0 if it is not."""
        return 0 if self.review_by is None else max((today - self.review_by).days, 0)


def _limit(key: str, default: int) -> Any:
    """A default may change with a version, so a limit is always written."""
    return field(default=default, metadata=as_json(key=key))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a plan may do to one store before a gate stops it."""

    max_deletions: int = _limit("maxDeletions", 100)
    max_studies_emptied: int = _limit("maxStudiesEmptied", 0)
    max_series_emptied: int = _limit("maxSeriesEmptied", 0)
    max_study_percent: int = _limit("maxStudyPercent", 50)
    max_kept_missing: int = _limit("maxKeptMissing", 0)
    max_dangling: int = _limit("maxDangling", 0)
    max_never_seen: int = _limit("maxNeverSeen", 0)
    max_reappeared: int = _limit("maxReappeared", 0)


LIMIT_KEYS: Mapping[str, str] = {one.name: one.metadata["key"] for one in fields(Limits)}
"""What a desired-state file calls each limit."""


def smallest_limits(written: Iterable[Mapping[str, int]]) -> Limits:
    """The smallest value of each limit that files write, by its key; else the default."""
    smallest: dict[str, int] = {}
    for limits in written:
        for key, value in limits.items():
            smallest[key] = min(value, smallest.get(key, value))
    return Limits(**{name: smallest[key] for name, key in LIMIT_KEYS.items() if key in smallest})


@dataclass(frozen=True, slots=True)
class InstanceList:
    """SOP Instance UIDs of one series, each with the place that declares it.

    Three parallel sequences, so that a million of them cost no objects of their own; no UID
    occurs twice.
    """

    uids: tuple[str, ...]
    lines: array[int]
    columns: array[int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a file: a whole study, a whole series, or instances of a series.

    ``series_uid`` None means the whole study; ``instances`` None means the whole series (or
    study). An inventory gives one entry a series, whose ``source.path`` is the CSV file.
    ``archive`` is the absolute path of the folder under which a remove is kept first;
    ``allow_damaged`` says that the copy there need not be whole. ``bound`` is what the instances of
    a remove must still be when it is applied.
    """

    intent: EntryKind
    study_uid: str
    series_uid: str | None
    instances: InstanceList | None
    source: Source
    reason: Reason | None = None
    hold: Hold | None = None
    from_inventory: bool = False
    archive: str | None = None
    allow_damaged: bool = False
    bound: Binding | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it names a series or study as a whole."""
        return self.instances is None


class Claim(NamedTuple):
    """The entry that speaks for an instance, and the very line that does."""

    entry: Entry
    source: Source


class Claims:
    """The entries of one intent in one store, looked up from the narrowest to the widest.

    Of several equally narrow entries the one with a hold speaks, else one that is bound, else the
    first in order.
    """

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        self._studies: dict[str, Entry] = {}
        self._series: dict[SeriesAddress, Entry] = {}
        self._listed: dict[SeriesAddress, list[Entry]] = {}
        self._listed_by_study: dict[str, list[Entry]] = {}
        for entry in sorted(entries, key=lambda e: (e.hold is None, e.bound is None, e.source)):
            if entry.series_uid is None:
                self._studies.setdefault(entry.study_uid, entry)
                continue
            series = SeriesAddress(entry.study_uid, entry.series_uid)
            if entry.instances is None:
                self._series.setdefault(series, entry)
            else:
                self._listed.setdefault(series, []).append(entry)
                self._listed_by_study.setdefault(entry.study_uid, []).append(entry)

    def whole_study(self, study_uid: str) -> Entry | None:
        """The entry that names the study as a whole."""
        return self._studies.get(study_uid)

    def whole_series(self, series: SeriesAddress) -> Entry | None:
        """The entry that names the series as a whole; not one that names its study."""
        return self._series.get(series)

    def whole(self, series: SeriesAddress) -> Entry | None:
        """The narrowest entry that covers every instance of the series."""
        return self._series.get(series) or self._studies.get(series.study_uid)

    def wider(self, entry: Entry) -> Entry | None:
        """The entry that names what the entry lies in as a whole: its series, else its study."""
        if entry.series_uid is None:
            return None
        series = SeriesAddress(entry.study_uid, entry.series_uid)
        return self.whole_study(entry.study_uid) if entry.is_whole else self.whole(series)

    def listed(self, series: SeriesAddress) -> Mapping[str, Claim]:
        """The instances of the series that are named one by one, with their claims."""
        claims: dict[str, Claim] = {}
        for entry in self.listing(series):
            for uid, source in listed_sources(entry):
                claims.setdefault(uid, Claim(entry, source))
        return claims

    def listing(self, series: SeriesAddress) -> Sequence[Entry]:
        """The entries that name instances of the series one by one."""
        return self._listed.get(series, ())

    def listed_series(self) -> Set[SeriesAddress]:
        """Every series of which an entry names instances one by one."""
        return self._listed.keys()

    def listing_in_study(self, study_uid: str) -> Sequence[Entry]:
        """The entries that name instances of the study one by one."""
        return self._listed_by_study.get(study_uid, ())

    def studies(self) -> Set[str]:
        """Every study that an entry lies in."""
        return {entry.study_uid for entry in self.entries}

    def series(self) -> set[SeriesAddress]:
        """Every series that is named, as a whole or through its instances."""
        return self._series.keys() | self._listed.keys()


def listed_sources(entry: Entry) -> Iterator[tuple[str, Source]]:
    """The instances that an entry names one by one, each with the place that names it."""
    if entry.instances is None:
        return
    path = entry.source.path
    listed = entry.instances
    for uid, line, column in zip(listed.uids, listed.lines, listed.columns, strict=True):
        yield uid, Source(path, line, column)


@dataclass(frozen=True, slots=True)
class WrittenLimits:
    """The limits that one file writes, by their keys.

    ``paths`` are those of what it removes: its own and those of its inventories.
    """

    paths: Set[str]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DesiredStore:
    """What all files together ask of one store.

    ``limits`` are the smallest of all files, ``written`` those of each.
    """

    store: StoreAddress
    limits: Limits
    removes: Claims
    keeps: Claims
    written: Sequence[WrittenLimits] = ()


class InputRole(Enum):
    """Why a file is an input of a plan."""

    SELECTED = "selected"
    """A PATH names it: its removes and its keeps count."""
    KEEPS = "keeps"
    """It lies under ``specs/`` and no PATH names it: only its keeps count."""
    INVENTORY = "inventory"
    """A CSV file that a selected file, or the keeps of another, pins."""
    SELECTOR = "selector"
    """A selector from which a list was resolved, or a file that it names."""
    QUERY = "query"
    """The text of a DELETE statement, from which alone the removes come."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input file of a plan."""

    path: str
    """The file, relative to the project's root with / between its parts."""
    sha256: str
    """The SHA-256 of its content."""
    role: InputRole
    """Why it is an input."""


@dataclass(frozen=True, slots=True)
class QueriedRemoves:
    """Removes that a DELETE statement asks for, in the place of those of files.

    ``input`` names the statement and the sha256 of its text. ``removes`` are None where only the
    files beside it are of interest.
    """

    input: InputFile
    removes: tuple[StoreAddress, tuple[Entry, ...]] | None = None


@dataclass(frozen=True, slots=True)
class DesiredState:
    """All that the files say, checked; ``stores`` are sorted by address.

    ``endpoints`` are the origins that the files expect, to be compared with the configured one
    and never trusted with a token. ``keeps`` are those of every file that was read, also of stores
    that no selected file is about.
    """

    stores: tuple[DesiredStore, ...]
    paths: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    endpoints: Mapping[str, Source]
    keeps: Mapping[StoreAddress, Claims]
    warnings: tuple[Problem, ...] = ()
