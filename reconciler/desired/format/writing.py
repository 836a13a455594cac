"""Writes a desired-state file that names studies, series or instances, in canonical form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.desired.format.canonical import quoted
from reconciler.model.address import StoreAddress
from reconciler.model.desired import LIMIT_KEYS, EntryKind, Reason


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A study, a series, or instances of one, and in words what that is; nothing of the patient.

    Without instances it means the whole series, without a series the whole study.
    """

    study_uid: str
    series_uid: str | None = None
    uids: tuple[str, ...] = ()
    comment: str | None = None


def desired_state(
    store: StoreAddress,
    intent: EntryKind,
    listed: Iterable[ListedEntry],
    *,
    reason: Reason | None = None,
    archive: str | None = None,
    limits: Mapping[str, int] | None = None,
    header: Iterable[str] = (),
) -> Iterator[str]:
    """The text of the file, in pieces.

    ``reason`` and ``archive``, an absolute path, are those of removes; ``limits`` are keyed as the
    format names them; ``header`` are comment lines.
    """
    for line in header:
        yield f"# {line}\n"
    yield "version: 1\n"
    yield "store:\n"
    for name, value in store.as_parameters().items():
        yield f"  {name}: {quoted(value)}\n"
    if reason is not None:
        yield from _reason(reason)
    if archive is not None:
        yield f"archive:\n  path: {quoted(archive)}\n"
    if limits:
        yield "limits:\n"
        yield from (f"  {key}: {limits[key]}\n" for key in LIMIT_KEYS.values() if key in limits)
    entries = sorted(listed, key=lambda one: (one.study_uid, one.series_uid or ""))
    yield f"{intent.value}:\n" if entries else f"{intent.value}: []\n"
    for entry in entries:
        yield from _entry(entry)


def _reason(reason: Reason) -> Iterator[str]:
    yield f"reason:\n  code: {json.dumps(reason.code.value)}\n"
    if reason.text is not None:
        yield f"  text: {quoted(reason.text)}\n"
    if reason.ticket is not None:
        yield f"  ticket: {quoted(reason.ticket)}\n"


def _entry(entry: ListedEntry) -> Iterator[str]:
    if entry.comment is not None:
        yield f"  # {entry.comment}\n"
    yield f"  - studiesId: {quoted(entry.study_uid)}\n"
    if entry.series_uid is not None:
        yield f"    seriesId: {quoted(entry.series_uid)}\n"
    if entry.uids:
        yield "    instancesId:\n"
    for uid in sorted(entry.uids):
        yield f"      - {quoted(uid)}\n"
