"""``reconciler pseudonym``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import chain

import click

from reconciler.cli.options.listening import Console
from reconciler.cli.options.shared import key_option
from reconciler.cli.output.console import say, write_document
from reconciler.desired.inventory.exported_list import SEPARATOR_LINE, delimiter_of, text_of
from reconciler.errors import UsageError
from reconciler.model.patient import KEY_LINE, PatientKey
from reconciler.reporting.wording import plural


@click.command(name="pseudonym")
@key_option("The key by which pseudonyms are made.", required=True)
@click.option("--column", metavar="NAME", help="Read CSV, and only this column of it.")
@click.option("--accessions", is_flag=True, help="Read Accession Numbers instead of Patient IDs.")
def command(*, patient_key: PatientKey, column: str | None, accessions: bool) -> None:
    """Turn the Patient IDs on stdin into pseudonyms for a selector.

    stdin has one id per line, or with --column, a CSV file with that column, separated by commas,
    semicolons or tabs, in UTF-8 or UTF-16, with or without Excel's sep= line. stdout gets a line
    that identifies the key, and then the pseudonyms, sorted and without duplicates, so that order
    and repetition reveal nothing. They are the pseudonyms that apply --patient-key records. No
    message quotes the input.

    The key is 64 hexadecimal digits in a file, as 'openssl rand -hex 32' prints them. Keep it apart
    from git and from the record, and use it for every cohort: pseudonyms made with another key
    match nobody.

    \b
    Examples:
      reconciler pseudonym --patient-key patient.key < ids.txt > selectors/cohorts/trial7.keyed
      reconciler pseudonym --patient-key patient.key --column PatientID < ris.csv > trial7.keyed
      reconciler pseudonym --patient-key patient.key --accessions < numbers.txt > withdrawn.keyed
    """
    lines = text_of(BytesIO(sys.stdin.buffer.read()), errors="strict")
    texts = lines if column is None else _cells(lines, column)
    make = patient_key.accession_pseudonym if accessions else patient_key.pseudonym
    found = set()
    try:
        with Console().step("reading ids") as update:
            for number, text in enumerate(filter(None, map(str.strip, texts)), start=1):
                found.add(make(text))
                update(number, None)
    except UnicodeDecodeError as error:
        raise UsageError("what stands on stdin is not text in UTF-8 or UTF-16") from error
    write_document([f"{KEY_LINE}{patient_key.check}\n", *(f"{one}\n" for one in sorted(found))])
    say(plural(len(found), "pseudonym"))


def _cells(lines: Iterator[str], column: str) -> Iterator[str]:
    first = next(lines, "")
    noted = SEPARATOR_LINE.fullmatch(first)
    if noted:
        rows = csv.reader(lines, delimiter=noted[1], strict=True)
    else:
        rows = csv.reader(chain([first], lines), delimiter=_delimiter(first, column), strict=True)
    above = bool(noted)
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
                cells = plural(len(row), "cell")
                raise UsageError(f"line {rows.line_num + above} has {cells}, not {len(header)}")
            yield from row[at : at + 1]
    except csv.Error as error:
        raise UsageError(
            f"line {rows.line_num + above} is not CSV: its quotes do not match"
        ) from error


def _delimiter(header: str, column: str) -> str:
    try:
        return delimiter_of(header, (column,))
    except csv.Error as error:
        raise UsageError("line 1 is not CSV: a cell is too long") from error
