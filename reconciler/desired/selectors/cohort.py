"""Reads a file of pseudonyms, as ``reconciler pseudonym`` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.desired.problems import MOST, Problems
from reconciler.desired.project_paths import is_pointer, report_pointer
from reconciler.desired.rules import Rule
from reconciler.model.patient import KEY_LINE
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular

_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_cohort(
    file: Path, path: str, prefix: str, problems: Problems
) -> tuple[frozenset[str], str | None]:
    """The pseudonyms with this prefix, and by which key they were made, if the file says so.

    A line that is none is a problem and never quoted: a patient's id may stand there. So is a file
    without a line, as a command leaves it that failed: as an exception it would exempt nobody.

    Raises:
        OSError: it cannot be read.
    """
    found: set[str] = set()
    check: str | None = None
    number = 0
    with open_regular(file) as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith(KEY_LINE):
                if check is not None and line != f"{KEY_LINE}{check}":
                    _report_keys(Source(path, number), problems)
                check = line.removeprefix(KEY_LINE)
            elif line.startswith(prefix) and _DIGEST.fullmatch(line.removeprefix(prefix)):
                found.add(line)
            elif number == 1 and is_pointer(line):
                report_pointer(Source(path, 1), path, problems)
                break
            else:
                _report(Source(path, number), prefix, problems)
                if number == MOST:
                    problems.stopped(Source(path, number))
                    break
    if not number:
        hint = "reconciler pseudonym writes a line about its key at least; make the file again"
        problems.error(Rule.PSEUDONYM, Source(path, 1), "the file is empty", hint)
    return frozenset(found), check


def _report_keys(source: Source, problems: Problems) -> None:
    message = "pseudonyms of two keys stand in one file, and those of the other name nobody"
    hint = "make all of them with one key, by reconciler pseudonym"
    problems.error(Rule.PSEUDONYM, source, message, hint)


def _report(source: Source, prefix: str, problems: Problems) -> None:
    message = f"the line is not {prefix} and 64 hexadecimal digits"
    hint = "make the file with reconciler pseudonym; for accession numbers with --accessions"
    problems.error(Rule.PSEUDONYM, source, message, hint)
