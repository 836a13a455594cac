"""Who acted, who asked for it, and from which files: what a run's first record says once."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import InputFile
from reconciler.model.plan import GitState


@dataclass(frozen=True, slots=True)
class Requester:
    """Who had the run done, in the words of the CI that runs it, as far as it tells."""

    ci: str
    """The CI, `github` or `gitlab`."""
    user: str | None = None
    """Who triggered the run."""
    change: str | None = None
    """The number of the pull or merge request."""
    pipeline: str | None = None
    """The address of the CI's own record."""
    approvers: tuple[str, ...] = ()
    """Who approved the change."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run comes from."""

    actor: str | None = None
    """The principal that the store authenticates, where the credentials tell it."""
    requester: Requester | None = None
    """Who had the run done, where a CI's environment tells."""
    inputs: tuple[InputFile, ...] = ()
    """The files that the run comes from."""
    git: GitState | None = None
    """How they stood to their repository, if there is one."""
