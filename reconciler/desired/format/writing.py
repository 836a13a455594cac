"""Writes a desired-state file that lists instances, in canonical form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.desired.format.canonical import quoted
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import EntryKind, Reason


@dataclass(frozen=True, slots=True)
class SeriesList:
    """The instances of one series, and in words what they are; nothing of the patient."""

    series: SeriesAddress
    uids: tuple[str, ...]
    comment: str | None = None


def desired_state(
    store: StoreAddress,
    intent: EntryKind,
    listed: Iterable[SeriesList],
    *,
    reason: Reason | None = None,
    header: Iterable[str] = (),
) -> Iterator[str]:
    """The text of the file, in pieces; ``reason`` is that of removes, ``header`` comment lines."""
    for line in header:
        yield f"# {line}\n"
    yield "version: 1\n"
    yield "store:\n"
    for name, value in store.as_parameters().items():
        yield f"  {name}: {quoted(value)}\n"
    if reason is not None:
        yield from _reason(reason)
    entries = sorted(listed, key=lambda one: one.series)
    yield f"{intent.value}:\n" if entries else f"{intent.value}: []\n"
    for entry in entries:
        yield from _entry(entry)


def _reason(reason: Reason) -> Iterator[str]:
    yield f"reason:\n  code: {json.dumps(reason.code.value)}\n"
    if reason.text is not None:
        yield f"  text: {quoted(reason.text)}\n"
    if reason.ticket is not None:
        yield f"  ticket: {quoted(reason.ticket)}\n"


def _entry(entry: SeriesList) -> Iterator[str]:
    if entry.comment is not None:
        yield f"  # {entry.comment}\n"
    yield f"  - studiesId: {quoted(entry.series.study_uid)}\n"
    yield f"    seriesId: {quoted(entry.series.series_uid)}\n"
    yield "    instancesId:\n"
    for uid in sorted(entry.uids):
        yield f"      - {quoted(uid)}\n"
