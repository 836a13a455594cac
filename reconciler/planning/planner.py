"""Make a plan: a pure function of the desired and the live state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from reconciler.errors import DesiredStateError
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import Claims, DesiredState, DesiredStore, Entry
from reconciler.model.live import LiveStore, Presence, StudyContents, unknown
from reconciler.model.plan import (
    Finding,
    KeptEntry,
    Plan,
    SparedEntry,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Problem, Source
from reconciler.planning.decision import decide
from reconciler.planning.series import SeriesDecisions, decide_series, line_of

_NOTHING: frozenset[str] = frozenset()


def make_plan(desired: DesiredState, live: Mapping[StoreAddress, LiveStore]) -> Plan:
    """Compare what is wanted with what is there, store by store.

    Raises:
        DesiredStateError: an instance to delete has the SOP Instance UID of a kept one.
    """
    stores = tuple(plan_store(store, live[store.store]) for store in desired.stores)
    return Plan(desired.paths, desired.inputs, stores)


def plan_store(desired: DesiredStore, live: LiveStore) -> StorePlan:
    """Plan one store; see `make_plan`."""
    all_series = [
        decide_series(series, desired, live, _listed(live, series))
        for series in _series_in_question(desired, live)
    ]
    _refuse_two_addresses(all_series)
    findings = [finding for series in all_series for finding in series.findings]
    findings += _findings_on_wholes(desired, live)
    findings += _unreadable_studies(desired.removes, live.contents)
    return StorePlan(
        desired.store,
        desired.limits,
        tuple(_studies(all_series)),
        tuple(sorted(findings, key=_finding_order)),
        _kept(all_series, desired.keeps),
        _spared(all_series),
    )


def _series_in_question(desired: DesiredStore, live: LiveStore) -> list[SeriesAddress]:
    listed = {
        SeriesAddress(study_uid, series_uid)
        for study_uid, contents in live.contents.items()
        for series_uid in contents.series
    }
    return sorted(
        desired.removes.series() | desired.keeps.series() | live.instances.keys() | listed
    )


def _listed(live: LiveStore, series: SeriesAddress) -> frozenset[str] | None:
    contents = live.contents.get(series.study_uid)
    if contents is None or contents.problem is not None:
        return None
    return contents.series.get(series.series_uid, _NOTHING)


def _studies(all_series: Iterable[SeriesDecisions]) -> Iterator[StudyPlan]:
    for study_uid, group in groupby(all_series, key=lambda series: series.series.study_uid):
        members = list(group)
        planned = [series for series in members if series.deletions]
        if not planned:
            continue
        yield StudyPlan(
            study_uid,
            instances=sum(len(series.present) for series in members),
            unmanaged=sum(series.unmanaged for series in members),
            emptied=all(series.is_emptied or not series.present for series in members),
            series=tuple(series.as_plan() for series in planned),
        )


def _findings_on_wholes(desired: DesiredStore, live: LiveStore) -> Iterator[Finding]:
    for whole, entry in _wholes(desired).items():
        observation = live.wholes.get(whole, unknown("the store was not asked"))
        if observation.presence is Presence.PRESENT:
            continue
        _, why = decide(entry.intent, observation.presence, found_elsewhere=False)
        yield Finding(why, *whole, None, line_of(entry.source), observation.detail)


def _wholes(desired: DesiredStore) -> Mapping[tuple[str, str | None], Entry]:
    """Every series and study named as a whole, once: keep wins, then the entry that speaks."""
    wholes: dict[tuple[str, str | None], Entry] = {}
    for claims in (desired.keeps, desired.removes):
        for entry in sorted(claims.entries, key=lambda one: (one.hold is None, one.source)):
            if entry.is_whole:
                wholes.setdefault((entry.study_uid, entry.series_uid), entry)
    return wholes


def _unreadable_studies(
    removes: Claims, contents: Mapping[str, StudyContents]
) -> Iterator[Finding]:
    first: dict[str, Entry] = {}
    for entry in sorted(removes.entries, key=lambda entry: entry.source):
        first.setdefault(entry.study_uid, entry)
    for study_uid, entry in first.items():
        problem = contents.get(study_uid, StudyContents(problem="it was not listed")).problem
        if problem is not None:
            detail = f"what the study holds is not known: {problem}"
            yield Finding(Why.PROBE_FAILED, study_uid, None, None, line_of(entry.source), detail)


def _kept(all_series: Iterable[SeriesDecisions], keeps: Claims) -> tuple[KeptEntry, ...]:
    counts: dict[tuple[Source, str, str | None], int] = {}
    holds: dict[tuple[Source, str, str | None], str | None] = {}
    for entry in keeps.entries:
        key = (line_of(entry.source), entry.study_uid, entry.series_uid)
        counts.setdefault(key, 0)
        holds[key] = holds.get(key) or entry.hold
    for series in all_series:
        for claim in series.kept.values():
            entry = claim.entry
            counts[line_of(entry.source), entry.study_uid, entry.series_uid] += 1
    return tuple(
        KeptEntry(*key, counts[key], holds[key]) for key in sorted(counts, key=_kept_order)
    )


def _spared(all_series: Iterable[SeriesDecisions]) -> tuple[SparedEntry, ...]:
    counts: dict[tuple[Source, Source, str, str | None, str | None], int] = {}
    for series in all_series:
        for removal, keep in series.spared:
            entry = removal.entry
            key = (
                line_of(entry.source),
                line_of(keep.entry.source),
                entry.study_uid,
                entry.series_uid,
                keep.entry.hold,
            )
            counts[key] = counts.get(key, 0) + 1
    return tuple(
        SparedEntry(removal, keep, study_uid, series_uid, count, hold)
        for (removal, keep, study_uid, series_uid, hold), count in sorted(
            counts.items(), key=lambda item: (item[0][:3], item[0][3] or "")
        )
    )


def _refuse_two_addresses(all_series: Iterable[SeriesDecisions]) -> None:
    """A SOP Instance UID names one object: deleting one address of it may not spare the other.

    Two spelled addresses are found when the files are read; this finds those of which one, the
    kept or the removed, only shows in the expansion of a whole series or study. A kept one counts
    even where it was not seen: its address may be the wrong one.
    """
    kept = {
        uid: (series, claim)
        for series in all_series
        for claims in (series.unseen, series.kept)
        for uid, claim in claims.items()
    }
    problems = []
    for series in all_series:
        for uid in series.deletions.keys() & kept.keys():
            other, keep = kept[uid]
            problems.append(
                Problem(
                    series.deletions[uid].source,
                    "kept-elsewhere",
                    f"instance {uid} is to be removed from series {series.series.series_uid},"
                    f" and {keep.source} keeps it in series {other.series.series_uid}",
                    "one SOP Instance UID names one object; find out which address is right",
                )
            )
    if problems:
        raise DesiredStateError(sorted(problems, key=lambda problem: problem.sort_key))


def _finding_order(finding: Finding) -> tuple[str, str, str, str, Source]:
    return (
        finding.study_uid,
        finding.series_uid or "",
        finding.instance_uid or "",
        finding.why.value,
        finding.source,
    )


def _kept_order(key: tuple[Source, str, str | None]) -> tuple[Source, str, str]:
    source, study_uid, series_uid = key
    return source, study_uid, series_uid or ""
