"""How the files that were read stand to the repositories that hold them."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.checkout.blobs import blob_id, is_content_of
from reconciler.checkout.git import Git
from reconciler.checkout.lacks import Lack, lack_of, report
from reconciler.checkout.repository import Held, Kind, Listing, Repository, Tracked
from reconciler.checkout.work_tree import Place, WorkTree, follow, has_repository
from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import report_unreadable
from reconciler.desired.rules import Rule
from reconciler.desired.selection import SPECS, Walked
from reconciler.errors import GitError
from reconciler.model.desired import InputFile
from reconciler.model.plan import GitState
from reconciler.model.problem import Source


@dataclass(frozen=True, slots=True)
class _Seen:
    """A repository as it was when its files were read."""

    listing: Listing
    lacks: dict[str, Lack]


class Checkout:
    """A project's work tree: looked at once its files are read, then asked about its inputs."""

    def __init__(self, root: Path, git: Git) -> None:
        self._root = Path(os.path.realpath(root))
        self._git = git
        self._tops: dict[Path, Path | None] = {}
        self._seen: dict[Path, _Seen] = {}
        self._links: set[Path] = set()

    def inspect(self, walked: Walked, files: Iterable[str], problems: Problems) -> None:
        """Report what commit or index hold where files were read, and the work tree does not show.

        ``files`` are all that were read, also outside of the folders that were walked through.
        """
        try:
            self._seen = dict(self._look(walked, files))
        except GitError as error:
            message = f"whether this is all that the repository holds is not known: {error}"
            problems.error(Rule.GIT_NOT_KNOWN, Source(SPECS, 1), message, error.hint)
            return
        except OSError as error:  # a link that was followed is there no more
            report_unreadable(Source(SPECS, 1), SPECS, error, problems)
            return
        lacking = defaultdict(list)
        for top, seen in self._seen.items():
            for path, lack in seen.lacks.items():
                lacking[lack].append(os.path.relpath(top / path, self._root))
        for lack, paths in lacking.items():
            report(lack, paths, problems)

    def state(self, inputs: Iterable[InputFile]) -> GitState | None:
        """How the inputs stand to the commit; None where there is no repository or no commit.

        They are dirty unless the bytes that were read are what the commit holds, every link on the
        way to them is, and nothing that it holds in the folders that were read is gone.
        """
        seen = self._seen_by(self._root)
        if seen is None or seen.listing.commit is None:
            return None
        held = {file: self._committed(self._root / file.path, Kind.FILE) for file in inputs}
        is_clean = (
            not any(one.lacks for one in self._seen.values())
            and all(map(self._is_pinned, self._seen))
            and all(map(self._is_committed_link, self._links))
            and all(
                one is not None and _holds(self._root / file.path, one.oid, file.sha256)
                for file, one in held.items()
            )
        )
        return GitState(seen.listing.commit, _tree(held), dirty=not is_clean)

    def _look(self, walked: Walked, files: Iterable[str]) -> Iterator[tuple[Path, _Seen]]:
        self._links = {link for name in walked.links for link in follow(self._root / name)[0]}
        wanted: defaultdict[Path, set[str]] = defaultdict(set)
        for folder in walked.folders:
            self._want(self._root / folder, self._root / folder, wanted)
        for place in (self._root / SPECS, *(self._root / file for file in files), *self._links):
            self._want(place, place.parent, wanted)
        commits: dict[Path, str | None] = {}
        # Those that lie in another one come first.
        for top in sorted(wanted, reverse=True):
            repository = Repository.open(top, self._git)
            listing = repository.listing(wanted[top])
            commits[top] = listing.commit
            yield top, _Seen(listing, _lacks(repository, listing, commits))

    def _want(self, place: Path, folder: Path, wanted: defaultdict[Path, set[str]]) -> None:
        """Note that a place is to be looked up in the repository that the folder lies in.

        Where that lies in another one, as a submodule does, it is looked up there in turn; what
        lies above the project's own repository is none of it.
        """
        top = self._top(folder)
        own = self._top(self._root) or self._root
        if top is None or not top.is_relative_to(own):
            return
        is_new = top not in wanted
        wanted[top].add(place.relative_to(top).as_posix())
        if is_new and top != own:
            self._want(top, top.parent, wanted)

    def _top(self, folder: Path) -> Path | None:
        """The top of the work tree that a folder lies in."""
        if folder not in self._tops:
            is_top = has_repository(folder)
            above = None if is_top or folder == folder.parent else self._top(folder.parent)
            self._tops[folder] = folder if is_top else above
        return self._tops[folder]

    def _seen_by(self, folder: Path) -> _Seen | None:
        top = self._top(folder)
        return None if top is None else self._seen.get(top)

    def _committed(self, place: Path, kind: Kind) -> Held | None:
        """What the commit holds at a place, if it is of this kind."""
        top, seen = self._top(place.parent), self._seen_by(place.parent)
        if top is None or seen is None:
            return None
        tracked = seen.listing.tracked.get(place.relative_to(top).as_posix())
        held = None if tracked is None else tracked.committed
        return held if held is not None and held.kind is kind else None

    def _is_pinned(self, top: Path) -> bool:
        """Whether a repository is the project's own, or at the commit that the one above names."""
        if top == self._top(self._root):
            return True
        held = self._committed(top, Kind.SUBMODULE)
        return held is not None and held.oid == self._seen[top].listing.commit

    def _is_committed_link(self, link: Path) -> bool:
        held = self._committed(link, Kind.LINK)
        return held is not None and _leads_to(link, held.oid)


def _lacks(
    repository: Repository, listing: Listing, commits: Mapping[Path, str | None]
) -> dict[str, Lack]:
    """Why the work tree does not show what git holds, by path from the top.

    ``commits`` are those that the repositories in it are at.
    """
    tree = WorkTree(repository.top)
    found = {}
    for path, tracked in listing.tracked.items():
        full = repository.top / path
        place = tree.place(path)
        lack = lack_of(tracked, place, is_same=_is_same(full, tracked, place))
        if lack is None and commits.get(full, tracked.held.oid) != tracked.held.oid:
            lack = Lack.OTHER_COMMIT
        if lack is not None:
            found[path] = lack
    gone = {
        path: listing.tracked[path].held.oid
        for path, lack in found.items()
        if lack is Lack.DELETED and listing.tracked[path].held.kind is not Kind.SUBMODULE
    }
    lost = repository.without_content(gone.values()) if gone else ()
    return found | {path: Lack.NOT_FETCHED for path, oid in gone.items() if oid in lost}


def _is_same(place: Path, tracked: Tracked, found: Place) -> bool:
    """Whether a place holds what git does; checked only where `lack_of` needs to know."""
    is_asked = tracked.is_hidden or tracked.held.kind is Kind.LINK
    if is_asked and found is Place.LINK:
        return _leads_to(place, tracked.held.oid)
    if is_asked and found is Place.FILE:
        return _holds(place, tracked.held.oid)
    return True


def _leads_to(link: Path, oid: str) -> bool:
    try:
        target = os.readlink(link)  # noqa: PTH115 - the very bytes, which a Path would tidy up
    except OSError:
        return False
    return blob_id(os.fsencode(target), like=oid) == oid


def _holds(file: Path, oid: str, sha256: str | None = None) -> bool:
    try:
        return is_content_of(file, oid, sha256=sha256)
    except OSError:
        return False


def _tree(held: Mapping[InputFile, Held | None]) -> str:
    lines = (f"{one.mode} blob {one.oid}\t{file.path}" for file, one in held.items() if one)
    by_path = sorted(lines, key=lambda line: line.partition("\t")[2])
    return hashlib.sha256("\0".join(by_path).encode(errors="surrogateescape")).hexdigest()
