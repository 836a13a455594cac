"""What a selector names in a store on one day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import NamedTuple

from reconciler.model.desired import EntryKind
from reconciler.model.live import OddRow
from reconciler.model.selection.packed_uid import unpack

Target = tuple[bytes, ...]
"""A study, or a series behind its study, by packed UIDs."""


class Named(NamedTuple):
    """How many patients, accession numbers or studies a rule names, and how many no row showed."""

    total: int
    not_found: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """The list, sorted, and what is said of it; nothing is of a patient, of dates only years.

    ``years`` and ``modalities`` count what is listed; a study counts for each of its modalities.
    ``series``, ``instances`` and ``emptied`` (studies of which nothing is left) are what the list
    covers. ``named`` says, by the key of the condition, how much of what the rule names was found:
    what was not may be mistyped. ``modalities`` and ``instances`` are None where nobody said them.
    ``not_judged`` are studies, each with the conditions that could not be judged; ``searched`` is
    how many there are in all. ``is_split`` says that the store is so large that only studies with
    a date were found.
    ``seen`` is what each of a list that is bound was, by the key that ``key`` is the check of.
    """

    as_of: date
    listed: Sequence[Target]
    studies: int
    series: int
    instances: int | None
    emptied: int
    years: Mapping[str, int]
    modalities: Mapping[str, int] | None
    named: Mapping[str, Named]
    not_judged: Mapping[bytes, tuple[str, ...]]
    odd: tuple[OddRow, ...]
    searched: int
    is_split: bool
    key: str
    seen: Mapping[Target, str]

    def rows(self) -> Iterator[str]:
        """The list as lines."""
        for target in self.listed:
            row = ",".join(map(unpack, target))
            yield f"{row},{self.seen[target]}" if self.seen else row


class ListState(Enum):
    """How the files of a selector stand to what was resolved."""

    SAME = "same"
    WRITTEN = "written"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class ResolvedList:
    """What became of one selector; ``path`` is the desired-state file, ``list_path`` the CSV file.

    ``added`` and ``removed`` count the rows by which the list differs from the one that was there;
    ``diff`` is of both files, in lines, where it was asked for.
    """

    selector: str
    path: str
    list_path: str
    intent: EntryKind
    resolution: Resolution
    state: ListState
    added: int
    removed: int
    diff: Sequence[str] = ()
