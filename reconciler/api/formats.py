"""The formats of a plan, a check and a result: which there are, and what writes each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.desired import Rule
from reconciler.model.gate import GateName
from reconciler.model.outcome import RunReport
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.problem import Problem
from reconciler.model.shards.manifest import Manifest
from reconciler.model.validation import Validation
from reconciler.planning.gates import gates_of
from reconciler.planning.plan_file import write_plan
from reconciler.planning.shards.manifest_file import write_manifest
from reconciler.reporting.ci.gitlab import plan_as_terraform, problems_as_code_quality
from reconciler.reporting.ci.junit import plan_as_junit, validation_as_junit
from reconciler.reporting.ci.places import in_repository
from reconciler.reporting.ci.sarif import problems_as_sarif
from reconciler.reporting.plan.html import plan_as_html
from reconciler.reporting.plan.in_shards import (
    manifest_as_html,
    manifest_as_markdown,
    manifest_as_text,
    manifest_problems,
)
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.plan.problems import PlanRule, plan_problems
from reconciler.reporting.plan.text import plan_as_text
from reconciler.reporting.run.json import report_as_json
from reconciler.reporting.run.markdown import report_as_markdown
from reconciler.reporting.run.text import report_as_text
from reconciler.reporting.validation.json import validation_as_json
from reconciler.reporting.validation.markdown import validation_as_markdown
from reconciler.reporting.validation.text import validation_as_text

PLAN_RULES: Mapping[str, str] = {
    **{gate.rule: gate.meaning for gate in GateName},
    **{rule: rule.meaning for rule in PlanRule},
}
RULES: Mapping[str, str] = {**{str(rule): rule.meaning for rule in Rule}, **PLAN_RULES}
"""Every rule that a problem may be about, with its meaning."""


def plan_problems_of(saved: SavedPlan, folder: str) -> tuple[Problem, ...]:
    """What a reviewer must see of a plan; ``folder`` is the project's root in the repository."""
    return in_repository(plan_problems(saved, gates_of(saved)), folder)


PLAN_FORMATS: Mapping[str, Callable[[SavedPlan, str], Iterator[str]]] = {
    "text": lambda saved, _: plan_as_text(saved, gates_of(saved)),
    "json": lambda saved, _: write_plan(saved),
    "markdown": lambda saved, _: plan_as_markdown(saved, gates_of(saved)),
    "html": lambda saved, _: plan_as_html(saved, gates_of(saved)),
    "sarif": lambda saved, folder: problems_as_sarif(plan_problems_of(saved, folder), RULES),
    "junit": lambda saved, _: plan_as_junit(gates_of(saved), plan_problems(saved, gates_of(saved))),
    "codequality": lambda saved, folder: problems_as_code_quality(plan_problems_of(saved, folder)),
    "terraform": lambda saved, _: plan_as_terraform(saved.plan.count(Why.LISTED)),
}
"""Each takes a plan and the project's root in the repository."""

MANIFEST_FORMATS: Mapping[str, Callable[[Manifest, str], Iterator[str]]] = {
    "text": lambda manifest, _: manifest_as_text(manifest),
    "json": lambda manifest, _: write_manifest(manifest),
    "markdown": lambda manifest, _: manifest_as_markdown(manifest),
    "html": lambda manifest, _: manifest_as_html(manifest),
    "sarif": lambda manifest, folder: problems_as_sarif(
        in_repository(manifest_problems(manifest), folder), RULES
    ),
    "junit": lambda manifest, _: plan_as_junit(manifest.gates, manifest_problems(manifest)),
    "codequality": lambda manifest, folder: problems_as_code_quality(
        in_repository(manifest_problems(manifest), folder)
    ),
    "terraform": lambda manifest, _: plan_as_terraform(manifest.plan.deletions),
}
"""The same formats, of a plan in shards."""


def render(saved: SavedPlan | Manifest, format_name: str, folder: str = "") -> Iterator[str]:
    """A plan in one format, in pieces; ``folder`` is as above."""
    if isinstance(saved, Manifest):
        return MANIFEST_FORMATS[format_name](saved, folder)
    return PLAN_FORMATS[format_name](saved, folder)


VALIDATION_FORMATS: Mapping[str, Callable[[Validation, str], Iterator[str]]] = {
    "text": lambda checked, _: validation_as_text(checked),
    "json": lambda checked, _: validation_as_json(checked),
    "markdown": lambda checked, _: validation_as_markdown(checked),
    "sarif": lambda checked, folder: problems_as_sarif(
        in_repository(checked.problems, folder), RULES
    ),
    "junit": lambda checked, _: validation_as_junit(checked),
    "codequality": lambda checked, folder: problems_as_code_quality(
        in_repository(checked.problems, folder)
    ),
}
"""Each takes a check and the project's root in the repository."""

REPORT_FORMATS: Mapping[str, Callable[[RunReport, int], Iterator[str]]] = {
    "text": lambda report, _: report_as_text(report),
    "json": report_as_json,
    "markdown": lambda report, _: report_as_markdown(report),
}
"""Each takes the result of an apply or a restore and its exit code."""
