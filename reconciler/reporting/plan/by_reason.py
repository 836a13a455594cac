"""The deletions of a store as people decide on them: by reason and ticket, then study by study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.model.address import numeric
from reconciler.model.desired import Reason
from reconciler.model.patient import Attribute
from reconciler.model.plan import (
    DeletionGroup,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    StudySeen,
)
from reconciler.model.problem import Source
from reconciler.reporting.wording import DAMAGED_TOO, describe_bound, describe_reason

_Key = tuple[Reason, str | None, bool, tuple[Attribute, ...]]


@dataclass(frozen=True, slots=True)
class Reasoned:
    """What goes for one reason, with one way of keeping a copy and bound to the same attributes.

    UIDs are in numeric order.

    ``whole`` are the studies of which nothing stays, for this reason alone; ``parts`` have of the
    others what goes for it.
    """

    reason: Reason
    archive: str | None
    allow_damaged: bool
    bound_to: tuple[Attribute, ...]
    whole: list[StudyPlan] = field(default_factory=list)
    parts: list[StudyPlan] = field(default_factory=list)

    @property
    def instances(self) -> int:
        """How many instances go for it."""
        return sum(study.deletions for study in (*self.whole, *self.parts))

    @property
    def title(self) -> str:
        """The reason in words."""
        return describe_reason(self.reason)

    @property
    def conditions(self) -> str:
        """Whether a copy is kept, and where; and to what it is bound."""
        copies = "no copy is kept"
        if self.archive is not None:
            damaged = DAMAGED_TOO if self.allow_damaged else ""
            copies = f"archived under {self.archive} first{damaged}"
        return "; ".join([copies, describe_bound(self.bound_to)] if self.bound_to else [copies])


def by_reason(store: StorePlan) -> list[Reasoned]:
    """The deletions of a store, what goes for good before what is kept, the most first."""
    found: dict[_Key, Reasoned] = {}
    for study in sorted(store.studies, key=lambda one: numeric(one.study_uid)):
        keys = {_key(group): None for series in study.series for group in series.groups}
        for key in keys:
            one = found.setdefault(key, Reasoned(*key))
            if study.emptied and len(keys) == 1:
                one.whole.append(study)
            else:
                one.parts.append(replace(study, series=tuple(_part(study, key))))
    return sorted(found.values(), key=lambda one: (one.archive is not None, -one.instances))


def seen_in(saved: SavedPlan, store: StorePlan) -> Mapping[str, StudySeen]:
    """What the listings said of the studies of a store, by their UIDs."""
    return {one.study_uid: one for one in saved.seen if one.store == store.store}


def declared(group: DeletionGroup) -> Sequence[tuple[str, int]]:
    """The instances of a group with their lines, in numeric order."""
    return sorted(group.instances.items(), key=lambda one: numeric(one[0]))


def first_lines(groups: Iterable[DeletionGroup]) -> list[Source]:
    """The first line of each file that asks for any of it."""
    lines: dict[str, int] = {}
    for group in groups:
        # Not values(): those of a long group are looked up one by one.
        first = min(line for _, line in group.instances.items())
        lines[group.path] = min(first, lines.get(group.path, first))
    return [Source(path, line) for path, line in sorted(lines.items())]


def _key(group: DeletionGroup) -> _Key:
    bound_to = group.bound.to if group.bound else ()
    return group.reason, group.archive, group.allow_damaged, bound_to


def _part(study: StudyPlan, key: _Key) -> Iterator[SeriesPlan]:
    """Of each series what goes for one reason."""
    for series in sorted(study.series, key=lambda one: numeric(one.series_uid)):
        groups = tuple(group for group in series.groups if _key(group) == key)
        if groups:
            yield replace(series, groups=groups)
