"""Names that stay, so that another system knows a problem or a deletion when it comes again."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.model.deletion import RecordedDeletion
from reconciler.model.problem import Problem

_PASSING = re.compile(
    r"(?<=\.yml|yaml|\.csv):\d+(?::\d+)?"  # line and column of another place
    r"|[\d,]+ of at most [\d,]+"  # how far a gate is blocking
    r"|\([\d,]+ instances?\)"
    r"|\([\d,]+ days? overdue[^)]*\)"
    r"|overrode [\d,]+ removes? in [\d,]+ stud(?:y|ies)"
    r"|^[\d,]+ more problems"
)
"""What of a message may change while it speaks of the same problem."""


def fingerprinted(problems: Iterable[Problem]) -> Iterator[tuple[Problem, str]]:
    """Each problem with a name of 64 hexadecimal digits, no two alike.

    It rests on rule, file and words, never on a line, a column or how many; of equal ones the
    second and later differ by their order.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    for problem in problems:
        key = (problem.rule, problem.source.path, _PASSING.sub("", problem.message))
        seen[key] += 1
        text = "\0".join([*key, str(seen[key])])
        yield problem, hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def deletion_fingerprint(deletion: RecordedDeletion) -> str:
    """64 hexadecimal digits, the same whoever settled the deletion, and in every export of it."""
    text = "\0".join([deletion.run.run, str(deletion.store), *deletion.instance])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
