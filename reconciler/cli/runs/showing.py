"""Show a plan everywhere it is to be seen: stdout, files, and the CI system around the run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from reconciler.api.formats import VALIDATION_FORMATS, plan_problems_of, render
from reconciler.cli.ci import github
from reconciler.cli.options.formats import INSTEAD_OF_A_PLAN, Writes, write_formats
from reconciler.cli.output.colour import coloured, wants_colour
from reconciler.cli.output.console import write_document
from reconciler.errors import DesiredStateError
from reconciler.model.plan import SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.manifest import Manifest
from reconciler.model.validation import Validation
from reconciler.planning.gates import gates_of
from reconciler.reporting.ci.places import in_repository
from reconciler.reporting.plan.in_shards import manifest_as_markdown, manifest_problems
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.run.step_outputs import plan_outputs
from reconciler.reporting.validation.markdown import validation_as_markdown


@dataclass(frozen=True, slots=True)
class PlanView:
    """How a plan is written: the format of stdout, other files, the root in the repository."""

    format_name: str
    writes: Writes
    folder: str


def show_plan(saved: SavedPlan, view: PlanView) -> None:
    """Write the plan in all its formats; stdout last, since a reader may close it early."""
    gates = gates_of(saved)
    write_formats(view.writes, partial(render, saved, folder=view.folder))
    github.annotate(lambda: plan_problems_of(saved, view.folder))
    github.summarize(partial(plan_as_markdown, saved, gates))
    github.set_outputs(plan_outputs(saved, gates, PlanSummary.of(saved)))
    write_plan_document(saved, view.format_name, view.folder)


def show_manifest(manifest: Manifest, view: PlanView) -> None:
    """As `show_plan`, of a plan in shards."""
    write_formats(view.writes, partial(render, manifest, folder=view.folder))
    problems = manifest_problems(manifest)
    github.annotate(lambda: in_repository(problems, view.folder))
    github.summarize(lambda _: manifest_as_markdown(manifest))
    github.set_outputs(plan_outputs(manifest, manifest.gates, manifest.summary))
    write_plan_document(manifest, view.format_name, view.folder)


def write_plan_document(
    saved: SavedPlan | Manifest, format_name: str = "text", folder: str = ""
) -> None:
    """Write the plan to stdout, in colour where people read it."""
    pieces = render(saved, format_name, folder)
    is_coloured = format_name == "text" and wants_colour(sys.stdout)
    write_document(coloured(pieces) if is_coloured else pieces)


@contextmanager
def shown_if_invalid(view: PlanView) -> Iterator[None]:
    """Report invalid files in every format that can hold it, and go on failing."""
    with github.annotated_errors(view.folder):
        try:
            yield
        except DesiredStateError as error:
            _show_invalid(Validation(error.problems, None), view)
            raise


def _show_invalid(invalid: Validation, view: PlanView) -> None:
    writes = [
        (format_name, path) for format_name, path in view.writes if format_name in INSTEAD_OF_A_PLAN
    ]
    write_formats(writes, lambda format_name: VALIDATION_FORMATS[format_name](invalid, view.folder))
    github.summarize(partial(validation_as_markdown, invalid))
    if view.format_name in INSTEAD_OF_A_PLAN:
        write_document(VALIDATION_FORMATS[view.format_name](invalid, view.folder))
