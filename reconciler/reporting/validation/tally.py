"""How much the entries of a desired state ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.desired import Entry
from reconciler.reporting.wording import plural


@dataclass(frozen=True, slots=True)
class Tally:
    """Whole studies, whole series, and instances that are named one by one."""

    studies: int
    series: int
    instances: int

    def __str__(self) -> str:
        return (
            f"{plural(self.studies, 'whole study')}, {self.series:,} whole series,"
            f" {plural(self.instances, 'instance')}"
        )


def tally(entries: Sequence[Entry]) -> Tally:
    """Count entries by how much each names."""
    return Tally(
        studies=sum(entry.series_uid is None for entry in entries),
        series=sum(entry.series_uid is not None and entry.is_whole for entry in entries),
        instances=sum(len(one.instances.uids) for one in entries if one.instances is not None),
    )
