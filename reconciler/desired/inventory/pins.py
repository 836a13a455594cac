"""Holds inventories to the digest and the count that desired-state files pin them by."""

from __future__ import annotations

import hashlib
import posixpath
from pathlib import Path
from typing import cast

from reconciler.desired.inventory.reader import Inventory, read_inventory
from reconciler.desired.inventory.spilled import SpilledRows
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
from reconciler.desired.project_paths import (
    relative_to_root,
    report_outside,
    report_unreadable,
)
from reconciler.desired.rules import Rule
from reconciler.desired.yaml_tree.tree import YamlMapping
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular


class Pins:
    """The inventories of one run, each read once, however many entries pin it."""

    def __init__(
        self,
        root: Path,
        problems: Problems,
        progress: ReadProgress,
        rows: SpilledRows | None = None,
    ) -> None:
        self._root = root
        self._rows = rows
        self._progress = progress
        self._problems = problems
        self._inventories: dict[str, Inventory] = {}
        self.names: set[str] = set()
        """All that were asked for, also those that are not there."""

    def inventories(self) -> tuple[Inventory, ...]:
        """All that were read."""
        return tuple(self._inventories.values())

    def open(self, pin: YamlMapping, path: str) -> Inventory | None:
        """The inventory that a mapping in the file ``path`` pins.

        None if it cannot be read; if it is not as pinned, the problems say so.
        """
        source = Source(path, *pin.value_place("path"))
        written = cast(str, pin["path"])
        full = Path(self._root, posixpath.dirname(path), written)
        name = relative_to_root(full, str(self._root))
        if name is None:
            report_outside(source, written, self._problems)
            return None
        self.names.add(name)
        try:
            inventory = self._read(full, name)
        except FileNotFoundError:
            message = f"{name} does not exist"
            hint = "the path is relative to this file's folder"
            self._problems.error(Rule.PATH_NOT_FOUND, source, message, hint)
            return None
        except OSError as error:
            report_unreadable(source, name, error, self._problems)
            return None
        if not inventory.is_pointer:
            self._compare(inventory, pin, path, full)
        return inventory

    def _read(self, full: Path, name: str) -> Inventory:
        if name not in self._inventories:
            self._progress.expect(full)
            inventory = read_inventory(full, name, self._problems, self._progress, self._rows)
            self._inventories[name] = inventory
        return self._inventories[name]

    def _compare(self, inventory: Inventory, pin: YamlMapping, path: str, full: Path) -> None:
        digest, count = cast(str, pin["sha256"]), pin["count"]
        if inventory.sha256 != digest.lower():
            message = f"the sha256 of {inventory.path} is {inventory.sha256}, not {digest}"
            hint = "if the list was changed on purpose, review it and write its new sha256"
            if inventory.count is not None and digest.lower() in _with_other_line_ends(full):
                message += "; its line ends were converted"
                hint = f"put '{posixpath.basename(inventory.path)} -text' into .gitattributes, and"
                hint += " check it out again"
            source = Source(path, *pin.value_place("sha256"))
            self._problems.error(Rule.INVENTORY_DIGEST, source, message, hint)
        if inventory.count is not None and inventory.count != count:
            self._problems.error(
                Rule.INVENTORY_COUNT,
                Source(path, *pin.value_place("count")),
                f"{inventory.path} has {inventory.count} rows, not {count}",
                "if the list was changed on purpose, review it and write its new count",
            )


def _with_other_line_ends(file: Path) -> set[str]:
    """The SHA-256 that a file has with LF at the end of each line, and with CRLF.

    Empty if it cannot be read again.
    """
    with_lf, with_crlf = hashlib.sha256(), hashlib.sha256()
    try:
        with open_regular(file) as stream:
            for line in stream:
                bare = line.removesuffix(b"\n").removesuffix(b"\r")
                ends = line.endswith(b"\n")
                with_lf.update(bare + b"\n" * ends)
                with_crlf.update(bare + b"\r\n" * ends)
    except OSError:
        return set()
    return {with_lf.hexdigest(), with_crlf.hexdigest()}
