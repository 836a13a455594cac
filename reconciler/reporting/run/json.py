"""The result of an apply or a restore for machines: ``schemas/report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.model.outcome import InstanceResult, RunReport
from reconciler.model.time import format_time
from reconciler.model.traffic import Traffic
from reconciler.reporting.wording import in_order, named_counts

FORMAT_VERSION = "1.0"


def report_as_json(report: RunReport, exit_code: int) -> Iterator[str]:
    """Render in pieces, an unproven instance a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "operation": report.operation.value,
        "run": report.run,
        "restores": list(report.restores),
        "resumed": list(report.resumed),
        "plan_id": report.plan_id,
        "digest": report.digest,
        "state": report.state.value,
        "stopped_because": report.stopped_because,
        "started": format_time(report.started),
        "ended": format_time(report.ended),
        "exit_code": exit_code,
        "planned": report.planned,
        "taken_over": report.taken_over,
        "outcomes": named_counts(report),
        "journal_head": report.journal_head,
        "traffic": report.traffic and _traffic(report.traffic),
    }
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "unproven": ['
    for index, result in enumerate(in_order(report.unproven)):
        yield ("," if index else "") + "\n    " + json.dumps(_result(result))
    yield "\n  ]\n}\n" if report.unproven else "]\n}\n"


def _result(result: InstanceResult) -> dict[str, str | None]:
    return {
        **result.store.as_parameters(),
        **result.instance.as_parameters(),
        "outcome": result.outcome.value,
        "detail": result.detail,
        "file": str(result.file) if result.file else None,
    }


def _traffic(traffic: Traffic) -> dict[str, object]:
    return {
        "requests": dict(sorted(traffic.requests.items())),
        "per_second": traffic.per_second,
        "pushed_back": traffic.pushed_back,
        "rate_limit": traffic.rate_limit,
        "most_parallelism": traffic.most_parallelism,
        "lowest_parallelism": traffic.lowest_parallelism,
        "parallelism": traffic.parallelism,
    }
