"""An audit report as Markdown: the totals, what went wrong, and the newest deletions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from reconciler.model.audit import (
    AuditReport,
    ChangingRun,
    Coverage,
    DanglingOnRecord,
    ImagesRead,
    LastSeen,
    PutBack,
    Reappearance,
    Refusal,
    RefusedApply,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.plan import Why
from reconciler.reporting.markdown import escape
from reconciler.reporting.wording import (
    UNKNOWN,
    describe_copy,
    describe_counts,
    describe_evidence,
    describe_reason,
    describe_referred_counts,
    describe_removals,
    describe_removed,
    describe_requester,
    describe_selection,
    describe_time,
    plain,
    plural,
)

T = TypeVar("T")

SHOWN = 100
"""So many rows of each table are shown; the rest are counted."""

_ENDS_CODE = frozenset("`|\\")
_MEANING_OF_REMOVALS = "Removals by DELETEs of this tool, each proven absent by a retrieve:"
_ALL_DELETIONS = "--format csv` or `json"
"""The options by which a table of deletions is given whole."""

_Columns = Mapping[str, Callable[[T], str]]
"""The columns of a table by their heads, each with what it shows of a row."""

_PEOPLE: _Columns[Any] = {
    "actor": lambda one: escape(one.provenance.actor or UNKNOWN),
    "requested": lambda one: escape(
        describe_requester(one.provenance.requester) or "not on record"
    ),
}

_UNPROVEN: _Columns[RecordedDeletion] = {
    "time": lambda one: describe_time(one.time),
    "instance": lambda one: _code(one.instance.instance_uid),
    "outcome": lambda one: one.outcome.value,
    "detail": lambda one: escape(one.detail),
}

_COVERAGE: _Columns[Coverage] = {
    "files": lambda one: escape(", ".join(one.files)),
    "latest plan": lambda one: describe_time(one.time),
    "asked for": lambda one: f"{one.asked:,}",
    "proven": lambda one: f"{one.proven:,}",
    "to delete": lambda one: f"{one.counts[Why.LISTED] - one.gone:,}",
    "missing": lambda one: f"{one.counts[Why.MISSING]:,}",
    "never seen": lambda one: f"{one.counts[Why.NEVER_SEEN]:,}",
    "unclear": lambda one: f"{one.counts[Why.MISPLACED] + one.counts[Why.PROBE_FAILED]:,}",
}


def _ending(change: ChangingRun) -> str:
    if change.state is None:
        return f"no end on record, of {change.planned:,}"
    text = f"{change.state.value}: {describe_counts(change.counts or {})}"
    return f"{text}; {escape(change.stopped_because)}" if change.stopped_because else text


_CHANGES: _Columns[ChangingRun] = {
    "time": lambda one: describe_time(one.time),
    "run": lambda one: _code(one.run),
    "plan": lambda one: (
        _code(one.digest) if one.digest else f"restores {escape(', '.join(one.restores))}"
    ),
    "ended": _ending,
    "tickets": lambda one: escape(", ".join(one.tickets)),
    **_PEOPLE,
    "head": lambda one: _code(one.head or "none"),
}

_REFUSALS: _Columns[Refusal] = {
    "time": lambda one: describe_time(one.time),
    "plan's run": lambda one: _code(one.run),
    "store": lambda one: _code(str(one.store)),
    "gate": lambda one: one.gate.value,
    "studies": lambda one: f"{len(one.studies):,}" if one.studies else "",
    "found, allowed": lambda one: f"{one.actual:,} of {one.allowed:,}",
    **_PEOPLE,
}

_REFUSED_APPLIES: _Columns[RefusedApply] = {
    "time": lambda one: describe_time(one.time),
    "run": lambda one: _code(one.run),
    "plan": lambda one: _code(one.digest or UNKNOWN),
    "why": lambda one: escape(one.why),
    **_PEOPLE,
}

_REAPPEARED: _Columns[Reappearance] = {
    "first seen": lambda one: describe_time(one.time),
    "instance": lambda one: _code(one.instance.instance_uid),
    "removed by": lambda one: _code(one.removed_by),
    "reason": lambda one: one.code.value,
    "how": lambda one: "restored" if one.restored else "stored again",
}

_LEFT_DANGLING: _Columns[DanglingOnRecord] = {
    "time": lambda one: describe_time(one.time),
    "run": lambda one: _code(one.run),
    "plan": lambda one: _code(one.digest),
    "instance": lambda one: _code(one.instance.instance_uid),
    "refers to": describe_referred_counts,
    "kept by": lambda one: escape(str(one.kept_by)) if one.kept_by else "in no file",
    **_PEOPLE,
}

_PUT_BACK: _Columns[PutBack] = {
    "time": lambda one: describe_time(one.time),
    "instance": lambda one: _code(one.instance.instance_uid),
    "outcome": lambda one: one.outcome.value,
    "restored by": lambda one: _code(one.run),
    "removed by": lambda one: _code(one.archived_by),
}

_KEPT: _Columns[LastSeen] = {
    "study": lambda one: _code(one.study_uid),
    "series": lambda one: _code(one.series_uid) if one.series_uid else "all",
    "instances": lambda one: f"{one.instances:,}",
    "missing": lambda one: f"{one.missing:,}",
    "seen last": lambda one: describe_time(one.seen) if one.seen else "never",
    "by": lambda one: escape(str(one.source)) + ("" if one.is_current else ", in no file any more"),
    "hold": lambda one: escape(str(one.hold or "")),
}

_IMAGES_READ: _Columns[ImagesRead] = {
    "time": lambda one: describe_time(one.time),
    "run": lambda one: _code(one.run),
    "instances": lambda one: f"{one.instances:,}",
    **_PEOPLE,
}

_DELETIONS: _Columns[RecordedDeletion] = {
    "time": lambda one: describe_time(one.time),
    "instance": lambda one: _code(one.instance.instance_uid),
    "outcome": lambda one: (
        one.outcome.value + (f", restored by {_code(one.restored_by)}" if one.restored_by else "")
    ),
    "reason": lambda one: escape(describe_reason(one.reason)) if one.reason else "not on record",
    "declared at": lambda one: escape(str(one.source)) if one.source else "not on record",
    "run": lambda one: _code(one.run.run),
    "evidence": lambda one: escape(describe_evidence(one) + describe_copy(one.copy)),
}


def report_as_markdown(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces; only what is shown is held."""
    yield f"# {describe_removed(report.removed)}\n\n"
    yield from _opening(report)
    yield from _table("Not proven", report.unproven, _UNPROVEN, whole=_ALL_DELETIONS)
    outcomes = {one.value: n for one, n in report.outcomes.items() if n}
    yield from _counts("Outcome", outcomes, "planned deletions")
    if report.removed.instances:
        yield f"{_MEANING_OF_REMOVALS}\n\n"
    yield from _counts("Reason", report.by_reason)
    yield from _counts("Store", report.by_store)
    yield from _counts("Month", report.by_month)
    yield from _counts("Actor", report.by_actor)
    title = "What the files ask for, and how much of it is proven"
    yield from _table(title, report.coverage, _COVERAGE, numbers=6)
    yield from _table("Applies and restores", report.changes, _CHANGES)
    yield from _table("Stopped by a gate", report.refusals, _REFUSALS)
    yield from _table("Applies that were refused", report.refused_applies, _REFUSED_APPLIES)
    title = "Reappeared after they were proven to be gone"
    yield from _table(title, report.reappeared, _REAPPEARED)
    title = "Left dangling by plans that were applied"
    yield from _table(title, report.left_dangling, _LEFT_DANGLING)
    yield from _table("Restored", report.put_back, _PUT_BACK)
    yield from _table("Kept, and when it was last seen", report.kept, _KEPT, newest_last=False)
    yield from _table("Images that were read", report.images_read, _IMAGES_READ)
    yield from _deleted(deletions)


def _opening(report: AuditReport) -> Iterator[str]:
    if report.first is None or report.last is None:
        yield "No run is on record.\n\n"
    else:
        first, last = describe_time(report.first), describe_time(report.last)
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
    yield f"The record was checked when this was made, {describe_time(report.made)}:"
    yield f" {plural(checked.runs, 'run')}, {plural(checked.records, 'record')},"
    yield f" {checked.count(corruption=True):,} broken."
    for head in report.heads:
        yield f" `--head {escape(head)}`"
    yield "\n\n"


def _counts(head: str, counts: Mapping[str, int], unit: str = "removals") -> Iterator[str]:
    columns: _Columns[tuple[str, int]] = {
        head: lambda one: escape(one[0]),
        unit: lambda one: f"{one[1]:,}",
    }
    yield from _table("", list(counts.items()), columns, numbers=1)


def _deletion_columns(shown: Iterable[RecordedDeletion]) -> _Columns[RecordedDeletion]:
    """With the patients' pseudonyms where the record has any."""
    if not any(one.patient for one in shown):
        return _DELETIONS
    return {**_DELETIONS, "patient": lambda one: _code(one.patient) if one.patient else UNKNOWN}


def _deleted(deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    newest: deque[RecordedDeletion] = deque(maxlen=SHOWN)
    count = 0
    for deletion in deletions:
        newest.append(deletion)
        count += 1
    columns = _deletion_columns(newest)
    yield from _table("Deletions", list(newest), columns, count=count, whole=_ALL_DELETIONS)


def _code(text: str) -> str:
    """Text of the record as code; what would end a code span or a cell is shown as text instead."""
    shown = plain(text)
    return escape(text) if _ENDS_CODE.intersection(shown) else f"`{shown}`"


def _table(
    title: str,
    items: Sequence[T],
    columns: _Columns[T],
    *,
    numbers: int = 0,
    newest_last: bool = True,
    count: int | None = None,
    whole: str = "--format json",
) -> Iterator[str]:
    """A table under its title, of the newest items where they have an age; nothing without any.

    The last ``numbers`` columns are numbers; ``count`` is how many items there are, where not all
    of them are given; ``whole`` are the options that give them all.
    """
    if not items:
        return
    if title:
        yield f"## {title}\n\n"
    rules = ["---"] * (len(columns) - numbers) + ["---:"] * numbers
    yield f"| {' | '.join(columns)} |\n|{'|'.join(rules)}|\n"
    for item in items[-SHOWN:] if newest_last else items[:SHOWN]:
        yield f"| {' | '.join(cell_of(item) for cell_of in columns.values())} |\n"
    rest = (count or len(items)) - min(len(items), SHOWN)
    if rest:
        yield f"\n… and {rest:,} more, all of them with `{whole}`\n"
    yield "\n"
