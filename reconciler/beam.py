"""Apply a plan in shards on the workers of an Apache Beam pipeline, which divides it into tasks.

An element is a task: every Nth shard, as of `apply --shard K/N`. A task reads all shards that are
left before it deletes, so an element for each shard would read them as often as there are shards.

All that a task does is one call of `reconciler.apply`. Where it raises, Beam repeats the bundle,
and the next call goes on where this one ended. A worker finds its own credentials.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState
from apache_beam.runners.worker import statesampler

import reconciler

NAMESPACE = "reconciler"
"""Of the metrics: a counter of each outcome, of ``requests``, of those that were ``throttled``; and
the distribution ``requests_per_second`` of the tasks, whose sum is the rate of all."""

_PAUSE, _PATIENCE = 5.0, 900.0
"""So often, and so long, a task tries again whose lock another run holds. Mostly that is its own
double, on a worker that Beam gave up too early: then the next try finds what that one did."""


@dataclass(frozen=True, slots=True)
class Job:
    """A plan that was reviewed, and how it is applied; the same on every worker.

    ``root`` and ``state`` are as of `Project.open`; ``settings`` are further arguments of `apply`,
    the digest among them. The rate of ``service`` is that of all ``tasks`` together.
    """

    plan: reconciler.PlanInShards
    root: str
    state: str
    service: reconciler.Service
    tasks: int
    settings: Mapping[str, Any]

    def apply(self, task: int, listener: reconciler.Listener) -> reconciler.Applied:
        """Apply the shards of a task, from 1; raises as `reconciler.apply`."""
        rate = self.service.max_qps
        service = replace(self.service, max_qps=None if rate is None else rate / self.tasks)
        shards = range(task, len(self.plan.plan.shards) + 1, self.tasks)
        project = reconciler.Project.open(self.root, state=self.state)
        given_up = time.monotonic() + _PATIENCE
        while True:
            try:
                applied = reconciler.apply(
                    self.plan, project, service, shards=shards, listener=listener, **self.settings
                )
                if not isinstance(applied.error, reconciler.errors.LockHeld):
                    return applied
                held = applied.error
                given_up = time.monotonic() + _PATIENCE  # a shard came to its end meanwhile
            except reconciler.errors.LockHeld as error:
                held = error
            if time.monotonic() > given_up:
                raise held
            time.sleep(_PAUSE)


def is_known(option: str) -> bool:
    """Whether Beam has an option of this name, as ``--runner``; it ignores those that it lacks."""
    return option.removeprefix("--").replace("-", "_") in PipelineOptions([]).get_all_options()


def run_pipeline(job: Job, options: Sequence[str]) -> tuple[str | None, Mapping[str, int]]:
    """Run the tasks by a runner that the options name, and wait; why it failed, and the counters.

    No secret of this machine leaves it.
    """
    job = replace(job, service=replace(job.service, credentials="default", proxies={}))
    try:
        pipeline = beam.Pipeline(options=PipelineOptions([*options]))
        tasks = pipeline | "tasks" >> beam.Create(range(1, job.tasks + 1)) | beam.Reshuffle()
        _ = tasks | "apply" >> beam.ParDo(_Apply(job))
        result = pipeline.run()
        state = result.wait_until_finish()
    except (Exception, SystemExit) as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Beam makes a RuntimeError of it
            raise error.__context__ from error
        return str(error).strip().rpartition("\n")[2], {}
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    counters = {one.key.metric.name: one.result for one in found}
    return None if state == PipelineState.DONE else f"its state is {state}", counters


class _Apply(beam.DoFn):  # type: ignore[misc]  # the package is not there where types are checked
    """Applies the shards of a task; gives its number once they are over."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, task: int) -> Iterator[int]:
        heard = _Heard()
        applied = self._job.apply(task, heard)
        report = applied.report
        if applied.error is not None:
            raise applied.error
        if report.state.value != "completed":
            raise reconciler.ReconcilerError(f"task {task} stopped: {report.stopped_because}")
        # What earlier runs have proven is in the report alone.
        left = Counter({one.value: number for one, number in report.counts.items()})
        left.subtract(heard.counted)
        if (sent := report.traffic) is not None:
            left.update(requests=sent.total, throttled=sent.throttled)
            Metrics.distribution(NAMESPACE, "requests_per_second").update(sent.per_second)
        for name, number in left.items():
            Metrics.counter(NAMESPACE, name).inc(number)
        yield task


class _Heard(reconciler.Listener):
    """Counts outcomes as they come; notes go to the worker's log."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self._tracker = statesampler.get_current_tracker()

    def note(self, text: str, *, is_last: bool = False) -> None:  # noqa: ARG002 - all are kept
        logging.getLogger(__name__).info("%s", text)

    def result(self, result: Any) -> None:
        # Beam counts in the threads that it knows, and a result may come from any other one.
        statesampler.set_current_tracker(self._tracker)
        Metrics.counter(NAMESPACE, result.outcome.value).inc()
        self.counted[result.outcome.value] += 1
