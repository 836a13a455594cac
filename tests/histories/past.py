"""What really happened, in its true order, and what every command and reader must make of it.

`Past` types commands at a site, keeps the runs of each state folder in their true order, and
holds every answer against the model. It knows the truth of the store too: who took an instance
out of it last.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from reconciler.emulator import Faults

from ..journal.by_hand import log_of, measure
from .answers import (
    Listed,
    Planned,
    Row,
    read_dry_run,
    read_events,
    read_headline,
    read_plan,
    read_removed_again,
    read_restored,
    read_rows,
)
from .ground import Answer, Kill, Meanwhile, Site
from .model import ALREADY_ABSENT, Ended, Key, Model, Removal, Run, Settled, Verified, Word
from .record import read_run

NO_LIMIT = ", maxReappeared: 9"
PLANNED_AGAIN = frozenset({"113039", "113001"})
"""The reasons for which reappearing changes nothing."""
SKEW = timedelta(minutes=5)
REFUSED, DONE, INCOMPLETE = 3, 0, 4


@dataclass(frozen=True)
class Spec:
    """A file that asks for the removal of some instances of a store."""

    name: str
    keys: frozenset[Key]
    code: str = "113037"
    archive: bool = True
    is_limited: bool = True
    """Whether what reappeared by itself must be looked at first."""

    @property
    def counts_reappeared(self) -> bool:
        return self.is_limited and self.code not in PLANNED_AGAIN


@dataclass(frozen=True)
class Made:
    """A plan that was made from a file."""

    spec: Spec
    planned: Planned

    @property
    def plan(self) -> str:
        return self.planned.plan


@dataclass(frozen=True)
class Trouble:
    """Faults while a command works; ``blind`` are the instances that no probe finds out about."""

    faults: Faults = field(default_factory=Faults)
    blind: frozenset[Key] = frozenset()


QUIET = Trouble()


class Past:
    """Commands, what they left, and what they must have said."""

    def __init__(self, site: Site, keys: Iterable[Key], specs: Sequence[Spec]) -> None:
        self.site = site
        self.keys = sorted(keys)
        for key in self.keys:
            site.store(key)
        self.originals = {key: site.bytes_of(key) for key in self.keys}
        self.specs = {spec.name: spec for spec in specs}
        for spec in specs:
            site.write(
                spec.name,
                spec.keys,
                code=spec.code,
                archive=spec.archive,
                limits="" if spec.is_limited else NO_LIMIT,
            )
        self.runs: dict[str, dict[str, Run]] = {}
        self.file_of: dict[str, Spec] = {}
        self._taken_by: dict[Key, str] = {}
        self._numbers = 0
        self._new: list[Run] = []

    def model(self, state: str) -> Model:
        """What follows from the runs of a state folder."""
        return Model(list(self.runs.get(state, {}).values()))

    # Others

    def someone_stores(self, key: Key) -> None:
        self.site.store(key)

    def someone_removes(self, key: Key) -> None:
        self.site.remove(key)
        self._taken_by[key] = "someone"

    def copy(self, source: str, target: str) -> list[str]:
        """Copy the runs of one state folder into another; what they come after stays."""
        names = self.site.copy_runs(source, target)
        known = self.runs.setdefault(target, {})
        known |= {name: run for name, run in self.runs.get(source, {}).items() if name not in known}
        return names

    # Commands

    def plan(self, spec: Spec, state: str = "first", endpoint: str | None = None) -> Made:
        """Plan a file; the gates and what reappeared must be as the record says."""
        self._numbers += 1
        path = self.site.root / f"plan-{self._numbers}.json"
        answer = self._run("plan", self._path(spec), "--out", path, state=state, endpoint=endpoint)
        assert answer.code in {DONE, REFUSED}, answer
        made = Made(spec, read_plan(self.site, path))
        self.file_of[made.plan] = spec
        assert (answer.code == REFUSED) == bool(made.planned.blocking), answer
        self._check_reappeared(made, self.model(state))
        return made

    def _path(self, spec: Spec) -> Path:
        return self.site.specs / f"{spec.name}.yaml"

    def apply(
        self,
        made: Made,
        state: str = "first",
        trouble: Trouble = QUIET,
        due: Kill | Meanwhile | None = None,
    ) -> Answer:
        """Apply a plan, and hold all that came of it against the model and the store."""
        model, held = self.model(state), self.site.content()
        answer = self._run(
            *("apply", made.planned.path),
            state=state,
            endpoint=made.planned.endpoint,
            due=due,
            faults=trouble.faults,
        )
        self._check_deletes(made, model, held, answer, trouble)
        self._check_claims(state)
        if model.is_over(made.plan):
            assert answer.deletes == (), "a plan that is over is only reported"
        elif not answer.is_killed:
            self._check_verdict(made, model, held, answer, trouble)
            self._check_settled(made, model, self.model(state), trouble)
        return answer

    def apply_file(self, spec: Spec, state: str = "first") -> Answer:
        """Plan a file and apply the plan with one command."""
        return self._run("apply", self._path(spec), "--auto-approve", state=state)

    def restore(
        self,
        run: str,
        state: str = "first",
        trouble: Trouble = QUIET,
        due: Kill | Meanwhile | None = None,
    ) -> Answer:
        """Restore a run, and hold what is in the store then against the model."""
        model, held = self.model(state), self.site.content()
        report = self.site.root / "restored.json"
        answer = self._run(
            *("restore", run, "--report", report),
            state=state,
            endpoint=model.runs[run].endpoint,
            due=due,
            faults=trouble.faults,
        )
        now = self.site.content()
        archived = model.archived(run)
        assert now >= held, "a restore removes nothing"
        assert now - held <= archived, "only what the run archived is put back"
        barred = {key: model.bars(run, key) for key in archived}
        kept_out = {key for key, bars in barred.items() if bars}
        assert not (now - held) & kept_out, (
            f"put back, although removed later on purpose: {(now - held) & kept_out}"
        )
        for key in now & archived:
            assert self.site.bytes_of(key) == self.originals[key]
        if not answer.is_killed and trouble == QUIET:
            self._check_restored(run, model, now, barred, answer)
        return answer

    def _run(
        self,
        *arguments: str | Path,
        state: str,
        endpoint: str | None = None,
        due: Kill | Meanwhile | None = None,
        faults: Faults | None = None,
    ) -> Answer:
        before = frozenset(self.runs.get(state, {}))
        under_way = self._files(state) - before
        self.site.clock.jump(timedelta(milliseconds=300))
        answer = self.site.run(*arguments, state=state, endpoint=endpoint, due=due, faults=faults)
        assert "Traceback" not in answer.err
        assert answer.unannounced == (), "a DELETE left before its intent was on disk"
        known = self.runs.setdefault(state, {})
        self._new = []
        for name in self._files(state) - under_way - known.keys():
            run = read_run(self.site.run_file(state, name), before, self.site.key_of)
            if run is not None:
                known[name] = run
                self._new.append(run)
        self._check_log(state, answer)
        return answer

    def _check_log(self, state: str, answer: Answer) -> None:
        """One chain, of runs that are over: of those that died, since the next one on the store."""
        log = {one["run"]: (one["size"], one["root"]) for one in log_of(self.site.runs(state))}
        for name, found in log.items():
            assert measure(self.site.run_file(state, name)) == found, f"{name} is not as logged"
        for run in self._new:
            is_over = any(isinstance(step, Ended) for step in run.steps)
            assert answer.is_killed or not is_over or run.name in log, f"{run.name} is in no log"

    def _files(self, state: str) -> set[str]:
        """The runs of which there is a file, also such as never began or are under way."""
        return {path.stem for path in self.site.runs(state).glob("*.jsonl")}

    # What a plan must say

    def judge(self, word: Word, spec: Spec) -> Listed | None:
        """What a plan of this file says of an instance with this last word, if it is there."""
        if isinstance(word, Removal):
            return Listed(min(word.runs), is_restored=False)
        plan = self._plan_of(word.of)
        is_same = plan is not None and self.file_of[plan] == spec
        return Listed(word.of, is_restored=True) if is_same else None

    def _plan_of(self, run: str) -> str | None:
        return next((runs[run].plan for runs in self.runs.values() if run in runs), None)

    def _verdicts(self, model: Model, key: Key, spec: Spec) -> list[Listed | None]:
        words = model.last_words(key)
        return [self.judge(word, spec) for word in words] or [None]

    def _check_reappeared(self, made: Made, model: Model) -> None:
        for key in sorted(made.planned.keys):
            found = made.planned.reappeared.get(key)
            words = model.last_words(key)
            allowed = self._verdicts(model, key, made.spec)
            allowed += [
                Listed(run, is_restored=False)
                for word in words
                if isinstance(word, Removal)
                for run in word.runs
            ]
            assert found in allowed, f"{key}: the plan says {found}, the record {words}"
        reappeared = made.planned.reappeared.values()
        by_itself = sum(not one.is_restored for one in reappeared)
        blocking = {"restored"} if any(one.is_restored for one in reappeared) else set()
        blocking |= {"maxReappeared"} if by_itself and made.spec.counts_reappeared else set()
        assert made.planned.blocking & {"restored", "maxReappeared"} == blocking

    # What an apply must do

    def _check_deletes(
        self, made: Made, model: Model, held: set[Key], answer: Answer, trouble: Trouble
    ) -> None:
        """DELETEs name what is planned, and neither what is gone nor what a gate protects."""
        sent = {self.site.key_of(uid) for uid in answer.deletes}
        assert sent <= made.planned.keys
        letters = {key.store for key in made.spec.keys}
        gone = {key for key in held - self.site.content() if key.store in letters}
        effects = {key for key in self.site.effects(answer) if key.store in letters}
        assert gone == effects <= sent
        for key in sorted(effects):
            self._taken_by[key] = made.plan
        for key in sorted(sent):
            words = model.last_words(key)
            if key in held:
                assert self._is_closed(made, model, key) is not True, f"{key} was let back: {words}"
            elif words and key not in trouble.blind and key not in made.planned.reappeared:
                assert not all(isinstance(word, Removal) for word in words), f"{key} is gone"

    def _is_closed(self, made: Made, model: Model, key: Key) -> bool | None:
        """Whether a gate must stop this apply if the instance is there; None where no rule tells.

        What the plan's own runs removed is theirs: they count it, or look at it anew.
        """
        own = [
            isinstance(word, Removal) and word.plan == made.plan for word in model.last_words(key)
        ]
        if any(own):
            return None
        listed = made.planned.reappeared.get(key)
        blocking = {
            verdict is not None
            and verdict != listed
            and (verdict.is_restored or made.spec.counts_reappeared)
            for verdict in self._verdicts(model, key, made.spec)
        }
        return blocking.pop() if len(blocking) == 1 else None

    def _check_verdict(
        self, made: Made, model: Model, held: set[Key], answer: Answer, trouble: Trouble
    ) -> None:
        """An apply is refused where it must be, nowhere else, and then deletes nothing."""
        if not made.planned.keys:
            assert answer.deletes == ()
            return
        blocking = [self._is_closed(made, model, key) for key in made.planned.keys & held]
        if made.planned.blocking or self._is_out_of_time(made) or True in blocking:
            if made.planned.blocking or self._is_out_of_time(made) or not trouble.blind:
                assert answer.code == REFUSED, answer
            assert answer.deletes == ()
            return
        if None in blocking or trouble.blind:
            return
        assert answer.code != REFUSED, answer
        if trouble == QUIET:
            assert answer.code == DONE, answer
            assert made.planned.keys.isdisjoint(self.site.content())

    def _is_out_of_time(self, made: Made) -> bool:
        now = self.site.clock.read()
        return now >= made.planned.expires or made.planned.created - now > SKEW

    def _check_settled(self, made: Made, before: Model, after: Model, trouble: Trouble) -> None:
        """No apply to a store leaves an attempt there open, but where no probe is answered."""
        letters = {key.store for key in made.spec.keys}
        left = {
            (run, key)
            for run, key in before.open_attempts() & after.open_attempts()
            if key.store in letters and key not in trouble.blind
        }
        assert not left, f"still open: {left}"

    def _check_claims(self, state: str) -> None:
        """Every outcome on record follows from the record, and none denies what was done."""
        model = self.model(state)
        assert model.problems == [], model.problems
        for run in self._new:
            for step in run.steps:
                if isinstance(step, Verified | Settled) and step.outcome == ALREADY_ABSENT:
                    plan = run.plan if isinstance(step, Verified) else self._plan_of(step.run)
                    if not all(one.is_clear for one in model.removals(step.key)):
                        continue  # nobody knows which of two unclear attempts it was
                    taken_by = self._taken_by.get(step.key)
                    assert taken_by != plan, f"its own plan removed it: {step} of {run.name}"

    # What a restore must say

    def _check_restored(
        self,
        run: str,
        model: Model,
        now: set[Key],
        barred: dict[Key, bool | None],
        answer: Answer,
    ) -> None:
        for key, bars in barred.items():
            if bars is False and not model.unproven(key):
                assert key in now or self._was_back(model, run, key), f"{key} is not put back"
        bars = set(barred.values())
        if True in bars:
            assert answer.code == INCOMPLETE, answer
            assert "it is not put back" in answer.out
        elif bars == {False} and not any(map(model.unproven, barred)):
            assert answer.code == DONE, answer
            report = self.site.root / "restored.json"
            assert read_restored(report) == Counter({"identical": len(barred)})

    def _was_back(self, model: Model, run: str, key: Key) -> bool:
        """Whether it was put back before: who took it out since, the record does not know."""
        words = model.last_words(key)
        return any(not isinstance(word, Removal) for word in words)

    # What the readers must say

    def look(self, state: str = "first") -> None:
        """Ask every reader of a state folder; none may contradict the model, nor another."""
        if not self.runs.get(state):
            return
        model = self.model(state)
        verified = self.site.run("audit", "verify", state=state)
        assert verified.code == DONE, verified.out + verified.err
        self._check_report(model, state)
        self._check_rows(model, state)
        self._check_events(model, state)
        for run in model.runs:
            if model.runs[run].plan is not None and model.archived(run):
                self._check_dry_run(model, run, state)

    def _check_report(self, model: Model, state: str) -> None:
        answer = self.site.run("audit", "report", "--format", "json", state=state)
        report = json.loads(answer.out)
        headline = read_headline(report)
        removed = model.removed()
        assert headline.instances == len(removed), f"{headline}: {model.words}"
        unclear = [{word.is_clear for word in model.removals(key)} for key in removed]
        assert (
            sum(found == {False} for found in unclear)
            <= headline.unclear
            <= sum(False in found for found in unclear)
        ), f"{headline}: {model.words}"
        again = read_removed_again(report)
        of_each = [model.removals(key) for key in removed]
        assert (
            sum(max(0, sum(one.is_clear for one in some) - 1) for some in of_each)
            <= again
            <= sum(len(some) - 1 for some in of_each)
        ), f"{again} removed again: {model.words}"

    def _check_rows(self, model: Model, state: str) -> None:
        rows = read_rows(
            self.site, self.site.run("audit", "export", "--format", "csv", state=state)
        )
        for key in self.keys:
            mine = [row for row in rows if row.key == key]
            removals = model.removals(key)
            for word in removals:
                assert [row for row in mine if row.is_removal and row.run in word.runs], (
                    f"{word} is in no row: {mine}"
                )
            assert sum(row.is_removal for row in mine) == len(removals), f"{mine}: {removals}"
            self._check_restored_by(model, key, [row for row in mine if row.is_removal])
        proven = {(step.run, step.key) for step in _settlements(model)}
        for row in rows:
            assert row.is_proven or (row.run, row.key) not in proven, f"{row} has a proof on record"

    def _check_restored_by(self, model: Model, key: Key, removals: list[Row]) -> None:
        """The restore that is the last word is told with what it undid, and never otherwise."""
        words = model.last_words(key)
        if len(words) != 1 or not removals:
            return
        (word,) = words
        if isinstance(word, Removal):
            assert not any(row.restored_by for row in removals if row.run in word.runs), removals
        else:
            # The first one: a later one found it there, and is the last word all the same.
            assert any(row.restored_by for row in removals), f"{word}: {removals}"

    def _check_events(self, model: Model, state: str) -> None:
        events = read_events(
            self.site, self.site.run("audit", "export", "--format", "fhir", state=state)
        )
        told = Counter(event.key for event in events)
        assert told == Counter({key: len(model.removals(key)) for key in model.removed()})

    def _check_dry_run(self, model: Model, run: str, state: str) -> None:
        answer = self.site.run(
            "restore", run, "--dry-run", state=state, endpoint=model.runs[run].endpoint
        )
        counted = read_dry_run(answer)
        bars = [model.bars(run, key) for key in model.archived(run)]
        assert counted.archived == len(bars)
        if None not in bars and not any(map(model.unproven, model.archived(run))):
            assert counted.removed_again == bars.count(True), f"{answer.out}: {model.words}"


def _settlements(model: Model) -> list[Settled]:
    return [step for run in model.runs.values() for step in run.steps if isinstance(step, Settled)]
