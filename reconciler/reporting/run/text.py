"""The result of an apply or a restore, and what a restore would do, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.outcome import InstanceResult, Outcome, RunReport
from reconciler.model.past import ArchivedInstance
from reconciler.reporting.wording import in_order, plain, report_line, taken_over_line

SHOWN = 20
"""So many unproven instances are shown; the rest are counted, and the report file has them."""


def report_as_text(report: RunReport) -> Iterator[str]:
    """Render in pieces; the stable summary line last."""
    named = [
        one
        for one in in_order(report.unproven)
        # Those that nobody tried for the reason that stopped the run are counted under it.
        if one.outcome is not Outcome.NOT_ATTEMPTED or one.detail != report.stopped_because
    ]
    for result in named[:SHOWN]:
        yield f"{result.outcome.value}: {result.instance.instance_uid}\n"
        if result.detail:
            yield f"  {plain(result.detail)}\n"
        if result.file:
            yield f"  {plain(str(result.file))}\n"
    if len(named) > SHOWN:
        yield f"… and {len(named) - SHOWN:,} more (all of them with --report)\n"
    if report.stopped_because:
        yield f"Stopped: {plain(report.stopped_because)}\n"
    for run in report.resumed[:SHOWN]:
        yield f"Earlier run {run}\n"
    if len(report.resumed) > SHOWN:
        yield f"… and {len(report.resumed) - SHOWN:,} more (all of them with --report)\n"
    if report.restores:
        yield f"Restored run {', '.join(report.restores)}\n"
    if report.taken_over:
        yield f"{taken_over_line(report)}\n"
    yield f"Run {report.run}"
    yield f", journal head {report.journal_head}\n" if report.journal_head else "\n"
    yield report_line(report) + "\n"


def pending_as_text(
    settled: Sequence[InstanceResult], waiting: Sequence[ArchivedInstance]
) -> Iterator[str]:
    """What a restore would put back; the stable summary line last."""
    for one in sorted(waiting, key=lambda one: (one.store, one.instance)):
        yield f"{one.instance.instance_uid}\n  {plain(str(one.file))}, {one.size:,} bytes\n"
        if one.damage:
            yield f"  damaged when it was archived: {plain(one.damage)}\n"
        yield f"  archived by run {one.run}, as {plain(str(one.source))} asked\n"
    for result in settled:
        if result.detail:
            yield f"{result.instance.instance_uid}\n  {plain(result.detail)}\n"
    restored = sum(result.outcome.is_restored for result in settled)
    yield (
        f"Restore: {len(waiting) + len(settled)} archived: {len(waiting)} to restore,"
        f" {restored} restored already, {len(settled) - restored} removed again.\n"
    )
