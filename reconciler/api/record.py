"""Read what is on record."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from reconciler.api.arguments import require_types
from reconciler.api.project import Project
from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.errors import JournalError
from reconciler.model.audit import Selection
from reconciler.model.deletion import RecordedDeletion


def read_record(
    project: Project,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    studies: Collection[str] = (),
    reasons: Collection[str] = (),
    runs: Collection[str] = (),
) -> Iterator[RecordedDeletion]:
    """The deletions on record, in the order of their proofs, as ``audit export`` writes them.

    Args:
        project: Where the record is.
        since: Start of the period, inclusive, with a UTC offset.
        until: End of the period, exclusive, with a UTC offset.
        studies: Only these Study Instance UIDs; empty for all, as for the next two.
        reasons: Only these codes of DICOM CID 7031.
        runs: Only these runs.

    Yields:
        Each deletion with its run, reason, outcome and proof.

    Raises:
        UsageError: there is no record, or no such run.
        JournalError: a run cannot be read to its end (`BrokenJournal`: it was modified). Raised
            after everything that could be read.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> _ = reconciler.apply(saved, project, service, digest=saved.digest)
        >>> [one.outcome.value for one in reconciler.read_record(project)]
        ['deleted', 'deleted']
    """
    require_types(project=project)
    problems: list[JournalError] = []
    selection = Selection(since, until, frozenset(studies), frozenset(reasons), frozenset(runs))
    yield from recorded_deletions(Snapshot.take(project.state), selection, problems.append)
    if problems:
        raise problems[0]
