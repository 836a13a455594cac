"""The result of an apply for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.outcome import ApplyReport, Outcome
from reconciler.reporting.wording import apply_line, in_order, plain, taken_over_line

SHOWN = 20
"""So many unproven deletions are shown; the rest are counted, and the report file has them."""


def report_as_text(report: ApplyReport) -> Iterator[str]:
    """Render in pieces; the stable summary line last."""
    unproven = in_order(report.not_gone)
    attempted = [one for one in unproven if one.outcome is not Outcome.NOT_ATTEMPTED]
    for result in attempted[:SHOWN]:
        yield f"{result.outcome.value}: {result.instance.instance_uid}\n"
        if result.detail:
            yield f"  {plain(result.detail)}\n"
    if len(attempted) > SHOWN:
        yield f"… and {len(attempted) - SHOWN:,} more (all of them with --report)\n"
    if report.stopped_because:
        yield f"Stopped: {plain(report.stopped_because)}\n"
    for run in report.resumed:
        yield f"Resumed run {run}\n"
    if report.taken_over:
        yield f"{taken_over_line(report)}\n"
    yield f"Run {report.run}"
    yield f", journal head {report.journal_head}\n" if report.journal_head else "\n"
    yield apply_line(report) + "\n"
