"""The folder of a plan in shards: the manifest, and the shards below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.api.destination import TEMPORARY, write_file
from reconciler.durable_folder import make_folder, sync_folder
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.shards.manifest import FOLDER
from reconciler.planning.shards.manifest_file import read_manifest

MANIFEST = "plan.json"
_SHARD = re.compile(r"[0-9]{5,}\.json")


class ShardFolder:
    """A folder that holds a plan in shards, or nothing yet.

    The manifest of an older plan goes before the first shard is written, and the new one comes
    last: a plan that was cut off leaves none. What a killed plan left half-written goes, too.
    """

    def __init__(self, folder: Path) -> None:
        """Look at the folder.

        Raises:
            UsageError: something else lies there, or it cannot be looked at.
        """
        self._folder = folder
        self._is_cleared = False
        try:
            self._require_own()
        except OSError as error:
            raise UsageError(f"cannot write into {folder}: {error.strerror}") from error

    def write(self, path: str, pieces: Iterable[str]) -> None:
        """Write a shard, or the manifest.

        Raises:
            ReconcilerError: it could not be written.
        """
        target = self._folder / path
        try:
            if not self._is_cleared:
                self._clear()
            write_file(target, pieces)
            sync_folder(target.parent)
        except OSError as error:
            raise ReconcilerError(f"cannot write {target}: {error.strerror}") from error

    def _clear(self) -> None:
        make_folder(self._folder / FOLDER)
        (self._folder / MANIFEST).unlink(missing_ok=True)
        sync_folder(self._folder)
        for shard in self._shards():
            shard.unlink()
        for one in self._folder.iterdir():
            if TEMPORARY.fullmatch(one.name):
                one.unlink()
        self._is_cleared = True

    def _shards(self) -> Iterator[Path]:
        folder = self._folder / FOLDER
        return iter(sorted(folder.iterdir()) if folder.exists() else [])

    def _require_own(self) -> None:
        if not self._folder.exists():
            return
        if not self._folder.is_dir():
            raise UsageError(
                f"{self._folder} is a file, and a plan in shards is a folder",
                hint="name a folder with --out, which may not exist yet",
            )
        others = [one for one in self._folder.iterdir() if one.name not in {MANIFEST, FOLDER}]
        others += [one for one in self._shards() if not _SHARD.fullmatch(one.name)]
        others = [one for one in others if not TEMPORARY.fullmatch(one.name)]
        if others:
            raise UsageError(
                f"{self._folder} holds something else than a plan in shards: {min(others)}",
                hint="name an empty folder with --out, or one that does not exist yet",
            )
        manifest = self._folder / MANIFEST
        if manifest.exists():
            try:
                read_manifest(manifest)
            except ReconcilerError as error:
                raise UsageError(
                    f"{manifest} would be replaced, and is not one: {error}",
                    hint="name an empty folder with --out, or one that does not exist yet",
                ) from error
