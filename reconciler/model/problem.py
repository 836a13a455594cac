"""What is wrong, or worth a look, in an input file, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Self


class Severity(Enum):
    """An error refuses the input; a warning is only said."""

    ERROR = "error"
    WARNING = "warning"


class ProblemRule(StrEnum):
    """What a problem is about; the value is its name in messages and reports."""

    meaning: str
    """What breaking the rule means, in one line."""

    def __new__(cls, name: str, meaning: str) -> Self:
        """Give each rule its name and its meaning."""
        rule = str.__new__(cls, name)
        rule._value_ = name
        rule.meaning = meaning
        return rule


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A place in an input file."""

    path: str
    """The file, relative to the project's root with / between its parts."""
    line: int
    """The line, from 1; 0 if there is none."""
    column: int = 1
    """The column, from 1, in characters."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about an input file.

    ``rule`` is a stable name in kebab case; ``message`` is one sentence without a period that
    carries the offending text; ``hint`` says what to do.
    """

    source: Source
    rule: str
    message: str
    hint: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.source.path}:{self.source.line}:{self.source.column}"
        label = "" if self.severity is Severity.ERROR else "warning: "
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}: {label}{self.message}{hint}"

    @property
    def sort_key(self) -> tuple[Source, str, str]:
        """Sorts by place, then by text."""
        return (self.source, self.rule, self.message)
