"""Decide every instance of one series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.desired import Claim, Claims, DesiredStore, Entry, EntryKind, Reason
from reconciler.model.live import LiveStore, Observation, Presence, StudyContents, unknown
from reconciler.model.patient import Binding
from reconciler.model.plan import Action, DeclaredInstances, DeletionGroup, Finding, SeriesPlan
from reconciler.model.problem import Source
from reconciler.planning.decision import decide

_NOTHING: frozenset[str] = frozenset()
_NOT_LISTED = StudyContents(problem="it was not listed")
_NOT_ASKED = unknown("the store was not asked")


class JudgedInstance(NamedTuple):
    """One instance with the claims on it and what the store said of it."""

    instance: InstanceAddress
    keep: Claim | None
    remove: Claim | None
    observation: Observation

    @property
    def ruling(self) -> Claim | None:
        """The claim that counts: keep always wins, but what is gone cannot be kept by a whole.

        A remove inside a kept whole that turns out absent is a remove that is done.
        """
        if self.keep is None or self.remove is None:
            return self.keep or self.remove
        is_gone = self.observation.presence is Presence.ABSENT
        return self.remove if is_gone and self.keep.entry.is_whole else self.keep

    @property
    def is_stale_row(self) -> bool:
        """Whether a listing showed what a retrieve then did not find; nobody asked for it by name.

        It was only ever a candidate of a whole series or study.
        """
        claim = self.ruling
        gone = self.observation.presence is Presence.ABSENT
        return claim is not None and gone and claim.entry.is_whole


@dataclass(slots=True)
class SeriesDecisions:
    """All decisions of one series, sorted by SOP Instance UID."""

    series: SeriesAddress
    deletions: dict[str, Claim] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    kept: dict[str, Claim] = field(default_factory=dict)
    unseen: dict[str, Claim] = field(default_factory=dict)
    """What is wanted kept and was not seen: missing, or without a clear answer."""
    overridden: dict[str, Claim] = field(default_factory=dict)
    """The removes of instances that are kept."""
    present: set[str] = field(default_factory=set)
    """What the series holds before anything is deleted."""
    is_listed: bool = True
    """Whether it is known what the series holds besides, and all of it can be addressed."""
    unmanaged: int = 0

    @property
    def is_emptied(self) -> bool:
        """Whether the deletions leave nothing of the series."""
        return self.is_listed and bool(self.deletions) and self.present == self.deletions.keys()

    def as_plan(self) -> SeriesPlan:
        """What a plan says of the series."""
        return SeriesPlan(
            self.series.series_uid, len(self.present), self.is_emptied, _groups(self.deletions)
        )


def decide_series(series: SeriesAddress, desired: DesiredStore, live: LiveStore) -> SeriesDecisions:
    """Decide each instance that a file names or an entry was expanded to.

    What the study's listing shows in the series, and nobody claims, is unmanaged.
    """
    contents = live.contents.get(series.study_uid, _NOT_LISTED)
    is_known = contents.problem is None
    rows = contents.series.get(series.series_uid, _NOTHING) if is_known else _NOTHING
    is_listed = is_known and not contents.odd.may_be(*series)
    decisions = SeriesDecisions(series, present=set(rows), is_listed=is_listed)
    claimed = 0
    for judged in _judge_all(series, desired, live, rows):
        if judged.observation.presence is Presence.PRESENT:
            decisions.present.add(judged.instance.instance_uid)
        elif judged.observation.presence is Presence.ABSENT:
            decisions.present.discard(judged.instance.instance_uid)
        claimed += judged.instance.instance_uid in decisions.present
        _decide_instance(judged, decisions, live)
    decisions.unmanaged = len(decisions.present) - claimed
    return decisions


def _judge_all(
    series: SeriesAddress, desired: DesiredStore, live: LiveStore, listed: frozenset[str]
) -> Iterator[JudgedInstance]:
    removes, keeps = desired.removes.listed(series), desired.keeps.listed(series)
    whole_remove, whole_keep = _whole(desired.removes, series), _whole(desired.keeps, series)
    observed: Mapping[str, Observation] = live.instances.get(series, {})
    named = removes.keys() | keeps.keys() | observed.keys()
    if whole_remove or whole_keep:
        named |= listed
    for uid in sorted(named):
        keep, remove = keeps.get(uid, whole_keep), removes.get(uid, whole_remove)
        if keep or remove:
            observation = observed.get(uid, _NOT_ASKED)
            yield JudgedInstance(InstanceAddress(*series, uid), keep, remove, observation)


def _whole(claims: Claims, series: SeriesAddress) -> Claim | None:
    entry = claims.whole(series)
    return Claim(entry, entry.source) if entry else None


def _decide_instance(judged: JudgedInstance, decisions: SeriesDecisions, live: LiveStore) -> None:
    claim = judged.ruling
    if claim is None or judged.is_stale_row:
        return
    uid = judged.instance.instance_uid
    elsewhere = live.misplaced.get(judged.instance, ())
    action, why = decide(
        claim.entry.intent, judged.observation.presence, found_elsewhere=bool(elsewhere)
    )
    if action is Action.DELETE:
        decisions.deletions[uid] = claim
    elif judged.observation.presence is Presence.PRESENT:
        decisions.kept[uid] = claim
        if judged.remove:
            decisions.overridden[uid] = judged.remove
    else:
        is_keep = claim.entry.intent is EntryKind.KEEP
        if is_keep:
            decisions.unseen[uid] = claim
        decisions.findings.append(
            Finding(
                why,
                *judged.instance,
                line_of(claim.source),
                judged.observation.detail,
                () if is_keep else elsewhere,
            )
        )


def _groups(deletions: Mapping[str, Claim]) -> tuple[DeletionGroup, ...]:
    lines: dict[tuple[str, bool, Reason, str | None, bool, Binding | None], dict[str, int]] = {}
    for uid, claim in deletions.items():
        entry = claim.entry
        terms = (_reason(entry), entry.archive, entry.allow_damaged, entry.bound)
        key = (claim.source.path, entry.is_whole, *terms)
        lines.setdefault(key, {})[uid] = claim.source.line
    return tuple(
        DeletionGroup(
            path, reason, expanded, DeclaredInstances(instances.items()), archive, damaged, bound
        )
        for (path, expanded, reason, archive, damaged, bound), instances in sorted(
            lines.items(), key=lambda item: next(iter(item[1]))
        )
    )


def _reason(entry: Entry) -> Reason:
    if entry.reason is None:
        raise ValueError(f"a remove without a reason: {entry.source}")
    return entry.reason


def line_of(source: Source) -> Source:
    """A place without its column: what a plan names."""
    return Source(source.path, source.line)
