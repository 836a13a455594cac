"""A plan as Markdown, for a pull request: headline, gates and emptied things first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.gate import Gate
from reconciler.model.plan import Plan, Reappeared, SavedPlan, StudyPlan, Why
from reconciler.reporting.markdown import COMMENT, Detail, Grain, Limit, escape, fit, listed
from reconciler.reporting.plan.store_markdown import store_as_markdown
from reconciler.reporting.wording import (
    blast_radius,
    describe_gate,
    hold_notices,
    plural,
    summary_line,
)


def plan_as_markdown(
    saved: SavedPlan, gates: Sequence[Gate], limit: Limit = COMMENT
) -> Iterator[str]:
    """The plan in as much detail as the limit has room for; it says what is left out."""
    return fit(lambda detail: _render(saved, gates, detail), limit)


def _render(saved: SavedPlan, gates: Sequence[Gate], detail: Detail) -> Iterator[str]:
    yield f"### {summary_line(saved.plan)}\n\n"
    yield " ".join(blast_radius(saved.plan)) + "\n\n"
    yield from _notices(saved, detail)
    yield from _left_out(saved.plan, detail)
    yield from _gates(gates, detail)
    yield from _emptied(saved, detail)
    stores = saved.plan.stores[: detail.rows]
    for store in stores:
        yield from store_as_markdown(store, detail)
    if len(stores) < len(saved.plan.stores):
        yield f"… and {plural(len(saved.plan.stores) - len(stores), 'store')} more\n\n"
    yield from _reappeared(saved.reappeared, detail)
    yield f"Digest `{saved.digest}`, plan id {escape(saved.plan_id)},"
    yield f" expires {saved.expires:%Y-%m-%d %H:%M} UTC\n"


def _notices(saved: SavedPlan, detail: Detail) -> Iterator[str]:
    notices = hold_notices(saved)
    if notices:
        yield "**Holds**\n\n"
        yield from listed([escape(notice) for notice in notices], detail)


def _left_out(plan: Plan, detail: Detail) -> Iterator[str]:
    """What the detail hides, and where the whole is."""
    if detail.grain is Grain.INSTANCES:
        return
    hidden = f"the names of {plural(plan.count(Why.LISTED), 'instance')}"
    if detail.grain is Grain.STUDIES:
        series = sum(len(study.series) for store in plan.stores for study in store.studies)
        hidden += f" and of {plural(series, 'series')}"
    if detail.rows is not None:
        hidden += f", and of every list all but {plural(detail.rows, 'line')}"
    yield f"**Shortened.** Left out: {hidden}. The whole is in the plan file (`--out FILE`)"
    yield " and in its JSON form (`--format json`).\n\n"


def _gates(gates: Sequence[Gate], detail: Detail) -> Iterator[str]:
    blocking = [gate for gate in gates if not gate.is_passed]
    if not blocking:
        yield "All gates are passed.\n\n"
        return
    yield f"**{plural(len(blocking), 'gate')} blocking: this plan will not be applied.**\n\n"
    several = len({gate.store for gate in gates}) > 1
    lines = [
        f"{escape(describe_gate(gate))}{f' (`{gate.store}`)' if several else ''}:"
        f" {escape(gate.hint)}"
        for gate in blocking
    ]
    yield from listed(lines, detail)


def _emptied(saved: SavedPlan, detail: Detail) -> Iterator[str]:
    several = len(saved.plan.stores) > 1
    lines = [
        f"{name}{f' of `{store.store}`' if several else ''}"
        for store in saved.plan.stores
        for study in store.studies
        for name in _emptied_of(study, detail)
    ]
    if lines:
        yield "**Emptied by this plan**\n\n"
        yield from listed(lines, detail)


def _emptied_of(study: StudyPlan, detail: Detail) -> Iterator[str]:
    """The study, and its series; where words are dear, those of an emptied study go unsaid."""
    if study.emptied:
        yield f"study `{study.study_uid}`"
        if detail.grain is Grain.STUDIES:
            return
    for series in study.series:
        if series.emptied:
            yield f"series `{series.series_uid}`"


def _reappeared(reappeared: Sequence[Reappeared], detail: Detail) -> Iterator[str]:
    if not reappeared:
        return
    yield "**Reappeared: removed and verified by an earlier run, and there again**\n\n"
    lines = [
        f"`{one.instance.instance_uid}` ({escape(str(one.source))}):"
        f" {'restored after' if one.restored else 'removed by'} run {escape(one.run)}"
        for one in reappeared
    ]
    yield from listed(lines, detail)
