"""Who acted, who asked for it, and from which files: what a run's first record says once."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.desired import InputFile
from reconciler.model.plan import GitState


@dataclass(frozen=True, slots=True)
class Requester:
    """Who requested the run, as far as the CI says."""

    ci: str
    """The CI, `github` or `gitlab`."""
    user: str | None = None
    """Who triggered the run."""
    change: str | None = None
    """The number of the pull or merge request."""
    pipeline: str | None = None
    """The URL of the CI run."""
    approvers: tuple[str, ...] = ()
    """Who approved the change."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The provenance of a run."""

    actor: str | None = None
    """The principal that the store authenticates, if the credentials contain it."""
    requester: Requester | None = None
    """Who requested the run, if the CI's environment says so."""
    inputs: tuple[InputFile, ...] = ()
    """The input files of the run."""
    git: GitState | None = None
    """Their state in git; null outside a repository."""
