"""``reconciler pseudonym``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import chain

import click

from reconciler.cli.options.listening import Console
from reconciler.cli.options.shared import key_option
from reconciler.cli.output.console import say, write_document
from reconciler.desired.inventory.exported_list import delimiter_of
from reconciler.errors import UsageError
from reconciler.model.patient import KEY_LINE, PatientKey
from reconciler.reporting.wording import plural


@click.command(name="pseudonym")
@key_option("The key by which pseudonyms are made.", required=True)
@click.option("--column", metavar="NAME", help="Read CSV, and of it this column only.")
@click.option("--accessions", is_flag=True, help="They are Accession Numbers, not Patient IDs.")
def command(*, patient_key: PatientKey, column: str | None, accessions: bool) -> None:
    """Turn the Patient IDs on stdin into the pseudonyms that a selector names.

    An id a line, or with --column the cells of a CSV file under that name, separated by commas,
    semicolons or tabs. stdout gets the pseudonyms, each once and sorted, so that neither order nor
    repetition tells anything, and first a line that says by which key they were made. They are
    those of apply --patient-key. No message quotes what was read.

    The key is 64 hexadecimal digits in a file, as 'openssl rand -hex 32' prints them. Keep it
    apart from git and from the record, and use it for every cohort: pseudonyms of another key
    name nobody.

    \b
    Examples:
      reconciler pseudonym --patient-key patient.key < ids.txt > selectors/cohorts/trial7.keyed
      reconciler pseudonym --patient-key patient.key --column PatientID < ris.csv > trial7.keyed
      reconciler pseudonym --patient-key patient.key --accessions < numbers.txt > withdrawn.keyed
    """
    lines = (line.decode("utf-8-sig") for line in sys.stdin.buffer)
    texts = lines if column is None else _cells(lines, column)
    make = patient_key.accession_pseudonym if accessions else patient_key.pseudonym
    found = set()
    try:
        with Console().step("reading ids") as update:
            for number, text in enumerate(filter(None, map(str.strip, texts)), start=1):
                found.add(make(text))
                update(number, None)
    except UnicodeDecodeError as error:
        raise UsageError("what stands on stdin is not text in UTF-8") from error
    write_document([f"{KEY_LINE}{patient_key.check}\n", *(f"{one}\n" for one in sorted(found))])
    say(plural(len(found), "pseudonym"))


def _cells(lines: Iterator[str], column: str) -> Iterator[str]:
    first = next(lines, "")
    rows = csv.reader(chain([first], lines), delimiter=_delimiter(first, column), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if header.count(column) != 1:
            raise UsageError(
                f"there is not one column {column!r}",
                hint="the first line names the columns, separated by commas, semicolons or tabs",
            )
        at = header.index(column)
        for row in rows:
            if row and len(row) != len(header):
                raise UsageError(
                    f"line {rows.line_num} has {plural(len(row), 'cell')}, not {len(header)}"
                )
            yield from row[at : at + 1]
    except csv.Error as error:
        raise UsageError(f"line {rows.line_num} is not CSV: its quotes do not match") from error


def _delimiter(header: str, column: str) -> str:
    try:
        return delimiter_of(header, (column,))
    except csv.Error as error:
        raise UsageError("line 1 is not CSV: a cell is too long") from error
