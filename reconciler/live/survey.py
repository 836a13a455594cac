"""Asks a store the questions of a refresh, many at a time, and notes the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Set
from typing import TypeVar

from reconciler.errors import LiveError
from reconciler.live.facts import Facts, Whole
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.live import Observation, Presence, unknown

T = TypeVar("T")

ProgressCallback = Callable[[int, int], None]
"""Called with how many questions are answered, and how many are known of so far."""

_MOST_CONFIRMATIONS = 3
"""How many listed instances of a kept whole are tried, should the first rows be stale."""


class Survey:
    """The stages of a refresh that ask; each needs the answers of those before it."""

    def __init__(
        self,
        store: ReadableStore,
        *,
        parallelism: int,
        deleted: Set[InstanceAddress],
        on_progress: ProgressCallback | None,
        stop: threading.Event | None,
    ) -> None:
        self.facts = Facts()
        self._store = store
        self._parallelism = parallelism
        self._deleted = deleted
        self._progress = _Progress(on_progress)
        self._stop = stop

    def read_listings(self, wholes: Collection[Whole]) -> None:
        """List series and studies; what hides a listing is noted in its place."""
        self._ask(wholes, self._read_listing)

    def probe(self, instances: Collection[InstanceAddress]) -> None:
        """Probe instances one by one."""
        self._ask(instances, self._probe)

    def search(self, instances: Collection[InstanceAddress]) -> None:
        """Look for absent instances at other addresses of the store."""
        self._ask(instances, self._search)

    def confirm(self, wholes: Collection[Whole]) -> None:
        """Confirm wholes by a retrieve: of a listed instance, else of the whole's metadata."""
        self._ask(wholes, self._confirm)

    def _ask(self, items: Collection[T], question: Callable[[T], object]) -> None:
        def ask(item: T) -> None:
            question(item)
            self._progress.step()

        self._progress.expect(len(items))
        workers = min(self._parallelism, len(items))
        run_workers(items, ask, parallelism=workers, stop=self._stop)
        if self._stop is not None and self._stop.is_set():
            raise LiveError("interrupted before the whole store was looked at")

    def _read_listing(self, whole: Whole) -> None:
        try:
            self.facts.listings[whole] = frozenset(self._store.list_instances(*whole))
        except LiveError as error:
            self.facts.listings[whole] = str(error)

    def _probe(self, instance: InstanceAddress) -> Observation:
        seen = self._store.probe(instance)
        self.facts.probes[instance] = seen
        return seen

    def _search(self, instance: InstanceAddress) -> None:
        try:
            found = self._store.find(instance.instance_uid)
        except LiveError as error:
            self.facts.searches[instance] = str(error)
            return
        others = [other for other in found if other != instance and not self._is_stale(other)]
        self.facts.searches[instance] = tuple(others)

    def _is_stale(self, row: InstanceAddress) -> bool:
        """Whether a row that is recorded as deleted is really gone."""
        return row in self._deleted and self._probe(row).presence is Presence.ABSENT

    def _confirm(self, whole: Whole) -> None:
        rows = self.facts.listing_of(whole)
        assert not isinstance(rows, str)  # noqa: S101 - only listed wholes are confirmed
        for row in sorted(rows)[:_MOST_CONFIRMATIONS]:
            seen = self._probe(row)
            match seen.presence:
                case Presence.PRESENT:
                    return
                case Presence.UNKNOWN:
                    self.facts.whole_probes[whole] = unknown(f"{row}: {seen.detail}")
                    return
                case Presence.ABSENT:
                    continue
        self.facts.whole_probes[whole] = self._without_witness(whole)

    def _without_witness(self, whole: Whole) -> Observation:
        """Look at a whole of which no listed instance could be retrieved."""
        if self.facts.listing_of(whole):
            return unknown("its listing is stale: the instances tried are absent")
        seen = self._store.probe_whole(*whole)
        if seen.presence is Presence.PRESENT:
            return unknown("the store has it, though its listing shows no instance")
        return seen


class _Progress:
    """Counts under a lock, since every worker reports."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def expect(self, count: int) -> None:
        with self._lock:
            self._total += count
            self._report()

    def step(self) -> None:
        with self._lock:
            self._done += 1
            self._report()

    def _report(self) -> None:
        if self._callback is not None:
            self._callback(self._done, self._total)
