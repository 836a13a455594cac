"""What is planned for one store, as Markdown: a roll-up, then folded details, then the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from reconciler.model.desired import Hold
from reconciler.model.plan import (
    Dangling,
    DeletionGroup,
    Finding,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.reporting.markdown import Detail, Grain, escape, folded, listed
from reconciler.reporting.wording import (
    DAMAGED_TOO,
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    dangling_by_title,
    describe_bound,
    describe_not_looked_at,
    describe_reason,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    plural,
)

_REASONS = 3
"""So many different reasons are named in a row of a roll-up."""


def store_as_markdown(store: StorePlan, detail: Detail) -> Iterator[str]:
    """Render one store in pieces."""
    yield f"#### Store `{store.store}`\n\n"
    yield from _dangling(store, detail)
    yield from _rolled_up(store, detail)
    if detail.grain is Grain.INSTANCES:
        yield from _instances(store)
    yield from _findings(store, detail)
    yield from _unclear_references(store, detail)
    yield from _kept(store, detail)


def _dangling(store: StorePlan, detail: Detail) -> Iterator[str]:
    for title, found in dangling_by_title(store):
        yield f"**{title}**\n\n"
        yield from listed([_one_dangling(one) for one in found], detail)
        if found[0].kept_by is None and detail.rows != 0:
            lines = "\n".join(entries_of(found[: detail.rows]))
            yield f"{ENTRIES}\n\n```yaml\n{lines}\n```\n\n"


def _one_dangling(one: Dangling) -> str:
    parts = [describe_staying(one), *map(describe_referred, one.refers_to)]
    return f"instance `{one.instance_uid}` {escape('; '.join(parts))}"


def _unclear_references(store: StorePlan, detail: Detail) -> Iterator[str]:
    if store.may_refer:
        yield f"**{MAY_REFER}**\n\n"
        lines = [f"`{one.instance_uid}` {escape(describe_staying(one))}" for one in store.may_refer]
        yield from listed(lines, detail)
    left = [escape(line) for line in describe_not_looked_at(store.not_looked_at)]
    if left:
        yield f"**{NOT_LOOKED_AT}**\n\n"
        yield from listed(left, detail)


def _rolled_up(store: StorePlan, detail: Detail) -> Iterator[str]:
    if not store.studies:
        return
    if detail.grain is Grain.STUDIES:
        yield "| study | series | deletes | of | reason |\n|---|---:|---:|---:|---|\n"
        rows = [_study_row(study) for study in store.studies]
    else:
        yield "| study | series | deletes | of | reason |\n|---|---|---:|---:|---|\n"
        rows = [_series_row(study, one) for study in store.studies for one in study.series]
    yield from rows[: detail.rows]
    if len(rows[: detail.rows]) < len(rows):
        yield f"\n… and {len(rows) - len(rows[: detail.rows]):,} more\n"
    yield "\n"


def _study_row(study: StudyPlan) -> str:
    reasons = _reasons(group for series in study.series for group in series.groups)
    return (
        f"| `{study.study_uid}` | {len(study.series)} | {study.deletions} | {study.instances}"
        f" | {reasons} |\n"
    )


def _series_row(study: StudyPlan, series: SeriesPlan) -> str:
    return (
        f"| `{study.study_uid}` | `{series.series_uid}` | {series.deletions} | {series.instances}"
        f" | {_reasons(series.groups)} |\n"
    )


def _reasons(groups: Iterable[DeletionGroup]) -> str:
    """Codes and tickets, the words of a reason left to the details."""
    known = {(group.reason.code.value, group.reason.ticket or "") for group in groups}
    named = [" ".join(filter(None, pair)) for pair in islice(sorted(known), _REASONS)]
    more = ", …" if len(known) > _REASONS else ""
    return escape(", ".join(named)) + more


def _instances(store: StorePlan) -> Iterator[str]:
    for study in store.studies:
        for series in study.series:
            title = f"{plural(series.deletions, 'instance')} of series {series.series_uid}"
            yield from folded(title, _groups(series))


def _groups(series: SeriesPlan) -> Iterator[str]:
    for group in series.groups:
        yield f"{escape(describe_reason(group.reason))}\n\n"
        if group.archive is not None:
            allowed = DAMAGED_TOO if group.allow_damaged else ""
            yield f"archived under {escape(group.archive)} first{allowed}\n\n"
        if group.bound is not None:
            yield f"{describe_bound(group.bound)}\n\n"
        for uid, line in group.instances.items():
            yield f"- `{uid}` ({escape(group.path)}:{line})\n"
        yield "\n"


def _findings(store: StorePlan, detail: Detail) -> Iterator[str]:
    for title, found in findings_by_title(store):
        # What is absent already is as it should be, so it never crowds out what is not.
        if found[0].why is Why.ALREADY_ABSENT and detail.grain is not Grain.INSTANCES:
            yield f"{title}: {len(found):,}\n\n"
            continue
        yield f"**{title}**\n\n"
        yield from listed([_finding(one) for one in found], detail)


def _finding(finding: Finding) -> str:
    line = f"{describe_subject(finding)} ({escape(str(finding.source))})"
    if finding.detail:
        line += f": {escape(finding.detail)}"
    return line + "".join(f"; found at `{address}`" for address in finding.elsewhere)


def _kept(store: StorePlan, detail: Detail) -> Iterator[str]:
    lines = [
        f"keeps {plural(entry.instances, 'instance')}, {escape(str(entry.source))}"
        + _hold(entry.hold)
        for entry in store.kept
    ]
    lines += [
        f"{plural(entry.instances, 'instance')} of {escape(str(entry.removal))},"
        f" overridden by {escape(str(entry.keep))}" + _hold(entry.hold)
        for entry in store.overridden
    ]
    if lines:
        yield from listed(lines, detail)


def _hold(hold: Hold | None) -> str:
    return f" (hold: {escape(str(hold))})" if hold else ""
