"""What GitLab shows in a merge request: Code Quality findings, and a plan's numbers.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format and
https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from reconciler.model.problem import Problem, Severity
from reconciler.reporting.ci.fingerprints import fingerprinted
from reconciler.reporting.wording import plain

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def problems_as_code_quality(problems: Sequence[Problem]) -> Iterator[str]:
    """One array, a finding for each problem."""
    findings = [
        {
            "description": _words(problem),
            "check_name": str(problem.rule),
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[problem.severity],
            "location": {
                "path": problem.source.path,
                "lines": {"begin": problem.source.line},
            },
        }
        for problem, fingerprint in fingerprinted(problems)
    ]
    yield json.dumps(findings, indent=2) + "\n"


def _words(problem: Problem) -> str:
    hint = f" (hint: {plain(problem.hint)})" if problem.hint else ""
    return plain(problem.message) + hint


def plan_as_terraform(deletions: int) -> Iterator[str]:
    """The three numbers of a ``terraform`` report; nothing is ever created or updated."""
    yield json.dumps({"create": 0, "update": 0, "delete": deletions}) + "\n"
