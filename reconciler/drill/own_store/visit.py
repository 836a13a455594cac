"""The selftest on the user's own test store: everything that the tool does, and back again.

It touches nothing but what it has stored itself, under UIDs that were new. Everything it stores
goes again by a plan and an apply of this program, whatever happens in between; what is not proven
to be gone is named.
"""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.applying.sending import RetryBudget
from reconciler.applying.stopping import Stop
from reconciler.applying.storing import store_patiently
from reconciler.drill.own_store.commands import Commands
from reconciler.drill.own_store.remains import find_present, find_unproven, look_at
from reconciler.drill.own_store.wire_facts import WireFacts
from reconciler.drill.trial import (
    HOLD,
    PLAN,
    REPORT,
    BrokenPromiseError,
    archive_in,
    one_by_one,
    require,
    write_desired_state,
)
from reconciler.errors import ReconcilerError, Refused
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind
from reconciler.planning.plan_file import read_plan
from reconciler.reporting.wording import plural

MOST_REQUESTS = 300
"""So many are sent where none has to be repeated; Orthanc is asked for more than the others."""

ROUNDS = 2
"""So often the removal of what was stored is tried."""

_UNCLEAR = {ReplyKind.UNCLEAR, ReplyKind.UNEXPECTED}
_REMOVED = "planned, deleted and proven to be gone"


class StoppedError(Exception):
    """A signal came."""


@dataclass(slots=True)
class Visit:
    """One selftest on a store. ``sent`` are the specimens that it may have brought there by now.

    ``unclear`` are those that the store gave no clear answer for, so that one may arrive after it
    was found to be absent, or said to have already.
    """

    store: DicomStore
    specimens: Mapping[InstanceAddress, Path]
    commands: Commands
    facts: WireFacts
    budget: RetryBudget
    stop: Stop
    say: Callable[[str], None]
    sent: set[InstanceAddress] = field(default_factory=set)
    unclear: set[InstanceAddress] = field(default_factory=set)

    def require_new(self) -> None:
        """Make sure that the store holds nothing under these UIDs, and can say so.

        Raises:
            Refused: it does, or it cannot.
            LiveError: it could not be asked.
        """
        self.facts.ask_of_nobody()
        for study_uid in studies_of(self.specimens):
            if next(iter(self.store.list_instances(study_uid)), None) is not None:
                raise Refused(f"the store holds a study {study_uid} already; nothing was stored")
        for instance, seen in look_at(self.store, self.specimens).items():
            if seen is Presence.PRESENT:
                raise Refused(f"the store holds {instance} already; nothing was stored")
            if seen is Presence.UNKNOWN:
                raise Refused(
                    "the store does not say clearly that an instance is not there; nothing was"
                    " stored, since nothing could be proven to be gone again",
                    hint="send in the facts: they hold what it answers",
                )

    def go(self) -> None:
        """Store, plan, archive, delete, prove and restore; asks the open facts on the way.

        Raises:
            StoppedError: a signal came.
            BrokenPromiseError: something did not go as it must.
            ReconcilerError: the store could not be asked.
            OSError: the folder could not be written.
        """
        self._store()
        *removed, kept = self.specimens
        self._go_on()
        self.facts.ask_of_stored(self.specimens)
        self._go_on()
        archive = archive_in(self.commands.folder / "archive")
        hold = one_by_one([kept], hold=HOLD)
        self._remove("deleting", removed, archive, "keep:", hold, stop=self.stop.event)
        self.say(f"archived, {_REMOVED}: {plural(len(removed), 'instance')}")
        self.facts.ask_of_deleted(removed[0])
        self.facts.time_search("deleting", removed, listed=False)
        self._go_on()
        require(
            kept=self.store.probe(kept).presence is Presence.PRESENT,
            seen="the kept instance is not there any more",
        )
        self.say("kept: 1 instance that a hold names")
        self._restore(len(removed))

    def clear(self, store: DicomStore) -> frozenset[InstanceAddress]:
        """Remove whatever was stored; gives what is not proven to be gone.

        ``store`` is on a connection that no signal has stopped.
        """
        for number in range(1, ROUNDS + 1):
            there = find_present(store, self.sent)
            self.unclear -= there
            if not there:
                break
            try:
                self._remove(f"removing-{number}", sorted(there), stop=threading.Event())
                self.say(f"{_REMOVED}: {plural(len(there), 'instance')}")
            except (BrokenPromiseError, ReconcilerError, OSError) as error:
                self.say(f"removing what was stored: {error}")
        return find_unproven(store, self.sent) | self.unclear

    def write_removal(self, instances: Collection[InstanceAddress]) -> str:
        """Write the desired-state file that removes these; the command that applies it."""
        self._write("by-hand", sorted(instances))
        places = self.commands.places("by-hand")
        return shlex.join(("reconciler", "apply", *places, *self.commands.options))

    def _store(self) -> None:
        for instance, path in self.specimens.items():
            self._go_on()
            self.sent.add(instance)
            self.unclear.add(instance)
            replies = store_patiently(self.store, path, budget=self.budget, stop=self.stop)
            last = replies[-1]
            self.facts.found["store"] = {"status": last.status, "taken for": last.kind.value}
            require(
                kept=self._is_stored(instance, [reply.kind for reply in replies]),
                seen=f"an instance was not stored: {last.detail}",
            )
        self.facts.time_search("storing", self.specimens, listed=True)
        self.say(f"stored: {plural(len(self.sent), 'instance')}")

    def _is_stored(self, instance: InstanceAddress, kinds: Sequence[ReplyKind]) -> bool:
        """Whether the replies say so; notes whether it may be there, and whether it is ours."""
        is_ambiguous = not _UNCLEAR.isdisjoint(kinds)
        exists = kinds[-1] is ReplyKind.ALREADY_EXISTS
        is_stored = kinds[-1] is ReplyKind.ACCEPTED or (is_ambiguous and exists)
        if exists and not is_stored:
            self.sent.discard(instance)  # another's, and named for that; it is not touched
        elif is_stored or not is_ambiguous:
            self.unclear.discard(instance)
        return is_stored

    def _remove(
        self,
        project: str,
        removed: Sequence[InstanceAddress],
        *others: str,
        stop: threading.Event,
    ) -> None:
        """Plan the removal, make sure that the plan names these alone, and apply it."""
        plan = self._write(project, removed, *others) / PLAN
        self.commands.run(project, "plan", "--out", str(plan), stop=stop)
        planned = [one for store in read_plan(plan).plan.stores for one in store.deletions()]
        seen = f"the plan deletes {len(planned)} instances, not the {len(removed)} that were stored"
        require(kept=sorted(planned) == sorted(removed), seen=seen)
        report = plan.with_name(REPORT)
        self.commands.run(project, "apply", str(plan), "--report", str(report), stop=stop)
        outcomes = _read(report)["counts"]
        gone = sum(outcomes[outcome.value] for outcome in Outcome if outcome.is_gone)
        require(kept=gone == len(removed), seen=f"{gone} of {len(removed)} are proven to be gone")

    def _restore(self, expected: int) -> None:
        run = _read(self.commands.folder / "deleting" / REPORT)["run"]
        report = self.commands.folder / "deleting" / "restored.json"
        self.commands.run("deleting", "restore", run, "--report", str(report), stop=self.stop.event)
        outcomes = _read(report)["counts"]
        restored = {one.value: outcomes[one.value] for one in Outcome if one.is_restored}
        self.facts.found["restored"] = restored
        back = sum(restored.values())
        require(kept=back == expected, seen=f"{back} of {expected} are restored")
        self.say(f"restored and compared: {plural(back, 'instance')}")

    def _write(self, project: str, removed: Sequence[InstanceAddress], *others: str) -> Path:
        """Write a project that removes these, with ``others`` in its one file; gives its folder."""
        folder = self.commands.folder / project
        lists = (*others, "remove:", one_by_one(removed))
        write_desired_state(folder, self.store.address, *lists, never_seen=len(removed))
        return folder

    def _go_on(self) -> None:
        if self.stop.is_requested:
            raise StoppedError


def studies_of(instances: Collection[InstanceAddress]) -> tuple[str, ...]:
    """Their Study Instance UIDs, each once."""
    return tuple(dict.fromkeys(instance.study_uid for instance in instances))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
