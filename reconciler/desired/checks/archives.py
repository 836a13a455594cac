"""Reads where the removes of a file are archived first, and refuses a place in the project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import relative_to_root
from reconciler.desired.rules import Rule
from reconciler.desired.wording import quoted
from reconciler.desired.yaml_tree.tree import YamlMapping
from reconciler.model.problem import Source


class Archive(NamedTuple):
    """The folder under which a remove is kept first, None for nowhere; may the copy be damaged."""

    folder: str | None = None
    allow_damaged: bool = False


_LONGEST_PART = 255
"""Bytes of a file name on the usual file systems (NAME_MAX)."""

_LONGEST_FOLDER = 2048
"""Bytes: half of what a path may have on Linux (PATH_MAX), for what lies below needs room too."""


class Archives:
    """The archives that one file names: for all of it, or for an entry."""

    def __init__(self, root: Path, path: str, problems: Problems) -> None:
        self._tree = str(_git_tree(root))
        self._path = path
        self._problems = problems

    def read(self, holder: YamlMapping, default: Archive) -> Archive:
        """The archive that a file or an entry names; ``default`` where it does not speak of it.

        ``none`` overrides a default: what is removed so is not kept.
        """
        if "archive" not in holder:
            return default
        archive = holder["archive"]
        if not isinstance(archive, YamlMapping):
            return Archive()
        folder = cast(str, archive["path"])
        if relative_to_root(folder, self._tree) is not None:
            self._problems.error(
                Rule.ARCHIVE_IN_PROJECT,
                Source(self._path, *archive.value_place("path")),
                f"the archive {quoted(folder)} lies inside the project or its git tree",
                "name a folder outside: archived instances must never be committed",
            )
        if (fault := _too_long(folder)) is not None:
            self._problems.error(
                Rule.INVALID_VALUE,
                Source(self._path, *archive.value_place("path")),
                f"the archive {quoted(folder)} is too long for a file system: {fault}",
                "name a folder with a shorter path",
            )
        return Archive(folder, archive.get("allowDamaged") is True)


def _too_long(folder: str) -> str | None:
    part = max(len(part.encode()) for part in folder.split("/"))
    if part > _LONGEST_PART:
        return f"a part of it has {part} bytes, and {_LONGEST_PART} at most are possible"
    whole = len(folder.encode())
    if whole > _LONGEST_FOLDER:
        return f"it has {whole} bytes, and {_LONGEST_FOLDER} at most leave room for what lies below"
    return None


def _git_tree(root: Path) -> Path:
    """The work tree that holds the project, or the project's root where there is none."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
