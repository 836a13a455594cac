"""Names files by where they really are in the project, and says what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.problem import Source

_LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""How a pointer begins (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""


def relative_to_root(path: Path | str, real_root: str) -> str | None:
    """Where a path really is, relative to the root with ``/`` between its parts.

    A file of a Kubernetes volume is named as the volume shows it, alike in every pod. None if it
    lies outside the root, or has a name that is not text.
    """
    try:
        real = _lasting(Path(os.path.realpath(path)))
        inside = real.relative_to(real_root).as_posix()
        inside.encode("utf-8")
    except ValueError:  # outside the root, a NUL character, or bytes that are not UTF-8
        return None
    return inside


def _lasting(real: Path) -> Path:
    """The path by which a file of a Kubernetes volume is seen; any other path as it is.

    A projected volume (ConfigMap, Secret) holds links to ``..data/NAME``, and ``..data`` is a link
    to a folder that is named by the moment of its writing: it differs from pod to pod
    (kubernetes/pkg/volume/util/atomic_writer.go).
    """
    for place, part in enumerate(real.parts):
        if part.startswith(".."):
            volume = Path(*real.parts[:place])
            seen = Path(volume, *real.parts[place + 1 :])
            is_current = os.path.realpath(volume / "..data") == str(volume / part)
            if is_current and os.path.realpath(seen) == str(real):
                return seen
    return real


def report_outside(source: Source, name: str, problems: Problems) -> None:
    """Report a path that leaves the project, or whose name is not text."""
    shown = _printable(name)
    if shown == name:
        message = f"{name} lies outside the project"
        hint = (
            "move it into the project, or name the project's root (--root; in Python: Project.open)"
        )
    else:
        message, hint = f"the name of {shown} is not text in UTF-8", "rename it"
    source = Source(_printable(source.path), source.line, source.column)
    problems.error(Rule.PATH_OUTSIDE_ROOT, source, message, hint)


def report_unreadable(source: Source, name: str, error: OSError, problems: Problems) -> None:
    """Report a file or folder that the system does not let us read."""
    name = _printable(name)
    source = Source(_printable(source.path), source.line, source.column)
    problems.error(
        Rule.UNREADABLE_FILE,
        source,
        f"{name} cannot be read: {error.strerror or 'input/output error'}",
        "check that it exists and that you may read it",
    )


def is_pointer(text: str) -> bool:
    """Whether a text, or its first line, is that of a pointer of Git LFS."""
    return text.startswith(_LFS_POINTER)


def report_pointer(source: Source, name: str, problems: Problems) -> None:
    """Report a pointer in the place of a file, which lies elsewhere until it is fetched."""
    problems.error(
        Rule.LFS_POINTER, source, f"{name} is a Git LFS pointer, and not the file", "git lfs pull"
    )


def _printable(name: str) -> str:
    """A name without the bytes that are not UTF-8, so that it can be written anywhere."""
    return name.encode("utf-8", "replace").decode("utf-8")
