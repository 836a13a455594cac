"""One rendered image for each series (PS3.18 section 10.4.1.1.3), many asked for at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from reconciler.errors import CredentialsError, LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress
from reconciler.model.thumbnail import Thumbnail

_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def fetch_thumbnails(
    wanted: Iterable[tuple[ReadableStore, InstanceAddress]], *, parallelism: int
) -> Iterator[Thumbnail]:
    """The image of each instance, in order; what cannot be had says why.

    Raises:
        CredentialsError: there are no credentials that the service accepts; after the last one, so
            that the caller can record every image that was read.
    """
    refused: CredentialsError | None = None
    with ThreadPoolExecutor(parallelism, thread_name_prefix="thumbnail") as threads:
        for found in threads.map(_fetch, wanted):
            if isinstance(found, CredentialsError):
                refused = found
                yield Thumbnail(problem=str(found))
            else:
                yield found
    if refused is not None:
        raise refused


def _fetch(wanted: tuple[ReadableStore, InstanceAddress]) -> Thumbnail | CredentialsError:
    store, instance = wanted
    try:
        return thumbnail_of(store.rendered(instance))
    except CredentialsError as error:
        return error
    except LiveError as error:
        return Thumbnail(problem=str(error))


def thumbnail_of(data: bytes) -> Thumbnail:
    """An image by what its bytes are, whatever a header says of them."""
    for magic, media_type in _MAGIC.items():
        if data.startswith(magic):
            return Thumbnail(media_type, data)
    return Thumbnail(problem="what came is neither JPEG nor PNG")
