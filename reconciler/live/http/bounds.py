"""When an answer must have ended, whatever the server does.

The timeouts of `requests`, urllib3 and the socket are for each piece that arrives: a byte per
second outlasts all of them. So every wait for a piece of an answer asks its `Term` first.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from dataclasses import dataclass
from math import inf

STEP = 0.25
"""Seconds of a single wait: so soon a run that stops is noticed."""

_MARKS = 60
"""So often the progress of a long answer is noted in a window."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long answers may take, in seconds, and how large they may be, in bytes.

    A small answer, such as that to a DELETE or a probe, ends within ``whole`` of the moment at
    which its request was begun. The headers of others are there within ``window``; then at least
    ``json_rate`` or ``image_rate`` bytes per second arrive over any ``window``, of which only the
    time counts that is spent waiting for the server. ``json_size`` and ``image_size`` are the
    most that a body may have, as it is sent and as it is decoded, ``head_size`` the most that all
    headers may.

    Once the run stops, what is in flight ends within ``in_flight``, and what is asked after that,
    such as the proof of a deletion, within ``after_stop`` of the same moment.
    """

    whole: float = 30.0
    window: float = 60.0
    json_rate: int = 1024
    image_rate: int = 16 * 1024
    json_size: int = 256 * 1024**2
    image_size: int = 64 * 1024**3
    head_size: int = 256 * 1024
    in_flight: float = 2.0
    after_stop: float = 3.0


class EndlessError(http.client.HTTPException):
    """More arrived than any answer has."""


class Stopping:
    """When the run was first seen to stop; shared by all answers of a run."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._seen: float | None = None

    @property
    def since(self) -> float | None:
        """That moment, in monotonic seconds; None while the run goes on."""
        if self._seen is None and self._event.is_set():
            self._seen = time.monotonic()
        return self._seen


class Term:
    """How long one answer may still take; its request begins when this is made.

    ``rate`` is in bytes per second, None for a small answer; ``size`` the most bytes of its body.
    """

    def __init__(self, bounds: Bounds, stopping: Stopping, *, rate: int | None, size: int) -> None:
        self.size = size
        self.head_size = bounds.head_size
        self._stopping = stopping
        self._grace = bounds.in_flight if stopping.since is None else bounds.after_stop
        self._end = time.monotonic() + bounds.whole if rate is None else inf
        self._pace = None if rate is None else _Pace(rate, bounds.window)

    @classmethod
    def of_small(cls, bounds: Bounds, stopping: Stopping) -> Term:
        """The term of a small answer."""
        return cls(bounds, stopping, rate=None, size=bounds.json_size)

    def left(self, most: float = STEP) -> float:
        """Seconds for which the server may be waited for, at most so many; 0 when time is over."""
        if self._pace is not None and self._pace.is_too_slow:
            return 0.0
        since = self._stopping.since
        end = self._end if since is None else min(self._end, since + self._grace)
        return max(0.0, min(most, end - time.monotonic()))

    def note(self, waited: float, size: int) -> None:
        """Take note of a wait, in seconds, and of how many bytes it brought."""
        if self._pace is not None:
            self._pace.note(waited, size)

    def begin_body(self) -> None:
        """Take note that the headers are there."""
        if self._pace is not None:
            self._pace.begin()


class _Pace:
    """Whether the latest ``window`` seconds of waiting brought ``rate`` bytes each.

    Until it begins nothing counts as progress, so that it must begin within the first window.
    """

    def __init__(self, rate: int, window: float) -> None:
        self._least = rate * window
        self._window = window
        self._waited = 0.0
        self._size = 0
        self._has_begun = False
        self._marks = deque([(0.0, 0)])  # how much had come after so many seconds of waiting

    @property
    def is_too_slow(self) -> bool:
        began, size = self._marks[0]
        return self._waited - began >= self._window and self._size - size < self._least

    def begin(self) -> None:
        self._has_begun = True
        self._marks = deque([(self._waited, 0)])

    def note(self, waited: float, size: int) -> None:
        self._waited += waited
        if not self._has_begun:
            return
        self._size += size
        if self._waited - self._marks[-1][0] >= self._window / _MARKS:
            self._marks.append((self._waited, self._size))
        while len(self._marks) > 1 and self._waited - self._marks[1][0] >= self._window:
            self._marks.popleft()
