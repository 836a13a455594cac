"""What happens in a run, as events for machines: ``schemas/event.schema.json``.

Each is the content of one line; what writes them adds ``seq`` and ``time``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.model.address import StoreAddress
from reconciler.model.gate import Gate
from reconciler.model.outcome import InstanceResult, Operation, RunReport
from reconciler.model.plan import Action, Finding, SavedPlan, StorePlan, Why
from reconciler.model.problem import Problem
from reconciler.reporting.validation.json import problem_as_json
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
        yield {"type": "diagnostic", **problem_as_json(problem)}


def error_event(message: str, hint: str | None) -> Event:
    """What ended the run, at no place of a file."""
    placeless = {"rule": None, "path": None, "line": None, "column": None}
    return {
        "type": "diagnostic",
        "severity": "error",
        "message": message,
        "hint": hint,
        **placeless,
    }


def probe_event(store: StoreAddress, done: int, total: int) -> Event:
    """How far the look at a store has come, in questions."""
    return {"type": "probe", "store": store.as_parameters(), "done": done, "total": total}


def plan_events(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[Event]:
    """Every deletion, every no-op that someone should look at, every gate."""
    for store in saved.plan.stores:
        yield from _changes(store)
    for gate in gates:
        yield {
            "type": "gate",
            "store": gate.store.as_parameters(),
            "name": gate.name.value,
            "studiesId": gate.subject,
            "actual": gate.actual,
            "allowed": gate.allowed,
            "open": gate.is_open,
            "hint": None if gate.is_open else gate.hint,
        }


def _changes(store: StorePlan) -> Iterator[Event]:
    name = store.store.as_parameters()
    for study in store.studies:
        for series in study.series:
            for group in series.groups:
                for uid, line in group.instances.items():
                    yield {
                        "type": "planned_change",
                        "action": Action.DELETE.value,
                        "why": Why.LISTED.value,
                        "store": name,
                        "studiesId": study.study_uid,
                        "seriesId": series.series_uid,
                        "instancesId": uid,
                        "code": group.reason.code.value,
                        "source": {"path": group.path, "line": line},
                    }
    for finding in store.findings:
        yield _no_op(name, finding)


def _no_op(store: Mapping[str, str], finding: Finding) -> Event:
    return {
        "type": "planned_change",
        "action": Action.NO_OP.value,
        "why": finding.why.value,
        "store": store,
        "studiesId": finding.study_uid,
        "seriesId": finding.series_uid,
        "instancesId": finding.instance_uid,
        "code": None,
        "source": {"path": finding.source.path, "line": finding.source.line},
    }


def plan_summary_event(
    saved: SavedPlan, summary: Mapping[str, int], exit_code: int | None
) -> Event:
    """The result of the plan; no exit code where an apply goes on from it."""
    return {
        "type": "summary",
        "operation": "plan",
        "plan_id": saved.plan_id,
        "digest": saved.digest,
        "counts": dict(summary),
        "exit_code": exit_code,
    }


def start_event(
    operation: Operation,
    run: str,
    planned: int,
    *,
    saved: SavedPlan | None = None,
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
    return {
        "type": "result",
        "store": result.store.as_parameters(),
        **result.instance.as_parameters(),
        "outcome": result.outcome.value,
        "detail": result.detail,
    }


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
