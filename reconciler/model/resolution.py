"""What a selector names in a store on one day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from reconciler.model.live import OddRow
from reconciler.model.packed_uid import unpack

Target = tuple[bytes, ...]
"""A study, or a series behind its study, by packed UIDs."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The list, sorted, and what is said of it; nothing is of a patient, of dates only years.

    ``years`` and ``modalities`` count what is listed; a study counts for each of its modalities.
    ``series``, ``instances`` and ``emptied`` (studies of which nothing is left) are what the list
    covers. ``modalities`` and ``instances`` are None where nobody said them. ``not_judged`` are
    studies, each with the conditions that could not be judged; ``searched`` is how many there are
    in all. ``is_split`` says that the store is so large that only studies with a date were found.
    """

    as_of: date
    listed: Sequence[Target]
    studies: int
    series: int
    instances: int | None
    emptied: int
    years: Mapping[str, int]
    modalities: Mapping[str, int] | None
    not_judged: Mapping[bytes, tuple[str, ...]]
    odd: tuple[OddRow, ...]
    searched: int
    is_split: bool

    def rows(self) -> Iterator[str]:
        """The list as lines."""
        for target in self.listed:
            yield ",".join(map(unpack, target))
