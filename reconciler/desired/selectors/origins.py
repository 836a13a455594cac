"""Holds resolved lists to the selectors that they come from."""

from __future__ import annotations

import posixpath
from datetime import date
from pathlib import Path
from typing import cast

from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import relative_to_root, report_outside, report_unreadable
from reconciler.desired.rules import Rule
from reconciler.desired.schema.published import scalar_types
from reconciler.desired.schema.validation import check_document
from reconciler.desired.selection import resolved_paths
from reconciler.desired.selectors.selector_file import SelectorFile, open_selector
from reconciler.desired.wording import quoted
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.desired.yaml_tree.tree import Value, YamlMapping
from reconciler.model.desired import InputFile
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular


class Origins:
    """The selectors behind the files of one run, each read once."""

    def __init__(self, root: Path, problems: Problems, today: date | None = None) -> None:
        self._root = root
        self._problems = problems
        self._today = today
        self._opened: dict[str, SelectorFile | None] = {}
        self.names: set[str] = set()
        """All files that were asked for, also those that are not there."""

    def inputs(self) -> tuple[InputFile, ...]:
        """The selectors, and the files that they name."""
        opened = (one for one in self._opened.values() if one is not None)
        return tuple(file for one in opened for file in one.inputs)

    def check(self, origin: YamlMapping, path: str) -> None:
        """Report where what ``resolvedFrom`` in the file ``path`` names is not what it was.

        So is a file that lies where `reconciler resolve` does not look for the selector's list, and
        a day that is still to come.
        """
        source = Source(path, *origin.value_place("selector"))
        written = cast(str, origin["selector"])
        name = relative_to_root(Path(self._root, posixpath.dirname(path), written), str(self._root))
        if name is None:
            report_outside(source, written, self._problems)
            return
        self._check_day(origin, path)
        place = resolved_paths(name)[0]
        if relative_to_root(Path(self._root, place), str(self._root)) != path:
            message = f"the list of {name} belongs in {place}"
            hint = "move it there; a list that no selector stands behind has no resolvedFrom"
            self._problems.error(Rule.SELECTOR_PLACE, source, message, hint)
        if name not in self._opened:
            self._opened[name] = self._open(name, source)
        opened = self._opened[name]
        if opened is not None and opened.digest != origin["digest"]:
            self._problems.error(
                Rule.SELECTOR_CHANGED,
                Source(path, *origin.value_place("digest")),
                f"{name}, or a file that it names, has changed since this list was resolved",
                f"resolve it again with 'reconciler resolve {name}', and review the list",
            )

    def _check_day(self, origin: YamlMapping, path: str) -> None:
        source, written = Source(path, *origin.value_place("asOf")), str(origin["asOf"])
        try:
            is_to_come = self._today is not None and date.fromisoformat(written) > self._today
        except ValueError:
            message, hint = f"asOf {quoted(written)} is not a day of the calendar", None
            self._problems.error(Rule.INVALID_VALUE, source, message, hint)
            return
        if is_to_come:
            message = f"this list was resolved for a day to come, {written}"
            hint = "resolve the list again, and review it"
            self._problems.error(Rule.SELECTOR_CHANGED, source, message, hint)

    def _open(self, name: str, source: Source) -> SelectorFile | None:
        self.names.add(name)
        try:
            return open_selector(self._root, name, self._problems, self.names)
        except FileNotFoundError:
            hint = "remove the list too, or put the selector back"
            self._problems.error(Rule.PATH_NOT_FOUND, source, f"{name} does not exist", hint)
        except OSError as error:
            report_unreadable(source, name, error, self._problems)
        return None


def resolved_day(root: Path, path: str) -> date | None:
    """The day that a desired-state file says its list was resolved on; None if it says none."""
    try:
        document = _document(root, path)
        origin = document.get("resolvedFrom") if isinstance(document, YamlMapping) else None
        return date.fromisoformat(str(origin["asOf"])) if isinstance(origin, YamlMapping) else None
    except (OSError, KeyError, ValueError):
        return None


def is_desired_state(root: Path, path: str) -> bool:
    """Whether a file has only what the schema knows, so that it can be shown."""
    try:
        return check_document(_document(root, path), path, Problems())
    except (OSError, ValueError):
        return False


def _document(root: Path, path: str) -> Value:
    with open_regular(Path(root, path)) as file:
        return read_document(
            SourceText(file), path, scalar_types=scalar_types(), problems=Problems()
        )
