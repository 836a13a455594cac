"""A plan in shards for people: what it is decided by, and where the whole is."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from reconciler.model.problem import Problem, Source
from reconciler.model.shards.manifest import Manifest
from reconciler.reporting.markdown import escape
from reconciler.reporting.page import render_page
from reconciler.reporting.plan.html import HINTS_UNFOLDED
from reconciler.reporting.plan.markdown import summary_as_markdown
from reconciler.reporting.plan.problems import gate_problem
from reconciler.reporting.plan.summary import Summary, Weight, summary_from
from reconciler.reporting.plan.text import summary_as_text
from reconciler.reporting.wording import plain, plural, summary_line

SHOWN = 20
"""So many shards are shown; the rest are counted, and the JSON form has them."""

_WIDTH = 80


def head_of(manifest: Manifest) -> Summary:
    """What a reader decides by."""
    return summary_from(manifest.summary, manifest.notices, manifest.gates, manifest)


def where_the_whole_is(manifest: Manifest) -> str:
    """A sentence on the shards, which have every instance."""
    count = len(manifest.plan.shards)
    lie = "lies" if count == 1 else "lie"
    return (
        f"{plural(count, 'shard')} {lie} beside the manifest; `reconciler show` renders each,"
        " with every instance"
    )


def manifest_as_text(manifest: Manifest) -> Iterator[str]:
    """Render in pieces; what a reviewer decides by first, the stable summary line last."""
    yield from summary_as_text(head_of(manifest))
    yield "\nShards\n"
    where = plain(where_the_whole_is(manifest))
    yield fill(where, _WIDTH, initial_indent="  ", subsequent_indent="    ") + "\n"
    shards = manifest.plan.shards
    for shard in shards[:SHOWN]:
        yield f"  {shard.path}  {plural(shard.deletions, 'instance')} of"
        yield f" {plural(shard.studies, 'study')}\n"
    if len(shards) > SHOWN:
        yield f"  … and {len(shards) - SHOWN:,} more (all of them with --format json)\n"
    yield f"\nPlan id {plain(manifest.plan_id)}, expires {manifest.expires:%Y-%m-%d %H:%M} UTC\n"
    yield f"Digest  {manifest.digest}\n\n"
    yield summary_line(manifest.summary) + "\n"


def manifest_as_markdown(manifest: Manifest) -> Iterator[str]:
    """Render in pieces, for a pull request; as long for any number of shards."""
    yield from summary_as_markdown(head_of(manifest))
    yield f"{where_the_whole_is(manifest)}.\n\n"
    yield "| shard | studies | deletes | digest |\n|---|---:|---:|---|\n"
    shards = manifest.plan.shards
    for shard in shards[:SHOWN]:
        yield f"| `{shard.path}` | {shard.studies:,} | {shard.deletions:,} | `{shard.digest}` |\n"
    yield "\n"
    if len(shards) > SHOWN:
        yield f"… and {plural(len(shards) - SHOWN, 'more shard')}\n\n"
    yield f"{summary_line(manifest.summary)}\n\n"
    yield f"Digest `{manifest.digest}`, plan id {escape(manifest.plan_id)},"
    yield f" expires {manifest.expires:%Y-%m-%d %H:%M} UTC\n"


def manifest_as_html(manifest: Manifest) -> Iterator[str]:
    """Render the page that is signed, one self-contained file."""
    return render_page(
        "plan_in_shards.html",
        {
            "saved": manifest,
            "plan": manifest.plan,
            "summary": head_of(manifest),
            "Weight": Weight,
            "headline": summary_line(manifest.summary),
            "where": where_the_whole_is(manifest),
            "thumbnails": None,
            "hints_unfolded": HINTS_UNFOLDED,
        },
        page_foot=f"Digest {manifest.digest}",
    )


def manifest_problems(manifest: Manifest) -> tuple[Problem, ...]:
    """The blocking gates; what is found in single studies stands in the forms of the shards."""
    home = Source(min((file.path for file in manifest.plan.inputs), default=""), 1)
    return tuple(gate_problem(gate, home) for gate in manifest.gates if not gate.is_passed)
