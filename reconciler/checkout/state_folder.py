"""Whether a state folder is this machine's own, and not part of what was checked out.

Whoever may propose a change of the files could put a record into it, of deletions that were never
made, or a link to where the record is to be written.
"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from reconciler.checkout.git import Git
from reconciler.checkout.repository import Repository
from reconciler.checkout.work_tree import follow, repositories_above
from reconciler.errors import StateRefused

_NAMED = 3
_INSIDE = ("runs/x", "observations/x", "plans/x", "locks/x", "delivered/x")
"""What a state folder holds, for the question whether all of it is ignored."""


def require_own_state(folder: Path, *, is_named: bool, git: Git) -> None:
    """Refuse a state folder that came with a checkout, or that leads out of itself.

    It may be a link itself if ``is_named``: the user, not the checkout, said where it is.

    Raises:
        StateRefused: git tracks something in it, or it holds what no state folder holds.
        GitError: whether git tracks it is not known.
    """
    if folder.is_symlink() and not is_named:
        raise StateRefused(
            f"the state folder {folder} is a link",
            hint="if you made it, name it (--state or RECONCILER_STATE; in Python: state=)",
        )
    try:
        links, real = follow(folder)
        _require_plain(real)
    except OSError as error:
        raise StateRefused(
            f"the state folder {folder} cannot be read: {error.strerror or error}",
            hint="repair it, or name another (--state; in Python: state=)",
        ) from error
    places = defaultdict(list)
    for place in (*links, real):
        for top in repositories_above(place.parent):
            places[top].append(place)
    for top, inside in places.items():
        _require_untracked(folder, Repository.open(top, git), inside)


def _require_plain(real: Path) -> None:
    odd = next(_odd(real), None)
    if odd is not None:
        raise StateRefused(
            f"the state folder holds what no run of reconciler put there: {odd[0]} is {odd[1]}",
            hint="find out where it comes from; to start again, name another folder"
            " (--state; in Python: state=)",
        )


def _odd(real: Path) -> Iterator[tuple[Path, str]]:
    """What is neither a file nor a folder, at any depth; no link is followed."""
    waiting = [real]
    while waiting:
        folder = waiting.pop()
        try:
            children = sorted(os.scandir(folder), key=lambda child: child.name)
        except FileNotFoundError:  # there is none yet, or a run just put a file in another's place
            continue
        for child in children:
            path = Path(child.path)
            if child.is_symlink():
                yield path, "a link"
            elif child.name == ".git":
                yield path, "a git repository"
            elif child.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif not child.is_file(follow_symlinks=False):
                yield path, "neither a file nor a folder"


def _require_untracked(folder: Path, repository: Repository, places: list[Path]) -> None:
    """Refuse if the repository tracks one of the places, or something below it."""
    top = repository.top
    inside = [place.relative_to(top) for place in places]
    tracked = repository.tracked_below(path.as_posix() for path in inside)
    tracked = [path for path in tracked if any(_is_below(top, path, place) for place in inside)]
    if not tracked:
        return
    more = len(tracked) - _NAMED
    named = ", ".join(tracked[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    shown = named.encode("utf-8", "replace").decode("utf-8")
    raise StateRefused(
        f"the state folder {folder} came with a checkout, so its contents are not trusted:"
        f" git tracks {shown}",
        hint=f"take it out of git (git -C {shlex.quote(str(top))} rm -r --cached PATH), ignore it,"
        " commit that, and move away what no run here wrote; or name another folder"
        " (--state; in Python: state=)",
    )


def _is_below(top: Path, tracked: str, place: Path) -> bool:
    """Whether a tracked path is the place or lies below it; the file system decides about case."""
    above = Path(*Path(tracked).parts[: len(place.parts)])
    if above == place:
        return True
    try:
        return (top / above).samefile(top / place)
    except OSError:  # one of them is not there, so they are not one
        return False


def is_ignored(folder: Path, git: Git) -> str | None:
    """The line for .gitignore that is missing for a state folder; None if none is.

    Raises:
        GitError: git cannot be asked.
    """
    real = follow(folder)[1]
    top = next(repositories_above(real.parent), None)
    if top is None:
        return None
    repository = Repository.open(top, git)
    inside = real.relative_to(top).as_posix()
    wanted = [f"{inside}/{name}" for name in _INSIDE]
    return None if len(repository.ignored(wanted)) == len(wanted) else f"/{inside}/"
