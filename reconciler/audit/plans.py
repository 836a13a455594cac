"""What the plans on record say: what was kept, what had reappeared, what a gate stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace
from datetime import datetime

from reconciler.journal.read_only import GateSeen, KeptSeen, PlanEnded, PlanMade, ReappearedSeen
from reconciler.journal.records import Record
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import Coverage, LastSeen, Reappearance, Refusal, Selection
from reconciler.model.desired import Hold, InputRole

_KeepKey = tuple[StoreAddress, str, str | None, str, tuple[str, str | None] | None]
"""A keep entry, whatever plan names it, as `keep_key` makes it."""


def keep_key(
    store: StoreAddress, study_uid: str, series_uid: str | None, path: str, hold: Hold | None
) -> _KeepKey:
    """By store, study, series, file and the name of its hold: lines and days of review move."""
    return store, study_uid, series_uid, path, None if hold is None else hold.name


class Plans:
    """Gathers the plans that are read, in the order of their time; of each what is selected."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._refusals: list[tuple[str, Refusal]] = []
        self._latest: dict[tuple[str, ...], tuple[str, Coverage]] = {}
        self._latest_of_store: dict[StoreAddress, datetime] = {}
        self._kept: dict[_KeepKey, LastSeen] = {}
        self._reappeared: dict[tuple[StoreAddress, InstanceAddress, str], Reappearance] = {}

    def add(self, made: PlanMade, records: Iterable[Record]) -> None:
        """Take one plan; ``records`` are those after its first."""
        named: Counter[_KeepKey] = Counter()
        for record in records:
            match record:
                case KeptSeen():
                    self._add_kept(made, record, named)
                case ReappearedSeen():
                    self._add_reappeared(made, record)
                case PlanEnded():
                    self._add_end(made, record)

    def refusals(self, asked: Set[str]) -> tuple[Refusal, ...]:
        """The blocking gates of the plans that somebody asked to apply, by time."""
        found = (one for plan_id, one in self._refusals if plan_id in asked)
        return tuple(sorted(found, key=lambda one: (one.time, one.run)))

    def reappeared(self) -> tuple[Reappearance, ...]:
        """Each instance once for each run that had removed it, by time."""
        found = self._reappeared.values()
        return tuple(sorted(found, key=lambda one: (one.time, one.instance)))

    def kept(self) -> tuple[LastSeen, ...]:
        """Each keep entry once, and whether the latest plan of its store still names it."""
        return tuple(
            replace(one, is_current=one.time >= self._latest_of_store.get(one.store, one.time))
            for _, one in sorted(self._kept.items(), key=lambda item: repr(item[0]))
        )

    def latest(self) -> dict[str, Coverage]:
        """Of the plans of the same files the latest, by their plan_id; nothing gone of it yet."""
        return dict(self._latest[files] for files in sorted(self._latest))

    def _add_kept(self, made: PlanMade, record: KeptSeen, named: Counter[_KeepKey]) -> None:
        """Entries of one plan that differ only in their line are one."""
        if self._selection.reasons or not self._selection.takes_study(record.study_uid):
            return
        store, source = made.stores[record.store], record.source
        key = keep_key(store, record.study_uid, record.series_uid, source.path, record.hold)
        before = self._kept.get(key)
        instances, missing, overridden = record.instances, record.missing, record.overridden
        if before is not None and named[key]:
            instances, missing = instances + before.instances, missing + before.missing
            overridden += before.overridden
            source = before.source
        named[key] += 1
        self._kept[key] = LastSeen(
            store,
            record.study_uid,
            record.series_uid,
            source,
            record.hold,
            instances,
            missing,
            made.time,
            seen=record.time if instances else before.seen if before else None,
            overridden=overridden,
        )

    def _add_reappeared(self, made: PlanMade, record: ReappearedSeen) -> None:
        is_asked_for = self._selection.takes_study(record.instance.study_uid)
        if is_asked_for and self._selection.takes_reason(record.code):
            one = Reappearance(
                record.time,
                made.stores[record.store],
                record.instance,
                record.run,
                record.code,
                record.restored,
            )
            self._reappeared.setdefault((one.store, one.instance, one.removed_by), one)

    def _add_end(self, made: PlanMade, ended: PlanEnded) -> None:
        for store in made.stores:
            self._latest_of_store[store] = made.time
        inputs = made.provenance.inputs
        files = tuple(sorted(one.path for one in inputs if one.role is InputRole.SELECTED))
        if files:
            coverage = Coverage(made.run, made.time, files, ended.counts, 0)
            self._latest[files] = (made.plan_id, coverage)
        self._refusals += [
            (made.plan_id, _refusal(made, gate))
            for gate in ended.gates
            if not gate.is_passed and self._takes_gate(gate)
        ]

    def _takes_gate(self, gate: GateSeen) -> bool:
        """One on a whole plan is no answer to a question about a study or a reason."""
        if not gate.studies or self._selection.reasons:
            return self._selection.is_by_run
        return any(map(self._selection.takes_study, gate.studies))


def _refusal(made: PlanMade, gate: GateSeen) -> Refusal:
    return Refusal(
        made.run,
        made.time,
        made.stores[gate.store],
        gate.name,
        gate.actual,
        gate.allowed,
        gate.studies,
        made.provenance,
    )
