"""An audit report as Markdown: the totals, what went wrong, and the newest deletions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.audit import AuditReport, ChangingRun, LastSeen, Reappearance, Refusal
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.markdown import escape
from reconciler.reporting.wording import (
    describe_reason,
    describe_requester,
    describe_selection,
    plural,
    utc,
)

SHOWN = 100
"""So many deletions, refusals and keeps are shown, the newest; the rest are counted."""


def report_as_markdown(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces; only what is shown is held."""
    yield f"# {plural(report.gone, 'instance')} removed and proven to be gone\n\n"
    yield _period(report)
    if chosen := describe_selection(report.selection):
        yield f"This is a part of the record: {escape(chosen)}.\n\n"
    for problem in report.problems:
        yield f"**Not in this report:** {escape(problem)}\n\n"
    yield from _counts("Outcome", {one.value: n for one, n in report.outcomes.items()})
    yield from _counts("Reason", report.by_reason)
    yield from _counts("Store", report.by_store)
    yield from _counts("Month", report.by_month)
    yield from _counts("Actor", report.by_actor)
    yield from _counts("Restored", {one.value: n for one, n in report.restored.items() if n})
    yield from _coverage(report)
    yield from _changes(report.changes)
    yield from _refused(report.refusals)
    yield from _reappeared(report.reappeared)
    yield from _kept(report.kept)
    yield from _deleted(deletions)


def _period(report: AuditReport) -> str:
    if report.first is None or report.last is None:
        return "No run is on record.\n\n"
    return f"{plural(report.runs, 'run')} from {utc(report.first)} to {utc(report.last)}.\n\n"


def _counts(head: str, counts: Mapping[str, int]) -> Iterator[str]:
    if not counts:
        return
    yield f"| {head} | instances |\n|---|---:|\n"
    for name, count in counts.items():
        yield f"| {escape(name)} | {count:,} |\n"
    yield "\n"


def _coverage(report: AuditReport) -> Iterator[str]:
    if report.planned:
        share = 100 * report.gone / report.planned
        yield f"Of {plural(report.planned, 'deletion')} in the plans that were applied"
        yield f" {report.gone:,} are proven ({share:.1f} %).\n\n"


def _changes(changes: tuple[ChangingRun, ...]) -> Iterator[str]:
    if not changes:
        return
    yield "## Applies and restores\n\n| time | run | plan | actor | requested | head |\n"
    yield "|---|---|---|---|---|---|\n"
    for one in changes[-SHOWN:]:
        provenance = one.provenance
        about = f"`{one.digest}`" if one.digest else f"restores {escape(', '.join(one.restores))}"
        requested = escape(describe_requester(provenance.requester)) or "not on record"
        yield f"| {utc(one.time)} | `{one.run}` | {about} | {escape(provenance.actor or 'unknown')}"
        yield f" | {requested} | `{one.head}` |\n"
    yield from _rest(len(changes))


def _refused(refusals: tuple[Refusal, ...]) -> Iterator[str]:
    if not refusals:
        return
    yield "## Stopped by a gate\n\n| time | plan's run | store | gate | found | allowed |\n"
    yield "|---|---|---|---|---:|---:|\n"
    for one in refusals[-SHOWN:]:
        about = f" (study `{one.study_uid}`)" if one.study_uid else ""
        yield f"| {utc(one.time)} | {escape(one.run)} | `{one.store}` | {one.gate.value}{about}"
        yield f" | {one.actual:,} | {one.allowed:,} |\n"
    yield from _rest(len(refusals))


def _reappeared(reappeared: tuple[Reappearance, ...]) -> Iterator[str]:
    if not reappeared:
        return
    yield "## Came back after they were proven to be gone\n\n"
    yield "| time | plan's run | store | instances |\n|---|---|---|---:|\n"
    for one in reappeared[-SHOWN:]:
        yield f"| {utc(one.time)} | {escape(one.run)} | `{one.store}` | {one.instances:,} |\n"
    yield from _rest(len(reappeared))


def _kept(kept: tuple[LastSeen, ...]) -> Iterator[str]:
    if not kept:
        return
    yield "## Kept, and when it was seen last\n\n"
    yield "| study | series | instances | seen | by | hold |\n"
    yield "|---|---|---:|---|---|---|\n"
    for one in kept[:SHOWN]:
        series = f"`{one.series_uid}`" if one.series_uid else "all"
        yield f"| `{one.study_uid}` | {series} | {one.instances:,} | {utc(one.time)}"
        yield f" | {escape(str(one.source))} | {escape(one.hold or '')} |\n"
    yield from _rest(len(kept))


def _deleted(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    newest: deque[RecordedDeletion] = deque(maxlen=SHOWN)
    count = 0
    for deletion in deletions:
        newest.append(deletion)
        count += 1
    if not count:
        return
    yield "## Deletions\n\n"
    yield "| time | instance | outcome | reason | evidence |\n|---|---|---|---|---|\n"
    for one in newest:
        reason = escape(describe_reason(one.reason)) if one.reason else "not on record"
        evidence = f"HTTP {one.status}, request {escape(one.request_id or 'unknown')}"
        yield f"| {utc(one.time)} | `{one.instance.instance_uid}` | {one.outcome.value} | {reason}"
        yield f" | {evidence}, then a retrieve: {one.presence.value} |\n"
    yield from _rest(count)


def _rest(count: int) -> Iterator[str]:
    if count > SHOWN:
        yield f"\n… and {count - SHOWN:,} more, all of them with `--format csv` or `json`\n"
    yield "\n"
