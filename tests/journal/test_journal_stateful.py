"""Writer, reader and history against a model in plain Python, with crashes at any byte.

Tried: each of these makes it fail: a torn tail read as a record, a verification that closes a
later intent of its run, the order of runs taken from the clock alone, replies that outlive a
verification, a settled outcome credited to the run that settled it.
"""

import hashlib
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
from reconciler.journal.reader import read_run
from reconciler.journal.records import Intent, Result, RunEnded, RunStarted, Settled, Verified
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.reply import ReplyKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORES = tuple(StoreAddress("imaging-prod", "us", "radiology", name) for name in ("a", "b"))
INSTANCES = [InstanceAddress("1.2", "1.2.3", f"1.2.3.{end}") for end in range(3)]
PLANS = ["plan-1", "plan-2"]

stores = st.integers(0, 1)
instances = st.sampled_from(INSTANCES)
attempts = st.integers(1, 3)
outcomes = st.sampled_from(Outcome)
presences = st.sampled_from(Presence)
details = st.text(max_size=5)
run_records = st.one_of(
    st.builds(Intent, st.just(NOON), stores, instances, attempts),
    st.builds(
        Result, st.just(NOON), stores, instances, attempts, st.sampled_from(ReplyKind), st.none()
    ),
    st.builds(Verified, st.just(NOON), stores, instances, presences, outcomes, details),
)


class JournalMachine(RuleBasedStateMachine):
    """``runs`` is the model: the records of each run, in the order in which the runs started."""

    @initialize()
    def begin(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.runs: dict[str, list] = {}
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
        history = History.read(self.folder)
        earlier = history.of_plan(plan)
        first = RunStarted(
            run=f"run-{9 - self.started % 10}-{self.started}",
            time=NOON + timedelta(minutes=minutes),
            tool_version="1.0",
            plan_id=plan,
            digest="sha256:0",
            endpoint="https://example.org",
            stores=STORES,
            planned=3,
            resumes=earlier.runs if earlier else (),
            previous_head=history.previous_head,
        )
        self.started += 1
        self.journal = RunJournal.create(self.folder, first)
        self.runs[first.run] = [first]

    @precondition(lambda self: self.journal is not None)
    @rule(records=st.lists(run_records, min_size=1, max_size=6))
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
    @rule(state=st.sampled_from(RunState), detail=details)
    def end(self, state, detail):
        self._write([RunEnded(NOON, state, dict.fromkeys(Outcome, 0), 0, detail)])
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
        path = self._path(run)
        whole = path.read_bytes()
        tail = data.draw(st.integers(0, min(len(whole), 600)))
        path.write_bytes(whole[: len(whole) - tail])
        kept = whole[: len(whole) - tail].count(b"\n")
        del self.runs[run][kept:]
        if not kept:
            del self.runs[run]

    def _write(self, records):
        for record in records[:-1]:
            self.journal.append(record)
        self.journal.commit(records[-1])
        self.runs[list(self.runs)[-1]] += records

    # -- what must be true -------------------------------------------------------------------

    @invariant()
    def the_records_are_those_of_the_model(self):
        for run, records in self.runs.items():
            assert list(read_run(self._path(run))) == records

    @invariant()
    def the_history_is_that_of_the_model(self):
        history = History.read(self.folder)
        assert [run.run for run in history.runs] == list(self.runs)
        assert bool(history.runs) is bool(self.runs)
        assert history.previous_head == self._head()
        for store in STORES:
            assert history.deleted(store) == self._deleted(store)
            found = {(a.run, a.instance): a.replies for a in history.open_attempts(store)}
            assert found == self._open(store)
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
        assert found.outcomes == {
            (store, instance): outcome
            for run, store, instance, outcome in self._outcomes()
            if run in runs
        }

    def _path(self, run):
        return self.folder / "runs" / f"{run}.jsonl"

    def _head(self):
        if not self.runs:
            return None
        whole = self._path(list(self.runs)[-1]).read_bytes()
        return hashlib.sha256(whole[: whole.rindex(b"\n")].split(b"\n")[-1]).hexdigest()

    def _outcomes(self):
        for run, records in self.runs.items():
            for record in records:
                if isinstance(record, Verified):
                    yield run, STORES[record.store], record.instance, record.outcome
                elif isinstance(record, Settled):
                    yield record.run, record.store, record.instance, record.outcome

    def _deleted(self, store):
        """An attempt that failed says nothing against a later run that removed the instance."""
        places = {run: place for place, run in enumerate(self.runs)}
        removed = {}
        for run, s, instance, outcome in self._outcomes():
            if s != store:
                continue
            if outcome is Outcome.ALREADY_ABSENT:
                removed.setdefault(instance, run)
            elif outcome.is_gone:
                removed[instance] = run
            elif places.get(run, -1) >= places.get(removed.get(instance, run), -1):
                removed.pop(instance, None)
        return set(removed)

    def _open(self, store):
        return {
            (run, instance): replies
            for run, records in self.runs.items()
            for instance in INSTANCES
            if (replies := self._replies(records, store, instance))
            and not self._is_settled(run, store, instance)
            and not self._is_gone_on_with(run, store, instance)
        }

    def _is_gone_on_with(self, run, store, instance):
        """Whether a later run of the same plan proved the instance to be gone."""
        later = list(self.runs)[list(self.runs).index(run) + 1 :]
        return any(
            isinstance(r, Verified)
            and (STORES[r.store], r.instance) == (store, instance)
            and r.outcome.is_gone
            for other in later
            if self.runs[other][0].plan_id == self.runs[run][0].plan_id
            for r in self.runs[other]
        )

    def _is_settled(self, run, store, instance):
        return any(
            isinstance(r, Settled) and (r.run, r.store, r.instance) == (run, store, instance)
            for records in self.runs.values()
            for r in records
        )

    @staticmethod
    def _replies(records, store, instance):
        """The last reply to each attempt since the last verification."""
        mine = [
            r
            for r in records
            if isinstance(r, Intent | Result | Verified)
            and (STORES[r.store], r.instance) == (store, instance)
        ]
        ends = [place for place, r in enumerate(mine) if isinstance(r, Verified)]
        since = mine[ends[-1] + 1 :] if ends else mine
        while since and not isinstance(since[0], Intent):
            since = since[1:]
        order = list(dict.fromkeys(r.attempt for r in since))
        return tuple(
            [getattr(r, "kind", None) for r in since if r.attempt == attempt][-1]
            for attempt in order
        )


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
