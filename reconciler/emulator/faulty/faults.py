"""What goes wrong on purpose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

DELETION = "DELETE"
"""The ``method`` of a rule for deletions."""


class FaultKind(Enum):
    """What happens to a request that a rule fires for."""

    LATENCY = "latency"
    """Waits ``seconds`` before anything else; the rules after it still apply."""
    STATUS = "status"
    """An error of ``status`` in the configured shape, with ``retry_after`` where given; or with
    ``body``, a text of JSON, in its place."""
    RESET = "reset"
    """The connection is reset (RST) instead of an answer."""
    HANG = "hang"
    """No answer ever comes; the connection stays open."""
    TRUNCATE = "truncate"
    """The body breaks off after ``body_bytes`` (default: half), its length announced in full."""
    HTML = "html"
    """A page of a proxy with ``status`` (default 502) instead of an answer."""
    REDIRECT = "redirect"
    """302 to ``location``."""
    OPERATION = "operation"
    """200 with a long-running operation, as the deletion of a series or study is answered."""
    RATE_CAP = "rate_cap"
    """429 with ``retry_after`` above ``per_second`` requests in any second."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One fault, and the requests that it is for.

    ``method`` and ``path`` (a regular expression, searched in the raw path with its query) select;
    None selects every request to the API, but never the token endpoint. ``times`` is how often it
    fires at most, ``probability`` how likely each time. ``after_effect`` lets STATUS, RESET, HANG,
    HTML, OPERATION and REDIRECT strike after the request did its work instead of before. Seconds
    are floats.

    Raises:
        ValueError: a parameter is missing or out of range.
    """

    fault: FaultKind
    method: str | None = None
    path: str | None = None
    times: int | None = None
    probability: float = 1.0
    after_effect: bool = False
    seconds: float = 0.0
    status: int | None = None
    retry_after: int | None = None
    body: str | None = None
    body_bytes: int | None = None
    location: str | None = None
    per_second: int | None = None

    def __post_init__(self) -> None:
        needed = _NEEDED.get(self.fault)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"the fault {self.fault.value!r} needs {needed!r}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability lies between 0 and 1, not {self.probability!r}")
        if self.seconds < 0:
            raise ValueError("seconds are not negative")
        if self.path is not None:
            _check_expression(self.path)


_NEEDED = {
    FaultKind.STATUS: "status",
    FaultKind.REDIRECT: "location",
    FaultKind.RATE_CAP: "per_second",
}


def _check_expression(expression: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"not a regular expression: {expression!r}") from error


@dataclass(frozen=True, slots=True)
class Faults:
    """All that goes wrong: rules in their order, and what concerns every request.

    ``latency`` (seconds) precedes every answer of the API; for ``search_lag`` seconds after a
    deletion searches still list what is gone, while retrieves do not. The same ``seed`` lets the
    same requests of a rule fire.

    Raises:
        ValueError: a time is negative.
    """

    rules: tuple[FaultRule, ...] = ()
    latency: float = 0.0
    search_lag: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.latency < 0 or self.search_lag < 0:
            raise ValueError("latency and search lag are not negative")
