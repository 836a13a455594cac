"""Where a plan in shards is written: a folder on disk or in a bucket."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.api.destination import TEMPORARY, write_file
from reconciler.durable_folder import make_folder, sync_folder
from reconciler.errors import PlanFileError, PlanRefused, ReconcilerError, UsageError
from reconciler.model.shards.manifest import FOLDER
from reconciler.objects.path import AnyPath
from reconciler.planning.shards.manifest_file import read_manifest

MANIFEST = "plan.json"
_SHARD = re.compile(rf"{FOLDER}/[0-9]{{5,}}\.json")
_ELSEWHERE = "name an empty folder with --out, or one that does not exist yet"


class ShardFolder:
    """A folder that holds a plan in shards, or nothing yet.

    The manifest of an older plan goes before the first shard is written, and the new one comes
    last: a plan that was cut off leaves none. What a killed plan left half-written goes, too. A
    plan whose shards another one replaced meanwhile fails, and leaves no manifest.
    """

    def __init__(self, folder: AnyPath) -> None:
        """Look at the folder.

        Raises:
            UsageError: something else lies there, or it cannot be looked at.
            StateError: the bucket could not be asked.
        """
        self._folder = folder
        self._files = _OnDisk(folder) if isinstance(folder, Path) else folder.objects
        self._written: dict[str, bytes] = {}
        try:
            self._require_own()
        except OSError as error:
            raise UsageError(f"cannot write into {folder}: {error.strerror}") from error

    def write(self, name: str, pieces: Iterable[str]) -> None:
        """Write a shard, or the manifest of those that were written.

        Raises:
            ReconcilerError: it could not be written, or another plan was written here meanwhile.
        """
        data = "".join(pieces).encode()
        try:
            if not self._written:
                self._clear()
            if not self._files.create(name, data):
                raise self._replaced()
            if name == MANIFEST:
                self._require_whole()
        except OSError as error:
            raise ReconcilerError(
                f"cannot write {self._folder / name}: {error.strerror}"
            ) from error
        self._written[name] = hashlib.sha256(data).digest()

    def _clear(self) -> None:
        self._files.remove(MANIFEST)
        for name in filter(self._is_own, [*self._files.names("")]):
            self._files.remove(name)

    def _require_whole(self) -> None:
        for name, digest in self._written.items():
            if hashlib.sha256(self._files.read(name) or b"").digest() != digest:
                self._files.remove(MANIFEST)
                raise self._replaced()

    def _replaced(self) -> ReconcilerError:
        return ReconcilerError(
            f"another plan was written to {self._folder} at the same time",
            hint="write one plan at a time there, and make this one again",
        )

    def _require_own(self) -> None:
        manifest, is_there = self._folder / MANIFEST, False
        for name in self._files.names(""):
            is_there |= name == MANIFEST
            if not self._is_own(name):
                raise UsageError(
                    f"{self._folder} holds something else than a plan in shards: {name}",
                    hint=_ELSEWHERE,
                )
        if is_there:
            try:
                read_manifest(manifest)
            except (PlanFileError, PlanRefused) as error:
                raise UsageError(
                    f"{manifest} would be replaced, and is not one: {error}", hint=_ELSEWHERE
                ) from error

    def _is_own(self, name: str) -> bool:
        if isinstance(self._files, _OnDisk) and TEMPORARY.fullmatch(name.rpartition("/")[2]):
            return True
        return name == MANIFEST or _SHARD.fullmatch(name) is not None


class _OnDisk:
    """The files of a folder, as `RemovableObjects` but that a file is replaced by a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, folder: str) -> Iterator[str]:
        with suppress(FileNotFoundError):
            for one in sorted((self._folder / folder).iterdir()):
                if not folder and one.name == FOLDER and not one.is_symlink():
                    yield from self.names(f"{FOLDER}/")
                else:
                    yield folder + one.name

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    def create(self, name: str, data: bytes) -> bool:
        target = self._folder / name
        make_folder(target.parent)
        write_file(target, [data.decode()])
        sync_folder(target.parent)
        return True

    def remove(self, name: str) -> None:
        target = self._folder / name
        with suppress(FileNotFoundError):
            target.unlink()
            sync_folder(target.parent)
