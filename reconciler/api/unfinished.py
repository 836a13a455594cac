"""What was begun and not ended: which runs, and the commands that resume them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from reconciler.api import machine
from reconciler.api.kept_plan import kept_file
from reconciler.api.listener import Listener
from reconciler.applying.pending import unfinished_restores
from reconciler.desired import SPECS
from reconciler.journal.fold import Read
from reconciler.journal.history import History
from reconciler.journal.records import RestoreStarted, RunStarted
from reconciler.journal.state import State
from reconciler.model.lock import HeldLock
from reconciler.model.plan import SavedPlan
from reconciler.model.service import Store, store_at
from reconciler.model.shards.manifest import Manifest
from reconciler.model.status import UnfinishedRun
from reconciler.reporting.wording import plural


def unfinished_runs(
    history: History, state: State, locks: Iterable[HeldLock], stores: Set[Store] | None = None
) -> tuple[Read, ...]:
    """The runs that a command can resume, in their order; none that holds one of the locks is.

    With ``stores``, only those on one of them.
    """
    at_work = {lock.holder.run for lock in locks if lock.holder is not None}

    def counts(read: Read) -> bool:
        run = read.run
        return run.name not in at_work and (stores is None or not stores.isdisjoint(run.stores))

    applies = _one_for_each_plan(filter(counts, history.unfinished_applies(machine.now())))
    restores = unfinished_restores(history, state, counts)
    return tuple(sorted((*applies, *restores), key=lambda read: read.run.place))


def _one_for_each_plan(applies: Iterable[Read]) -> Iterable[Read]:
    """Of a plan in shards, which is resumed as a whole, the latest run alone."""
    return {_manifest_of(read) or read.run.name: read for read in applies}.values()


def _manifest_of(read: Read) -> str | None:
    """The id of the plan in shards that a run has applied a shard of."""
    started = read.run.started
    part_of = started.part_of if isinstance(started, RunStarted) else None
    return part_of.plan_id if part_of else None


def note_unfinished(
    saved: SavedPlan | Manifest, state: State, history: History, listener: Listener
) -> None:
    """Point to `status` where a run on one of a plan's stores is unfinished.

    Those of the plan itself do not count: applying it resumes them.
    """
    wanted = {store_at(saved.endpoint, store.store) for store in saved.plan.stores}
    runs = unfinished_runs(history, state, state.held_locks(), wanted)
    count = sum(saved.plan_id not in {read.run.plan_id, _manifest_of(read)} for read in runs)
    if count:
        verb = "is" if count == 1 else "are"
        what = f"{plural(count, 'run')} on these stores {verb} unfinished"
        listener.note(f"note: {what}; to resume, see: {status_command(state)}")


def status_command(state: State) -> str:
    """What says how to resume the runs on record, as a shell takes it."""
    return shlex.join(["reconciler", "status", "--state", str(state)])


def resumption(read: Read, root: Path, state: State) -> UnfinishedRun:
    """The run and the command that resumes it, from any folder and whatever the environment.

    ``root`` is the folder of the project where one asks. The state folder may be another project's:
    by default it lies in that.
    """
    name, started = read.run.name, read.run.started
    words = ("reconciler", *_words(read, root, state))
    shared = ("--state", state.absolute, "--endpoint", started.endpoint)
    command = shlex.join((*words, *shared))
    if isinstance(started, RestoreStarted):
        return UnfinishedRun(name, None, None, command)
    has_expired = started.expires is not None and machine.now() >= started.expires
    if started.part_of is not None:
        return UnfinishedRun(name, started.part_of.plan_id, None, command, has_expired)
    return UnfinishedRun(name, started.plan_id, started.digest, command, has_expired)


def _words(read: Read, root: Path, state: State) -> Iterator[str]:
    started = read.run.started
    if isinstance(started, RestoreStarted):
        yield from ("restore", started.restores[-1])
        for uid in read.only:
            yield from ("--only", uid)
        return
    folder, kept = state.path_of(""), kept_file(state, started.plan_id)
    yield "apply"
    if started.part_of is not None:  # only the user knows where the shards are
        yield from ("DIR/plan.json", "--root", str(root))
        return
    if folder is not None:
        yield str(kept.absolute()) if kept else "PLAN"
    beside = folder.absolute().parent if folder else root
    project = beside if (beside / SPECS).is_dir() else root
    yield from ("--expect-digest", started.digest, "--root", str(project))
