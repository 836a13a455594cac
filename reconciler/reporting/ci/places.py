"""Places of problems, as those see them who know the repository and not the project's root."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.model.problem import Problem


def in_repository(problems: Iterable[Problem], folder: str) -> tuple[Problem, ...]:
    """The problems with paths from the repository's top; ``folder`` is the project's root there.

    ``folder`` has ``/`` between its parts, and is empty where the root is the top.
    """
    if not folder:
        return tuple(problems)
    return tuple(
        replace(one, source=replace(one.source, path=f"{folder}/{one.source.path}"))
        for one in problems
    )
