"""Objects that are numbered without a gap: the last one is found by number, never by listing."""

from __future__ import annotations

from collections.abc import Callable


def last_number(read: Callable[[int], object | None], known: int = 0) -> int:
    """The last number from which `read` gives something; ``known`` is one that is there, or 0.

    It asks for about twice the logarithm of how many there are beyond ``known``.
    """
    low, step = known, 1
    while read(low + step) is not None:
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if read(middle) is not None:
            low = middle
        else:
            high = middle
    return low
