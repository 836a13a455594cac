"""What the listings said of the studies from which something is deleted, for readers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.live import LiveStore, SeriesSeen
from reconciler.model.plan import Plan, StudyPlan, StudySeen


def studies_seen(plan: Plan, live: Mapping[StoreAddress, LiveStore]) -> tuple[StudySeen, ...]:
    """The year and the modalities of each study in the plan's order, where anything is said."""
    found = (
        _study_seen(store.store, study, live[store.store].seen)
        for store in plan.stores
        for study in store.studies
    )
    return tuple(one for one in found if one.year is not None or one.modalities)


def _study_seen(
    store: StoreAddress, study: StudyPlan, seen: Mapping[SeriesAddress, SeriesSeen]
) -> StudySeen:
    years = set()
    modalities: Counter[str] = Counter()
    for series in study.series:
        said = seen.get(SeriesAddress(study.study_uid, series.series_uid), SeriesSeen())
        years.add(said.year)
        if said.modality is not None:
            modalities[said.modality] += series.deletions
    # Two dates in one study are the store's mistake: then none of them is said.
    year = years.pop() if len(years) == 1 else None
    return StudySeen(store, study.study_uid, year, dict(sorted(modalities.items())))
