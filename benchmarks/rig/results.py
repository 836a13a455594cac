"""The tables of the benchmarks: printed while they grow, and kept in one file together."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_HEAD = """# Results

What the benchmarks of this folder measured, each with the command that measures it again. Ratios
were taken side by side in one run and carry over to other machines; absolute figures do not. Each
table says of which machine it is.
"""


class Table:
    """A table with the name of its benchmark, under its own title."""

    def __init__(self, name: str, title: str, heads: Sequence[str]) -> None:
        self.name = name
        self._lines = [f"### {title}", "", _row(heads), _row(["---"] * len(heads))]
        self._notes: list[str] = []
        print("\n".join(self._lines), flush=True)

    def add(self, cells: Sequence[str]) -> None:
        """Add a row, and print it."""
        self._lines.append(_row(cells))
        print(self._lines[-1], flush=True)

    def note(self, text: str) -> None:
        """Add a sentence below the table."""
        self._notes.append(text)
        print(text, flush=True)

    def text(self) -> str:
        """The table in Markdown."""
        return "\n".join([*self._lines, *(line for note in self._notes for line in ("", note))])


def write_results(table: Table, path: Path | None, more: Sequence[Table] = ()) -> None:
    """Put the tables into the file, in the place of the earlier ones of that benchmark."""
    if path is None:
        return
    text = path.read_text() if path.exists() else _HEAD
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    begin, end = f"<!-- {table.name} -->", f"<!-- /{table.name} -->"
    tables = "\n\n".join(one.text() for one in (table, *more))
    section = f"{begin}\n## benchmarks/{table.name}.py\n\n{today}, {machine()}\n\n{tables}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text)


def machine() -> str:
    """The machine and the versions that the figures are of."""
    packages = ("requests", "urllib3", "google-auth", "PyYAML")
    named = ", ".join(f"{package} {version(package)}" for package in packages)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB,"
        f" {platform.system()}, Python {platform.python_version()}, {named}"
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
