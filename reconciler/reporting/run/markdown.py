"""The result of an apply or a restore as Markdown, for a step summary or a comment."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.outcome import InstanceResult, Operation, RunReport
from reconciler.reporting.markdown import COMMENT, Detail, Limit, escape, fit, listed
from reconciler.reporting.wording import in_order, report_line, taken_over_line

_AIMS = {Operation.APPLY: "gone", Operation.RESTORE: "restored"}


def report_as_markdown(report: RunReport, limit: Limit = COMMENT) -> Iterator[str]:
    """Outcomes first, then what is not proven, as much as the limit has room for."""
    return fit(lambda detail: _render(report, detail), limit)


def _render(report: RunReport, detail: Detail) -> Iterator[str]:
    yield f"### {report_line(report)}\n\n"
    if report.stopped_because:
        yield f"**Stopped:** {escape(report.stopped_because)}\n\n"
    yield "| outcome | instances |\n|---|---:|\n"
    for outcome in report.operation.outcomes:
        yield f"| `{outcome.value}` | {report.counts.get(outcome, 0):,} |\n"
    yield "\n"
    if report.taken_over:
        yield f"{taken_over_line(report)}\n\n"
    if report.unproven:
        yield f"**Not proven to be {_AIMS[report.operation]}** (`--report FILE` lists all)\n\n"
        yield from listed([_result(one) for one in in_order(report.unproven)], detail)
    yield f"Run {escape(report.run)}, {report.state.value}"
    yield f", journal head `{report.journal_head}`\n\n" if report.journal_head else "\n\n"
    if report.plan_id is None:
        yield f"Restored run {escape(', '.join(report.restores))}\n"
    else:
        yield f"Digest `{report.digest}`, plan id {escape(report.plan_id)}\n"


def _result(result: InstanceResult) -> str:
    detail = f": {escape(result.detail)}" if result.detail else ""
    return f"`{result.instance.instance_uid}`: `{result.outcome.value}`{detail}"
