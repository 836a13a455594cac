"""An audit report as Markdown: the totals, what went wrong, and the newest deletions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.model.audit import (
    AuditReport,
    ChangingRun,
    Coverage,
    ImagesRead,
    LastSeen,
    PutBack,
    Reappearance,
    Refusal,
    RefusedApply,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.plan import Why
from reconciler.model.provenance import Provenance
from reconciler.model.time import format_time
from reconciler.reporting.markdown import escape
from reconciler.reporting.wording import (
    UNKNOWN,
    describe_copy,
    describe_counts,
    describe_evidence,
    describe_reason,
    describe_removals,
    describe_requester,
    describe_selection,
    plain,
    plural,
)

SHOWN = 100
"""So many rows of each table are shown; the rest are counted."""

_ENDS_CODE = frozenset("`|\\")
_MEANING_OF_REMOVALS = "Removals by DELETEs of this tool, each proven absent by a retrieve:"


def report_as_markdown(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces; only what is shown is held."""
    yield f"# {plural(report.removed.instances, 'instance')} removed\n\n"
    yield from _opening(report)
    outcomes = {one.value: n for one, n in report.outcomes.items() if n}
    yield from _counts("Outcome", outcomes, "planned deletions")
    if report.removed.instances:
        yield f"{_MEANING_OF_REMOVALS}\n\n"
    yield from _counts("Reason", report.by_reason)
    yield from _counts("Store", report.by_store)
    yield from _counts("Month", report.by_month)
    yield from _counts("Actor", report.by_actor)
    yield from _unproven(report.unproven)
    yield from _coverage(report.coverage)
    yield from _changes(report.changes)
    yield from _refused(report.refusals)
    yield from _refused_applies(report.refused_applies)
    yield from _reappeared(report.reappeared)
    yield from _put_back(report.put_back)
    yield from _kept(report.kept)
    yield from _images_read(report.images_read)
    yield from _deleted(deletions)


def _opening(report: AuditReport) -> Iterator[str]:
    if report.first is None or report.last is None:
        yield "No run is on record.\n\n"
    else:
        first, last = format_time(report.first), format_time(report.last)
        yield f"{plural(report.runs, 'run')} from {first} to {last}.\n\n"
    if chosen := describe_selection(report.selection):
        yield f"This is a part of the record: {escape(chosen)}.\n\n"
    for problem in report.problems:
        yield f"**Not in this report:** {escape(problem)}\n\n"
    for line in describe_removals(report):
        yield f"{line}\n\n"
    if report.restored_since:
        yield f"Put back since: {plural(report.restored_since, 'instance')} of these.\n\n"
    if report.proven_later:
        yield "Not proven at first and made good later:"
        yield f" {plural(report.proven_later, 'deletion')}.\n\n"
    checked = report.verification
    yield f"The record was checked when this was made, {format_time(report.made)}:"
    yield f" {plural(checked.runs, 'run')}, {plural(checked.records, 'record')},"
    yield f" {checked.count(corruption=True):,} broken."
    for head in report.heads:
        yield f" `--head {escape(head)}`"
    yield "\n\n"


def _counts(head: str, counts: Mapping[str, int], unit: str = "removals") -> Iterator[str]:
    rows = [(escape(name), f"{count:,}") for name, count in counts.items()]
    yield from _table("", [head, unit], rows, numbers=1)


def _unproven(unproven: Sequence[RecordedDeletion]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.instance.instance_uid),
            one.outcome.value,
            escape(one.detail),
        )
        for one in unproven
    ]
    heads = ["time", "instance", "outcome", "detail"]
    yield from _table("Not proven", heads, rows, whole="--format csv` or `json")


def _coverage(coverage: Sequence[Coverage]) -> Iterator[str]:
    rows = [
        (
            escape(", ".join(one.files)),
            format_time(one.time),
            f"{one.asked:,}",
            f"{one.proven:,}",
            f"{one.counts[Why.LISTED] - one.gone:,}",
            f"{one.counts[Why.MISSING]:,}",
            f"{one.counts[Why.NEVER_SEEN]:,}",
            f"{one.counts[Why.MISPLACED] + one.counts[Why.PROBE_FAILED]:,}",
        )
        for one in coverage
    ]
    heads = ["files", "latest plan", "asked for", "proven", "to delete", "missing"]
    heads += ["never seen", "unclear"]
    yield from _table("What the files ask for, and what of it is proven", heads, rows, numbers=6)


def _changes(changes: Sequence[ChangingRun]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.run),
            _code(one.digest) if one.digest else f"restores {escape(', '.join(one.restores))}",
            _ending(one),
            *_people(one.provenance),
            _code(one.head or "none"),
        )
        for one in changes
    ]
    heads = ["time", "run", "plan", "ended", "actor", "requested", "head"]
    yield from _table("Applies and restores", heads, rows)


def _ending(change: ChangingRun) -> str:
    if change.state is None:
        return f"no end on record, of {change.planned:,}"
    text = f"{change.state.value}: {describe_counts(change.counts or {})}"
    return f"{text}; {escape(change.stopped_because)}" if change.stopped_because else text


def _refused(refusals: Sequence[Refusal]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.run),
            _code(str(one.store)),
            one.gate.value + (f" (study {_code(one.study_uid)})" if one.study_uid else ""),
            f"{one.actual:,} of {one.allowed:,}",
            *_people(one.provenance),
        )
        for one in refusals
    ]
    heads = ["time", "plan's run", "store", "gate", "found, allowed", "actor", "requested"]
    yield from _table("Stopped by a gate", heads, rows)


def _refused_applies(refused: Sequence[RefusedApply]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.run),
            _code(one.digest or UNKNOWN),
            escape(one.why),
            *_people(one.provenance),
        )
        for one in refused
    ]
    heads = ["time", "run", "plan", "why", "actor", "requested"]
    yield from _table("Applies that were refused", heads, rows)


def _reappeared(reappeared: Sequence[Reappearance]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.instance.instance_uid),
            _code(one.removed_by),
            one.code.value,
            "restored" if one.restored else "stored again",
        )
        for one in reappeared
    ]
    heads = ["first seen", "instance", "removed by", "reason", "how"]
    yield from _table("Reappeared after they were proven to be gone", heads, rows)


def _put_back(put_back: Sequence[PutBack]) -> Iterator[str]:
    rows = [
        (
            format_time(one.time),
            _code(one.instance.instance_uid),
            one.outcome.value,
            _code(one.run),
            _code(one.archived_by),
        )
        for one in put_back
    ]
    heads = ["time", "instance", "outcome", "restored by", "removed by"]
    yield from _table("Restored", heads, rows)


def _kept(kept: Sequence[LastSeen]) -> Iterator[str]:
    rows = [
        (
            _code(one.study_uid),
            _code(one.series_uid) if one.series_uid else "all",
            f"{one.instances:,}",
            f"{one.missing:,}",
            format_time(one.seen) if one.seen else "never",
            escape(str(one.source)) + ("" if one.is_current else ", in no file any more"),
            escape(one.hold or ""),
        )
        for one in kept
    ]
    heads = ["study", "series", "instances", "missing", "seen last", "by", "hold"]
    yield from _table("Kept, and when it was seen last", heads, rows, newest_last=False)


def _images_read(images_read: Sequence[ImagesRead]) -> Iterator[str]:
    rows = [
        (format_time(one.time), _code(one.run), f"{one.instances:,}", *_people(one.provenance))
        for one in images_read
    ]
    heads = ["time", "run", "instances", "actor", "requested"]
    yield from _table("Images that were read", heads, rows)


def _deleted(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    newest: deque[RecordedDeletion] = deque(maxlen=SHOWN)
    count = 0
    for deletion in deletions:
        newest.append(deletion)
        count += 1
    rows = [
        (
            format_time(one.time),
            _code(one.instance.instance_uid),
            one.outcome.value
            + (f", restored by {_code(one.restored_by)}" if one.restored_by else ""),
            escape(describe_reason(one.reason)) if one.reason else "not on record",
            escape(str(one.source)) if one.source else "not on record",
            _code(one.run.run),
            escape(describe_evidence(one) + describe_copy(one.copy)),
        )
        for one in newest
    ]
    heads = ["time", "instance", "outcome", "reason", "declared at", "run", "evidence"]
    yield from _table("Deletions", heads, rows, count=count, whole="--format csv` or `json")


def _people(provenance: Provenance) -> tuple[str, str]:
    requested = describe_requester(provenance.requester) or "not on record"
    return escape(provenance.actor or UNKNOWN), escape(requested)


def _code(text: str) -> str:
    """Text of the record as code; what would end a code span or a cell is shown as text instead."""
    shown = plain(text)
    return escape(text) if _ENDS_CODE.intersection(shown) else f"`{shown}`"


def _table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: int = 0,
    newest_last: bool = True,
    count: int | None = None,
    whole: str = "--format json",
) -> Iterator[str]:
    """A table under its title, of the newest rows where they have an age; nothing without any.

    The last ``numbers`` columns are numbers; ``count`` is how many rows there are, where not all
    of them are given; ``whole`` are the options that give them all.
    """
    if not rows:
        return
    if title:
        yield f"## {title}\n\n"
    rules = ["---"] * (len(heads) - numbers) + ["---:"] * numbers
    yield f"| {' | '.join(heads)} |\n|{'|'.join(rules)}|\n"
    for row in rows[-SHOWN:] if newest_last else rows[:SHOWN]:
        yield f"| {' | '.join(row)} |\n"
    rest = (count or len(rows)) - min(len(rows), SHOWN)
    if rest:
        yield f"\n… and {rest:,} more, all of them with `{whole}`\n"
    yield "\n"
