"""What git holds and the work tree does not show: the decision, and the words for it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import Enum

from reconciler.checkout.repository import Kind, Tracked
from reconciler.checkout.work_tree import Place
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.problem import Source

_NAMED = 5


class Lack(Enum):
    """Why something is not read as git holds it."""

    SPARSE = "sparse"
    ASSUMED = "assumed"
    HIDDEN_CHANGE = "hidden change"
    SUBMODULE = "submodule"
    OTHER_COMMIT = "other commit"
    PLAIN_LINK = "plain link"
    NOT_FETCHED = "not fetched"
    CLOSED = "closed"
    DELETED = "deleted"
    """``git status`` shows it, so the user knows; the only one that is no error."""


_AS_HELD = {
    (Kind.FILE, Place.FILE),
    (Kind.LINK, Place.LINK),
    (Kind.SUBMODULE, Place.REPOSITORY),
}


def lack_of(tracked: Tracked, place: Place, *, is_same: bool) -> Lack | None:
    """Why something is not there as git holds it; None where it is, or where all can see it.

    ``is_same`` says of a file or link whether it has the content that git holds for it.
    """
    kind = tracked.held.kind
    if place is Place.CLOSED:
        return Lack.CLOSED
    if (kind, place) in _AS_HELD:
        return Lack.HIDDEN_CHANGE if tracked.is_hidden and not is_same else None
    if kind is Kind.LINK and place is Place.FILE and is_same:
        return Lack.PLAIN_LINK
    if tracked.skip_worktree:
        return Lack.SPARSE
    if kind is Kind.SUBMODULE and tracked.staged is not None:
        return Lack.SUBMODULE
    return Lack.ASSUMED if tracked.assume_unchanged else Lack.DELETED


_WORDS = {
    Lack.SPARSE: (
        "not in the work tree, and marked skip-worktree, as outside a sparse checkout",
        "git sparse-checkout add {folder}, or for a file that was marked by hand:"
        " git update-index --no-skip-worktree {path} && git checkout -- {path}",
    ),
    Lack.ASSUMED: (
        "not in the work tree, and marked assume-unchanged, so git status does not show it",
        "git update-index --no-assume-unchanged {path} && git checkout -- {path}",
    ),
    Lack.HIDDEN_CHANGE: (
        "changed, and marked assume-unchanged or skip-worktree, so git status does not show it",
        "git update-index --no-assume-unchanged {path} &&"
        " git update-index --no-skip-worktree {path}, then look at git diff",
    ),
    Lack.SUBMODULE: (
        "a submodule that is not checked out",
        "git submodule update --init {path}",
    ),
    Lack.OTHER_COMMIT: (
        "a submodule that is not at the commit that git holds for it",
        "git submodule update {path}, or if it is meant to be at its own: git add {path}",
    ),
    Lack.PLAIN_LINK: (
        "a link in git, and a plain file here that leads nowhere (core.symlinks is false)",
        "git config core.symlinks true && rm {path} && git checkout -- {path}",
    ),
    Lack.NOT_FETCHED: (
        "not in the work tree, and git lacks the content too, as in a partial clone",
        "git checkout HEAD -- {path}",
    ),
    Lack.CLOSED: (
        "in a folder that cannot be looked into",
        "see that you may read the folder",
    ),
    Lack.DELETED: (
        "deleted or replaced in the work tree, and that is not committed",
        "if that was not meant: git checkout HEAD -- {path}",
    ),
}


def report(lack: Lack, paths: Sequence[str], problems: Problems) -> None:
    """Report what is lacking for one reason; ``paths`` are relative to the project's root."""
    shown = sorted(path.encode("utf-8", "replace").decode("utf-8") for path in paths)
    first = shown[0]
    folder = first.rpartition("/")[0] or "."
    more = len(shown) - _NAMED
    named = ", ".join(shown[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    why, hint = _WORDS[lack]
    message = f"{named} {'is' if len(shown) == 1 else 'are'} {why}"
    hint = hint.format(path=shlex.quote(first), folder=shlex.quote(folder))
    if lack is Lack.DELETED:
        problems.warning(Rule.DELETED_UNCOMMITTED, Source(first, 1), message, hint)
    else:
        problems.error(Rule.NOT_CHECKED_OUT, Source(first, 1), message, hint)
