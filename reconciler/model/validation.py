"""The result of a check of desired-state files."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import DesiredState
from reconciler.model.problem import Problem, Severity


@dataclass(frozen=True, slots=True)
class Validation:
    """The problems that were found, sorted; ``desired`` is None where one of them is an error."""

    problems: tuple[Problem, ...]
    desired: DesiredState | None

    @property
    def errors(self) -> int:
        """The number of errors; with any, the files are refused."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def warnings(self) -> int:
        """The number of warnings."""
        return len(self.problems) - self.errors
