"""What is planned for one store, as Markdown: a roll-up, then folded details, then the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.model.desired import Hold
from reconciler.model.plan import (
    Dangling,
    Finding,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    StudySeen,
    Why,
)
from reconciler.reporting.markdown import Detail, Grain, escape, folded, listed
from reconciler.reporting.plan.by_reason import Reasoned, by_reason, declared, first_lines
from reconciler.reporting.wording import (
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    dangling_by_title,
    describe_not_looked_at,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    plural,
)


def store_as_markdown(
    store: StorePlan, seen: Mapping[str, StudySeen], detail: Detail
) -> Iterator[str]:
    """Render one store in pieces: what is odd or overridden, what goes, what is kept."""
    yield f"#### Store `{store.store}`\n\n"
    yield from _dangling(store, detail)
    yield from _findings(store, detail)
    yield from _unclear_references(store, detail)
    yield from _overridden(store, detail)
    reasoned = by_reason(store)
    for one in reasoned[: detail.rows]:
        yield from _reasoned(one, seen, detail)
    if len(reasoned) > len(reasoned[: detail.rows]):
        yield f"… and {plural(len(reasoned) - (detail.rows or 0), 'more reason')}\n\n"
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


def _reasoned(one: Reasoned, seen: Mapping[str, StudySeen], detail: Detail) -> Iterator[str]:
    heading = f"{plural(one.instances, 'instance')}: {escape(one.title)}"
    yield f"**{heading}** ({escape(one.conditions)})\n\n"
    if one.whole:
        yield "| study that goes whole | instances | series | modality | year |\n"
        yield "|---|---:|---:|---|---:|\n"
        rows = [_whole_row(study, seen.get(study.study_uid)) for study in one.whole]
        yield from _rows(rows, detail, "study")
    if not one.parts:
        return
    if detail.grain is Grain.STUDIES:
        yield "| study | series | deletes | of |\n|---|---:|---:|---:|\n"
        yield from _rows(list(map(_study_row, one.parts)), detail, "study")
        return
    yield "| study | series | deletes | of |\n|---|---|---:|---:|\n"
    rows = [_series_row(study, series) for study in one.parts for series in study.series]
    yield from _rows(rows, detail, "series")
    if detail.grain is Grain.INSTANCES:
        for study in one.parts:
            for series in study.series:
                title = f"{plural(series.deletions, 'instance')} of series {series.series_uid}"
                yield from folded(title, _groups(series))


def _rows(rows: Sequence[str], detail: Detail, noun: str) -> Iterator[str]:
    shown = rows[: detail.rows]
    yield from shown
    yield "\n"
    if len(shown) < len(rows):
        yield f"… and {plural(len(rows) - len(shown), f'more {noun}')}\n\n"


def _whole_row(study: StudyPlan, seen: StudySeen | None) -> str:
    modalities = escape(", ".join(seen.modalities)) if seen else ""
    year = seen.year if seen and seen.year else ""
    return (
        f"| `{study.study_uid}` | {study.deletions:,} | {len(study.series):,}"
        f" | {modalities} | {year} |\n"
    )


def _study_row(study: StudyPlan) -> str:
    return (
        f"| `{study.study_uid}` | {len(study.series):,} | {study.deletions:,}"
        f" | {study.instances:,} |\n"
    )


def _series_row(study: StudyPlan, series: SeriesPlan) -> str:
    return (
        f"| `{study.study_uid}` | `{series.series_uid}` | {series.deletions:,}"
        f" | {series.instances:,} |\n"
    )


def _groups(series: SeriesPlan) -> Iterator[str]:
    for group in series.groups:
        if group.expanded:
            (source,) = first_lines([group])
            yield f"named as a whole by {escape(str(source))}\n\n"
        for uid, line in declared(group):
            yield f"- `{uid}`" + ("\n" if group.expanded else f" ({escape(group.path)}:{line})\n")
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
    if lines:
        yield "**Kept**\n\n"
        yield from listed(lines, detail)


def _overridden(store: StorePlan, detail: Detail) -> Iterator[str]:
    lines = [
        f"{plural(entry.instances, 'instance')} of {escape(str(entry.removal))},"
        f" overridden by {escape(str(entry.keep))}" + _hold(entry.hold)
        for entry in store.overridden
    ]
    if lines:
        yield "**Overridden by a keep**\n\n"
        yield from listed(lines, detail)


def _hold(hold: Hold | None) -> str:
    return f" (hold: {escape(str(hold))})" if hold else ""
