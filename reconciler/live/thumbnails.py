"""One rendered image for each series (PS3.18 section 10.4.1.1.3), many asked for at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from reconciler.errors import CredentialsError, LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress
from reconciler.model.thumbnail import Thumbnail


class Attempt(NamedTuple):
    """One instance that was asked for, and what there is of it."""

    instance: InstanceAddress
    thumbnail: Thumbnail


def fetch_thumbnails(
    wanted: Iterable[tuple[ReadableStore, Sequence[InstanceAddress]]], *, parallelism: int
) -> Iterator[tuple[Attempt, ...]]:
    """Ask for instances of each series until one has an image; the last attempt counts.

    Yields the attempts of each series, in the order of ``wanted``.

    Raises:
        CredentialsError: there are no credentials that the service accepts; after the last one, so
            that the caller can record every image that was read.
    """
    refused: CredentialsError | None = None
    with ThreadPoolExecutor(parallelism, thread_name_prefix="thumbnail") as threads:
        for attempts, error in threads.map(_fetch, wanted):
            refused = error or refused
            yield attempts
    if refused is not None:
        raise refused


def _fetch(
    wanted: tuple[ReadableStore, Sequence[InstanceAddress]],
) -> tuple[tuple[Attempt, ...], CredentialsError | None]:
    """Ask on only where the store answered that an instance has no image."""
    store, instances = wanted
    attempts: list[Attempt] = []
    for instance in instances:
        try:
            thumbnail = store.rendered(instance)
        except LiveError as error:
            attempts.append(Attempt(instance, Thumbnail(problem=str(error))))
            refused = error if isinstance(error, CredentialsError) else None
            return tuple(attempts), refused
        attempts.append(Attempt(instance, thumbnail))
        if not thumbnail.problem:
            break
    return tuple(attempts), None
