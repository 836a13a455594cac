"""What the next run comes after, found without reading whole files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from reconciler.errors import JournalError
from reconciler.journal.chain import fields_of, hash_of
from reconciler.journal.codec import from_json
from reconciler.journal.folder import RUN_SUFFIX, observations_folder, runs_folder
from reconciler.journal.order import RunStart, latest
from reconciler.journal.records import FirstRecord
from reconciler.model.service import Store, store_at

_TAIL = 1 << 16
"""Bytes; few lines but a first one come near it."""


class Links(TypedDict):
    """What ties a run to those before it; members of its first record.

    ``after`` are the latest runs of its own folder, those that no other run comes after;
    ``previous_head`` and ``previous_observation`` are the hashes of the last whole lines of the
    latest run in ``runs/`` and in ``observations/``.
    """

    after: tuple[str, ...]
    previous_head: str | None
    previous_observation: str | None


def links_of_run(folder: Path) -> Links:
    """The links of an apply or a restore that begins now.

    What cannot be read is passed over: whoever reads the history has found it before.
    """
    return _links(folder, is_observation=False)


def links_of_observation(folder: Path) -> Links:
    """The links of a run that changes no store and begins now."""
    return _links(folder, is_observation=True)


def _links(folder: Path, *, is_observation: bool) -> Links:
    runs, observations = (
        _latest(one) for one in (runs_folder(folder), observations_folder(folder))
    )
    return Links(
        after=observations if is_observation else runs,
        previous_head=_head(runs_folder(folder), runs),
        previous_observation=_head(observations_folder(folder), observations),
    )


def known_stores(folder: Path) -> frozenset[Store]:
    """The stores of all applies and restores on record, by their first records."""
    return frozenset(
        store_at(first.endpoint, store)
        for first in _first_records(runs_folder(folder))
        for store in first.stores
    )


def _latest(runs: Path) -> tuple[str, ...]:
    try:
        return latest(map(RunStart.of, _first_records(runs)))
    except (OSError, JournalError):
        return ()


def _first_records(runs: Path) -> Iterator[FirstRecord]:
    for path in runs.glob(f"*{RUN_SUFFIX}"):
        try:
            with path.open("rb") as file:
                first = from_json(fields_of(file.readline()) or {})
        except (OSError, ValueError):
            continue
        if isinstance(first, FirstRecord):
            yield first


def _head(runs: Path, names: tuple[str, ...]) -> str | None:
    return head_of(runs / f"{names[-1]}{RUN_SUFFIX}") if names else None


def head_of(path: Path) -> str | None:
    """The hash of the last whole line of a run's file; None without one, or if it is unreadable."""
    tail = _TAIL
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            while True:
                file.seek(max(0, size - tail))
                lines = file.read().splitlines(keepends=True)
                whole = (line for line in reversed(lines) if _is_whole(line))
                if (head := next(map(hash_of, whole), None)) or tail >= size:
                    return head
                tail *= 8
    except OSError:
        return None


def _is_whole(line: bytes) -> bool:
    try:
        return fields_of(line) is not None
    except ValueError:
        return False
