"""A plan as the page that is signed: what it is decided by, what is odd, then every instance."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from markupsafe import Markup

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.gate import Gate
from reconciler.model.plan import Dangling, SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.thumbnail import Thumbnail, Thumbnails
from reconciler.reporting.page import render_page
from reconciler.reporting.plan.by_reason import by_reason, declared, first_lines, seen_in
from reconciler.reporting.plan.summary import Weight, summary_of
from reconciler.reporting.wording import (
    ENTRIES,
    MAY_REFER,
    NOT_LOOKED_AT,
    dangling_by_title,
    describe_keep,
    describe_not_looked_at,
    describe_reappeared,
    describe_referred,
    describe_staying,
    describe_subject,
    entries_of,
    findings_by_title,
    plural,
    reappeared_by_title,
    summary_line,
)

UNFOLDED = 20
"""What goes for a reason stands open up to so many studies; the series of a study too."""

HINTS_UNFOLDED = 3
"""How to pass stands open for up to so many gates, so that the head fits on a screen."""


def plan_as_html(
    saved: SavedPlan, gates: Sequence[Gate], thumbnails: Thumbnails | None = None
) -> Iterator[str]:
    """Render in pieces, one self-contained file; with ``thumbnails`` it shows patients."""
    yield from render_page(
        "plan.html",
        {
            "saved": saved,
            "plan": saved.plan,
            "summary": summary_of(saved, gates),
            "Weight": Weight,
            "headline": summary_line(PlanSummary.of(saved)),
            "by_reason": by_reason,
            "declared": declared,
            "first_lines": first_lines,
            "seen_in": partial(seen_in, saved),
            "has_deletions": saved.plan.has_deletions,
            "findings": findings_by_title,
            "dangling": dangling_by_title,
            "referred": describe_referred,
            "staying": describe_staying,
            "keep": describe_keep,
            "entries": _entries,
            "entries_title": ENTRIES.replace("`", ""),
            "may_refer_title": MAY_REFER,
            "not_looked_at": describe_not_looked_at,
            "not_looked_at_title": NOT_LOOKED_AT,
            "reappeared": reappeared_by_title,
            "describe_reappeared": describe_reappeared,
            "subject": describe_subject,
            "unfolded": UNFOLDED,
            "hints_unfolded": HINTS_UNFOLDED,
            "thumbnails": thumbnails,
            "thumbnail_of": partial(_thumbnail, thumbnails or {}),
            "data_url": _data_url,
            "without_image": _without_image(thumbnails or {}),
            "shown_images": sum(not one.problem for one in (thumbnails or {}).values()),
        },
        page_foot=f"Digest {saved.digest}",
    )


def _entries(found: Sequence[Dangling]) -> Markup:
    """As lines with their indentation, which any other text on a page loses; of UIDs alone."""
    return Markup("\n").join(entries_of(found))


def _thumbnail(
    thumbnails: Thumbnails, store: StoreAddress, study_uid: str, series_uid: str
) -> Thumbnail | None:
    return thumbnails.get((store, SeriesAddress(study_uid, series_uid)))


def _without_image(thumbnails: Thumbnails) -> str:
    """How many series have none, and why; empty where all have one."""
    problems = Counter(one.problem for one in thumbnails.values() if one.problem)
    reasons = (f"{problem}: {count:,}" for problem, count in problems.most_common())
    return f"{plural(problems.total(), 'series')} ({', '.join(reasons)})" if problems else ""


def _data_url(thumbnail: Thumbnail) -> str:
    return f"data:{thumbnail.media_type};base64,{b64encode(thumbnail.data).decode('ascii')}"
