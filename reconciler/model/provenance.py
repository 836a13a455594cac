"""Who acted, who asked for it, and from which files: what a run's first record says once."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import InputFile
from reconciler.model.plan import GitState


@dataclass(frozen=True, slots=True)
class Requester:
    """Who had the run done, in the words of the CI that runs it.

    ``ci`` names it (``github``, ``gitlab``), ``user`` is who triggered it, ``change`` the number
    of the pull or merge request, ``pipeline`` the address of the CI's own record, ``approvers``
    who approved the change. What the CI does not tell is None or empty.
    """

    ci: str
    user: str | None = None
    change: str | None = None
    pipeline: str | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run comes from.

    ``actor`` is the principal that the store authenticates, as its credentials tell it; None
    where they do not. ``inputs`` are the files, ``git`` is how they stood to their repository.
    """

    actor: str | None = None
    requester: Requester | None = None
    inputs: tuple[InputFile, ...] = ()
    git: GitState | None = None
