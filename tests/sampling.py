"""Of many cases of one kind, those that the quick run tries; the slow run tries the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], *, each: int = 0) -> list[Any]:
    """The first is quick, and every so-manieth after it with ``each``; a tuple is arguments."""
    found = list(cases)
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=pytest.mark.slow if at % (each or len(found)) else (),
        )
        for at, case in enumerate(found)
    ]
