"""The options by which a part of the record is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click

from reconciler.cli.options.shared import together
from reconciler.errors import UsageError
from reconciler.model.address import is_uid
from reconciler.model.audit import Selection
from reconciler.model.desired import ReasonCode


def _moment(text: str) -> datetime:
    """Parse ``2026-03-01`` or ``2026-03-01T12:00:00Z``; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        problem = f"{text!r} is no day or time such as 2026-03-01T12:00:00Z"
        raise click.BadParameter(problem) from error


_OPTIONS = together(
    click.option("--since", type=_moment, metavar="TIME", help="From this time on."),
    click.option("--until", type=_moment, metavar="TIME", help="Before this time."),
    click.option(
        "--study", "studies", multiple=True, metavar="UID", help="Only this study; repeatable."
    ),
    click.option(
        "--reason",
        "reasons",
        type=click.Choice([code.value for code in ReasonCode]),
        metavar="CODE",
        multiple=True,
        help="Only this reason, a code of DICOM CID 7031; repeatable.",
    ),
    click.option("--run", "runs", multiple=True, metavar="RUN", help="Only this run; repeatable."),
)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets a `Selection` as ``selection`` in their place."""

    @wraps(command)
    def with_selection(
        *,
        since: datetime | None,
        until: datetime | None,
        studies: tuple[str, ...],
        reasons: tuple[str, ...],
        runs: tuple[str, ...],
        **others: Any,
    ) -> Any:
        for study in studies:
            if not is_uid(study):
                raise UsageError(f"--study {study!r} is not a Study Instance UID")
        if since is not None and until is not None and since >= until:
            raise UsageError("--since is not before --until, so nothing is selected")
        selection = Selection(since, until, frozenset(studies), frozenset(reasons), frozenset(runs))
        return command(selection=selection, **others)

    return _OPTIONS(with_selection)
