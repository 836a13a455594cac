"""A plan as Markdown, for a pull request: what a reviewer decides by, then the lists behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.gate import Gate
from reconciler.model.plan import Plan, Reappeared, SavedPlan, Why
from reconciler.model.plan_summary import PlanSummary
from reconciler.reporting.markdown import (
    COMMENT,
    DEGREES,
    Detail,
    Grain,
    Limit,
    escape,
    fit,
    listed,
)
from reconciler.reporting.plan.by_reason import seen_in
from reconciler.reporting.plan.store_markdown import store_as_markdown
from reconciler.reporting.plan.summary import Summary, Weight, summary_of
from reconciler.reporting.wording import (
    describe_reappeared,
    plural,
    reappeared_by_title,
    summary_line,
)

_SHORTEST_LINE = len("- `1.2`\n")
"""What an instance takes at least; where all of them have no room, none is sorted."""


def plan_as_markdown(
    saved: SavedPlan, gates: Sequence[Gate], limit: Limit = COMMENT
) -> Iterator[str]:
    """The plan in as much detail as the limit has room for; it says what is left out.

    The summary is never cut.
    """
    summary = "".join(summary_as_markdown(summary_of(saved, gates)))
    has_room = saved.plan.count(Why.LISTED) * _SHORTEST_LINE <= limit.most
    degrees = DEGREES if has_room else DEGREES[1:]
    return fit(lambda detail: _render(saved, summary, detail), limit, degrees)


def _render(saved: SavedPlan, summary: str, detail: Detail) -> Iterator[str]:
    yield summary
    yield from _left_out(saved.plan, detail)
    yield from _reappeared(saved.reappeared, detail)
    stores = saved.plan.stores[: detail.rows]
    for store in stores:
        yield from store_as_markdown(store, seen_in(saved, store), detail)
    if len(stores) < len(saved.plan.stores):
        yield f"… and {plural(len(saved.plan.stores) - len(stores), 'store')} more\n\n"
    yield f"{summary_line(PlanSummary.of(saved))}\n\n"
    yield f"Digest `{saved.digest}`, plan id {escape(saved.plan_id)},"
    yield f" expires {saved.expires:%Y-%m-%d %H:%M} UTC\n"


def summary_as_markdown(summary: Summary) -> Iterator[str]:
    """Render what every plan begins with."""
    yield f"### {summary.headline}\n\n"
    yield f"**{escape(summary.verdict)}**\n\n"
    for part in summary.parts:
        yield f"**{part.title}**\n\n"
        for line in part.lines:
            text = escape(line.text)
            yield f"- {text}\n" if line.weight is Weight.PLAIN else f"- **{text}**\n"
        yield "\n"
    yield "**Gates**\n\n"
    for gate in summary.blocking:
        yield f"- **{gate.meaning}** ({escape(gate.numbers)}): {escape(gate.hint)}\n"
    yield "\n" if summary.blocking else ""
    yield f"Gates passed: {escape(summary.passed)}\n\n"


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


def _reappeared(reappeared: Sequence[Reappeared], detail: Detail) -> Iterator[str]:
    for title, found in reappeared_by_title(reappeared):
        yield f"**{title}**\n\n"
        lines = [
            f"`{one.instance.instance_uid}` ({escape(str(one.source))}):"
            f" {escape(describe_reappeared(one))}"
            for one in found
        ]
        yield from listed(lines, detail)
