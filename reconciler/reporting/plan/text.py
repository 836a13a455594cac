"""A plan for people at a terminal; fits 80 columns with UIDs of 64 characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

from reconciler.model.desired import Hold
from reconciler.model.gate import Gate
from reconciler.model.plan import (
    Dangling,
    DeletionGroup,
    Finding,
    Reappeared,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    StudySeen,
)
from reconciler.model.plan_summary import PlanSummary
from reconciler.reporting.plan.by_reason import by_reason, declared, first_lines, seen_in
from reconciler.reporting.plan.summary import Summary, summary_of
from reconciler.reporting.wording import (
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    dangling_by_title,
    describe_not_looked_at,
    describe_reappeared,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    plain,
    plural,
    reappeared_by_title,
    summary_line,
)

SHOWN = 20
"""So many instances of a group are shown; the rest are counted, and the plan file has them."""

_WIDTH = 80


def plan_as_text(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[str]:
    """Render in pieces; what a reviewer decides by first, the stable summary line last."""
    yield from summary_as_text(summary_of(saved, gates))
    yield from _reappeared(saved.reappeared)
    for store in saved.plan.stores:
        yield f"\nStore {store.store}\n"
        yield from _dangling(store)
        yield from _findings(store)
        yield from _unclear_references(store)
        yield from _overridden(store)
        yield from _deletions(store, seen_in(saved, store))
        yield from _kept(store)
    yield f"\nPlan id {plain(saved.plan_id)}, expires {saved.expires:%Y-%m-%d %H:%M} UTC\n"
    yield f"Digest  {saved.digest}\n\n"
    yield summary_line(PlanSummary.of(saved)) + "\n"


def summary_as_text(summary: Summary) -> Iterator[str]:
    """Render what every plan begins with."""
    yield _wrapped("", summary.headline)
    yield _wrapped("", summary.verdict)
    for part in summary.parts:
        yield f"\n{part.title}\n"
        for line in part.lines:
            yield _wrapped("  ", line.text)
    yield "\nGates\n"
    for gate in summary.blocking:
        yield _wrapped("  BLOCKING  ", f"{gate.meaning} ({gate.numbers})")
    yield _wrapped("  passed    ", summary.passed)
    if summary.blocking:
        yield "\nTo pass\n"
    for gate in summary.blocking:
        yield _wrapped("  ", f"{gate.name}: {gate.hint}")


def _dangling(store: StorePlan) -> Iterator[str]:
    for title, found in dangling_by_title(store):
        yield f"\n  {title}\n"
        for one in found[:SHOWN]:
            yield from _one_dangling(one)
        yield from _rest("    ", len(found))
        if found[0].kept_by is None:
            yield f"    {ENTRIES}\n"
            yield from (f"{line}\n" for line in entries_of(found[:SHOWN]))


def _one_dangling(one: Dangling) -> Iterator[str]:
    yield f"    instance {one.instance_uid}\n"
    yield _wrapped("      ", describe_staying(one))
    for referred in one.refers_to:
        yield _wrapped("      ", describe_referred(referred))


def _unclear_references(store: StorePlan) -> Iterator[str]:
    if store.may_refer:
        yield f"\n  {MAY_REFER}\n"
    for one in store.may_refer[:SHOWN]:
        yield f"    instance {one.instance_uid}\n"
        yield _wrapped("      ", describe_staying(one))
    yield from _rest("    ", len(store.may_refer))
    left = [*describe_not_looked_at(store.not_looked_at)]
    if left:
        yield f"\n  {NOT_LOOKED_AT}\n"
    for line in left[:SHOWN]:
        yield _wrapped("    ", line)
    yield from _rest("    ", len(left))


def _deletions(store: StorePlan, seen: Mapping[str, StudySeen]) -> Iterator[str]:
    reasoned = by_reason(store)
    for one in reasoned[:SHOWN]:
        yield "\n" + _wrapped("  ", f"{plural(one.instances, 'instance')}: {one.title}")
        yield _wrapped("    ", one.conditions)
        most = _share(len(reasoned))
        for study in one.whole[:most]:
            yield from _whole(study, seen.get(study.study_uid))
        yield from _rest("    ", len(one.whole), most)
        for study in one.parts[:most]:
            yield from _part(study, _share(len(one.parts)))
        yield from _rest("    ", len(one.parts), most)
    yield from _rest("  ", len(reasoned))


def _share(lists: int) -> int:
    """How much of each is shown where there are so many lists: together they stay short."""
    return min(SHOWN, max(1, 2 * SHOWN // max(1, lists)))


def _whole(study: StudyPlan, seen: StudySeen | None) -> Iterator[str]:
    yield f"    Study {study.study_uid}\n"
    size = f"{plural(study.deletions, 'instance')} of {plural(len(study.series), 'series')}"
    said = [*seen.modalities, str(seen.year or "")] if seen else []
    yield _wrapped("      ", "; ".join([f"goes whole: {size}", *filter(None, said)]))
    for source in first_lines(group for series in study.series for group in series.groups):
        yield _wrapped("      ", f"asked for at {source}")


def _part(study: StudyPlan, most: int) -> Iterator[str]:
    yield f"    Study {study.study_uid}\n      {_study_effect(study)}\n"
    shown = study.series[:most]
    for series in shown:
        yield f"      Series {series.series_uid}\n        {_series_effect(series)}\n"
        for group in series.groups:
            yield from _group(group, min(most, _share(len(shown))))
    yield from _rest("      ", len(study.series), most)


def _group(group: DeletionGroup, most: int) -> Iterator[str]:
    """Where it is asked for: once if a line names it as a whole, else instance by instance."""
    if group.expanded:
        (source,) = first_lines([group])
        yield _wrapped("        ", f"named as a whole by {source}")
        return
    for uid, line in declared(group)[:most]:
        yield f"        - {uid}\n"
        yield _wrapped("            ", f"{group.path}:{line}")
    yield from _rest("        ", len(group.instances), most)


def _study_effect(study: StudyPlan) -> str:
    effect = f"deletes {study.deletions:,} of {plural(study.instances, 'instance')}"
    if study.unmanaged:
        verb = "is" if study.unmanaged == 1 else "are"
        effect += f", {study.unmanaged:,} {verb} in no file"
    if study.unaddressed:
        effect += f", {plural(study.unaddressed, 'more row')} cannot be addressed"
    return effect


def _series_effect(series: SeriesPlan) -> str:
    if series.emptied and series.deletions == series.instances:
        return f"goes whole: {plural(series.deletions, 'instance')}"
    return f"deletes {series.deletions:,} of {plural(series.instances, 'instance')}"


def _findings(store: StorePlan) -> Iterator[str]:
    for title, found in findings_by_title(store):
        yield f"\n  {title}\n"
        for finding in found[:SHOWN]:
            yield from _finding(finding)
        yield from _rest("    ", len(found))


def _finding(finding: Finding) -> Iterator[str]:
    yield f"    {describe_subject(finding)}\n"
    yield _wrapped("      ", str(finding.source))
    if finding.detail:
        yield _wrapped("      ", finding.detail)
    for address in finding.elsewhere:
        yield f"      stored in\n        study {address.study_uid}\n"
        yield f"        series {address.series_uid}\n"


def _kept(store: StorePlan) -> Iterator[str]:
    if store.kept:
        yield "\n  Kept\n"
    for entry in store.kept[:SHOWN]:
        words = f"{plural(entry.instances, 'instance')} by {entry.source}"
        yield _wrapped("    ", words + _hold(entry.hold))
    yield from _rest("    ", len(store.kept))


def _overridden(store: StorePlan) -> Iterator[str]:
    if store.overridden:
        yield "\n  Overridden by a keep\n"
    for remove in store.overridden[:SHOWN]:
        words = f"{plural(remove.instances, 'instance')} of {remove.removal}, by {remove.keep}"
        yield _wrapped("    ", words + _hold(remove.hold))
    yield from _rest("    ", len(store.overridden))


def _hold(hold: Hold | None) -> str:
    return f" (hold: {hold})" if hold else ""


def _reappeared(reappeared: Sequence[Reappeared]) -> Iterator[str]:
    for title, found in reappeared_by_title(reappeared):
        yield "\n" + _wrapped("", title)
        for one in found[:SHOWN]:
            yield f"  instance {one.instance.instance_uid}\n"
            yield _wrapped("    ", describe_reappeared(one))
            yield _wrapped("    ", str(one.source))
        yield from _rest("  ", len(found))


def _rest(indent: str, count: int, shown: int = SHOWN) -> Iterator[str]:
    if count > shown:
        yield f"{indent}… and {count - shown:,} more (all of them with --format json)\n"


def _wrapped(indent: str, text: str) -> str:
    """A line, broken between words; a path or UID stays whole, so that it can be copied."""
    return (
        fill(
            plain(text),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=" " * (len(indent) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )
