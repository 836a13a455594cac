"""``reconciler import``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click

from reconciler.api.destination import require_writable, write_file
from reconciler.cli import environment
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root
from reconciler.cli.options.reasons import make_reason, reason_options
from reconciler.cli.options.stores import access_options, parse_store
from reconciler.cli.output.console import say, write_document
from reconciler.cli.runs.importing import (
    counted,
    from_csv,
    from_store,
    limits_of_contents,
    limits_of_list,
)
from reconciler.desired.format.writing import ListedEntry, desired_state
from reconciler.desired.inventory.exported_list import columns_by_level
from reconciler.desired.project_paths import relative_to_root
from reconciler.errors import UsageError
from reconciler.model.address import is_uid
from reconciler.model.desired import EntryKind, Reason
from reconciler.model.live import OddRow
from reconciler.reporting.wording import plural

_LONGEST_ARCHIVE = 1000  # characters, as in a file

_SHOWN = 20
"""So many rows that were left out, or are shared, are named."""


@click.command(name="import")
@click.argument("store")
@click.option("--study", "studies", multiple=True, metavar="UID", help="Only this one; repeatable.")
@click.option(
    "--exclude-study",
    "excluded",
    multiple=True,
    metavar="UID",
    help="Not this one; repeatable.",
)
@click.option(
    "--csv",
    "listed",
    type=PATH,
    metavar="FILE",
    help="List what this CSV file names, without contacting the store.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME",
    help="Read this column: StudyInstanceUID, or 'studiesId=Study UID'; repeatable.",
)
@click.option("--keep", "intent", flag_value="keep", default="keep", help="Keep them (default).")
@click.option("--remove", "intent", flag_value="remove", help="Remove them; needs --reason.")
@reason_options
@click.option(
    "--archive",
    metavar="PATH",
    help="Archive instances here before deleting them; an absolute path outside the project.",
)
@click.option("--out", type=PATH, metavar="FILE", help="Write to this file, which must not exist.")
@access_options
def command(
    *,
    store: str,
    studies: tuple[str, ...],
    excluded: tuple[str, ...],
    listed: Path | None,
    columns: tuple[str, ...],
    intent: str,
    reason: str | None,
    ticket: str | None,
    reason_text: str | None,
    archive: str | None,
    out: Path | None,
    access: environment.Access,
) -> None:
    """Write a desired-state file from a live store, or from a list.

    STORE is projects/P/locations/L/datasets/D/dicomStores/S, prefixed with orthanc: for Orthanc.
    Every instance is listed separately, so instances that arrive later are not included. Comments
    give modality and count, and no patient data. Instances with a malformed UID are left out and
    named on stderr. Searches may lag behind deletions by seconds. With --remove, the file sets the
    limits that its own counts require.

    The FILE of --csv is an inventory with the columns studiesId, seriesId and instancesId, or the
    first two for whole series, or the first for whole studies. With --column it is a list exported
    from a RIS, a VNA or a spreadsheet, separated by commas, semicolons or tabs; only the named
    columns are read. StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID are recognised; give
    other names as studiesId=NAME, seriesId=NAME or instancesId=NAME. A series needs the column of
    its study too, an instance those of both.

    \b
    Examples:
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --out specs/keep.yaml
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --study 1.2.3 \\
        --remove --reason 113037 --ticket QA-7 --archive /srv/dicom-archive
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --csv expired.csv \\
        --column StudyInstanceUID --remove --reason 113039 --out specs/expired.yaml
    """
    address = parse_store(store)
    why = _reason(EntryKind(intent), reason, ticket, reason_text)
    _check(studies, excluded, listed, out)
    _check_archive(archive, EntryKind(intent))
    require_writable(out)
    odd: Collection[OddRow] = ()
    if listed is not None:
        entries = from_csv(listed, _columns(columns))
        limits = limits_of_list(entries)
    elif columns:
        raise UsageError("--column belongs to --csv")
    else:
        entries, odd = from_store(address, studies, excluded, access)
        limits = limits_of_contents(entries, odd)
    text = desired_state(
        address,
        EntryKind(intent),
        entries,
        reason=why,
        archive=archive,
        limits=None if why is None else limits,
        header=_header(entries, _noted(odd)),
    )
    if out is not None:
        write_file(out, text)
    else:
        write_document(text)


def _reason(
    intent: EntryKind, code: str | None, ticket: str | None, words: str | None
) -> Reason | None:
    if intent is EntryKind.REMOVE:
        return make_reason(code, ticket, words, asking="--remove")
    if code or ticket or words:
        raise UsageError("--reason, --ticket and --text belong to --remove")
    return None


def _check(
    studies: Sequence[str], excluded: Sequence[str], listed: Path | None, out: Path | None
) -> None:
    if sum(map(bool, (studies, excluded, listed))) > 1:
        raise UsageError("--study, --exclude-study and --csv exclude each other")
    for uid in (*studies, *excluded):
        if not is_uid(uid):
            raise UsageError(f"not a UID: {uid!r}")
    if out is not None and out.is_file():
        raise UsageError(f"{out} exists already", hint="name a new file")


def _check_archive(archive: str | None, intent: EntryKind) -> None:
    if archive is None:
        return
    if intent is not EntryKind.REMOVE:
        raise UsageError("--archive belongs to --remove")
    if not (archive.startswith("/") and archive.isprintable() and len(archive) <= _LONGEST_ARCHIVE):
        raise UsageError(
            f"--archive takes an absolute path, {_LONGEST_ARCHIVE} characters at most",
            hint="start it with '/': it means the same wherever the plan is applied",
        )
    if relative_to_root(archive, os.path.realpath(find_root(None))) is not None:
        raise UsageError(
            f"the archive {archive} lies inside the project",
            hint="name a folder outside: archived instances must never be committed",
        )


def _columns(asked: Sequence[str]) -> tuple[str, ...]:
    try:
        return columns_by_level(asked)
    except ValueError as error:
        hint = "--column StudyInstanceUID, or --column 'studiesId=Study UID'; see --help"
        raise UsageError(f"--column: {error}", hint=hint) from error


def _noted(odd: Collection[OddRow]) -> Iterator[str]:
    """Name what is left out and what is shared on stderr; give what the file says of it.

    The file says how many, but no malformed UID: anything may stand there.
    """
    shared = sorted(str(row) for row in odd if row.is_shared)
    left_out = sorted(str(row) for row in odd if not row.is_shared)
    for note in chain(_first("", shared), _first("left out: ", left_out)):
        say(note)
    if left_out:
        yield f"Left out, since a UID is missing or malformed: {plural(len(left_out), 'row')}."


def _first(before: str, notes: Sequence[str]) -> Iterator[str]:
    yield from (f"{before}{note}" for note in notes[:_SHOWN])
    if len(notes) > _SHOWN:
        yield f"{before}{len(notes) - _SHOWN:,} more"


def _header(entries: Sequence[ListedEntry], notes: Iterator[str]) -> Iterator[str]:
    found = counted(entries)
    say(found)
    yield f"{found}, as listed by reconciler import."
    yield from notes
