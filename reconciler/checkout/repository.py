"""A repository's work tree, and what its index and its commit hold at some paths."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from reconciler.checkout.git import Git
from reconciler.errors import GitError

_MOST_PATHS = 1000
"""So many paths are named to git; beyond that it is asked for all."""


class Kind(Enum):
    """What git holds at a path."""

    FILE = "file"
    LINK = "link"
    SUBMODULE = "submodule"


_KINDS = {"120000": Kind.LINK, "160000": Kind.SUBMODULE}
"""By mode; every other one is that of a file."""


@dataclass(frozen=True, slots=True)
class Held:
    """A path in a tree or in the index, with the id of its blob or of the submodule's commit."""

    mode: str
    oid: str

    @property
    def kind(self) -> Kind:
        """What it is."""
        return _KINDS.get(self.mode, Kind.FILE)


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the commit and the index hold at a path."""

    committed: Held | None = None
    staged: Held | None = None
    skip_worktree: bool = False
    assume_unchanged: bool = False

    @property
    def held(self) -> Held:
        """What the index holds, else what the commit does."""
        held = self.staged or self.committed
        assert held is not None  # noqa: S101 - one of them is what made it
        return held

    @property
    def is_hidden(self) -> bool:
        """Whether ``git status`` does not look at the work tree for it."""
        return self.skip_worktree or self.assume_unchanged


@dataclass(frozen=True, slots=True)
class Listing:
    """What is held at the paths that were asked for; ``commit`` is None before the first one."""

    commit: str | None
    tracked: dict[str, Tracked]


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree by its top, which git was heard to call the same."""

    top: Path
    git: Git

    @classmethod
    def open(cls, top: Path, git: Git) -> Repository:
        """The repository whose ``.git`` lies in this folder.

        Raises:
            GitError: git cannot be asked, or takes something else for the top of the work tree.
        """
        answered = git.ask(top, "rev-parse", "--show-toplevel").out
        found = os.fsdecode(answered.removesuffix(b"\n"))
        if os.path.realpath(found) != os.path.realpath(top):
            raise GitError(f"git takes {found} for the top of the work tree, and not {top}")
        return cls(top, git)

    def commit(self) -> str | None:
        """The commit that is checked out; None before the first one.

        Raises:
            GitError: it cannot be found out.
        """
        answer = self.git.ask(
            self.top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1)
        )
        if answer.code == 0:
            return answer.out.decode("ascii").strip()
        # A branch without a commit and one that is broken both give no id; the latter is warned of.
        refs = self.git.ask(self.top, "for-each-ref", "--count=1")
        if refs.err:
            raise GitError(refs.err.splitlines()[0])
        return None

    def listing(self, paths: Iterable[str]) -> Listing:
        """What commit and index hold at and below paths from the top.

        Raises:
            GitError: git cannot be asked.
        """
        commit = self.commit()
        wanted = _outermost(paths)
        named = [f":(literal){path}" for path in wanted]
        given = ("--", *named) if len(named) <= _MOST_PATHS else ()
        tracked = self._committed(commit, given) if commit is not None else {}
        for record in self.git.ask(self.top, "ls-files", "-z", "-s", "-v", *given).records():
            about, _, name = record.partition(b"\t")
            tag, mode, oid, _stage = about.decode("ascii").split(" ")
            path = os.fsdecode(name)
            tracked[path] = replace(
                tracked.get(path) or Tracked(),
                staged=Held(mode, oid),
                skip_worktree=tag in "Ss",
                assume_unchanged=tag.islower(),
            )
        if named and not given:
            tracked = {path: one for path, one in tracked.items() if _is_below(path, wanted)}
        return Listing(commit, tracked)

    def _committed(self, commit: str, given: tuple[str, ...]) -> dict[str, Tracked]:
        command = ("ls-tree", "-r", "-z", "--full-tree", commit, *given)
        tracked = {}
        for record in self.git.ask(self.top, *command).records():
            about, _, name = record.partition(b"\t")
            mode, _type, oid = about.decode("ascii").split(" ")
            path = os.fsdecode(name)
            tracked[path] = Tracked(committed=Held(mode, oid))
        return tracked

    def tracked_below(self, paths: Iterable[str]) -> list[str]:
        """What commit or index hold at and below paths from the top, in whatever case.

        Raises:
            GitError: git cannot be asked.
        """
        commit = self.commit()
        tree = () if commit is None else (f"--with-tree={commit}",)
        named = [f":(literal,icase){path}" for path in paths]
        answer = self.git.ask(self.top, "ls-files", "-z", "--cached", *tree, "--", *named)
        return sorted({os.fsdecode(name) for name in answer.records()})

    def ignored(self, paths: Iterable[str]) -> list[str]:
        """Those paths from the top that git ignores.

        Raises:
            GitError: git cannot be asked.
        """
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        command = ("check-ignore", "-z", "--stdin", "--no-index")
        answer = self.git.ask(self.top, *command, given=given, codes=(0, 1))
        return [os.fsdecode(name) for name in answer.records()]

    def without_content(self, oids: Iterable[str]) -> set[str]:
        """Those of some blobs whose content is not here; nothing is fetched for them."""
        wanted = sorted(set(oids))
        given = "".join(f"{oid}\n" for oid in wanted).encode("ascii")
        try:
            answer = self.git.ask(self.top, "cat-file", "--batch-check", given=given)
        except GitError:  # in a partial clone git fails at the first one that it would fetch
            return set(wanted)
        lines = answer.out.decode("ascii", "replace").splitlines()
        return {line.split(" ")[0] for line in lines if line.endswith(" missing")}


def _outermost(paths: Iterable[str]) -> dict[str, None]:
    """The paths without those that lie below another of them; none where all is asked for."""
    kept: dict[str, None] = {}
    for path in sorted(paths, key=lambda path: path.split("/")):
        if path == ".":
            return {}
        if not _is_below(path, kept):
            kept[path] = None
    return kept


def _is_below(path: str, folders: Collection[str]) -> bool:
    """Whether a path is one of the folders, or lies in one of them."""
    return path in folders or any(
        path[:end] in folders for end, char in enumerate(path) if char == "/"
    )
