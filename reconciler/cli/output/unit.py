"""What is counted while a command gets on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """What is counted: ``divisor`` of them make one that is shown, with ``suffix`` behind it."""

    divisor: int = 1
    suffix: str = ""

    def shown(self, count: float) -> str:
        """A count as people read it."""
        return f"{count / self.divisor:,.0f}{self.suffix}"


THINGS = Unit()
BYTES = Unit(1_000_000, " MB")
