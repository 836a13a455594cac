"""Writer, reader and history against a model in plain Python, with crashes at any byte.

Tried: each of these makes it fail: a torn tail read as a record, a verification that closes a
later intent of its run, the order of runs taken from the clock alone, replies that outlive a
verification, a settled outcome credited to the run that settled it, a run that is over twice in
the log, and one that the next run does not add.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent, Result, RunEnded, RunStarted, Settled, Verified
from reconciler.journal.state import RUNS
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.reply import ReplyKind

from .by_hand import heads_of, lines_of, log_of, measure
from .places import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORES = tuple(StoreAddress("imaging-prod", "us", "radiology", name) for name in ("a", "b"))
INSTANCES = [InstanceAddress("1.2", "1.2.3", f"1.2.3.{end}") for end in range(3)]
ENDPOINT = "https://example.org"
PLANS = ["plan-1", "plan-2"]

stores = st.integers(0, 1)
instances = st.sampled_from(INSTANCES)
attempts = st.integers(1, 3)
outcomes = st.sampled_from(Outcome)
presences = st.sampled_from(Presence)
details = st.text(max_size=5)
changing_records = st.one_of(
    st.builds(Intent, st.just(NOON), stores, instances, attempts),
    st.builds(
        Result, st.just(NOON), stores, instances, attempts, st.sampled_from(ReplyKind), st.none()
    ),
    st.builds(Verified, st.just(NOON), stores, instances, presences, outcomes, details),
)


class Model:
    """By run, store and instance: the replies of open attempts, and the attempts that failed."""

    def __init__(self, plans):
        self.plans = plans
        self.opened, self.failed = {}, set()
        self.outcomes = {plan: {} for plan in PLANS}

    def take(self, run, r):
        if isinstance(r, RunEnded):
            if r.state in {RunState.COMPLETED, RunState.ABORTED}:
                kept = self.outcomes[self.plans[run]].items()
                self.outcomes[self.plans[run]] = {k: o for k, o in kept if not o.is_gone}
            return
        key = (run, r.store if isinstance(r, Settled) else STORES[r.store], r.instance)
        match r:
            case Intent():
                self.opened.setdefault(key, {})[r.attempt] = None
            case Result() if key in self.opened:
                self.opened[key][r.attempt] = r.kind
            case Settled():
                self.settle((r.run, *key[1:]), r.outcome)
            case Verified():
                self.verify(key, r.outcome)

    def settle(self, key, outcome):
        """Only an attempt that is open, or that failed, can be settled."""
        if key in self.opened or key in self.failed:
            self.opened.pop(key, None)
            self.failed.add(key)
            self.close(key, outcome)

    def verify(self, key, outcome):
        replies = self.opened.pop(key, {})
        if outcome is Outcome.NOT_ATTEMPTED and not any(replies.values()):
            return
        if replies:
            self.failed.add(key)
        if outcome.is_gone:
            self.opened = {k: v for k, v in self.opened.items() if not self.is_same(k, key)}
        self.close(key, outcome)

    def close(self, key, outcome):
        self.outcomes[self.plans[key[0]]][key[1:]] = outcome
        if outcome.is_gone:
            self.failed = {one for one in self.failed if not self.is_same(one, key)}

    def is_same(self, one, other):
        """What any run of a plan tried on an instance is one with what the others did."""
        return one[1:] == other[1:] and self.plans[one[0]] == self.plans[other[0]]


class JournalMachine(RuleBasedStateMachine):
    """``runs`` and ``log`` are the model.

    The records of each run, in the order in which the runs started; and of each run in the log its
    name with its size and root.
    """

    kind = "disk"

    @initialize()
    def begin(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "state"
        self.place = Place(self.kind, self.folder)
        self.runs: dict[str, list] = {}
        self.log: list[tuple[str, int, str]] = []
        self.started = 0
        self.journal = None

    def teardown(self):
        if self.journal:
            self.journal.close()
        self.temporary.cleanup()

    # -- what happens ------------------------------------------------------------------------

    @precondition(lambda self: self.journal is None)
    @rule(plan=st.sampled_from(PLANS), minutes=st.integers(-60, 60))
    def start_or_resume(self, plan, minutes):
        """The clock may step back between runs; names do not sort as the runs do."""
        history = History.read(self.place.state)
        earlier = history.of_plan(plan)
        first = RunStarted(
            run=f"run-{9 - self.started % 10}-{self.started}",
            time=NOON + timedelta(minutes=minutes),
            tool_version="1.0",
            plan_id=plan,
            digest="sha256:0",
            endpoint=ENDPOINT,
            stores=STORES,
            planned=3,
            resumes=earlier.runs if earlier else (),
            **links_of_run(self.place.state),
        )
        self.started += 1
        self.journal = RunJournal.create(self.place.state, first)
        logged = {run for run, _, _ in self.log}
        self.log += [self._measured(run) for run in sorted(self.runs) if run not in logged]
        self.runs[first.run] = [first]

    @precondition(lambda self: self.journal is not None)
    @rule(records=st.lists(changing_records, min_size=1, max_size=6))
    def work(self, records):
        self._write(records)

    @precondition(lambda self: self.journal is not None and len(self.runs) > 1)
    @rule(data=st.data())
    def settle(self, data):
        run = data.draw(st.sampled_from(list(self.runs)[:-1]))
        store, instance = data.draw(st.sampled_from(STORES)), data.draw(instances)
        presence, outcome = data.draw(presences), data.draw(outcomes)
        self._write([Settled(NOON, run, store, instance, presence, outcome)])

    @precondition(lambda self: self.journal is not None)
    @rule(state=st.sampled_from(RunState), detail=details, dies=st.booleans())
    def end(self, state, detail, dies):
        """It may die when its end is on record, and before the log has it."""
        self._write([RunEnded(NOON, state, dict.fromkeys(Outcome, 0), 0, detail)])
        if not dies:
            head = self.journal.finish()
            self.log.append(self._measured(list(self.runs)[-1]))
            assert head == heads_of(self.folder / "runs")[-1]
        self.close()

    @precondition(lambda self: self.journal is not None)
    @rule()
    def close(self):
        self.journal.close()
        self.journal = None

    @precondition(lambda self: self.journal is not None)
    @rule(data=st.data())
    def crash(self, data):
        """All that the disk has of the latest run are the bytes before some point."""
        self.close()
        run = list(self.runs)[-1]
        self._cut(run, data)
        kept = len(lines_of(self._path(run)))
        del self.runs[run][kept:]
        if not kept:
            del self.runs[run]

    def _cut(self, run, data):
        path = self._path(run)
        whole = path.read_bytes()
        tail = data.draw(st.integers(0, min(len(whole), 600)))
        path.write_bytes(whole[: len(whole) - tail])

    def _write(self, records):
        for record in records[:-1]:
            self.journal.append(record)
        self.journal.commit(records[-1])
        self.runs[list(self.runs)[-1]] += records

    # -- what must be true -------------------------------------------------------------------

    @invariant()
    def the_records_are_those_of_the_model(self):
        for run, records in self.runs.items():
            file = self.place.state.run_file(RUNS, run)
            assert list(RunRecords(file)) == records

    @invariant()
    def the_history_is_that_of_the_model(self):
        history = History.read(self.place.state)
        assert [run.run.name for run in history.runs] == list(self.runs)
        assert links_of_run(self.place.state)["previous_head"] == self._head()
        entries = log_of(self.folder / "runs")
        assert [(one["run"], one["size"], one["root"]) for one in entries] == self.log
        for store in STORES:
            attempts = history.open_attempts(store, ENDPOINT)
            assert {(a.run.name, a.instance): a.replies for a in attempts} == self._open(store)
        for plan in PLANS:
            self._check_plan(plan, history.of_plan(plan))

    def _check_plan(self, plan, found):
        runs = [run for run, records in self.runs.items() if records[0].plan_id == plan]
        if not runs:
            assert found is None
            return
        ends = [r for run in runs for r in self.runs[run] if isinstance(r, RunEnded)]
        assert found.runs == tuple(runs)
        assert found.ended == (ends[-1] if ends else None)
        assert found.outcomes == self._model().outcomes[plan]

    def _path(self, run):
        return self.place.file(run)

    def _measured(self, run):
        return run, *measure(self._path(run))

    def _head(self):
        return heads_of(self.folder / "runs")[-1] if self.log else None

    def _model(self):
        """What is open, and the outcomes by plan, by the rules in docs/journal.md."""
        model = Model({run: records[0].plan_id for run, records in self.runs.items()})
        for run, records in self.runs.items():
            for record in records[1:]:
                model.take(run, record)
        return model

    def _open(self, store):
        opened = self._model().opened
        return {
            (run, instance): tuple(replies.values())
            for (run, s, instance), replies in opened.items()
            if s == store
        }


class BucketMachine(JournalMachine):
    """The same in a bucket, where a segment is there as a whole or not at all."""

    kind = "bucket"

    def _cut(self, run, data):
        paths = sorted((self.folder / "runs" / run).iterdir())
        for path in paths[data.draw(st.integers(0, len(paths))) :]:
            path.unlink()


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestBucket = BucketMachine.TestCase
TestBucket.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
