"""Which files are read: those that the PATHs select, and the keeps of all others under specs/.

Symbolic links are followed; a file is known by where it really is. What cannot be looked at is an
error, since a hold could lie there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import (
    relative_to_root,
    report_outside,
    report_unreadable,
)
from reconciler.desired.rules import Rule
from reconciler.model.desired import InputRole
from reconciler.model.problem import Source

SPECS = "specs"
"""The folder of the project whose keeps always count."""

SELECTORS = "selectors"
"""The folder of the project in which selectors lie."""


@dataclass(slots=True)
class Walked:
    """Where files were looked for: the folders, and the links in them that were followed."""

    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to read, by path relative to the project's root, each with its role."""

    paths: tuple[str, ...]
    files: Mapping[str, InputRole]
    walked: Walked


def has_specs(root: Path) -> bool:
    """Whether the project has the folder whose keeps always count, or something in its place."""
    return os.path.lexists(Path(os.path.realpath(root), SPECS))


def select_files(
    paths: Sequence[Path], root: Path, role: InputRole, problems: Problems
) -> Selection:
    """Expand the PATHs, to files in this role, and add the keeps of what lies under specs/."""
    walk = _Walk(os.path.realpath(root), problems)
    names: set[str] = set()
    files: dict[str, InputRole] = {}
    for path in paths:
        name = relative_to_root(path, walk.real_root)
        if name is None:
            report_outside(Source(path.as_posix(), 1), path.as_posix(), problems)
            continue
        names.add(name)
        files.update(dict.fromkeys(walk.expand(name), role))
    for name in walk.neighbours():
        files.setdefault(name, InputRole.KEEPS)
    return Selection(tuple(sorted(names)), dict(sorted(files.items())), walk.walked)


def select_selectors(paths: Sequence[Path], root: Path, problems: Problems) -> tuple[str, ...]:
    """Expand the PATHs, which are below selectors/; of two selectors none may have one list."""
    walk = _Walk(os.path.realpath(root), problems, "selector")
    lists: dict[str, str] = {}
    for path in paths:
        name = relative_to_root(path, walk.real_root)
        if name is None:
            report_outside(Source(path.as_posix(), 1), path.as_posix(), problems)
            continue
        for found in sorted(walk.expand(name)):
            first = lists.setdefault(found.rpartition(".")[0], found)
            if not found.startswith(f"{SELECTORS}/"):
                message, hint = f"{found} does not lie in {SELECTORS}/", "move it there"
            elif first != found:
                message, hint = f"{found} and {first} would have one list", "rename one of them"
            else:
                continue
            problems.error(Rule.SELECTOR_PLACE, Source(found, 1), message, hint)
    return tuple(sorted(lists.values()))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Looks for files, and notes where; ``noun`` is what it calls them."""

    real_root: str
    problems: Problems
    noun: str = "desired-state file"
    walked: Walked = field(default_factory=Walked)

    def expand(self, name: str) -> list[str]:
        """The files that a PATH names or holds."""
        full = Path(self.real_root, name)
        mode = _mode(full, name, self.problems)
        if stat.S_ISDIR(mode):
            found = list(self._files_below(full, set()))
            if not found:
                self._report_no_file(name, f"holds no {self.noun}")
            return found
        if mode and not _is_named_as_yaml(name):
            self._report_no_file(name, f"is not a {self.noun}")
            return []
        return [name] if mode else []

    def neighbours(self) -> Iterator[str]:
        """The files under ``specs/``."""
        if not has_specs(Path(self.real_root)):
            return iter(())
        specs = Path(self.real_root, SPECS)
        self._note_link(specs)
        return self._files_below(specs, set())

    def _files_below(self, folder: Path, visited: set[str]) -> Iterator[str]:
        name = self._name(folder)
        if name is None or name in visited:
            return
        visited.add(name)
        self.walked.folders.add(name)
        for child in self._children(folder, name):
            yield from self._found(child, visited)

    def _children(self, folder: Path, name: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as children:
                return sorted(children, key=lambda child: child.name)
        except OSError as error:
            report_unreadable(Source(name, 1), name, error, self.problems)
            return []

    def _found(self, child: os.DirEntry[str], visited: set[str]) -> Iterator[str]:
        """The files that something in a folder is, holds or leads to."""
        path = Path(child.path)
        is_read = _is_named_as_yaml(child.name)
        if child.name.startswith(".") and not is_read:
            return
        try:
            is_folder = stat.S_ISDIR(child.stat().st_mode)
        except OSError as error:
            shown = path.relative_to(self.real_root).as_posix()
            report_unreadable(Source(shown, 1), shown, error, self.problems)
            return
        if is_folder and not child.name.startswith("."):
            self._note_link(path)
            yield from self._files_below(path, visited)
        elif is_read and not is_folder:
            self._note_link(path)
            if (name := self._name(path)) is not None:
                yield name

    def _name(self, path: Path) -> str | None:
        """Where it really is in the project; None if it lies outside, which is a problem."""
        name = relative_to_root(path, self.real_root)
        if name is None:
            shown = path.relative_to(self.real_root).as_posix()
            report_outside(Source(shown, 1), shown, self.problems)
        return name

    def _note_link(self, path: Path) -> None:
        if path.is_symlink():
            self.walked.links.add(path.relative_to(self.real_root).as_posix())

    def _report_no_file(self, name: str, message: str) -> None:
        hint = _hint(name, f"{self.noun}s end in .yaml or .yml")
        self.problems.error(Rule.NO_DESIRED_STATE_FILE, Source(name, 1), f"{name} {message}", hint)


def _mode(path: Path, name: str, problems: Problems) -> int:
    """What a path is, as in ``st_mode``; 0 if that is not known, which is a problem."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = _hint(name, "name a .yaml file, or a folder that holds one")
        problems.error(Rule.PATH_NOT_FOUND, Source(name, 1), f"{name} does not exist", hint)
    except OSError as error:
        report_unreadable(Source(name, 1), name, error, problems)
    return 0


def _hint(name: str, otherwise: str) -> str:
    """What to do where a PATH gives no file; nobody named ``specs/``, so there may be none yet."""
    return _FIRST_FILE if name == SPECS else otherwise


_FIRST_FILE = (
    f"a first file: 'reconciler import STORE --out {SPECS}/keep.yaml' writes down what a store"
    " holds, and 'reconciler resolve' turns selectors into lists; reconciler without arguments"
    " shows the steps"
)


def _is_named_as_yaml(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))
