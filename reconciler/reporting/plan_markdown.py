"""A plan as Markdown, for a pull request: headline, gates and emptied things first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.gate import Gate
from reconciler.model.plan import Returned, SavedPlan, StorePlan
from reconciler.reporting.wording import (
    FINDING_TITLES,
    blast_radius,
    describe_gate,
    describe_reason,
    describe_subject,
    plain,
    plural,
    summary_line,
)

_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>|#~&$"})


def plan_as_markdown(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[str]:
    """Render in pieces."""
    yield f"### {summary_line(saved.plan)}\n\n"
    yield " ".join(blast_radius(saved.plan)) + "\n\n"
    yield from _gates(gates)
    yield from _emptied(saved)
    for store in saved.plan.stores:
        yield f"#### Store `{store.store}`\n\n"
        yield from _series_table(store)
        yield from _details(store)
        yield from _findings(store)
        yield from _kept(store)
    yield from _returned(saved.returned)
    yield f"Digest `{saved.digest}`, plan id {escape(saved.plan_id)},"
    yield f" expires {saved.expires:%Y-%m-%d %H:%M} UTC\n"


def escape(text: str) -> str:
    """Words from a file, shown as text whatever they hold."""
    return plain(text).translate(_ESCAPED)


def _gates(gates: Sequence[Gate]) -> Iterator[str]:
    closed = [gate for gate in gates if not gate.is_open]
    if not closed:
        yield "All gates are open.\n\n"
        return
    yield f"**{plural(len(closed), 'gate')} closed: this plan will not be applied.**\n\n"
    several = len({gate.store for gate in gates}) > 1
    for gate in closed:
        where = f" (`{gate.store}`)" if several else ""
        yield f"- {escape(describe_gate(gate))}{where}: {escape(gate.hint)}\n"
    yield "\n"


def _emptied(saved: SavedPlan) -> Iterator[str]:
    lines = []
    several = len(saved.plan.stores) > 1
    for store in saved.plan.stores:
        where = f" of `{store.store}`" if several else ""
        for study in store.studies:
            names = [f"study `{study.study_uid}`"] if study.emptied else []
            names += [f"series `{one.series_uid}`" for one in study.series if one.emptied]
            lines += [f"- {name}{where}\n" for name in names]
    if lines:
        yield "**Emptied by this plan**\n\n"
        yield from lines
        yield "\n"


def _series_table(store: StorePlan) -> Iterator[str]:
    if not store.studies:
        return
    yield "| study | series | deletes | of |\n|---|---|---:|---:|\n"
    for study in store.studies:
        for series in study.series:
            yield f"| `{study.study_uid}` | `{series.series_uid}`"
            yield f" | {series.deletions} | {series.instances} |\n"
    yield "\n"


def _details(store: StorePlan) -> Iterator[str]:
    for study in store.studies:
        for series in study.series:
            yield f"<details><summary>{plural(series.deletions, 'instance')} of series"
            yield f" {series.series_uid}</summary>\n\n"
            for group in series.groups:
                yield f"{escape(describe_reason(group.reason))}\n\n"
                if group.archive is not None:
                    yield f"archived under {escape(group.archive)} first\n\n"
                for uid, line in group.instances.items():
                    yield f"- `{uid}` ({escape(group.path)}:{line})\n"
                yield "\n"
            yield "</details>\n\n"


def _findings(store: StorePlan) -> Iterator[str]:
    for why, title in FINDING_TITLES.items():
        found = [finding for finding in store.findings if finding.why is why]
        if not found:
            continue
        yield f"**{title}**\n\n"
        for finding in found:
            yield f"- {describe_subject(finding)} ({escape(str(finding.source))})"
            if finding.detail:
                yield f": {escape(finding.detail)}"
            for address in finding.elsewhere:
                yield f"; found at `{address}`"
            yield "\n"
        yield "\n"


def _kept(store: StorePlan) -> Iterator[str]:
    for entry in store.kept:
        yield f"- keeps {plural(entry.instances, 'instance')}, {escape(str(entry.source))}"
        yield f" (hold: {escape(entry.hold)})\n" if entry.hold else "\n"
    for spared in store.spared:
        yield f"- spares {plural(spared.instances, 'instance')} of {escape(str(spared.removal))}"
        yield f" by {escape(str(spared.keep))}"
        yield f" (hold: {escape(spared.hold)})\n" if spared.hold else "\n"
    if store.kept or store.spared:
        yield "\n"


def _returned(returned: Sequence[Returned]) -> Iterator[str]:
    if not returned:
        return
    yield "**Came back: removed and verified by an earlier run, and there again**\n\n"
    for one in returned:
        how = "restored after" if one.restored else "removed by"
        yield f"- `{one.instance.instance_uid}` ({escape(str(one.source))}):"
        yield f" {how} run {escape(one.run)}\n"
    yield "\n"
