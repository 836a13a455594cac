"""Collects the problems of all files, with a cap, so that a broken file costs no memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.desired.rules import Rule
from reconciler.model.problem import Problem, Severity, Source

CAP = 100
"""How many problems of one rule in one file are kept; the rest is counted."""

MOST = 1000
"""After so many problems the reading of a file, or its check, stops: it is simply broken."""


@dataclass(slots=True)
class _Omitted:
    """Problems that were counted only; ``last`` is the latest place of one of the kind."""

    last: Source
    count: int = 0


class Problems:
    """What is wrong, or worth a look, in the files of one run."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Rule, Severity], list[Problem]] = {}
        self._omitted: dict[tuple[str, Rule, Severity], _Omitted] = {}

    def error(self, rule: Rule, source: Source, message: str, hint: str | None = None) -> None:
        """Add a problem that refuses the input."""
        self._add(rule, Problem(source, rule.value, message, hint))

    def warning(self, rule: Rule, source: Source, message: str, hint: str | None = None) -> None:
        """Add a problem that is only said."""
        self._add(rule, Problem(source, rule.value, message, hint, Severity.WARNING))

    def stopped(self, source: Source) -> None:
        """Add that nothing after this place was looked at, since there were `MOST` problems."""
        message = f"the check stopped after {MOST:,} problems"
        self.error(Rule.CHECK_STOPPED, source, message, "correct the others first")

    @property
    def has_errors(self) -> bool:
        """Whether any problem refuses the input."""
        return any(severity is Severity.ERROR for _, _, severity in self._kept)

    def sources(self, path: str) -> set[Source]:
        """The places in a file that already have a problem."""
        kept = (problems for key, problems in self._kept.items() if key[0] == path)
        return {problem.source for problems in kept for problem in problems}

    def sorted(self) -> tuple[Problem, ...]:
        """The problems by place, each once.

        After the last one of a capped rule stands how many more there are.
        """
        found = {problem for problems in self._kept.values() for problem in problems}
        found.update(self._rest(key, omitted) for key, omitted in self._omitted.items())
        return tuple(sorted(found, key=lambda problem: problem.sort_key))

    def _add(self, rule: Rule, problem: Problem) -> None:
        key = (problem.source.path, rule, problem.severity)
        kept = self._kept.setdefault(key, [])
        if len(kept) < CAP:
            kept.append(problem)
            return
        omitted = self._omitted.setdefault(key, _Omitted(max(one.source for one in kept)))
        omitted.count += 1
        omitted.last = max(omitted.last, problem.source)

    def _rest(self, key: tuple[str, Rule, Severity], omitted: _Omitted) -> Problem:
        return replace(
            self._kept[key][0],
            source=omitted.last,
            message=f"{omitted.count:,} more problems of this kind ({key[1]}) are not shown",
            hint=None,
        )
