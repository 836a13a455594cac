"""One desired-state file, read and checked on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from reconciler.desired.checks.archives import Archive, Archives
from reconciler.desired.entries import PinnedEntry, read_entries
from reconciler.desired.inventory.pins import Pins
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
from reconciler.desired.project_paths import is_pointer, report_pointer, report_unreadable
from reconciler.desired.schema.plain_entries import PlainEntries
from reconciler.desired.schema.published import scalar_types
from reconciler.desired.schema.validation import check_document
from reconciler.desired.selectors.origins import Origins
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.desired.yaml_tree.tree import YamlMapping, YamlSequence
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Entry, EntryKind, InputFile, InputRole
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular


@dataclass(frozen=True, slots=True)
class DesiredFile:
    """What one valid file says; ``limits`` as the format names them.

    ``pinned`` are the entries that pin an inventory.
    """

    input: InputFile
    store: StoreAddress
    store_source: Source
    endpoint: tuple[str, Source] | None
    limits: Mapping[str, int]
    removes: tuple[Entry, ...]
    keeps: tuple[Entry, ...]
    pinned: tuple[PinnedEntry, ...] = ()

    @property
    def is_selected(self) -> bool:
        """Whether its removes count."""
        return self.input.role in {InputRole.SELECTED, InputRole.QUERY}


def read_desired_file(
    root: Path,
    path: str,
    role: InputRole,
    pins: Pins,
    origins: Origins,
    *,
    problems: Problems,
    progress: ReadProgress,
) -> DesiredFile | None:
    """Read one file; None if it is invalid, which is a problem already."""
    plain = {intent: PlainEntries() for intent in EntryKind}
    try:
        with open_regular(Path(root, path)) as file:
            source = SourceText(file, progress)
            document = read_document(
                source,
                path,
                scalar_types=scalar_types(),
                problems=problems,
                takers={intent.value: plain[intent].take for intent in EntryKind},
            )
            digest = source.sha256()
    except OSError as error:
        report_unreadable(Source(path, 1), path, error, problems)
        return None
    if isinstance(document, str) and is_pointer(document):
        report_pointer(Source(path, 1), path, problems)
        return None
    if document is None or not check_document(document, path, problems):
        return None
    content = cast(YamlMapping, document)
    store = cast(YamlMapping, content["store"])
    has_keeps = content.get("keep") or plain[EntryKind.KEEP].series
    if "resolvedFrom" in content and (role is InputRole.SELECTED or has_keeps):
        origins.check(cast(YamlMapping, content["resolvedFrom"]), path)
    archives = Archives(root, path, problems)
    default_archive = archives.read(content, Archive())

    def entries(intent: EntryKind) -> tuple[tuple[Entry, ...], tuple[PinnedEntry, ...]]:
        counts = role is InputRole.SELECTED or intent is EntryKind.KEEP
        return read_entries(
            cast(YamlSequence, content.get(intent.value, ())),
            plain[intent],
            intent,
            path=path,
            default_reason=cast(YamlMapping | None, content.get("reason")),
            read_archive=lambda entry: archives.read(entry, default_archive),
            open_inventory=partial(pins.open, path=path) if counts else _closed,
            problems=problems,
        )

    removes, pinned_removes = entries(EntryKind.REMOVE)
    keeps, pinned_keeps = entries(EntryKind.KEEP)
    return DesiredFile(
        input=InputFile(path, digest, role),
        store=StoreAddress.from_parameters(cast(Mapping[str, str], store)),
        store_source=Source(path, *content.key_place("store")),
        endpoint=_endpoint(store, path),
        limits=cast(Mapping[str, int], content.get("limits") or {}),
        removes=removes,
        keeps=keeps,
        pinned=pinned_removes + pinned_keeps,
    )


def _endpoint(store: YamlMapping, path: str) -> tuple[str, Source] | None:
    if "endpoint" not in store:
        return None
    return str(store["endpoint"]), Source(path, *store.value_place("endpoint"))


def _closed(_: YamlMapping) -> None:
    """Opens no inventory: the removes of a file that no PATH selects do not count."""
