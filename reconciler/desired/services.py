"""One run speaks to one service: with one endpoint, one set of credentials and one rate."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.desired.desired_file import DesiredFile
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule


def check_one_service(files: Sequence[DesiredFile], problems: Problems) -> None:
    """Report selected files about another service than the first."""
    first: DesiredFile | None = None
    for file in files:
        if not file.is_selected:
            continue
        first = first or file
        if _service(file) != _service(first):
            problems.error(
                Rule.SEVERAL_SERVICES,
                file.store_source,
                f"this file is about {_named(file)},"
                f" and {first.store_source} about {_named(first)}",
                "one run uses one service; plan the files of each service separately",
            )


def check_providers(files: Sequence[DesiredFile], problems: Problems) -> None:
    """Report one store with two providers.

    The four parameters name a store alone: a keep under another provider would hold nothing.
    """
    seen: dict[tuple[str, str, str, str], DesiredFile] = {}
    for file in files:
        store = file.store
        other = seen.setdefault(store.ids, file)
        if other.store.provider is not store.provider:
            problems.error(
                Rule.TWO_PROVIDERS,
                file.store_source,
                f"the store is of the provider {store.provider} here,"
                f" and of {other.store.provider} at {other.store_source}",
                "the four parameters name one store; correct the provider of one of the two",
            )


def _service(file: DesiredFile) -> object:
    """What must be the same: the provider, and where it has no one service the store, a server."""
    return file.store.provider if file.store.provider.facts.service else file.store


def _named(file: DesiredFile) -> str:
    provider = file.store.provider
    return provider.title() if provider.facts.service else str(file.store)
