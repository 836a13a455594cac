"""The live state: what a store answered when it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from itertools import product
from typing import NamedTuple

from reconciler.model.address import (
    UID_MAX_LENGTH,
    InstanceAddress,
    SeriesAddress,
    StoreAddress,
    is_uid,
)
from reconciler.model.patient import Attribute


class Presence(Enum):
    """Three answers, never two: "I could not see it" is never "it is gone"."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at the store gave; ``detail`` says why, where that is not plain."""

    presence: Presence
    detail: str = ""


PRESENT = Observation(Presence.PRESENT)
LISTED = Observation(Presence.PRESENT, "by listing")
ABSENT = Observation(Presence.ABSENT)
ABSENT_BY_TEXT = Observation(Presence.ABSENT, "by a text that an unused address gets too")
"""Said by no more than a text: also after an accepted DELETE something else must confirm it."""


def unknown(detail: str) -> Observation:
    """An observation that answers nothing, and why."""
    return Observation(Presence.UNKNOWN, detail)


class Observations(Mapping[str, Observation]):
    """What was seen of the instances of one series, by SOP Instance UID.

    ``listed`` are LISTED, unless ``probed`` says otherwise: a million listed instances cost no
    entry each.
    """

    __slots__ = ("_listed", "_probed")

    def __init__(self, listed: frozenset[str], probed: Mapping[str, Observation]) -> None:
        self._listed = listed
        self._probed = probed

    def __getitem__(self, uid: str) -> Observation:
        seen = self._probed.get(uid)
        if seen is not None:
            return seen
        if uid in self._listed:
            return LISTED
        raise KeyError(uid)

    def __iter__(self) -> Iterator[str]:
        yield from self._listed
        yield from (uid for uid in self._probed if uid not in self._listed)

    def __len__(self) -> int:
        return len(self._listed) + sum(uid not in self._listed for uid in self._probed)

    def __repr__(self) -> str:
        return repr(dict(self))


_LEVELS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_PADDING = " \0\t\n\r"
"""What may stand around a UID by mistake; PS3.5 section 9.1 pads it with one NUL."""


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row of a search that no request can address: a UID of it is missing or malformed.

    Where all are well-formed, several patients share that one address. ``uids`` are those of the
    study, the series and the instance, as far down as was searched, as the store spells them
    (the beginning of a long one); None for what is no single text.
    """

    uids: tuple[str | None, ...]

    @property
    def is_shared(self) -> bool:
        """Whether it is the address that is odd, and not how it is spelled."""
        return all(uid is not None and is_uid(uid) for uid in self.uids)

    @property
    def bare(self) -> tuple[str | None, ...]:
        """The UIDs without padding; None for what names nothing."""
        return tuple(uid.strip(_PADDING) or None if uid is not None else None for uid in self.uids)

    def may_be(self, *uids: str) -> bool:
        """Whether it may be, or be in, what has this address: padded, or without a UID."""
        return OddRows((self,)).may_be(*uids)

    def __str__(self) -> str:
        if self.is_shared:
            return f"{self._words()}: several patients share it"
        return self._words()

    def _words(self) -> str:
        return ", ".join(map(_spelled, _LEVELS, self.uids))


@dataclass(frozen=True, slots=True)
class OddRows:
    """The odd rows of a listing; what they may be costs the same to ask, however many there are."""

    rows: tuple[OddRow, ...] = ()
    _bare: Set[tuple[str | None, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bare = (row.bare for row in self.rows)
        prefixes = {uids[: depth + 1] for uids in bare for depth in range(len(uids))}
        object.__setattr__(self, "_bare", prefixes)

    def may_be(self, *uids: str) -> bool:
        """Whether one of them may be, or be in, what has this address."""
        if not self._bare:
            return False
        return not self._bare.isdisjoint(product(*((uid, None) for uid in uids)))


def _spelled(level: str, uid: str | None) -> str:
    """A UID in words; a malformed one escaped and shortened, and nothing else of its row."""
    if uid is None:
        return f"no single {level}"
    if is_uid(uid):
        return f"{level} {uid}"
    more = "…" if len(uid) > UID_MAX_LENGTH else ""
    return f"malformed {level} {json.dumps(uid[:UID_MAX_LENGTH])}{more}"


class StudyRow(NamedTuple):
    """A row of a search for studies; of the patient it holds pseudonyms alone.

    None is what the row does not say, or not in a usable form. ``study_uid`` is that of an
    `OddRow` where no request can address the study. ``attributes`` are the items of `Attributes`
    for the patient, as a pseudonym, and the date.
    """

    study_uid: str | OddRow
    day: date | None
    patient: str | None
    accession: str | None
    series: int | None
    instances: int | None
    attributes: tuple[tuple[Attribute, str | None], ...] = ()


class SeriesRow(NamedTuple):
    """A row of a search for series in a whole store; ``uids`` are those of study and series.

    ``attributes`` are the items of `Attributes` for the modality.
    """

    uids: tuple[str, str] | OddRow
    modality: str | None
    instances: int | None
    attributes: tuple[tuple[Attribute, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesListing:
    """A series as a search shows it (PS3.18 table 10.6.3-4): what is in it, and of whom nothing.

    ``modality`` and ``instances`` (how many) are None where the store does not say.
    """

    series_uid: str
    modality: str | None = None
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """What a listing of instances says of a series: its modality, and the year of its study.

    None where the store does not say. Of the study's date nothing else is ever held.
    """

    modality: str | None = None
    year: int | None = None


OnSeries = Callable[[str, SeriesSeen], None]
"""Takes a Series Instance UID, and what a listing says of the series."""


@dataclass(frozen=True, slots=True)
class StorageInfo:
    """How a store keeps an instance, in its own words; None where it does not say.

    ``size_bytes`` is the size of the DICOM file, ``storage_class`` such as ``STANDARD``.
    """

    size_bytes: int | None = None
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the File Meta Information of a stored instance says (PS3.10 section 7.1)."""

    sop_class_uid: str
    transfer_syntax_uid: str


class Referrer(InstanceAddress):
    """A row of a listing that says that the instance may refer to others; equal to its address."""

    __slots__ = ()


class UnreportedImage(InstanceAddress):
    """A row of an image of which the listing does not say whether it is derived."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Referrers:
    """The instances of a study that may refer to others, by its listing.

    ``unreported`` counts, by series, the images of which it does not say whether they are derived;
    they are none of them. ``series`` are those of which at least half of the instances may.
    """

    instances: frozenset[InstanceAddress] = frozenset()
    series: frozenset[SeriesAddress] = frozenset()
    unreported: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyContents:
    """The instances that a study holds, by series; or the ``problem`` that hid them.

    ``odd`` are the rows of its listing that cannot be addressed; ``seen`` is what the listing says
    of the series besides.
    """

    series: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problem: str | None = None
    odd: OddRows = OddRows()
    referrers: Referrers = field(default_factory=Referrers)
    seen: Mapping[str, SeriesSeen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LiveStore:
    """All that planning needs to know of one store.

    ``instances`` answers for every instance that a file names or that a whole series or study was
    expanded to, and may answer for others that were listed with them; ``targets`` for every series
    or study that is named as a whole (series UID None: the study); ``contents`` for every study
    that holds something wanted removed; ``misplaced`` gives the other addresses of an absent
    instance that was found elsewhere; ``referrers`` has every study that was listed as a whole;
    ``seen`` is what listings say of series besides.
    """

    store: StoreAddress
    instances: Mapping[SeriesAddress, Mapping[str, Observation]]
    targets: Mapping[tuple[str, str | None], Observation]
    contents: Mapping[str, StudyContents]
    misplaced: Mapping[InstanceAddress, tuple[InstanceAddress, ...]]
    referrers: Mapping[str, Referrers] = field(default_factory=dict)
    seen: Mapping[SeriesAddress, SeriesSeen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class References:
    """What an instance refers to, of what was asked about.

    ``instances`` are SOP Instance UIDs. ``series`` are Series Instance UIDs that stand where no
    instance is named. ``by_frame_alone`` says that it names nothing at all, and has a frame of
    reference, by which it may belong to something.
    """

    instances: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    by_frame_alone: bool = False

    @property
    def is_any(self) -> bool:
        """Whether it may refer to anything that was asked about."""
        return bool(self.instances or self.series or self.by_frame_alone)


@dataclass(frozen=True, slots=True)
class ReferencesSeen:
    """What was found out of the references of a store's instances that stay.

    ``found`` leaves out those that refer to nothing that was asked about. ``unread`` says of the
    others why they could not be read, ``unlisted`` of a study of keeps why it could not be listed.
    ``more_instances`` and ``more_studies`` were not looked at since they would have cost more
    requests than are allowed; of ``unreported`` images that stay the listing does not say whether
    they are derived, so they were not looked at either.
    """

    found: Mapping[InstanceAddress, References] = field(default_factory=dict)
    unread: Mapping[InstanceAddress, str] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    more_instances: int = 0
    more_studies: int = 0
    unreported: int = 0
