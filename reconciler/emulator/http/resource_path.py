"""What a raw request path addresses.

The path is taken as it was received: split at ``/`` first, then each segment is percent-decoded;
dot segments are segments like any other, and one slash at the end counts for nothing. So a path
that a client collapsed by mistake addresses what the collapsed path says.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from reconciler.emulator.http.answer import ApiError
from reconciler.model.address import StoreAddress, is_uid

_LEVELS = ("studies", "series", "instances")
_INSTANCE = 7
"""The segments of an instance's path, from ``dicomWeb`` on."""


@dataclass(frozen=True, slots=True)
class StorePath:
    """A path at or below a store.

    ``shape`` is what follows the store, with ``*`` for each UID and with the verb of a custom
    method, such as ``/dicomWeb/studies/*/series/*`` or ``:getDICOMStoreMetrics``; the store itself
    has the empty shape. ``uids`` are those of study, series and instance, as far as given. ``part``
    is what the last ``*`` stands for below an instance: a list of frames, or a place of bulk data.
    """

    store: StoreAddress
    shape: str
    uids: tuple[str, ...] = ()
    part: str = ""


@dataclass(frozen=True, slots=True)
class DatasetPath:
    """A path below a dataset: ``collection`` is ``operations`` or ``dicomStores``."""

    dataset: str
    collection: str
    identifier: str = ""


def parse_path(raw_path: str) -> StorePath | DatasetPath:
    """Read a raw path; its query is ignored.

    Raises:
        ApiError: 404 where nothing of the kind can be, 400 where an id cannot be one.
    """
    path = raw_path.partition("?")[0].removesuffix("/")
    segments = [unquote(segment) for segment in path.split("/")[1:]]
    match segments:
        case ["v1", "projects", _, "locations", _, "datasets", _, collection]:
            return DatasetPath("/".join(segments[1:7]), collection)
        case ["v1", "projects", _, "locations", _, "datasets", _, "operations", identifier]:
            return DatasetPath("/".join(segments[1:7]), "operations", identifier)
        case ["v1", "projects", _, "locations", _, "datasets", _, "dicomStores", _, *_]:
            return _store_path(segments)
        case _:
            raise ApiError(404, "The requested URL was not found on this server.")


def _store_path(segments: list[str]) -> StorePath:
    """Read the segments of a path at or below a store; a colon in the last one begins a verb."""
    segments[-1], colon, verb = segments[-1].partition(":")
    project, location, dataset, identifier = segments[2:9:2]
    below = segments[9:]
    places = [place for place in range(2, len(below), 2) if below[place - 1] in _LEVELS]
    uids = tuple(below[place] for place in places)
    if not all(is_uid(uid) for uid in uids):
        raise ApiError(400, "The request path holds a UID that is not valid.")
    for place in places:
        below[place] = "*"
    part = ""
    match below[_INSTANCE:]:
        case ["frames", part, *rest]:
            below[_INSTANCE:] = ["frames", "*", *rest]
        case ["bulkdata", *words] if words:
            part = "/".join(words)
            below[_INSTANCE:] = ["bulkdata", "*"]
    shape = "".join(f"/{word}" for word in below) + colon + verb
    return StorePath(StoreAddress(project, location, dataset, identifier), shape, uids, part)


def dataset_of(store: StoreAddress) -> str:
    """The resource name of the dataset that holds a store."""
    return str(store).partition("/dicomStores/")[0]
