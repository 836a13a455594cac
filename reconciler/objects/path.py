"""A file or an object, by one name: what `Path` says of a disk, `ObjectPath` says of a bucket."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeGuard

from reconciler.errors import UsageError
from reconciler.objects.interface import RemovableObjects, is_name
from reconciler.objects.opening import open_objects
from reconciler.regular_file import open_regular


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """An object, or, without a name, the folder that all of them are in."""

    objects: RemovableObjects
    name: str = ""

    @property
    def parent(self) -> ObjectPath:
        """The folder that it is in."""
        return ObjectPath(self.objects, self.name.rpartition("/")[0])

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.objects, "/".join(filter(None, [self.name, name])))

    def __str__(self) -> str:
        return "/".join(filter(None, [self.objects.url, self.name]))


AnyPath: TypeAlias = Path | ObjectPath


def open_folder(address: Path | str) -> AnyPath:
    """The folder that a path or a URL names; raises as `open_objects`."""
    return ObjectPath(open_objects(address)) if _is_url(address) else Path(address)


def open_path(address: Path | str) -> AnyPath:
    """What a path or a URL names, which may not be there.

    Raises:
        UsageError: the URL names no object, or the extra for buckets is not installed.
        StateError: there are no credentials.
    """
    if not _is_url(address):
        return Path(address)
    folder, _, name = address.rpartition("/")
    if folder.endswith("/") or not is_name(name):
        raise UsageError(
            "the URL ends in no name of an object",
            hint="name the file, as in gs://BUCKET/PREFIX/plan.json, without a query",
        )
    return ObjectPath(open_objects(folder), name)


def _is_url(address: Path | str) -> TypeGuard[str]:
    return isinstance(address, str) and "://" in address


def open_file(path: AnyPath) -> BinaryIO:
    """Open a file or an object to read its bytes.

    Raises:
        OSError: it is not there, or is no regular file.
        StateError: the bucket could not be asked.
    """
    if isinstance(path, Path):
        return open_regular(path)
    data = path.objects.read(path.name)
    if data is None:
        raise FileNotFoundError(errno.ENOENT, "there is no such object")
    return BytesIO(data)
