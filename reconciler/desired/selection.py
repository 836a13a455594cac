"""Which files are read: those that the PATHs select, and the keeps of all others under specs/.

Symbolic links are followed; a file is known by where it really is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to read, by path relative to the project's root, each with its role."""

    paths: tuple[str, ...]
    files: Mapping[str, InputRole]


def select_files(
    paths: Sequence[Path], root: Path, role: InputRole, problems: Problems
) -> Selection:
    """Expand the PATHs, to files in this role, and add the keeps of what lies under specs/."""
    real_root = os.path.realpath(root)
    names: set[str] = set()
    files: dict[str, InputRole] = {}
    for path in paths:
        name = relative_to_root(path, real_root)
        if name is None:
            report_outside(Source(path.as_posix(), 1), path.as_posix(), problems)
            continue
        names.add(name)
        found = _expand(name, real_root, problems)
        files.update(dict.fromkeys(found, role))
    for name in _neighbours(real_root, problems):
        files.setdefault(name, InputRole.KEEPS)
    return Selection(tuple(sorted(names)), dict(sorted(files.items())))


def _expand(name: str, real_root: str, problems: Problems) -> list[str]:
    full = Path(real_root, name)
    mode = _mode(full, name, problems)
    if stat.S_ISDIR(mode):
        found = list(_files_below(full, real_root, problems, set()))
        if not found:
            _report_no_file(name, "holds no desired-state file", problems)
        return found
    if mode and not (stat.S_ISREG(mode) and _is_named_as_yaml(full)):
        _report_no_file(name, "is not a desired-state file", problems)
        return []
    return [name] if mode else []


def _mode(path: Path, name: str, problems: Problems) -> int:
    """What a path is, as in ``st_mode``; 0 if that cannot be told, which is a problem."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = "name a .yaml file, or a folder that holds one"
        problems.error(Rule.PATH_NOT_FOUND, Source(name, 1), f"{name} does not exist", hint)
    except OSError as error:
        report_unreadable(Source(name, 1), name, error, problems)
    return 0


def _is_named_as_yaml(path: Path) -> bool:
    return path.name.lower().endswith((".yaml", ".yml"))


def has_specs(root: Path) -> bool:
    """Whether the project has the folder whose keeps always count, or something in its place."""
    return os.path.lexists(Path(os.path.realpath(root), SPECS))


def _neighbours(real_root: str, problems: Problems) -> Iterator[str]:
    if not has_specs(Path(real_root)):
        return iter(())
    return _files_below(Path(real_root, SPECS), real_root, problems, set())


def _files_below(
    folder: Path, real_root: str, problems: Problems, visited: set[str]
) -> Iterator[str]:
    name = relative_to_root(folder, real_root)
    if name is None:
        shown = folder.relative_to(real_root).as_posix()
        report_outside(Source(shown, 1), shown, problems)
        return
    if name in visited:
        return
    visited.add(name)
    for child, is_folder in _children(folder, name, problems):
        if not is_folder:
            yield from _file(child, real_root, problems)
        elif not child.name.startswith("."):
            yield from _files_below(child, real_root, problems, visited)


def _children(folder: Path, name: str, problems: Problems) -> list[tuple[Path, bool]]:
    """What lies in a folder, in order, and whether it is a folder itself."""
    try:
        with os.scandir(folder) as children:
            return sorted((Path(child.path), child.is_dir()) for child in children)
    except OSError as error:
        report_unreadable(Source(name, 1), name, error, problems)
        return []


def _file(path: Path, real_root: str, problems: Problems) -> Iterator[str]:
    if not _is_named_as_yaml(path):
        return
    name = relative_to_root(path, real_root)
    if name is not None:
        yield name
        return
    shown = path.relative_to(real_root).as_posix()
    report_outside(Source(shown, 1), shown, problems)


def _report_no_file(name: str, message: str, problems: Problems) -> None:
    problems.error(
        Rule.NO_DESIRED_STATE_FILE,
        Source(name, 1),
        f"{name} {message}",
        "desired-state files end in .yaml or .yml",
    )
