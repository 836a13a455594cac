"""Headers by which the provider's audit log and the journal are joined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PREFIX = "X-Goog-Healthcare-Audit-"
_PLAIN = re.compile(r"[ -~]{1,128}")
"""Printable ASCII, so that nothing can end a header."""


@dataclass(frozen=True, slots=True)
class AuditLabels:
    """What a request is part of: the run, the digest of its plan, and the removal's ticket.

    Nothing else may be said there: they leave the project. The Cloud Healthcare API writes
    headers of this prefix into Cloud Audit Logs.

    Raises:
        ValueError: one cannot be the value of a header.
    """

    run: str
    plan: str | None = None
    ticket: str | None = None

    def __post_init__(self) -> None:
        for value in (self.run, self.plan, self.ticket):
            if value is not None and _PLAIN.fullmatch(value) is None:
                raise ValueError(f"not the value of a header: {value!r}")

    def headers(self) -> Mapping[str, str]:
        """The headers to add to a request."""
        named = {"Run": self.run, "Plan": self.plan, "Ticket": self.ticket}
        return {f"{_PREFIX}{name}": value.strip() for name, value in named.items() if value}
