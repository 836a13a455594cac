"""The outputs of a step of GitHub Actions, as lines of the file that ``GITHUB_OUTPUT`` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from reconciler.model.gate import Gate
from reconciler.model.outcome import RunReport
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.validation import Validation
from reconciler.reporting.wording import named_counts, plain

Outputs = Mapping[str, object]


class Named(Protocol):
    """What has the names of a plan."""

    @property
    def digest(self) -> str:
        """That of its stable part."""

    @property
    def plan_id(self) -> str:
        """That of this making of it."""


def plan_outputs(plan: Named, gates: Sequence[Gate], summary: PlanSummary) -> Outputs:
    """Names, blocking gates and the numbers of the plan."""
    blocking = sorted({gate.name.value for gate in gates if not gate.is_passed})
    return {
        "digest": plan.digest,
        "plan_id": plan.plan_id,
        "has_deletions": _flag(summary.listed > 0),
        "has_pending": _flag(summary.has_pending),
        "blocking_gates": ",".join(blocking),
        **summary.counts,
    }


def report_outputs(report: RunReport) -> Outputs:
    """Names, state and the number of each outcome."""
    return {
        "run": report.run,
        "digest": report.digest,
        "plan_id": report.plan_id,
        "state": report.state.value,
        "planned": report.planned,
        **named_counts(report),
    }


def validation_outputs(validation: Validation) -> Outputs:
    """Whether the files are valid, and how many problems they have."""
    return {
        "valid": _flag(validation.desired is not None),
        "errors": validation.errors,
        "warnings": validation.warnings,
    }


def outputs_as_text(outputs: Outputs) -> Iterator[str]:
    """A line each; a value never has a second one, which would be an output of its own."""
    for name, value in outputs.items():
        yield f"{name}={plain(str(value))}\n"


def _flag(value: bool) -> str:  # noqa: FBT001 - it is the value that is written
    return "true" if value else "false"
