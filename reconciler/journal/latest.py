"""What the next run comes after, found without reading whole files."""

from __future__ import annotations

from contextlib import suppress
from typing import TypedDict

from reconciler.errors import JournalError
from reconciler.journal.catalogue import Catalogue
from reconciler.journal.log import Logged, RunLog
from reconciler.journal.order import RunStart, latest
from reconciler.journal.state import OBSERVATIONS, RUNS, State


class Links(TypedDict):
    """What ties a run to those before it; members of its first record.

    ``after`` are the latest runs of its own folder, those that no other run comes after;
    ``previous_head`` and ``previous_observation`` are the heads of the logs of ``runs/`` and
    ``observations/``.
    """

    after: tuple[str, ...]
    previous_head: str | None
    previous_observation: str | None


def links_of_run(state: State) -> Links:
    """The links of an apply or a restore that begins now.

    What cannot be read is passed over: whoever reads the history has found it before.
    """
    after: tuple[str, ...] = ()
    with suppress(JournalError):
        after = latest(map(RunStart.of, Catalogue.read(state).first_records()))
    return Links(
        after=after,
        previous_head=_head_of(_last(state, RUNS)),
        previous_observation=_head_of(_last(state, OBSERVATIONS)),
    )


def links_of_observation(state: State) -> Links:
    """The links of a run that changes no store and begins now: it comes after the last in the log.

    What cannot be read is passed over.
    """
    last = _last(state, OBSERVATIONS)
    return Links(
        after=(last.entry.run,) if last else (),
        previous_head=_head_of(_last(state, RUNS)),
        previous_observation=_head_of(last),
    )


def _last(state: State, folder: str) -> Logged | None:
    with suppress(JournalError):
        return RunLog(state.objects, folder).latest()
    return None


def _head_of(last: Logged | None) -> str | None:
    return last.head if last else None
