"""What the record says of a plan's instances, held against the store as it is now.

A plan file does not know what happened since it was made, nor what the record of another folder
holds. So apply asks its own record: an instance that was removed or put back before is looked at
before anything is deleted, and so is what an earlier run of the plan is said to have done.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from reconciler.applying.progress import PlanProgress
from reconciler.errors import LiveError
from reconciler.journal.history import History, PlannedKey
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import StoreAddress
from reconciler.model.live import Observation, OddRow, OddRows, Presence
from reconciler.model.past import PutBack
from reconciler.model.plan import Plan, Reappeared, SavedPlan
from reconciler.planning.reappeared import LastWords, find_reappeared


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a look gave of the instances of which the record says more than the plan.

    ``seen`` are those of which it may decide without a DELETE. Of them ``explained`` are those that
    another run removed after the plan's own attempts. ``back`` are those that an earlier run of the
    plan removed and that are there again, ``unclear`` those that a listing still shows and that
    gave no clear answer. ``reappeared`` is what the plan lists, with all of these that are there.
    """

    seen: Mapping[PlannedKey, Observation] = field(default_factory=dict)
    explained: Set[PlannedKey] = frozenset()
    back: Set[PlannedKey] = frozenset()
    unclear: Mapping[PlannedKey, Observation] = field(default_factory=dict)
    reappeared: tuple[Reappeared, ...] = ()


def recall(
    saved: SavedPlan,
    progress: PlanProgress,
    last_words: LastWords,
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
    unknown_to_plan = dict(_unlisted(saved, done, progress, last_words))
    again = _look(shown, stores, parallelism=parallelism)
    seen = _look(unknown_to_plan, stores, parallelism=parallelism, confirmed=True)
    back = frozenset(_that_are(Presence.PRESENT, again))
    present = back | set(_that_are(Presence.PRESENT, seen))
    there = {key: word for key, word in last_words.items() if key in present}
    found = find_reappeared(saved.plan, there)
    anew = {(one.store, one.instance) for one in found}
    listed = (one for one in saved.reappeared if (one.store, one.instance) not in anew)
    return Recalled(
        seen,
        frozenset(key for key, place in unknown_to_plan.items() if place > progress.tried_at(key)),
        back,
        {key: again[key] for key in _that_are(Presence.UNKNOWN, again)},
        (*listed, *found),
    )


def last_words_of(saved: SavedPlan, history: History) -> LastWords:
    """What the record says of the plan's instances."""
    return history.last_words(_planned(saved.plan), saved.endpoint)


def count_put_back(saved: SavedPlan, history: History) -> int:
    """How many of the plan's instances a restore has put back last."""
    return sum(isinstance(word, PutBack) for word in last_words_of(saved, history).values())


def _that_are(presence: Presence, seen: Mapping[PlannedKey, Observation]) -> Iterator[PlannedKey]:
    return (key for key, one in seen.items() if one.presence is presence)


def _unlisted(
    saved: SavedPlan, done: Set[PlannedKey], progress: PlanProgress, last_words: LastWords
) -> Iterator[tuple[PlannedKey, int]]:
    """The instances of which the plan does not list the last word, with the place of that word."""
    listed = {(one.store, one.instance): (one.run, one.restored) for one in saved.reappeared}
    for key in _planned(saved.plan):
        if key in done:
            continue
        word = last_words.get(key)
        if word is not None and listed.get(key) != (word.run, isinstance(word, PutBack)):
            yield key, max(word.place, progress.others.get(key, -1))
        elif key in progress.others:
            yield key, progress.others[key]


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
            rows = set(stores[store].list_instances(study_uid))
        except LiveError:
            shown.extend(studies[study])
            return
        odd = OddRows(tuple(row for row in rows if isinstance(row, OddRow)))
        shown.extend(key for key in studies[study] if key[1] in rows or odd.may_be(*key[1]))

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
