"""What follows from a record: attempts, proofs, removals, restores. Not a line of the product.

`Record` is what the files of a state folder say, line by line, in plain values; `Model` is what
must follow from it:

- A run comes after another if its folder held that other when it began (``before``). No clock
  tells. Of two runs of two folders neither may come after the other: then the last word is one of
  several, and a reader may give any of them.
- A removal is an attempt that got a yes, or no clear answer, and that a proof of absence closes:
  its run's own, that of a later run of the same plan, or a settlement by any run. Its place is
  that of the attempt.
- A restore is a proof that the instance is back; its place is the run that restored.
- The last word on an instance is the removal or restore that no other comes after. Whatever ended
  in no proof of absence says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ACCEPTED = "accepted"
UNSENT = "unsent"
"""An attempt of which its run knew that no DELETE left."""
UNCLEAR = frozenset({"unclear", "unexpected", "unknown"})
"""The replies after which an instance may have gone; unknown is none on record."""

DELETED = "deleted"
ALREADY_ABSENT = "already_absent"
AMBIGUOUS = "absent_after_ambiguous_attempt"
GONE = frozenset({DELETED, ALREADY_ABSENT, AMBIGUOUS})


class Key(NamedTuple):
    """An instance: the store's letter and the number of the instance."""

    store: str
    number: int


# What the files say


class Intent(NamedTuple):
    key: Key
    attempt: int


class Result(NamedTuple):
    key: Key
    attempt: int
    kind: str


class Verified(NamedTuple):
    key: Key
    presence: str
    outcome: str


class Settled(NamedTuple):
    run: str
    key: Key
    presence: str
    outcome: str


class Archived(NamedTuple):
    key: Key


class Restored(NamedTuple):
    run: str
    key: Key


class Ended(NamedTuple):
    state: str


Step = Intent | Result | Verified | Settled | Archived | Restored | Ended


@dataclass(frozen=True)
class Run:
    """An apply (with its ``plan``) or a restore, and what it recorded.

    ``before`` are the runs that its folder held when it began; ``earlier`` are those that it
    resumes, or restores.
    """

    name: str
    plan: str | None
    endpoint: str
    earlier: tuple[str, ...]
    before: frozenset[str]
    steps: tuple[Step, ...]

    @property
    def state(self) -> str | None:
        """How it ended, if it did."""
        return next((one.state for one in self.steps if isinstance(one, Ended)), None)

    def archived(self) -> set[Key]:
        return {one.key for one in self.steps if isinstance(one, Archived)}


# What follows


@dataclass(frozen=True)
class Removal:
    """``runs`` are those whose attempt it may have been: one of them was it."""

    key: Key
    runs: frozenset[str]
    plan: str
    is_clear: bool


@dataclass(frozen=True)
class Restore:
    """``run`` put back what ``of`` had archived."""

    key: Key
    run: str
    of: str

    @property
    def runs(self) -> frozenset[str]:
        return frozenset({self.run})


Word = Removal | Restore


@dataclass
class _Tried:
    """The attempts of one run on one instance that no proof blocking yet.

    ``is_seen`` says that the instance was seen there since, or that an attempt of another plan may
    explain its absence as well; ``is_explained`` that a later removal by another plan does.
    """

    run: str
    kinds: dict[int, str] = field(default_factory=dict)
    is_seen: bool = False
    is_explained: bool = False


@dataclass
class Problem:
    """Where the record says what does not follow from what it says."""

    run: str
    key: Key
    outcome: str
    allowed: frozenset[str]


class Model:
    """What follows from some runs, which come in an order that agrees with all of ``before``."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs: Mapping[str, Run] = {run.name: run for run in runs}
        self.words: dict[Key, list[Word]] = {}
        self.attempts: dict[tuple[str, Key], dict[int, str]] = {}
        self.problems: list[Problem] = []
        self._tried: dict[tuple[str, Key], list[_Tried]] = {}
        self._proven: set[tuple[str, Key]] = set()
        self._verified: set[tuple[str, Key]] = set()
        for run in runs:
            self._take_run(run)

    # Questions

    def is_after(self, run: str, other: str) -> bool:
        return run in self.runs and other in self.runs[run].before

    def removals(self, key: Key) -> list[Removal]:
        return [one for one in self.words.get(key, ()) if isinstance(one, Removal)]

    def removed(self) -> set[Key]:
        """The instances that DELETEs of ours removed, ever."""
        return {key for key in self.words if self.removals(key)}

    def last_words(self, key: Key) -> list[Word]:
        """The last word; several where no chain tells which of them is."""
        words = self.words.get(key, [])
        return [one for one in words if not any(self._is_later(other, one) for other in words)]

    def _is_later(self, word: Word, than: Word) -> bool:
        return all(self.is_after(a, b) for a in word.runs for b in than.runs)

    def family(self, run: str) -> list[str]:
        """A run and those that it resumed."""
        return [*self.runs[run].earlier, run]

    def archived(self, run: str) -> set[Key]:
        """What a run and those that it resumed archived."""
        return {
            key for one in self.family(run) if one in self.runs for key in self.runs[one].archived()
        }

    def of_plan(self, plan: str) -> list[Run]:
        return [run for run in self.runs.values() if run.plan == plan]

    def is_over(self, plan: str) -> bool:
        """Whether the plan came to an end after which it is only reported."""
        states = [run.state for run in self.of_plan(plan) if run.state]
        return bool(states) and states[-1] in {"completed", "aborted"}

    def is_proven(self, plan: str, key: Key) -> bool:
        """Whether a run of the plan, or a settlement of one, proved the instance to be gone."""
        return (plan, key) in self._proven

    def open_attempts(self) -> set[tuple[str, Key]]:
        """Runs and instances of which nobody recorded what came of the attempt."""
        return {
            (tried.run, key)
            for (_, key), all_tried in self._tried.items()
            for tried in all_tried
            if (tried.run, key) not in self._verified and _may_have_left(tried)
        }

    def unproven(self, key: Key) -> set[str]:
        """The runs whose attempts may have removed the instance, which nothing proves."""
        return {
            tried.run
            for (_, one), all_tried in self._tried.items()
            for tried in all_tried
            if one == key and _may_have_left(tried) and not tried.is_seen
        }

    def bars(self, run: str, key: Key) -> bool | None:
        """Whether a later removal keeps a restore of this run from putting the instance back.

        None where no chain tells, or the rules do not.
        """
        family = self.family(run)
        known = [one for one in family if one in self.runs]
        sent = [one for one in known if _is_sent(self.attempts.get((one, key), {}))]
        kept = [one for one in known if key in self.runs[one].archived()]
        places = {some[-1] for some in (sent, kept) if some}
        words = self.last_words(key)
        return _agreed(self._bars(word, place, family) for word in words for place in places)

    def _bars(self, word: Word, place: str, family: list[str]) -> bool | None:
        if isinstance(word, Restore) or word.runs <= set(family):
            return False
        if all(self.is_after(place, one) for one in word.runs):
            return False
        is_later = all(self.is_after(one, place) for one in word.runs)
        return True if is_later and word.plan != self.runs[place].plan else None

    # The fold

    def _take_run(self, run: Run) -> None:
        for step in run.steps:
            match step:
                case Intent(key, attempt):
                    assert run.plan is not None
                    self.attempts.setdefault((run.name, key), {})[attempt] = "unknown"
                    self._of(run, key).kinds[attempt] = "unknown"
                case Result(key, attempt, kind):
                    self.attempts[run.name, key][attempt] = kind
                    self._of(run, key).kinds[attempt] = kind
                case Verified():
                    self._verify(run, step)
                case Settled():
                    self._settle(run, step)
                case Restored(of, key):
                    self.words.setdefault(key, []).append(Restore(key, run.name, of))
                    self._see(key)

    def _of(self, run: Run, key: Key) -> _Tried:
        tried = self._tried.setdefault((run.plan or "", key), [])
        if not tried or tried[-1].run != run.name:
            tried.append(_Tried(run.name))
        return tried[-1]

    def _verify(self, run: Run, proof: Verified) -> None:
        plan = run.plan or ""
        own = self.attempts.get((run.name, proof.key), {})
        for attempt, kind in own.items():
            # It lived to record the proof, and so would have recorded the answer.
            if kind == "unknown":
                own[attempt] = UNSENT
                self._of(run, proof.key).kinds[attempt] = UNSENT
        self._verified.add((run.name, proof.key))
        self._prove(run, plan, proof, self._tried.get((plan, proof.key), []))

    def _settle(self, run: Run, proof: Settled) -> None:
        plan = self.runs[proof.run].plan or ""
        self._verified.add((proof.run, proof.key))
        tried = [one for one in self._tried.get((plan, proof.key), []) if one.run == proof.run]
        self._prove(run, plan, proof, tried)

    def _prove(self, by: Run, plan: str, proof: Verified | Settled, tried: list[_Tried]) -> None:
        allowed = _outcomes(tried, proof.presence, settles=isinstance(proof, Settled))
        if proof.outcome not in allowed:
            problem = Problem(by.name, proof.key, proof.outcome, frozenset(allowed))
            self.problems.append(problem)
        if proof.presence == "absent":
            self._remove(plan, proof.key, proof.outcome, tried)
        elif proof.presence == "present":
            self._see(proof.key)

    def _remove(self, plan: str, key: Key, outcome: str, tried: list[_Tried]) -> None:
        """Close what the proof closes, and note the removal that it proves."""
        if outcome in GONE:
            self._proven.add((plan, key))
        makers = _makers(tried, outcome)
        self._tried[plan, key] = [
            one for one in self._tried.get((plan, key), []) if one not in tried
        ]
        if makers:
            removal = Removal(key, makers, plan, outcome == DELETED)
            self.words.setdefault(key, []).append(removal)
            self._explain(removal)

    def _still_open(self, key: Key) -> Iterator[tuple[str, _Tried]]:
        for (plan, one), all_tried in self._tried.items():
            if one == key:
                yield from ((plan, tried) for tried in all_tried)

    def _see(self, key: Key) -> None:
        """It is there: what was attempted before had no effect, or one that was undone."""
        for _, tried in self._still_open(key):
            tried.is_seen, tried.is_explained = True, False

    def _explain(self, removal: Removal) -> None:
        """It is gone by this removal: no earlier attempt of another plan need explain it."""
        for plan, tried in self._still_open(removal.key):
            if plan == removal.plan:
                continue
            if removal.is_clear and all(self.is_after(one, tried.run) for one in removal.runs):
                tried.is_explained = True
            else:
                tried.is_seen = True


def _is_sent(kinds: Mapping[int, str]) -> bool:
    return any(kind != UNSENT for kind in kinds.values())


def _may_have_left(tried: _Tried) -> bool:
    return any(kind == ACCEPTED or kind in UNCLEAR for kind in tried.kinds.values())


def _kinds(tried: list[_Tried]) -> set[str]:
    return {kind for one in tried for kind in one.kinds.values()}


def _outcomes(tried: list[_Tried], presence: str, *, settles: bool) -> set[str]:
    """What a proof may make of the attempts; see the table of outcomes in docs/design.md."""
    if presence != "absent":
        return {"failed", "unconfirmed", "not_attempted"}
    accepted = [one for one in tried if ACCEPTED in _kinds([one])]
    if any(not (one.is_seen or one.is_explained) for one in accepted):
        return {DELETED}
    # Each that was accepted is undone since, or followed by the removal of another plan.
    others = _outcomes_of_others([one for one in tried if one not in accepted], settles=settles)
    return {DELETED} | others if accepted and settles else others


def _outcomes_of_others(tried: list[_Tried], *, settles: bool) -> set[str]:
    ambiguous = [one for one in tried if UNCLEAR & _kinds([one])]
    if not ambiguous:
        return {ALREADY_ABSENT}
    if not any(one.is_seen or one.is_explained for one in ambiguous):
        return {AMBIGUOUS}
    if all(one.is_explained for one in ambiguous) and not settles:
        return {ALREADY_ABSENT}
    return {ALREADY_ABSENT, AMBIGUOUS}


def _makers(tried: list[_Tried], outcome: str) -> frozenset[str]:
    """The runs one of which made the removal that an outcome tells of."""
    wanted = {DELETED: frozenset({ACCEPTED}), AMBIGUOUS: UNCLEAR}.get(outcome, frozenset())
    makers = [one for one in tried if wanted & _kinds([one])]
    certain = [one for one in makers if not one.is_seen and not one.is_explained]
    return frozenset(one.run for one in certain or makers)


def _agreed(answers: Iterator[bool | None]) -> bool | None:
    """The one answer; None where there are several."""
    found = set(answers)
    return found.pop() if len(found) == 1 else (None if found else False)
