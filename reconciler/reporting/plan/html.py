"""A plan as the page that a reviewer opens: what it empties first, then every instance."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.gate import Gate
from reconciler.model.plan import Dangling, SavedPlan, StudyPlan, Why
from reconciler.model.thumbnail import Thumbnail, Thumbnails
from reconciler.reporting.page import render_page
from reconciler.reporting.wording import (
    DAMAGED_TOO,
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    blast_radius,
    dangling_by_title,
    describe_bound,
    describe_not_looked_at,
    describe_reason,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    hold_notices,
    summary_line,
)

UNFOLDED = 20
"""Studies of a store stand open up to so many; the series of a study too."""


@dataclass(frozen=True, slots=True)
class _Emptied:
    """A study or series of which nothing would be left; ``anchor`` is where the page has it."""

    kind: str
    uid: str
    anchor: str
    instances: int
    store: StoreAddress


def plan_as_html(
    saved: SavedPlan, gates: Sequence[Gate], thumbnails: Thumbnails | None = None
) -> Iterator[str]:
    """Render in pieces, one self-contained file; with ``thumbnails`` it shows patients."""
    yield from render_page(
        "plan.html",
        {
            "saved": saved,
            "plan": saved.plan,
            "gates": gates,
            "blocking": [gate for gate in gates if not gate.is_passed],
            "emptied": list(_emptied(saved)),
            "headline": summary_line(saved.plan),
            "blast_radius": blast_radius(saved.plan),
            "holds": hold_notices(saved),
            "deletions": saved.plan.count(Why.LISTED),
            "several": len(saved.plan.stores) > 1,
            "findings": findings_by_title,
            "dangling": dangling_by_title,
            "referred": describe_referred,
            "staying": describe_staying,
            "entries": _entries,
            "entries_title": ENTRIES,
            "may_refer_title": MAY_REFER,
            "not_looked_at": describe_not_looked_at,
            "not_looked_at_title": NOT_LOOKED_AT,
            "reason": describe_reason,
            "subject": describe_subject,
            "unfolded": UNFOLDED,
            "thumbnails": thumbnails,
            "thumbnail_of": partial(_thumbnail, thumbnails or {}),
            "data_url": _data_url,
            "damaged_too": DAMAGED_TOO,
            "bound": describe_bound,
            "shown_images": sum(not one.problem for one in (thumbnails or {}).values()),
        },
    )


def _entries(found: Sequence[Dangling]) -> Markup:
    """As lines with their indentation, which any other text on a page loses; of UIDs alone."""
    return Markup("\n").join(entries_of(found))


def _thumbnail(
    thumbnails: Thumbnails, store: StoreAddress, study_uid: str, series_uid: str
) -> Thumbnail | None:
    return thumbnails.get((store, SeriesAddress(study_uid, series_uid)))


def _data_url(thumbnail: Thumbnail) -> str:
    return f"data:{thumbnail.media_type};base64,{b64encode(thumbnail.data).decode('ascii')}"


def _emptied(saved: SavedPlan) -> Iterator[_Emptied]:
    """Studies, each before its series; series of studies of which something is left."""
    for index, store in enumerate(saved.plan.stores, 1):
        for study in store.studies:
            yield from _emptied_of(study, f"store-{index}-", store.store)


def _emptied_of(study: StudyPlan, prefix: str, store: StoreAddress) -> Iterator[_Emptied]:
    if study.emptied:
        anchor = f"{prefix}{study.study_uid}"
        yield _Emptied("study", study.study_uid, anchor, study.instances, store)
    for series in study.series:
        if series.emptied:
            anchor = f"{prefix}{series.series_uid}"
            yield _Emptied("series", series.series_uid, anchor, series.instances, store)
