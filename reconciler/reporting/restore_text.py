"""A restore for people at a terminal: what it would do, and what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.restore import (
    ArchivedInstance,
    RestoreOutcome,
    RestoreReport,
    RestoreResult,
)
from reconciler.reporting.wording import plain

SHOWN = 20
"""So many instances are shown; the rest are counted, and the report file has them."""


def pending_as_text(
    settled: Sequence[RestoreResult], waiting: Sequence[ArchivedInstance]
) -> Iterator[str]:
    """What a restore would put back; the stable summary line last."""
    for one in sorted(waiting, key=lambda one: (one.store, one.instance)):
        yield f"{one.instance.instance_uid}\n  {plain(str(one.file))}, {one.size:,} bytes\n"
        if one.damage:
            yield f"  damaged when it was archived: {plain(one.damage)}\n"
        yield f"  archived by run {one.run}, as {plain(str(one.source))} asked\n"
    for result in settled:
        if result.detail:
            yield f"{result.archived.instance.instance_uid}\n  {plain(result.detail)}\n"
    restored = sum(result.outcome.is_restored for result in settled)
    yield (
        f"Restore: {len(waiting) + len(settled)} archived: {len(waiting)} to restore,"
        f" {restored} restored already, {len(settled) - restored} removed again.\n"
    )


def restore_as_text(report: RestoreReport) -> Iterator[str]:
    """Render in pieces; the stable summary line last."""
    ordered = sorted(report.not_restored, key=lambda result: result.place)
    # Those that nobody tried for one reason are listed under that reason alone.
    named = [one for one in ordered if one.detail != report.stopped_because]
    for result in named[:SHOWN]:
        yield f"{result.outcome.value}: {result.archived.instance.instance_uid}\n"
        if result.detail:
            yield f"  {plain(result.detail)}\n"
        yield f"  {plain(str(result.archived.file))}\n"
    if len(named) > SHOWN:
        yield f"… and {len(named) - SHOWN:,} more (all of them with --report)\n"
    if report.stopped_because:
        yield f"Stopped: {plain(report.stopped_because)}\n"
    if report.taken_over:
        yield f"{report.taken_over:,} of these had been put back by an earlier restore,"
        yield " and were not looked at again.\n"
    for run in report.resumed:
        yield f"Resumed restore {run}\n"
    yield f"Restored run {', '.join(report.restores)}\n"
    if report.journal_head:
        yield f"Run {report.run}, journal head {report.journal_head}\n"
    counts = ", ".join(
        f"{report.counts.get(outcome, 0)} {outcome.value}" for outcome in RestoreOutcome
    )
    yield f"Restore: {report.planned} archived: {counts}.\n"
