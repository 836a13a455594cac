"""What happens in a run, as events for machines: ``schemas/event.schema.json``.

Each is the content of one line; what writes them adds ``seq`` and ``time``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.json_codec import codec_of
from reconciler.model.address import StoreAddress
from reconciler.model.gate import Gate
from reconciler.model.outcome import InstanceResult, Operation, RunReport
from reconciler.model.plan import Action, Dangling, Finding, SavedPlan, StorePlan, Why
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Problem, Severity, Source
from reconciler.model.shards.manifest import Manifest
from reconciler.reporting.wording import named_counts

FORMAT_VERSION = "1.0"

Event = Mapping[str, Any]


def version_event(command: str, tool_version: str) -> Event:
    """The first event: by whom and in which form the others are written."""
    return {
        "type": "version",
        "format_version": FORMAT_VERSION,
        "tool_version": tool_version,
        "command": command,
    }


def diagnostic_events(problems: Iterable[Problem]) -> Iterator[Event]:
    """Problems of input files."""
    for problem in problems:
        yield codec_of(Problem).write(problem, {"type": "diagnostic"})


def error_event(message: str, hint: str | None) -> Event:
    """What ended the run, at no place of a file."""
    return {
        "type": "diagnostic",
        "severity": Severity.ERROR.value,
        "rule": None,
        "message": message,
        "hint": hint,
        "source": None,
    }


def probe_event(store: StoreAddress, done: int, total: int) -> Event:
    """How far the look at a store has come, in questions."""
    return {"type": "probe", **store.as_parameters(), "done": done, "total": total}


def plan_events(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[Event]:
    """Every deletion, every no-op that someone should look at, what would dangle, every gate."""
    for store in saved.plan.stores:
        yield from _changes(store)
    yield from gate_events(gates)


def gate_events(gates: Iterable[Gate]) -> Iterator[Event]:
    """Every gate."""
    for gate in gates:
        yield codec_of(Gate).write(gate, {"type": "gate", "passed": gate.is_passed})


def _changes(store: StorePlan) -> Iterator[Event]:
    change = {"type": "planned_change", **store.store.as_parameters()}
    for instance, group, line in store.declared_deletions():
        yield {
            **change,
            "action": Action.DELETE.value,
            "why": Why.LISTED.value,
            **instance.as_parameters(),
            "code": group.reason.code.value,
            "source": codec_of(Source).write(Source(group.path, line)),
            "detail": "",
            "elsewhere": [],
        }
    for finding in store.findings:
        no_op = {**change, "action": Action.NO_OP.value, "code": None}
        yield codec_of(Finding).write(finding, no_op)
    for one in store.dangling:
        yield codec_of(Dangling).write(one, {"type": "dangling", **store.store.as_parameters()})


def plan_summary_event(saved: SavedPlan | Manifest, exit_code: int | None) -> Event:
    """The result of the plan; no exit code where an apply goes on from it."""
    summary = saved.summary if isinstance(saved, Manifest) else PlanSummary.of(saved)
    return {
        "type": "summary",
        "operation": "plan",
        "plan_id": saved.plan_id,
        "digest": saved.digest,
        "counts": summary.counts,
        "exit_code": exit_code,
    }


def start_event(
    operation: Operation,
    run: str,
    planned: int,
    *,
    saved: SavedPlan | Manifest | None = None,
    restores: Sequence[str] = (),
) -> Event:
    """The run begins; ``saved`` is the plan that it applies, ``restores`` are those it undoes."""
    return {
        "type": "start",
        "operation": operation.value,
        "run": run,
        "plan_id": saved.plan_id if saved else None,
        "digest": saved.digest if saved else None,
        "restores": list(restores),
        "planned": planned,
    }


def result_event(result: InstanceResult) -> Event:
    """What became of one instance."""
    return codec_of(InstanceResult).write(result, {"type": "result"})


def summary_event(report: RunReport, exit_code: int) -> Event:
    """The result of the run, those that it resumed included."""
    return {
        "type": "summary",
        "operation": report.operation.value,
        "plan_id": report.plan_id,
        "digest": report.digest,
        "counts": named_counts(report),
        "exit_code": exit_code,
    }
