"""A plan for people at a terminal; fits 80 columns with UIDs of 64 characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
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
)
from reconciler.reporting.wording import (
    DAMAGED_TOO,
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    blast_radius,
    dangling_by_title,
    describe_bound,
    describe_gate,
    describe_not_looked_at,
    describe_reason,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    hold_notices,
    plain,
    plural,
    summary_line,
)

SHOWN = 20
"""So many instances of a group are shown; the rest are counted, and the plan file has them."""

_WIDTH = 80


def plan_as_text(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[str]:
    """Render in pieces; blast radius first, the stable summary line last."""
    yield "\n".join(blast_radius(saved.plan)) + "\n"
    yield from _notices(hold_notices(saved))
    for store in saved.plan.stores:
        yield f"\nStore {store.store}\n"
        yield from _dangling(store)
        yield from _deletions(store)
        yield from _findings(store)
        yield from _unclear_references(store)
        yield from _kept(store)
    yield from _reappeared(saved.reappeared)
    yield from _gates(gates)
    yield f"\nPlan id {plain(saved.plan_id)}, expires {saved.expires:%Y-%m-%d %H:%M} UTC\n"
    yield f"Digest  {saved.digest}\n\n"
    yield summary_line(saved.plan) + "\n"


def _notices(notices: Sequence[str]) -> Iterator[str]:
    if notices:
        yield "\nHolds\n"
    for notice in notices[:SHOWN]:
        yield _wrapped("  ", notice)
    yield from _rest("  ", len(notices))


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


def _deletions(store: StorePlan) -> Iterator[str]:
    for study in store.studies:
        yield f"\n  Study {study.study_uid}\n    {_study_effect(study)}\n"
        for series in study.series:
            yield f"    Series {series.series_uid}\n      {_series_effect(series)}\n"
            for group in series.groups:
                yield from _group(group)


def _study_effect(study: StudyPlan) -> str:
    effect = f"deletes {study.deletions:,} of {plural(study.instances, 'instance')}"
    if study.emptied:
        return f"{effect}: EMPTIES THE STUDY"
    if study.unmanaged:
        verb = "is" if study.unmanaged == 1 else "are"
        effect += f", {study.unmanaged:,} {verb} in no file"
    if study.unaddressed:
        effect += f", {plural(study.unaddressed, 'more row')} cannot be addressed"
    return effect


def _series_effect(series: SeriesPlan) -> str:
    effect = f"deletes {series.deletions:,} of {plural(series.instances, 'instance')}"
    return f"{effect}: EMPTIES THE SERIES" if series.emptied else effect


def _group(group: DeletionGroup) -> Iterator[str]:
    yield _wrapped("      ", describe_reason(group.reason))
    if group.archive is not None:
        allowed = DAMAGED_TOO if group.allow_damaged else ""
        yield _wrapped("      ", f"archived under {group.archive} first{allowed}")
    if group.bound is not None:
        yield _wrapped("      ", describe_bound(group.bound))
    if group.expanded:
        line = min(group.instances.values())
        yield _wrapped("      ", f"named as a whole by {group.path}:{line}")
    for uid, line in islice(group.instances.items(), SHOWN):
        yield f"      - {uid}\n"
        if not group.expanded:
            yield _wrapped("          ", f"{group.path}:{line}")
    yield from _rest("      ", len(group.instances))


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
    if store.overridden:
        yield "\n  Overridden by a keep\n"
    for remove in store.overridden[:SHOWN]:
        words = f"{plural(remove.instances, 'instance')} of {remove.removal}, by {remove.keep}"
        yield _wrapped("    ", words + _hold(remove.hold))
    yield from _rest("    ", len(store.overridden))


def _hold(hold: Hold | None) -> str:
    return f" (hold: {hold})" if hold else ""


def _reappeared(reappeared: Sequence[Reappeared]) -> Iterator[str]:
    if reappeared:
        yield "\nReappeared: removed and verified by an earlier run, and there again\n"
    for one in reappeared[:SHOWN]:
        yield f"  instance {one.instance.instance_uid}\n"
        yield _wrapped(
            "    ", f"{'restored after' if one.restored else 'removed by'} run {one.run}"
        )
        yield _wrapped("    ", str(one.source))
    yield from _rest("  ", len(reappeared))


def _gates(gates: Sequence[Gate]) -> Iterator[str]:
    yield "\nGates\n"
    several = len({gate.store for gate in gates}) > 1
    for store, members in groupby(gates, key=lambda gate: gate.store):
        if several:
            yield f"  Store {store}\n"
        for gate in members:
            label = "passed  " if gate.is_passed else "BLOCKING"
            yield _wrapped(f"  {label}  ", describe_gate(gate))
            if not gate.is_passed:
                yield _wrapped("            ", f"hint: {gate.hint}")


def _rest(indent: str, count: int) -> Iterator[str]:
    if count > SHOWN:
        yield f"{indent}… and {count - SHOWN:,} more (all of them with --format json)\n"


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
