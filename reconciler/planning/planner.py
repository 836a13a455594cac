"""Make a plan: a pure function of the desired and the live state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from reconciler.errors import DesiredStateError
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import Claim, Claims, DesiredState, DesiredStore, Entry, Hold
from reconciler.model.live import LiveStore, Presence, StudyContents, unknown
from reconciler.model.plan import (
    Finding,
    KeptEntry,
    OverriddenEntry,
    Plan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Problem, Source
from reconciler.planning.decision import decide
from reconciler.planning.limits import limits_of
from reconciler.planning.series import SeriesDecisions, decide_series, line_of

_KeptKey = tuple[Source, str, str | None]
"""A keep entry: its line, its study, its series."""

_OverriddenKey = tuple[Source, Source, str, str | None, Hold | None]
"""A remove that a keep overrides: both lines, the remove's study and series, the keep's hold."""


def make_plan(desired: DesiredState, live: Mapping[StoreAddress, LiveStore]) -> Plan:
    """Compare what is wanted with what is there, store by store.

    Raises:
        DesiredStateError: an instance to delete has the SOP Instance UID of a kept one.
    """
    stores = tuple(plan_store(store, live[store.store]) for store in desired.stores)
    return Plan(desired.paths, desired.inputs, stores)


def plan_store(
    desired: DesiredStore,
    live: LiveStore,
    on_decided: Callable[[SeriesDecisions], None] | None = None,
) -> StorePlan:
    """Plan one store; see `make_plan`.

    With ``on_decided``, which hears of each series, it is a part of one: then whether what is kept
    is deleted at another address is for `refuse_two_addresses` to say, over all parts.
    """
    series = series_in_question(desired, live)
    draft = _Draft(desired.keeps, on_decided)
    decided = (decide_series(one, desired, live) for one in series)
    studies = tuple(_studies(map(draft.noted, decided), live.contents))
    if on_decided is None and draft.keeps_any_of(studies):
        refuse_two_addresses([decide_series(one, desired, live) for one in series])
    draft.findings += _findings_on_targets(desired, live)
    draft.findings += _unreadable_studies(desired.removes, live.contents)
    return StorePlan(
        desired.store,
        limits_of(desired, studies),
        studies,
        tuple(sorted(draft.findings, key=finding_order)),
        draft.kept(),
        draft.overridden(),
    )


class _Draft:
    """What is noted of each series' decisions, which are forgotten then: there may be millions."""

    def __init__(self, keeps: Claims, on_decided: Callable[[SeriesDecisions], None] | None) -> None:
        self._on_decided = on_decided
        self.findings: list[Finding] = []
        self._kept_uids: set[str] = set()
        self._kept: Counter[_KeptKey] = Counter()
        self._holds: dict[_KeptKey, Hold | None] = {}
        self._overridden: Counter[_OverriddenKey] = Counter()
        for entry in keeps.entries:
            key = _kept_key(entry)
            self._kept[key] = 0
            self._holds[key] = self._holds.get(key) or entry.hold

    def noted(self, series: SeriesDecisions) -> SeriesDecisions:
        """Take note, and pass it on."""
        if self._on_decided is not None:
            self._on_decided(series)
        self.findings += series.findings
        self._kept_uids.update(series.kept, series.unseen)
        self._kept.update(_kept_key(claim.entry) for claim in series.kept.values())
        self._overridden.update(
            _overridden_key(removal, series.kept[uid]) for uid, removal in series.overridden.items()
        )
        return series

    def keeps_any_of(self, studies: Iterable[StudyPlan]) -> bool:
        """Whether a SOP Instance UID that is to be deleted is also kept, at another address."""
        return any(
            not self._kept_uids.isdisjoint(group.instances)
            for study in studies
            for series in study.series
            for group in series.groups
        )

    def kept(self) -> tuple[KeptEntry, ...]:
        """How many instances each keep entry protects."""
        return tuple(
            KeptEntry(*key, self._kept[key], self._holds[key])
            for key in sorted(self._kept, key=_kept_order)
        )

    def overridden(self) -> tuple[OverriddenEntry, ...]:
        """How many instances of each remove each keep entry overrides."""
        return tuple(
            OverriddenEntry(removal, keep, study_uid, series_uid, count, hold)
            for (removal, keep, study_uid, series_uid, hold), count in sorted(
                self._overridden.items(), key=lambda item: (item[0][:3], item[0][3] or "")
            )
        )


def _kept_key(entry: Entry) -> _KeptKey:
    return line_of(entry.source), entry.study_uid, entry.series_uid


def _kept_order(key: _KeptKey) -> tuple[Source, str, str]:
    source, study_uid, series_uid = key
    return source, study_uid, series_uid or ""


def _overridden_key(removal: Claim, keep: Claim) -> _OverriddenKey:
    entry = removal.entry
    return (
        line_of(entry.source),
        line_of(keep.entry.source),
        entry.study_uid,
        entry.series_uid,
        keep.entry.hold,
    )


def series_in_question(desired: DesiredStore, live: LiveStore) -> list[SeriesAddress]:
    """Every series that is named, was asked about or was listed, sorted."""
    listed = {
        SeriesAddress(study_uid, series_uid)
        for study_uid, contents in live.contents.items()
        for series_uid in contents.series
    }
    return sorted(
        desired.removes.series() | desired.keeps.series() | live.instances.keys() | listed
    )


def _studies(
    all_series: Iterable[SeriesDecisions], contents: Mapping[str, StudyContents]
) -> Iterator[StudyPlan]:
    """The studies from which something is deleted.

    A row that no request can address stays, so its study is not emptied; nor does it count as an
    instance, so no limit gets wider by it.
    """
    for study_uid, group in groupby(all_series, key=lambda series: series.series.study_uid):
        instances = unmanaged = 0
        unaddressed = len(contents.get(study_uid, StudyContents()).odd.rows)
        is_emptied = unaddressed == 0
        planned = []
        for series in group:
            instances += len(series.present)
            unmanaged += series.unmanaged
            is_emptied &= series.is_emptied or not series.present
            if series.deletions:
                planned.append(series.as_plan())
        if planned:
            yield StudyPlan(
                study_uid, instances, unmanaged, is_emptied, tuple(planned), unaddressed
            )


def _findings_on_targets(desired: DesiredStore, live: LiveStore) -> Iterator[Finding]:
    for target, entry in _targets(desired).items():
        observation = live.targets.get(target, unknown("the store was not asked"))
        if observation.presence is Presence.PRESENT:
            continue
        _, why = decide(entry.intent, observation.presence, found_elsewhere=False)
        yield Finding(why, *target, None, line_of(entry.source), observation.detail)


def _targets(desired: DesiredStore) -> Mapping[tuple[str, str | None], Entry]:
    """Every series and study named as a whole, once: keep wins, then the entry that speaks."""
    targets: dict[tuple[str, str | None], Entry] = {}
    for claims in (desired.keeps, desired.removes):
        for entry in sorted(claims.entries, key=lambda one: (one.hold is None, one.source)):
            if entry.is_whole:
                targets.setdefault((entry.study_uid, entry.series_uid), entry)
    return targets


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


def refuse_two_addresses(all_series: Sequence[SeriesDecisions]) -> None:
    """A SOP Instance UID names one object: deleting one address of it may not leave the other.

    Two spelled addresses are found when the files are read; this finds those of which one, the
    kept or the removed, only shows in the expansion of a whole series or study. A kept one counts
    even where it was not seen: its address may be the wrong one.

    Raises:
        DesiredStateError: one of the series deletes what one of them keeps.
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


def kept_order(entry: KeptEntry) -> tuple[Source, str, str]:
    """By their places, as they stand in a plan."""
    return _kept_order((entry.source, entry.study_uid, entry.series_uid))


def overridden_order(entry: OverriddenEntry) -> tuple[Source, Source, str, str]:
    """By their places, as they stand in a plan."""
    return entry.removal, entry.keep, entry.study_uid, entry.series_uid or ""


def finding_order(finding: Finding) -> tuple[str, str, str, str, Source]:
    """By what they are about, as they stand in a plan."""
    return (
        finding.study_uid,
        finding.series_uid or "",
        finding.instance_uid or "",
        finding.why.value,
        finding.source,
    )
