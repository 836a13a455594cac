"""One bag on disk (BagIt, RFC 8493): its payload while it grows, its manifests at the end.

A file arrives under ``incoming/``, outside the payload, and takes its final name only when it is
proven and on disk. The tag manifest is written last, so a bag that has one is finished.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reconciler.durable_folder import make_folder, sync_folder

_MODE = 0o600
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PAYLOAD_MANIFEST = "manifest-sha256.txt"
_TAG_MANIFEST = "tagmanifest-sha256.txt"
_DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_ESCAPED = str.maketrans({"%": "%25", "\n": "%0A", "\r": "%0D"})


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """A file of the payload; ``path`` is relative to the bag, ``size`` in bytes."""

    path: str
    sha256: str
    size: int


class Bag:
    """The bag of one run under one archive's folder; may be used from several threads at once."""

    def __init__(self, archive: Path, run: str) -> None:
        self.path = archive / run
        self._incoming = self.path / "incoming"
        self._lock = threading.Lock()
        self._count = 0
        self._folders: dict[Path, _SharedFolder] = {}

    @property
    def is_begun(self) -> bool:
        """Whether anything of it is on disk."""
        return self.path.is_dir()

    @property
    def is_finished(self) -> bool:
        """Whether its manifests are complete."""
        return (self.path / _TAG_MANIFEST).is_file()

    def new_incoming(self) -> tuple[Path, int]:
        """Create an empty file outside the payload; its path, and a descriptor to write and read.

        Raises:
            OSError: it cannot be created.
        """
        with self._lock:
            self._count += 1
            path = self._incoming / f"{self._count}.part"
        make_folder(self._incoming)
        return path, os.open(path, _NEW, _MODE)

    def place(self, arrived: Path, *names: str) -> str:
        """Give a file the first of these names in the bag that is free; on disk when it returns.

        Raises:
            OSError: it cannot be done, or no name is free.
        """
        for name in names:
            place = self.path / name
            make_folder(place.parent)
            with self._lock:
                if place.exists():
                    continue
                arrived.rename(place)
                folder = self._folders.setdefault(place.parent, _SharedFolder(place.parent))
            folder.sync()
            return name
        raise FileExistsError(f"{names[0]} is there already")

    def require_own_folders(self) -> None:
        """Make sure that none of its folders is a link.

        Raises:
            OSError: one is.
        """
        for folder in (self.path, self.path / "data", self._incoming, self.path / "set-aside"):
            if folder.is_symlink():
                raise OSError(errno.ELOOP, f"{folder} is a link")

    def payload(self) -> Iterator[str]:
        """The names of all that is in the payload and is no folder, sorted; no link is followed."""
        found = []
        for above, folders, files in os.walk(self.path / "data"):
            folder = Path(above)
            found += [folder / name for name in files]
            found += [folder / name for name in folders if (folder / name).is_symlink()]
        yield from sorted(path.relative_to(self.path).as_posix() for path in found)

    def is_file(self, name: str) -> bool:
        """Whether it is a regular file, and neither a link nor anything else."""
        return stat.S_ISREG((self.path / name).lstat().st_mode)

    def set_aside(self, name: str) -> None:
        """Move a file out of the payload, to ``set-aside/``.

        Raises:
            OSError: it cannot be done.
        """
        place = self.path / "set-aside" / PurePosixPath(name).relative_to("data")
        make_folder(place.parent)
        source = self.path / name
        source.rename(place)
        sync_folder(place.parent)
        sync_folder(source.parent)

    def finish(self, files: Iterable[PayloadFile], info: Mapping[str, str]) -> None:
        """Write the manifests and tag files; ``info`` is what ``bag-info.txt`` says besides.

        A bag without a payload is removed again.

        Raises:
            OSError: it cannot be done; the bag stays unfinished.
        """
        payload = sorted(files, key=lambda file: file.path)
        self._remove_incoming()
        if not payload:
            self._remove_empty()
            return
        oxum = f"{sum(file.size for file in payload)}.{len(payload)}"
        tags = {
            _PAYLOAD_MANIFEST: "".join(_manifest_line(file.sha256, file.path) for file in payload),
            "bag-info.txt": "".join(
                f"{label}: {value}\n" for label, value in {**info, "Payload-Oxum": oxum}.items()
            ),
            "bagit.txt": _DECLARATION,
        }
        for name, text in tags.items():
            self._write(name, text)
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in tags.items()}
        self._write(
            _TAG_MANIFEST, "".join(_manifest_line(digests[name], name) for name in sorted(digests))
        )

    def _write(self, name: str, text: str) -> None:
        """Write a tag file whole or not at all; on disk when this returns."""
        temporary = self.path / f".{name}.part"
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.path / name)
        sync_folder(self.path)

    def _remove_incoming(self) -> None:
        """Remove what an interruption left half done."""
        for leftover in [*self._incoming.glob("*.part"), *self.path.glob(".*.part")]:
            leftover.unlink()
        with contextlib.suppress(FileNotFoundError):
            self._incoming.rmdir()

    def _remove_empty(self) -> None:
        """Remove the folders; one that holds something after all stays, with all above it."""
        below = (path for path in self.path.rglob("*") if path.is_dir())
        for folder in [*sorted(below, reverse=True), self.path]:
            with contextlib.suppress(OSError):
                folder.rmdir()


class _SharedFolder:
    """A folder that many workers put files into: one fsync serves all who wait for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._wanted = self._synced = 0

    def sync(self) -> None:
        """Bring the names that are in the folder now to disk.

        Raises:
            OSError: it cannot be done.
        """
        with self._count:
            self._wanted += 1
            mine = self._wanted
        with self._turn:
            if self._synced >= mine:  # one that began after the caller's file had its name
                return
            covered = self._wanted
            sync_folder(self._path)
            self._synced = covered


def _manifest_line(sha256: str, path: str) -> str:
    """RFC 8493 section 2.1.3: checksum and path, with line ends and percent signs encoded."""
    return f"{sha256}  {path.translate(_ESCAPED)}\n"
