"""Reading the small files that the command line names."""

from __future__ import annotations

import stat
from pathlib import Path

from reconciler.cli.options.path_type import PATH
from reconciler.cli.output.console import say
from reconciler.errors import UsageError
from reconciler.model.patient import PatientKey
from reconciler.regular_file import open_regular

_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


def read_given(path: Path) -> bytes:
    """What the file holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def read_patient_key(name: str) -> PatientKey:
    """The key in the file of that name; a warning where others can read it.

    Raises:
        UsageError: it cannot be read, or holds no key. No message quotes it.
    """
    path = PATH.convert(name, None, None)
    key = PatientKey.parse(read_given(path).decode("ascii", "replace"))
    if key is None:
        raise UsageError(
            f"{path} holds no key of 64 hexadecimal digits",
            hint="make one, and keep it apart from the record: openssl rand -hex 32",
        )
    if path.is_file() and path.stat().st_mode & _OTHERS_READ:
        say(f"warning: others can read the key in {path}")
        say(f"  hint: chmod 600 {path}")
    return key
