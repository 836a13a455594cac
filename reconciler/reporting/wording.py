"""The words that several forms share, so that they say one thing in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.model.audit import AuditReport, DanglingOnRecord, RemovalCounts, Selection
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion, RecordedReply
from reconciler.model.desired import Hold, Reason
from reconciler.model.gate import Gate
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport
from reconciler.model.patient import Attribute
from reconciler.model.plan import (
    Dangling,
    Finding,
    MayRefer,
    NotLookedAt,
    OverdueHold,
    OverriddenEntry,
    Reappeared,
    ReferredSeries,
    StorePlan,
    Why,
)
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.provenance import Requester
from reconciler.model.shards.notices import FreedHold
from reconciler.model.traffic import Traffic

UNKNOWN = "unknown"
"""Stands where the record does not say."""

DAMAGED_TOO = ", and deleted even if the copy is damaged"
"""What is said behind an archive that allows damaged copies."""

_FINDING_TITLES = {
    Why.MISPLACED: "Misplaced: to remove, but stored under another study or series",
    Why.MISSING: "Missing: must be kept, but not in the store",
    Why.PROBE_FAILED: "Unknown: the store gave no clear answer, so the plan is incomplete",
    Why.NEVER_SEEN: "Never seen: to remove, but not in the store, and removed by no run on record",
    Why.ALREADY_ABSENT: "Already absent: to remove, and not in the store",
}
"""The findings of a plan, what needs attention first."""


def plain(text: str) -> str:
    """Words from a file or a server on one line, without what steers a terminal or hides text."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


def shortened(text: str, most: int = 240) -> str:
    """Words on one line, of at most so many characters; an ellipsis stands for the rest."""
    line = plain(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def with_short_words(hold: Hold, most: int = 80) -> Hold:
    """The hold with its text and its owner shortened; what follows them is never cut off."""
    owner = hold.owner and shortened(hold.owner, most)
    return replace(hold, text=shortened(hold.text, most), owner=owner)


def plural(count: int, noun: str) -> str:
    """``1 instance``, ``1,204 instances``; series and studies have plurals of their own."""
    if noun.endswith("series") or count == 1:
        return f"{count:,} {noun}"
    is_ies = noun.endswith("y") and not noun.endswith("ay")
    return f"{count:,} {noun[:-1]}ies" if is_ies else f"{count:,} {noun}s"


def summary_line(plan: PlanSummary) -> str:
    """The last line of a plan for people; its form is stable.

    What was never seen stands there only where there is any.
    """
    return (
        f"Plan: {plan.listed} to delete, {plan.already_absent} already absent,"
        f" {plan.kept} kept, {plan.missing} missing, {plan.probe_failed} unknown"
        f"{f', {plan.never_seen} never seen' if plan.never_seen else ''}"
        f" ({plan.studies} {'study' if plan.studies == 1 else 'studies'}, {plan.series} series)."
    )


def named_counts(report: RunReport) -> dict[str, int]:
    """How many instances ended in which way."""
    return {one.value: report.counts.get(one, 0) for one in report.operation.outcomes}


def report_line(report: RunReport) -> str:
    """The last line of an apply or a restore for people; its form is stable."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in named_counts(report).items())
    if report.operation is Operation.RESTORE:
        return f"Restore: {report.planned} archived: {counts}."
    return f"Apply: {report.planned} planned: {counts}."


def taken_over_line(report: RunReport) -> str:
    """How much of it an earlier run has proven, and not this one."""
    if report.operation is Operation.RESTORE:
        return (
            f"{report.taken_over:,} of these had been put back by an earlier restore, and were not"
            " looked at again."
        )
    return (
        f"{report.taken_over:,} of these instances had been proven gone by an earlier run of the"
        " plan."
    )


def in_order(results: Sequence[InstanceResult]) -> list[InstanceResult]:
    """Results by address, whatever worker ended first."""
    return sorted(results, key=lambda result: (result.store, result.instance))


def effort_line(requests: int, max_qps: float) -> str:
    """``about 20,000,000 requests: 27.8 hours at 200 per second (--max-qps)``."""
    hours = requests / max_qps / 3600
    return (
        f"about {plural(requests, 'request')}: {hours:,.1f} hours at {max_qps:,g} per second"
        " (--max-qps)"
    )


def traffic_line(traffic: Traffic) -> str:
    """``104 requests (4 preflight, 100 search), 52 per second``, and how the service bore it."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(traffic.requests.items()))
    line = f"{plural(traffic.total, 'request')} ({kinds}), {traffic.per_second:,} per second"
    if traffic.throttled:
        line += f"; throttled {plural(traffic.throttled, 'time')}"
    if traffic.rate_limit is not None:
        line += f"; held to {traffic.rate_limit:,} per second at the end"
    if traffic.lowest_parallelism < traffic.most_parallelism:
        line += (
            f"; answers came late: down to {traffic.lowest_parallelism} in flight,"
            f" {traffic.parallelism} at the end"
        )
    return line


def describe_reason(reason: Reason) -> str:
    """``113039 Data Retention Policy Expired, RET-1042: words``."""
    text = f"{reason.code.value} {reason.code.meaning}"
    if reason.ticket:
        text += f", {reason.ticket}"
    return f"{text}: {reason.text}" if reason.text else text


def describe_bound(to: Sequence[Attribute]) -> str:
    """``bound to patient and studyDate: what has changed since it was resolved is left alone``."""
    *some, last = (one.value for one in to)
    named = f"{', '.join(some)} and {last}" if some else last
    return f"bound to {named}: what has changed since it was resolved is left alone"


def describe_requester(requester: Requester | None) -> str:
    """``alice, change 17, approved by bob and carol``; what the CI does not tell is left out."""
    if requester is None:
        return ""
    parts = [requester.user or f"someone in {requester.ci}"]
    if requester.change:
        parts.append(f"change {requester.change}")
    if requester.approvers:
        parts.append(f"approved by {' and '.join(requester.approvers)}")
    return ", ".join(parts)


def describe_time(time: datetime) -> str:
    """``2026-03-01 09:00:12 UTC``, for people."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def describe_removed(removed: RemovalCounts) -> str:
    """``12 instances of 3 series in 2 studies removed, 10 with a copy kept, 2 for good``."""
    if not removed.instances:
        return "Nothing removed"
    what = f"{plural(removed.instances, 'instance')} of {plural(removed.series, 'series')}"
    for_good = removed.instances - removed.copied
    text = f"{what} in {plural(removed.studies, 'study')} removed"
    if not removed.copied:
        return f"{text} for good"
    if not for_good:
        return f"{text}, with a copy kept"
    return f"{text}, {removed.copied:,} with a copy kept, {for_good:,} for good"


def describe_removals(report: AuditReport) -> list[str]:
    """What was removed, a sentence a line: which part of the store, how surely, how often."""
    removed = report.removed
    lines = []
    if removed.instances:
        lines.append("Each was proven absent by a retrieve.")
    if removed.unclear:
        lines.append(
            f"{plural(removed.unclear, 'instance')} of them went after an attempt without a clear"
            " answer."
        )
    if removed.again:
        lines.append(
            f"{plural(removed.again, 'instance')} were stored again and removed again, which makes"
            f" {plural(removed.removals, 'removal')}."
        )
    absent = report.outcomes.get(Outcome.ALREADY_ABSENT, 0)
    if absent:
        lines.append(f"{plural(absent, 'planned deletion')} found the instance already absent.")
    return lines


def describe_evidence(deletion: RecordedDeletion) -> str:
    """``HTTP 503, request a; HTTP 200, request b; then a retrieve: absent``."""
    parts = [_describe_answer(one) for one in deletion.answers]
    if not deletion.attempts and deletion.settled_by is None:
        parts.append("no DELETE was sent")
    if len(parts) < deletion.attempts:
        parts.append("no answer on record")
    seen = deletion.presence
    parts.append(f"then a retrieve: {seen.value}" if seen else "no retrieve on record")
    return "; ".join(parts)


def describe_copy(copy: ArchivedCopy | None) -> str:
    """What is said behind the evidence of the copy that was archived; nothing without one."""
    if copy is None:
        return ""
    return ", archived before" + (f" (damaged: {copy.damage})" if copy.damage else "")


def _describe_answer(answer: RecordedReply) -> str:
    status = f"HTTP {answer.status}" if answer.status else "no answer"
    return f"{status}, request {answer.request_id or UNKNOWN}"


def describe_counts(counts: Mapping[str, int]) -> str:
    """``3 deleted, 1 failed``; what is nothing is left out."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing"


def describe_selection(selection: Selection) -> str:
    """``only since …, reason 113039``: what the record was narrowed down to; empty for all."""
    parts = []
    if selection.since:
        parts.append(f"since {describe_time(selection.since)}")
    if selection.until:
        parts.append(f"before {describe_time(selection.until)}")
    for noun, chosen in (
        ("study", selection.studies),
        ("reason", selection.reasons),
        ("run", selection.runs),
    ):
        if chosen:
            parts.append(f"{noun} {' or '.join(sorted(chosen))}")
    return f"only {', '.join(parts)}" if parts else ""


def findings_by_title(store: StorePlan) -> Iterator[tuple[str, list[Finding]]]:
    """What was found besides the deletions, under its title, what needs attention first."""
    for why, title in _FINDING_TITLES.items():
        found = [finding for finding in store.findings if finding.why is why]
        if found:
            yield title, found


RESTORED = "Restored on purpose: removed by an earlier run, then put back by `reconciler restore`"
REAPPEARED = "Reappeared: removed by an earlier run, and stored again since"


def reappeared_by_title(
    reappeared: Sequence[Reappeared],
) -> Iterator[tuple[str, list[Reappeared]]]:
    """What is to be deleted once more, under its title, and how it came to be stored again."""
    for title, is_restored in ((REAPPEARED, False), (RESTORED, True)):
        found = [one for one in reappeared if one.restored is is_restored]
        if found:
            yield title, found


def describe_reappeared(one: Reappeared) -> str:
    """``removed by run …``, ``restored after run …``."""
    return f"{'restored after' if one.restored else 'removed by'} run {one.run}"


def describe_freed(one: FreedHold) -> str:
    """What became of a hold that kept what is to be deleted now."""
    what = "covers less than before" if one.stands else "is no longer in the files"
    return (
        f"This hold {what}; it overrode {plural(one.removes, 'remove')} in"
        f" {plural(one.studies, 'study')}, now planned for deletion: {one.hold}"
    )


def describe_overdue(one: OverdueHold) -> str:
    """``The review of this hold is 12 days overdue; it still keeps 3 instances: Litigation``."""
    age = f"{plural(one.overdue_days, 'day')} overdue"
    kept = f"it still keeps {plural(one.instances, 'instance')}"
    kept += f", of which files ask to remove {one.overridden:,}" if one.overridden else ""
    return f"The review of this hold is {age}; {kept}: {one.hold}"


def describe_subject(finding: Finding) -> str:
    """What a finding is about."""
    if finding.instance_uid is not None:
        return f"instance {finding.instance_uid}"
    if finding.series_uid is not None:
        return f"series {finding.series_uid}"
    return f"study {finding.study_uid}"


def describe_keep(store: StorePlan, one: OverriddenEntry) -> str:
    """What of the removal stays: the scope of the keep, which may be narrower."""
    keeps = [
        kept for kept in store.kept if kept.source == one.keep and kept.study_uid == one.study_uid
    ]
    series = [kept.series_uid for kept in keeps if kept.series_uid is not None]
    if len(series) < len(keeps) or not series:
        return f"study {one.study_uid}"
    named = f"series {series[0]}" if len(series) == 1 else plural(len(series), "series")
    return f"{named} of study {one.study_uid}"


KEPT_DANGLING = "Dangling: kept, and refers to instances that this plan deletes"
DANGLING = "Dangling: in no file, and refers to instances that this plan deletes"
MAY_REFER = "May refer to what would be deleted: it names only a frame of reference"
NOT_LOOKED_AT = "Not looked at for references to what would be deleted"
TOO_MANY = "it would have taken too many requests"
NOT_SAID = "the listing does not say whether derived"
ENTRIES = "Add these entries to `keep`, or to `remove` in a file with a `reason`:"


def dangling_by_title(store: StorePlan) -> Iterator[tuple[str, list[Dangling]]]:
    """What stays and refers to what is deleted, under its title, the kept ones first."""
    for title, is_kept in ((KEPT_DANGLING, True), (DANGLING, False)):
        found = [one for one in store.dangling if (one.kept_by is not None) is is_kept]
        if found:
            yield title, found


def describe_referred(referred: ReferredSeries) -> str:
    """``refers to 2 instances of series 1.2 in study 1: 1.2.1, 1.2.2``."""
    where = f"series {referred.series_uid} in study {referred.study_uid}"
    if not referred.instances:
        return f"refers to {where} as a whole"
    more = referred.instances - len(referred.first)
    rest = f" and {more:,} more" if more else ""
    what = plural(referred.instances, "instance")
    return f"refers to {what} of {where}: {', '.join(referred.first)}{rest}"


def describe_referred_counts(one: DanglingOnRecord) -> str:
    """``2 instances``, ``1 series as a whole``: what was deleted."""
    parts = [plural(one.instances, "instance")] if one.instances else []
    parts += [f"{plural(one.series, 'series')} as a whole"] if one.series else []
    return " and ".join(parts)


def describe_staying(one: Dangling | MayRefer) -> str:
    """Where it lies, and the line that keeps it."""
    where = f"in series {one.series_uid} of study {one.study_uid}"
    return f"{where}, kept by {one.kept_by}" if one.kept_by else where


def entries_of(found: Sequence[Dangling]) -> Iterator[str]:
    """The lines of entries of a desired-state file that name these instances, series by series."""
    series = None
    for one in found:
        if series != (one.study_uid, one.series_uid):
            series = one.study_uid, one.series_uid
            yield f"  - studiesId: {one.study_uid}"
            yield f"    seriesId: {one.series_uid}"
            yield "    instancesId:"
        yield f"      - {one.instance_uid}"


def describe_not_looked_at(left: NotLookedAt) -> Iterator[str]:
    """What was not looked at, a line each."""
    for one in left.instances:
        yield (
            f"instance {one.instance_uid} in series {one.series_uid} of study {one.study_uid}:"
            f" {one.detail}"
        )
    if left.more_instances:
        yield f"{plural(left.more_instances, 'more instance')} in the studies of keeps: {TOO_MANY}"
    if left.more_studies:
        yield f"{plural(left.more_studies, 'more study')} in which something is kept: {TOO_MANY}"
    if left.unreported:
        yield f"{plural(left.unreported, 'image')}: {NOT_SAID}"


def describe_gate(gate: Gate) -> str:
    """``maxStudyPercent: 100 of at most 50 in 58 studies``; of one study its UID."""
    match gate.studies:
        case []:
            about = ""
        case [study_uid]:
            about = f" in study {study_uid}"
        case _:
            about = f" in {plural(len(gate.studies), 'study')}"
    return f"{gate.name.value}: {gate.actual} of at most {gate.allowed}{about}"
