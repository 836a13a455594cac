"""What the record says of a plan's instances, held against the store as it is now.

A plan file does not know what happened since it was made, nor what the record of another folder
holds. So apply asks its own record: an instance that was removed or put back before is looked at
before anything is deleted, and so is what an earlier run of the plan is said to have done.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from reconciler.applying.progress import PlannedKey, PlanProgress
from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.live import Observation, Presence
from reconciler.model.past import PutBack
from reconciler.model.plan import Plan, Returned, SavedPlan
from reconciler.planning.returned import LastWords, find_returned


@dataclass(frozen=True, slots=True)
class Recalled:
    """``seen`` is what a look gave of those that the record, and not the plan, knows to be removed.

    ``back`` are those that an earlier run of the plan removed and that are there again.
    ``returned`` is what the plan lists, with all of these that are there.
    """

    seen: Mapping[PlannedKey, Observation] = field(default_factory=dict)
    back: Set[PlannedKey] = frozenset()
    returned: tuple[Returned, ...] = ()


def recall(
    saved: SavedPlan,
    progress: PlanProgress,
    last_word: LastWords,
    stores: Mapping[StoreAddress, ReadableStore],
    *,
    parallelism: int,
) -> Recalled:
    """Look at every planned instance of which the record says what the plan does not list.

    What earlier runs of the plan have proven is listed again, study by study, and what a listing
    shows is probed.
    """
    done = progress.gone
    shown = _listed_again(done, stores, parallelism=parallelism)
    unknown_to_plan = _unlisted(saved, done, progress, last_word)
    seen = _look(shown, stores, parallelism=parallelism)
    # Of what was proven before, only what is there again matters.
    seen |= _look(list(unknown_to_plan), stores, parallelism=parallelism, confirmed=True)
    present = {key for key, one in seen.items() if one.presence is Presence.PRESENT}
    found = find_returned(saved.plan, lambda *key: last_word(*key) if key in present else None)
    anew = {(one.store, one.instance) for one in found}
    listed = (one for one in saved.returned if (one.store, one.instance) not in anew)
    return Recalled(
        {key: one for key, one in seen.items() if key not in done},
        present & done,
        (*listed, *found),
    )


def _unlisted(
    saved: SavedPlan, done: Set[PlannedKey], progress: PlanProgress, last_word: LastWords
) -> Iterator[PlannedKey]:
    listed = {(one.store, one.instance): (one.run, one.restored) for one in saved.returned}
    for key in _planned(saved.plan):
        if key in done:
            continue
        word = last_word(*key)
        is_news = word is not None and listed.get(key) != (word.run, isinstance(word, PutBack))
        if is_news or key in progress.settled_gone:
            yield key


def _planned(plan: Plan) -> Iterator[PlannedKey]:
    for store in plan.stores:
        for instance in store.deletions():
            yield store.store, instance


def _listed_again(
    done: Iterable[PlannedKey], stores: Mapping[StoreAddress, ReadableStore], *, parallelism: int
) -> list[PlannedKey]:
    """Those that the listing of their study still shows; all of a study that cannot be listed."""
    studies: dict[tuple[StoreAddress, str], set[PlannedKey]] = {}
    for store, instance in done:
        studies.setdefault((store, instance.study_uid), set()).add((store, instance))
    shown: list[PlannedKey] = []

    def list_one(study: tuple[StoreAddress, str]) -> None:
        store, study_uid = study
        try:
            rows = {(store, row) for row in stores[store].list_instances(study_uid)}
        except LiveError:
            rows = studies[study]
        shown.extend(studies[study] & rows)

    run_workers(sorted(studies), list_one, parallelism=min(parallelism, len(studies)))
    return sorted(shown)


def _look(
    keys: Collection[PlannedKey],
    stores: Mapping[StoreAddress, ReadableStore],
    *,
    parallelism: int,
    confirmed: bool = False,
) -> dict[PlannedKey, Observation]:
    """Probe each of them, then have the absences confirmed, if they are to be."""
    seen: dict[PlannedKey, Observation] = {}

    def look_at(key: PlannedKey) -> None:
        seen[key] = stores[key[0]].probe(key[1])

    def confirm(key: PlannedKey) -> None:
        seen[key] = stores[key[0]].confirmed(key[1], seen[key], since=since)

    workers = min(parallelism, len(keys))
    run_workers(keys, look_at, parallelism=workers)
    since = time.monotonic()
    run_workers(keys if confirmed else (), confirm, parallelism=workers)
    return seen
