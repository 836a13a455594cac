"""The result of an apply for machines: ``schemas/report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.model.outcome import ApplyReport, InstanceResult, Outcome
from reconciler.model.time import format_time
from reconciler.model.traffic import Traffic
from reconciler.reporting.wording import in_order

FORMAT_VERSION = "1.1"


def report_as_json(report: ApplyReport, exit_code: int) -> Iterator[str]:
    """Render in pieces, an unproven instance a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "run": report.run,
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
        "outcomes": {outcome.value: report.counts.get(outcome, 0) for outcome in Outcome},
        "journal_head": report.journal_head,
        "traffic": report.traffic and _traffic(report.traffic),
    }
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "not_gone": ['
    for index, result in enumerate(in_order(report.not_gone)):
        yield ("," if index else "") + "\n    " + json.dumps(_result(result))
    yield "\n  ]\n}\n" if report.not_gone else "]\n}\n"


def _result(result: InstanceResult) -> dict[str, str]:
    return {
        **result.store.as_parameters(),
        **result.instance.as_parameters(),
        "outcome": result.outcome.value,
        "detail": result.detail,
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
