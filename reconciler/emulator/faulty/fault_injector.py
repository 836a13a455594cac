"""Decides, request by request, which fault strikes."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one request: seconds to wait first, and the fault that strikes, if any."""

    delay: float
    fault: FaultRule | None = None


class _ArmedRule:
    """A rule with what it needs to remember."""

    def __init__(self, rule: FaultRule, key: str) -> None:
        self.rule = rule
        self._path = re.compile(rule.path) if rule.path is not None else None
        self._key = key
        self._seen = 0
        self._left = rule.times
        self._admitted: deque[float] = deque()

    def fires(self, method: str, raw_path: str, now: float) -> bool:
        """Whether the rule is for this request and strikes it."""
        if self._left == 0 or not self._selects(method, raw_path):
            return False
        struck = self._is_drawn() and self._is_over_cap(now)
        if struck and self._left is not None:
            self._left -= 1
        return struck

    def _selects(self, method: str, raw_path: str) -> bool:
        if self.rule.method is not None and self.rule.method != method:
            return False
        if self._path is None:
            return raw_path.startswith("/v1/")
        return self._path.search(raw_path) is not None

    def _is_drawn(self) -> bool:
        """Draw by a digest of the seed, the rule and how many requests it saw: repeatable."""
        if self.rule.probability >= 1:
            return True
        self._seen += 1
        digest = hashlib.sha256(f"{self._key}:{self._seen}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56 < self.rule.probability

    def _is_over_cap(self, now: float) -> bool:
        if self.rule.per_second is None:
            return True
        while self._admitted and now - self._admitted[0] >= 1.0:
            self._admitted.popleft()
        if len(self._admitted) >= self.rule.per_second:
            return True
        self._admitted.append(now)
        return False


class FaultInjector:
    """The faults in force, with what has been used up of them; ``monotonic`` gives seconds."""

    def __init__(self, faults: Faults, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Put other faults in force, with nothing used up."""
        self.faults = faults
        self._rules = [
            _ArmedRule(rule, f"{faults.seed}:{place}") for place, rule in enumerate(faults.rules)
        ]

    def judge(self, method: str, raw_path: str) -> Strike:
        """Decide about one request and use up what strikes it."""
        delay = self.faults.latency if raw_path.startswith("/v1/") else 0.0
        now = self._monotonic()
        for armed in self._rules:
            if not armed.fires(method, raw_path, now):
                continue
            if armed.rule.fault is not FaultKind.LATENCY:
                return Strike(delay, armed.rule)
            delay += armed.rule.seconds
        return Strike(delay)
