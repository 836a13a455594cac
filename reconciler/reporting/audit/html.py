"""An audit report as the page that a person reads and signs off."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from reconciler.model.address import StoreAddress, numeric
from reconciler.model.audit import AuditReport
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.plan import Why
from reconciler.reporting.audit.charts import columns, shares
from reconciler.reporting.page import render_page
from reconciler.reporting.wording import (
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
)

LISTED = 20_000
"""So many deletions are listed, the newest."""
NOT_PROVEN_LISTED = 1_000
ROWS = 500
"""So many rows of what has no end of its own are shown: runs, refusals, keeps; the newest."""
UNFOLDED = 20
"""Studies of a store stand open up to so many; the instances of a series too."""


@dataclass(slots=True)
class _Group:
    """Deletions of one series that have in common with ``first`` whatever stands above them."""

    first: RecordedDeletion
    path: str | None
    deletions: list[RecordedDeletion]


@dataclass(slots=True)
class _Series:
    uid: str
    groups: list[_Group] = field(default_factory=list)

    @property
    def removed(self) -> int:
        """How many instances DELETEs of ours removed, each once."""
        removals = (one for group in self.groups for one in group.deletions if one.is_removal)
        return len({one.instance for one in removals})

    @property
    def not_gone(self) -> int:
        return sum(len(group.deletions) for group in self.groups if not group.first.outcome.is_gone)


@dataclass(slots=True)
class _Study:
    uid: str
    series: list[_Series] = field(default_factory=list)

    @property
    def removed(self) -> int:
        return sum(series.removed for series in self.series)

    @property
    def not_gone(self) -> int:
        return sum(series.not_gone for series in self.series)

    @property
    def emptied_by(self) -> str | None:
        """The run by which every deletion that empties the study was proven."""
        deletions = (
            one for series in self.series for group in series.groups for one in group.deletions
        )
        last = next((one for one in deletions if one.empties_study), None)
        return (last.settled_by or last.run.run) if last else None


@dataclass(slots=True)
class _Store:
    store: StoreAddress
    studies: list[_Study] = field(default_factory=list)


def report_as_html(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces, one self-contained file; of the deletions only what is listed is held."""
    newest: deque[RecordedDeletion] = deque(maxlen=LISTED)
    count = 0
    for deletion in deletions:
        count += 1
        newest.append(deletion)
    stores = _by_address(newest)
    anchors = {one.store: f"store-{place}-" for place, one in enumerate(stores, 1)}
    series = {(one.store, one.instance[:2]) for one in newest}
    yield from render_page(
        "audit.html",
        {
            "report": report,
            "selection": describe_selection(report.selection),
            "over_time": columns(report.by_day_and_reason) if report.removed.instances else None,
            "outcomes": shares({one.value: n for one, n in report.outcomes.items()}),
            "outcomes_by_name": {one.value: n for one, n in report.outcomes.items() if n},
            "restored": {one.value: n for one, n in report.restored.items() if n},
            "stores": stores,
            "anchors": anchors,
            "anchor": partial(_anchor, anchors, series),
            "listed": len(newest),
            "count_of_deletions": count,
            "not_proven": report.unproven[-NOT_PROVEN_LISTED:],
            "rows": ROWS,
            "unfolded": UNFOLDED,
            "reason": describe_reason,
            "headline": describe_removed(report.removed),
            "removals": describe_removals(report),
            "requester": describe_requester,
            "copy": describe_copy,
            "evidence": describe_evidence,
            "counted": describe_counts,
            "referred": describe_referred_counts,
            "Why": Why,
            "format_time": describe_time,
        },
        page_foot=f"Head {report.heads[0]}" if report.heads else "",
    )


def _anchor(
    anchors: Mapping[StoreAddress, str],
    listed: Container[tuple[StoreAddress, tuple[str, ...]]],
    deletion: RecordedDeletion,
) -> str:
    """Where the page lists the deletion; empty if it does not."""
    study_uid, series_uid = deletion.instance[:2]
    if (deletion.store, (study_uid, series_uid)) not in listed:
        return ""
    return f"{anchors[deletion.store]}{study_uid}/{series_uid}"


def _by_address(deletions: Iterable[RecordedDeletion]) -> list[_Store]:
    """Store by store, study by study, series by series; within one in the order of the record."""
    stores: list[_Store] = []
    ordered = sorted(deletions, key=lambda one: (one.store, *map(numeric, one.instance[:2])))
    for store, of_store in groupby(ordered, key=lambda one: one.store):
        stores.append(_Store(store))
        for study_uid, of_study in groupby(of_store, key=lambda one: one.instance.study_uid):
            study = _Study(study_uid)
            stores[-1].studies.append(study)
            for series_uid, of_series in groupby(of_study, key=lambda one: one.instance.series_uid):
                study.series.append(_Series(series_uid, _groups(of_series)))
    return stores


def _groups(deletions: Iterable[RecordedDeletion]) -> list[_Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    for one in deletions:
        path = one.source.path if one.source else None
        key = (
            *(one.run.run, one.settled_by, one.reason, path),
            *(one.outcome, one.restored_by, one.patient),
        )
        groups.setdefault(key, _Group(one, path, [])).deletions.append(one)
    return list(groups.values())
