"""What callers of the functions mix up, found before anything is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from reconciler.api.listener import Listener
from reconciler.api.project import Project
from reconciler.api.service import Service
from reconciler.applying.stopping import Stop
from reconciler.model.desired import DesiredState
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "desired": (DesiredState, "what reconciler.load returns"),
    "plan": ((SavedPlan, Manifest), "what reconciler.plan or reconciler.read_plan returns"),
    "project": (Project, "what reconciler.Project.open returns"),
    "service": (Service, "a reconciler.Service"),
    "digest": (str, "the text of a digest"),
    "max_age": (timedelta, "a datetime.timedelta"),
    "stop": (Stop, "a reconciler.Stop"),
    "listener": (Listener, "an instance of reconciler.Listener"),
}
"""Each argument by its name: its type, and the same in words."""


def require_types(**given: object) -> None:
    """Find out that arguments, by their names, are of their types.

    Raises:
        TypeError: one is not.
    """
    for name, value in given.items():
        kind, words = _KINDS[name]
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {words}, and is of type {type(value).__name__}")


def as_paths(given: Iterable[str | Path]) -> list[Path]:
    """Paths that a caller lists.

    Raises:
        TypeError: it is a single one: a text would be taken for a list of its characters.
    """
    if isinstance(given, str | bytes | os.PathLike):
        raise TypeError(f"paths must be a list of paths: [{os.fspath(given)!r}]")
    return list(map(Path, given))
