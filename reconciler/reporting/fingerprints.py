"""Names for problems that stay when a file is edited elsewhere, so that a CI system knows them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.model.problem import Problem

_PLACE = re.compile(r"(\.(?:ya?ml|csv)):\d+(?::\d+)?")
"""A place inside a message, as far as its line and column."""


def fingerprinted(problems: Iterable[Problem]) -> Iterator[tuple[Problem, str]]:
    """Each problem with a name of 64 hexadecimal digits, no two alike.

    It rests on rule, file and words, never on a line or column; of equal ones the second and
    later are told apart by their order.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    for problem in problems:
        key = (problem.rule, problem.source.path, _PLACE.sub(r"\1", problem.message))
        seen[key] += 1
        text = "\0".join([*key, str(seen[key])])
        yield problem, hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
