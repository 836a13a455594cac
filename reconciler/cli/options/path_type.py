"""The paths of the command line."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import click


class _PathType(click.Path):
    """A path that the system can look up, whether or not there is anything."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Look it up, since one that is too long makes every later look fail."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            path.lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                self.fail(f"the path is too long: {len(os.fsencode(path)):,} bytes", param, ctx)
        return path


PATH = _PathType()

_MISTYPED = re.compile(r"(?:gs|s3|az|file):(?!//)", re.IGNORECASE)


class _AddressType(click.Path):
    """A path, or a URL, which is a text."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """A URL as it is, all else as a path."""
        text = str(value)
        if _MISTYPED.match(text):
            self.fail(f"{text!r} is neither a path nor a URL: write two slashes", param, ctx)
        return text if "://" in text else PATH.convert(value, param, ctx)


ADDRESS = _AddressType()
