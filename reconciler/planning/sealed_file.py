"""A file under a seal, as a plan and a manifest are: sealed while written, read as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from reconciler.errors import PlanFileError, PlanRefused
from reconciler.json_stream import JsonError, JsonStream
from reconciler.objects.path import AnyPath, open_file
from reconciler.planning.plan_json import canonical
from reconciler.planning.seal import SEAL, SealedBytes

FORMAT_VERSION = "1.0"
_MAJOR = FORMAT_VERSION.partition(".")[0]
_WRITE = "write one with reconciler plan --out, or in Python with show(plan, format='json')"

OnProgress = Callable[[int, int], None]
"""Called with how many bytes of a file are read, and how many it has."""


class Digested(Protocol):
    """What has the digest of its stable part."""

    @property
    def digest(self) -> str:
        """Its name: ``sha256:`` and 64 hexadecimal digits."""


T = TypeVar("T", bound=Digested)

Stable = Mapping[str, Callable[[JsonStream], object]]
"""How the stable part is read, by the member that it is."""


def digest_of_pieces(pieces: Iterable[str]) -> str:
    """The name of a stable part: ``sha256:`` and 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode())
    return f"sha256:{digest.hexdigest()}"


def write_sealed(header: Mapping[str, object], mark: str, stable: Iterable[str]) -> Iterator[str]:
    """The text of a file in pieces: the header, the mark of its kind, the stable part, the seal."""
    seal = hashlib.sha256()
    for piece in _unsealed({"format_version": FORMAT_VERSION, **header}, mark, stable):
        seal.update(piece.encode())
        yield piece
    yield f'{SEAL}{seal.hexdigest()}"}}\n'


def _unsealed(header: Mapping[str, object], mark: str, stable: Iterable[str]) -> Iterator[str]:
    yield "{\n" + ",\n".join(f"{canonical(key)}:{canonical(header[key])}" for key in header)
    yield mark
    for piece in stable:
        yield "\n" + piece if piece.startswith("{") else piece


def read_sealed(
    path: AnyPath,
    decode: Callable[[dict[str, Any]], T],
    stable: Stable,
    on_progress: OnProgress | None = None,
) -> T:
    """Read a file as a stream, and check that it is as it was written.

    ``decode`` gets its members; those that ``stable`` names are read as that says.

    Raises:
        PlanFileError: it cannot be read, or is not such a file.
        PlanRefused: it was edited, or another major version of the format wrote it.
        StateError: its bucket could not be asked.
    """
    try:
        with open_file(path) as file:
            return _read(path, SealedBytes(file, on_progress), decode, stable)
    except OSError as error:
        is_folder = isinstance(error, IsADirectoryError)
        hint = "for a plan in shards, name the plan.json in its folder" if is_folder else None
        raise PlanFileError(f"cannot read {path}: {error.strerror}", hint=hint) from error


def _read(
    path: AnyPath,
    sealed: SealedBytes,
    decode: Callable[[dict[str, Any]], T],
    stable: Stable,
) -> T:
    try:
        found = decode(_members(path, JsonStream(sealed.chunks()), stable))
    except (*_UNREADABLE, PlanFileError) as error:
        # What was edited is reported as edited, whatever it reads like now.
        sealed.skip()
        if sealed.has_seal:
            _require_seal(path, sealed)
        raise _unreadable(path, error) from error
    _require_seal(path, sealed)
    if found.digest != f"sha256:{sealed.digest}":
        raise PlanRefused(
            f"{path} was edited: its digest does not match what it plans",
            hint="make the plan again",
        )
    return found


_UNREADABLE = (AttributeError, KeyError, TypeError, ArithmeticError, ValueError, RecursionError)


def _unreadable(path: AnyPath, error: Exception) -> PlanFileError:
    match error:
        case PlanFileError():
            return error
        case UnicodeDecodeError():
            why = "it is not UTF-8 text"
        case JsonError():
            why = str(error)
        case KeyError():
            why = f"{error} is missing"
        case _:
            return PlanFileError(f"{path} is not a plan file that can be read: {error}")
    return PlanFileError(f"{path} is not a plan file: {why}", hint=_WRITE)


def _require_seal(path: AnyPath, sealed: SealedBytes) -> None:
    if not sealed.is_whole:
        raise PlanRefused(f"{path} was edited: its seal does not match", hint="make the plan again")


def _members(path: AnyPath, stream: JsonStream, stable: Stable) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if stream.peek() != "{":
        stream.value()
    else:
        for key in stream.members():
            document[key] = stable[key](stream) if key in stable else stream.value()
            if key == "format_version":
                _check_version(path, document)
    stream.end()
    if "format_version" not in document:
        raise PlanFileError(
            f"{path} is not a plan file: it has no format_version",
            hint=_WRITE,
        )
    return document


def _check_version(path: AnyPath, document: Mapping[str, Any]) -> None:
    version = document["format_version"]
    if not isinstance(version, str) or version.partition(".")[0] != _MAJOR:
        raise PlanRefused(
            f"{path} has format_version {version!r}, this version reads {_MAJOR}.x",
            hint="make the plan again with this version",
        )
