"""Workers against a quota in simulated time: the real limiters, and a clock that they do not see.

Nothing waits, so a run of ten minutes takes as long as its events, and is the same every time.
Simulated are the threads of each process, which wait for a slot one by one, the way to the service
and back, and the service, which has its own idea of a second and a minute.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from reconciler.live.http.rate import Limit, RateLimiter
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.http.shared_rate import SharedMemory, opened_memory

START = 1000.0

PerSecond = Callable[[float], float]
"""What the service allows so many seconds after the start of the run."""


class Quota(Protocol):
    """What a service allows; ``now`` is in seconds since the start, and never goes back."""

    def admits(self, now: float) -> bool:
        """Whether one more request is answered, which then counts."""

    def retry_after(self, now: float) -> float:
        """In how many whole seconds to ask again."""


class AnySecond:
    """So many requests in any second."""

    def __init__(self, per_second: PerSecond) -> None:
        self._per_second = per_second
        self._admitted: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """As `Quota`."""
        while self._admitted and now - self._admitted[0] >= 1:
            self._admitted.popleft()
        if len(self._admitted) >= self._per_second(now):
            return False
        self._admitted.append(now)
        return True

    def retry_after(self, now: float) -> float:
        """As `Quota`."""
        return 1.0


class EachWindow:
    """So many requests in each second or minute of the service's clock, which is another one."""

    def __init__(self, per_second: PerSecond, seconds: float) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._window = -1
        self._left = 0.0

    def admits(self, now: float) -> bool:
        """As `Quota`."""
        window = int((now + 0.7 * self._seconds) // self._seconds)
        if window != self._window:
            self._window, self._left = window, self._per_second(now) * self._seconds
        self._left -= 1
        return self._left >= 0

    def retry_after(self, now: float) -> float:
        """As `Quota`."""
        return -((now + 0.7 * self._seconds) % self._seconds - self._seconds) // 1 + 1


class Bucket:
    """A bucket that is filled evenly, and holds what comes in so many seconds."""

    def __init__(self, per_second: PerSecond, seconds: float) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._tokens = per_second(0.0) * seconds
        self._then = 0.0

    def admits(self, now: float) -> bool:
        """As `Quota`."""
        per_second = self._per_second(now)
        come = (now - self._then) * per_second
        self._tokens = min(per_second * self._seconds, self._tokens + come)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def retry_after(self, now: float) -> float:
        """As `Quota`."""
        return 1.0


class Outage:
    """A service that refuses everything for a while."""

    def __init__(self, quota: Quota, begin: float, end: float) -> None:
        self._quota = quota
        self._begin = begin
        self._end = end

    def admits(self, now: float) -> bool:
        """As `Quota`."""
        return not self._begin <= now < self._end and self._quota.admits(now)

    def retry_after(self, now: float) -> float:
        """As `Quota`."""
        return 10.0 if self._begin <= now < self._end else self._quota.retry_after(now)


@dataclass(slots=True)
class Run:
    """When requests passed or were refused, in seconds since the start, and of which process."""

    seconds: float
    passed: list[tuple[float, int]] = field(default_factory=list)
    refused: list[tuple[float, int]] = field(default_factory=list)

    def per_second(self, begin: float, end: float | None = None) -> float:
        """How many passed each second."""
        end = self.seconds if end is None else end
        return sum(begin <= moment < end for moment, _ in self.passed) / (end - begin)

    def refused_share(self, begin: float = 0.0) -> float:
        """Of all requests since then."""
        refused = sum(moment >= begin for moment, _ in self.refused)
        return refused / (refused + sum(moment >= begin for moment, _ in self.passed))

    def least_of_a_process(self, begin: float, processes: int) -> float:
        """What passed of the process of which the fewest did, each second."""
        passed = Counter(process for moment, process in self.passed if moment >= begin)
        return min(passed[process] for process in range(processes)) / (self.seconds - begin)


@dataclass(slots=True, eq=False)
class Worker:
    """A thread: its process, when its request left, and how often in a row it was refused."""

    process: int
    left: float = 0.0
    attempts: int = 0


class Simulation:
    """Workers that all have something to send all the time.

    ``latency`` is in seconds, ``lateness`` by how much too late a thread wakes up on average.
    """

    def __init__(
        self,
        quota: Quota,
        *,
        processes: int = 1,
        workers: int = 8,
        latency: float = 0.02,
        is_shared: bool = True,
        sends_retry_after: bool = False,
        lateness: float = 0.0,
    ) -> None:
        self._quota = quota
        self._processes = processes
        self._workers = workers
        self._latency = latency
        self._is_shared = is_shared
        self._sends_retry_after = sends_retry_after
        self._lateness = lateness
        self._now = START
        self._random = random.Random(24)
        self._policy = RetryPolicy()
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[Worker], None], Worker]] = []
        self._waiting: list[deque[Worker]] = [deque() for _ in range(processes)]

    def run(self, seconds: float) -> Run:
        """Let it run for so long."""
        self._run = Run(seconds)
        with self._opened() as self._limiters:
            for process in range(self._processes):
                for _ in range(self._workers):
                    later = 0.0 if self._is_shared else 0.3 * process
                    self._after(later, self._ask, Worker(process))
            while self._events[0][0] < START + seconds:
                self._now, _, happen, worker = heapq.heappop(self._events)
                happen(worker)
        return self._run

    def _after(self, wait: float, happen: Callable[[Worker], None], worker: Worker) -> None:
        heapq.heappush(self._events, (self._now + wait, next(self._numbers), happen, worker))

    def _ask(self, worker: Worker) -> None:
        waiting = self._waiting[worker.process]
        waiting.append(worker)
        if len(waiting) == 1:
            self._reserve(worker)

    def _reserve(self, worker: Worker) -> None:
        is_taken, wait = self._limiters[worker.process].reserve()
        if wait and self._lateness:
            wait += self._random.expovariate(1 / self._lateness)
        self._after(wait, self._leave if is_taken else self._reserve, worker)

    def _leave(self, worker: Worker) -> None:
        waiting = self._waiting[worker.process]
        waiting.popleft()
        if waiting:
            self._reserve(waiting[0])
        worker.left = self._now
        self._after(self._way(), self._arrive, worker)

    def _arrive(self, worker: Worker) -> None:
        now = self._now - START
        is_admitted = self._quota.admits(now)
        (self._run.passed if is_admitted else self._run.refused).append((now, worker.process))
        self._after(self._way(), self._pass if is_admitted else self._refuse, worker)

    def _pass(self, worker: Worker) -> None:
        self._limiters[worker.process].passed()
        worker.attempts = 0
        self._ask(worker)

    def _refuse(self, worker: Worker) -> None:
        asked = self._quota.retry_after(self._now - START) if self._sends_retry_after else None
        self._limiters[worker.process].note_throttled(worker.left, asked)
        worker.attempts += 1
        jitter = self._random.random()
        pause = self._policy.wait(worker.attempts, retry_after=asked, jitter=jitter)
        self._after(pause, self._ask, worker)

    def _way(self) -> float:
        return self._latency * (0.4 + 0.2 * self._random.random())

    @contextmanager
    def _opened(self) -> Iterator[list[RateLimiter]]:
        stop, own = threading.Event(), range(self._processes)
        if self._processes == 1 or not self._is_shared:
            yield [RateLimiter(None, stop=stop, clock=lambda: self._now) for _ in own]
            return
        with opened_memory(Limit.at(START, None), self._processes) as descriptor:
            memories = [
                SharedMemory(
                    descriptor, own=number, processes=self._processes, clock=lambda: self._now
                )
                for number in own
            ]
            yield [
                RateLimiter(None, stop=stop, clock=lambda: self._now, memory=memory)
                for memory in memories
            ]
