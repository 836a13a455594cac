"""Signs of life of a run: the beats by which others see that it holds what it holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from reconciler.errors import JournalError
from reconciler.journal.places.epoch import beat_name, new_beat
from reconciler.objects.interface import Objects

BEATS = 3
"""In a lease."""
_MARGIN = 0.25
"""Of a lease: a holder sends nothing for so long before it could be taken over."""
_LOOKS = 20
"""In a lease, at whether it is good."""


class Heart:
    """Creates the beats of a run until it is stopped; the lease of all its stores.

    ``on_lost`` is called once when the lease is good no more.
    """

    def __init__(
        self, objects: Objects, run: str, lease: float, on_lost: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._run = run
        self._lease = lease
        self._on_lost = on_lost
        self.came_after: Callable[[str], bool] = lambda _: False
        """As `Lease`; set once the stores are held."""
        self._good_at = boottime()
        self._is_lost = False
        self._stopped = Event()
        self._threads = [
            Thread(target=loop, name=f"lease {run}", daemon=True)
            for loop in (self._beat, self._watch)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_good(self) -> bool:
        """Whether a request may leave now: nobody can have taken the stores over."""
        since = boottime() - self._good_at
        return not self._is_lost and since < self._lease * (1 - _MARGIN)

    def stop(self) -> None:
        """Create no more beats."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _beat(self) -> None:
        number, beat = 1, new_beat()
        while not self._is_lost and not self._stopped.wait(self._lease / BEATS):
            began = boottime()
            with suppress(JournalError):  # the same one is tried again
                if self._objects.create(beat_name(self._run, number), beat):
                    self._good_at = began
                    number, beat = number + 1, new_beat()
                else:
                    self._is_lost = True

    def _watch(self) -> None:
        while not self._stopped.wait(self._lease / _LOOKS):
            if not self.is_good:
                self._on_lost()
                return


def boottime() -> float:
    """Seconds on a clock that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
