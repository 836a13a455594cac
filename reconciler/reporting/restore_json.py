"""The result of a restore for machines: ``schemas/restore-report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.model.restore import RestoreOutcome, RestoreReport, RestoreResult
from reconciler.model.time import format_time

FORMAT_VERSION = "1.0"


def restore_as_json(report: RestoreReport, exit_code: int) -> Iterator[str]:
    """Render in pieces, an unproven instance a line."""
    header = {
        "format_version": FORMAT_VERSION,
        "run": report.run if report.journal_head else None,
        "restores": list(report.restores),
        "resumed": list(report.resumed),
        "state": report.state.value,
        "stopped_because": report.stopped_because,
        "started": format_time(report.started),
        "ended": format_time(report.ended),
        "exit_code": exit_code,
        "archived": report.planned,
        "taken_over": report.taken_over,
        "outcomes": {outcome.value: report.counts.get(outcome, 0) for outcome in RestoreOutcome},
        "journal_head": report.journal_head,
    }
    ordered = sorted(report.not_restored, key=lambda result: result.place)
    yield "{\n" + "".join(f"  {json.dumps(key)}: {json.dumps(header[key])},\n" for key in header)
    yield '  "not_restored": ['
    for index, result in enumerate(ordered):
        yield ("," if index else "") + "\n    " + json.dumps(_result(result))
    yield "\n  ]\n}\n" if ordered else "]\n}\n"


def _result(result: RestoreResult) -> dict[str, str]:
    return {
        **result.archived.store.as_parameters(),
        **result.archived.instance.as_parameters(),
        "outcome": result.outcome.value,
        "detail": result.detail,
        "file": str(result.archived.file),
    }
