"""From PATHs to a plan in shards: load, look and compare part by part, in bounded memory.

All is looked at before anything is written, since what one part deletes another may keep or refer
to. What waits in between lies in a temporary database.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.archives import require_archives_outside
from reconciler.api.listener import SILENT, Listener
from reconciler.api.loading import read_desired_parts, read_history
from reconciler.api.other_services import note_other_services
from reconciler.api.planning import MAX_AGE, overridden_last_time, require_expected_endpoint
from reconciler.api.project import Project
from reconciler.api.recording import record_manifest, records_of_plan
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.api.shard_folder import MANIFEST, ShardFolder
from reconciler.api.unfinished import note_unfinished
from reconciler.desired import SPECS
from reconciler.journal.history import History, StoreHistory
from reconciler.journal.state import State
from reconciler.live.connection import Connection
from reconciler.live.workers import run_ahead
from reconciler.model.address import Provider, StoreAddress
from reconciler.model.desired import Claims, DesiredStore, Entry
from reconciler.model.live import LiveStore, ReferencesSeen, Referrers
from reconciler.model.plan import (
    GitState,
    OverriddenInstances,
    PartOf,
    Plan,
    SavedPlan,
    StorePlan,
)
from reconciler.model.provenance import Requester
from reconciler.model.service import store_at
from reconciler.model.shards.manifest import Manifest, Shard, ShardedPlan, plan_id_of
from reconciler.outside_memory import temporary_database
from reconciler.planning.dangling import with_references
from reconciler.planning.holds import freed_from, overridden_in
from reconciler.planning.never_seen import mark_never_seen, unrecorded_stores
from reconciler.planning.plan_file import digest_of, write_plan
from reconciler.planning.reappeared import find_reappeared
from reconciler.planning.seen import studies_seen
from reconciler.planning.shards.cutting import Planned, by_study, cut, joined
from reconciler.planning.shards.manifest_file import digest_of_shards, write_manifest
from reconciler.planning.shards.parts import Part, Parts
from reconciler.planning.shards.totals import Totals
from reconciler.reporting.wording import traffic_line
from reconciler.survey.asking import Asking
from reconciler.survey.references import Beside, read_beside, read_touched
from reconciler.survey.refresh import refresh
from reconciler.survey.stages import ProbeMode

if TYPE_CHECKING:
    from reconciler.desired.parts import DesiredParts


OnShard = Callable[[SavedPlan], None]
"""Hears of each shard once it is written."""

_PARTS_AT_A_TIME = 2
"""While the last answers about one part are out, the questions about the next fill the rest."""


def plan_in_shards(
    paths: Sequence[Path] | None,
    project: Project,
    service_of: Callable[[Provider], Service],
    folder: ShardFolder,
    *,
    size: int,
    max_age: timedelta = MAX_AGE,
    probe: Literal["auto", "retrieve"] = "auto",
    requester: Requester | None = None,
    listener: Listener = SILENT,
    on_shard: OnShard = lambda _: None,
) -> Manifest:
    """Make a plan in shards of at most ``size`` deletions, write it and leave a record of it.

    Raises:
        DesiredStateError: the files are invalid.
        LiveError: a store cannot be asked.
        JournalError: the state folder cannot be read.
        ReconcilerError: a shard or the manifest cannot be written.
    """
    given = [project.root / SPECS] if paths is None else list(paths)
    checkout, state = project.checkout, project.state
    with temporary_database() as database:
        desired = read_desired_parts(
            given,
            root=project.root,
            checkout=checkout,
            database=database,
            listener=listener,
            today=machine.now().date(),
        )
        if desired.warnings:
            listener.problems(desired.warnings)
        provider = provider_of(desired.stores)
        service = service_of(provider)
        endpoint = endpoint_of(service, provider)
        require_expected_endpoint(desired, endpoint)
        history = read_history(state, listener)
        note_other_services([*desired.stores], str(endpoint), history.stores, listener)
        parts = Parts(database)
        with connect(service, provider, read_only=True) as connection:
            making = _Making(
                desired,
                history,
                str(endpoint),
                connection,
                parts,
                state,
                max_age,
                ProbeMode(probe),
                service.parallelism,
                listener,
            )
            beside = making.look()
            parts.finish()
            made = _Made(machine.new_plan_id(), machine.now(), checkout.state(desired.inputs))
            totals, shards = Totals(desired.bare), []
            for shard, saved in making.shards(beside, made, size, folder):
                totals.take(saved)
                shards.append(shard)
                on_shard(saved)
            listener.note(f"sent {traffic_line(connection.traffic)}", is_last=True)
            principal = connection.principal
        manifest = making.manifest(made, totals, shards)
        folder.write(MANIFEST, write_manifest(manifest))
        record_manifest(
            manifest,
            parts.aside(),
            state,
            principal=principal,
            requester=requester,
            listener=listener,
        )
    note_unfinished(manifest, state, history, listener)
    return manifest


@dataclass(frozen=True, slots=True)
class _Made:
    """This one making of the plan."""

    plan_id: str
    created: datetime
    git: GitState | None


@dataclass(slots=True)
class _BesideStore:
    """What is gathered of the studies of one store that hold keeps and nothing to remove."""

    studies: list[str] = field(default_factory=list)
    listed: dict[str, Referrers] = field(default_factory=dict)
    keeps: list[Entry] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Take those of a part."""
        found = Beside.of(part.desired, part.live)
        self.studies += found.studies
        self.listed.update(found.listed)
        here = {*found.studies}
        self.keeps += (one for one in part.desired.keeps.entries if one.study_uid in here)


@dataclass(frozen=True, slots=True)
class _Making:
    desired: DesiredParts
    history: History
    endpoint: str
    connection: Connection
    parts: Parts
    state: State
    max_age: timedelta
    probe: ProbeMode
    parallelism: int
    listener: Listener

    def look(self) -> Mapping[StoreAddress, _BesideStore]:
        """Look at every part, and plan it."""
        beside = {store: _BesideStore() for store in self.desired.stores}
        for store, parts in groupby(self.desired.parts(), key=lambda part: part.store):
            with closing(self._looked_at(store, parts)) as looked:
                for wanted, live in looked:
                    part = self.parts.add(wanted, live)
                    require_archives_outside(self._plan([part.plan]), self.state)
                    beside[store].add(part)
        return beside

    def _looked_at(
        self, store: StoreAddress, parts: Iterable[DesiredStore]
    ) -> Generator[tuple[DesiredStore, LiveStore], None, None]:
        """The parts of a store in their order: while one is planned, the next ones are asked."""
        was_deleted = self.history.of(store, self.endpoint).is_gone
        stop = threading.Event()
        with self.listener.step(f"looking at {store.dicom_store_id}", store=store) as update:
            asking = Asking(self.parallelism, update, stop)
            look = partial(
                refresh,
                store=self.connection.store(store),
                asking=asking,
                mode=self.probe,
                was_deleted=was_deleted,
            )
            try:
                yield from run_ahead(parts, look, at_a_time=_PARTS_AT_A_TIME)
            finally:
                stop.set()

    def shards(
        self,
        beside: Mapping[StoreAddress, _BesideStore],
        made: _Made,
        size: int,
        folder: ShardFolder,
    ) -> Iterator[tuple[Shard, SavedPlan]]:
        """Each shard, once it is written."""
        pieces = (piece for one in self._planned(beside, made) for piece in by_study(one))
        for number, shard in enumerate(cut(pieces, size), 1):
            saved = self._saved(joined(shard, self.desired.bare), number, made)
            named = Shard.of(saved, number)
            folder.write(named.path, write_plan(saved))
            self.parts.set_aside(records_of_plan(saved, (), self.desired.stores))
            yield named, saved

    def manifest(self, made: _Made, totals: Totals, shards: Sequence[Shard]) -> Manifest:
        """The manifest of the shards that were made."""
        desired = self.desired
        plan = ShardedPlan(desired.paths, desired.inputs, totals.counts(), tuple(shards))
        return Manifest(
            plan=plan,
            digest=digest_of_shards(plan),
            plan_id=made.plan_id,
            created=made.created,
            expires=made.created + self.max_age,
            tool_version=__version__,
            endpoint=self.endpoint,
            git=made.git,
            keys=totals.keys(),
            summary=totals.summary(self._saved([], 0, made)),
            notices=totals.notices(),
            gates=totals.gates(),
        )

    def _planned(
        self, beside: Mapping[StoreAddress, _BesideStore], made: _Made
    ) -> Iterator[Planned]:
        """What is planned for each part, now that all of them are known."""
        pasts = self._pasts()
        before = self._overridden_before()
        seen_beside = {store: self._seen_beside(store, one) for store, one in beside.items()}
        for part in self.parts:
            store = part.plan.store
            seen, seen_beside[store] = self._seen_by(part, seen_beside[store])
            locate = partial(self.parts.locate, store)
            plan = self._plan([with_references(part.plan, part.desired, seen, locate)])
            plan = mark_never_seen(plan, {store: pasts[store].knows})
            planned = ((store, one) for one in part.plan.deletions())
            studies = part.desired.removes.studies() | part.desired.keeps.studies()
            earlier = [one for uid in sorted(studies) for one in before.get((store, uid), ())]
            self.parts.set_aside(
                records_of_plan(
                    self._saved([], 0, made),
                    overridden_in(part.desired, part.live, earlier),
                    self.desired.stores,
                )
            )
            yield Planned(
                plan.stores[0],
                find_reappeared(plan, self.history.last_words(planned, self.endpoint)),
                freed_from(plan, earlier),
                studies_seen(plan, {store: part.live}),
            )

    def _seen_beside(self, store: StoreAddress, gathered: _BesideStore) -> ReferencesSeen:
        if not self.parts.deletes_from(store):
            return ReferencesSeen()
        beside = Beside(gathered.studies, gathered.listed)
        return read_beside(
            Claims(tuple(gathered.keeps)),
            beside,
            self.connection.store(store),
            Asking(self.parallelism, None, None),
            self.parts.deleted(store),
        )

    def _seen_by(self, part: Part, beside: ReferencesSeen) -> tuple[ReferencesSeen, ReferencesSeen]:
        """What the studies of a part refer to; and what was seen of others, for the parts after."""
        store = part.plan.store
        if not self.parts.deletes_from(store):
            return ReferencesSeen(), beside
        title = f"reading references in {store.dicom_store_id}"
        with self.listener.step(title, store=store) as update:
            touched = read_touched(
                part.live,
                part.plan,
                self.connection.store(store),
                Asking(self.parallelism, update, None),
                self.parts.deleted(store),
            )
        here = part.desired.keeps.studies()
        seen = ReferencesSeen(
            {**touched.found, **{one: x for one, x in beside.found.items() if one[0] in here}},
            {**touched.unread, **{one: x for one, x in beside.unread.items() if one[0] in here}},
            {uid: why for uid, why in beside.unlisted.items() if uid in here},
            beside.more_instances,
            beside.more_studies,
            touched.unreported + beside.unreported,
        )
        return seen, replace(beside, more_instances=0, more_studies=0, unreported=0)

    def _saved(self, planned: Sequence[Planned], number: int, made: _Made) -> SavedPlan:
        plan = self._plan([one.plan for one in planned])
        part = PartOf(made.plan_id, number)
        return SavedPlan(
            plan=plan,
            digest=digest_of(plan),
            plan_id=plan_id_of(part),
            created=made.created,
            expires=made.created + self.max_age,
            tool_version=__version__,
            endpoint=self.endpoint,
            git=made.git,
            reappeared=tuple(found for one in planned for found in one.reappeared),
            unrecorded=unrecorded_stores(plan, self._recorded()),
            freed=tuple(found for one in planned for found in one.freed),
            seen=tuple(found for one in planned for found in one.seen),
            part_of=part,
        )

    def _plan(self, stores: Sequence[StorePlan]) -> Plan:
        return Plan(self.desired.paths, self.desired.inputs, tuple(stores))

    def _pasts(self) -> Mapping[StoreAddress, StoreHistory]:
        return {store: self.history.of(store, self.endpoint) for store in self.desired.stores}

    def _recorded(self) -> set[StoreAddress]:
        return {
            store
            for store in self.desired.stores
            if store_at(self.endpoint, store) in self.history.stores
        }

    def _overridden_before(
        self,
    ) -> Mapping[tuple[StoreAddress, str], Sequence[OverriddenInstances]]:
        stores = [
            StorePlan(store, self.desired.bare[store].limits, (), (), (), ())
            for store in self.desired.stores
        ]
        found = defaultdict(list)
        for one in overridden_last_time(
            self._plan(stores), self.endpoint, self.state, self.listener
        ):
            found[one.store, one.study_uid].append(one)
        return found
