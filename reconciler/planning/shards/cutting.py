"""Cuts a plan into shards: whole studies, one after the other, up to so many deletions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, TypeVar

from reconciler.model.address import StoreAddress
from reconciler.model.desired import DesiredStore
from reconciler.model.plan import (
    NotLookedAt,
    OverriddenInstances,
    Reappeared,
    StorePlan,
    StudySeen,
)
from reconciler.planning.limits import limits_of
from reconciler.planning.planner import (
    finding_order,
    kept_order,
    overridden_order,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """What is planned for some studies of one store, with what a plan file says of it besides."""

    plan: StorePlan
    reappeared: tuple[Reappeared, ...] = ()
    freed: tuple[OverriddenInstances, ...] = ()
    seen: tuple[StudySeen, ...] = ()

    @property
    def deletions(self) -> int:
        """How many instances are deleted."""
        return sum(study.deletions for study in self.plan.studies)

    @property
    def rows(self) -> int:
        """How much else is said, which takes room in a file, too."""
        plan = self.plan
        lists = plan.findings, plan.kept, plan.overridden, plan.dangling, plan.may_refer
        return sum(map(len, lists)) + len(plan.not_looked_at.instances)


MOST_ROWS = 10_000
"""A shard is also cut where it would say so much besides, or as much as it may delete."""


def cut(pieces: Iterable[Planned], size: int) -> Iterator[list[Planned]]:
    """Join pieces to shards of at most ``size`` deletions; a larger piece is a shard of its own."""
    shard: list[Planned] = []
    deletions = rows = 0
    for piece in pieces:
        is_full = deletions + piece.deletions > size or rows + piece.rows > max(size, MOST_ROWS)
        if shard and is_full:
            yield shard
            shard, deletions, rows = [], 0, 0
        shard.append(piece)
        deletions += piece.deletions
        rows += piece.rows
    if shard:
        yield shard


def by_study(planned: Planned) -> Iterator[Planned]:
    """What is planned for each study by itself, in their order."""
    plan = planned.plan
    counts = replace(plan.not_looked_at, instances=())
    studies, findings = _grouped(plan.studies), _grouped(plan.findings)
    kept, overridden = _grouped(plan.kept), _grouped(plan.overridden)
    dangling, may_refer = _grouped(plan.dangling), _grouped(plan.may_refer)
    unread = _grouped(plan.not_looked_at.instances)
    freed, seen = _grouped(planned.freed), _grouped(planned.seen)
    reappeared: dict[str, list[Reappeared]] = defaultdict(list)
    for one in planned.reappeared:
        reappeared[one.instance.study_uid].append(one)
    said = {*studies, *findings, *kept, *overridden, *dangling, *may_refer, *unread}
    for uid in sorted(said or {""}):
        yield Planned(
            replace(
                plan,
                studies=tuple(studies[uid]),
                findings=tuple(findings[uid]),
                kept=tuple(kept[uid]),
                overridden=tuple(overridden[uid]),
                dangling=tuple(dangling[uid]),
                may_refer=tuple(may_refer[uid]),
                not_looked_at=replace(counts, instances=tuple(unread[uid])),
            ),
            tuple(reappeared[uid]),
            tuple(freed[uid]),
            tuple(seen[uid]),
        )
        counts = NotLookedAt()  # they are those of all studies together


class _OfStudy(Protocol):
    @property
    def study_uid(self) -> str: ...


T = TypeVar("T", bound=_OfStudy)


def _grouped(items: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for one in items:
        found[one.study_uid].append(one)
    return found


def joined(pieces: Sequence[Planned], bare: Mapping[StoreAddress, DesiredStore]) -> list[Planned]:
    """The pieces of a shard store by store; each with the limits of what it deletes."""
    return [
        _joined([*found], bare[store])
        for store, found in groupby(pieces, key=lambda one: one.plan.store)
    ]


def _joined(pieces: Sequence[Planned], whole: DesiredStore) -> Planned:
    plans = [piece.plan for piece in pieces]
    studies = tuple(one for plan in plans for one in plan.studies)
    return Planned(
        StorePlan(
            whole.store,
            limits_of(whole, studies),
            studies,
            tuple(sorted((one for plan in plans for one in plan.findings), key=finding_order)),
            tuple(sorted((one for plan in plans for one in plan.kept), key=kept_order)),
            tuple(sorted((one for plan in plans for one in plan.overridden), key=overridden_order)),
            tuple(one for plan in plans for one in plan.dangling),
            tuple(one for plan in plans for one in plan.may_refer),
            NotLookedAt(
                tuple(one for plan in plans for one in plan.not_looked_at.instances),
                *(
                    sum(getattr(plan.not_looked_at, name) for plan in plans)
                    for name in ("more_instances", "more_studies", "unreported")
                ),
            ),
        ),
        tuple(one for piece in pieces for one in piece.reappeared),
        tuple(one for piece in pieces for one in piece.freed),
        tuple(one for piece in pieces for one in piece.seen),
    )
