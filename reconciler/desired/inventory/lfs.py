"""Files that Git LFS keeps elsewhere: what lies in the work tree until they are fetched."""

from __future__ import annotations

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.problem import Source

_VERSION = "version https://git-lfs.github.com/spec/"
"""How a pointer begins (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""


def is_pointer(text: str) -> bool:
    """Whether a text, or its first line, is that of a pointer."""
    return text.startswith(_VERSION)


def report_pointer(source: Source, name: str, problems: Problems) -> None:
    """Report a pointer in the place of a file."""
    problems.error(
        Rule.LFS_POINTER, source, f"{name} is a Git LFS pointer, and not the file", "git lfs pull"
    )
