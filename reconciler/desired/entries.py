"""Turns the checked lists of a file into entries of the desired state.

Entries that name instances of one series for one reason and archive (or hold) become one `Entry`,
so that a file with one entry an instance costs no more than one that lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from reconciler.desired.checks.archives import Archive
from reconciler.desired.inventory.listing import Listing, warn_of_leading_zero
from reconciler.desired.inventory.reader import Inventory
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.schema.plain_entries import PlainEntries, PlainSeries
from reconciler.desired.yaml_tree.tree import Place, YamlMapping, YamlSequence
from reconciler.model.address import SeriesAddress
from reconciler.model.desired import Entry, EntryKind, Reason, ReasonCode
from reconciler.model.problem import Source

OpenInventory = Callable[[YamlMapping], Inventory | None]
"""Reads the inventory that a mapping pins; None if that failed, which is a problem already."""

ReasonTexts = tuple[str, str | None, str | None]
"""A reason as it is written: code, text, ticket."""


ReadArchive = Callable[[YamlMapping], Archive]
"""Reads where an entry is archived first."""

_Group = tuple[str, str, ReasonTexts | None, str | None, Archive]
"""What instances share that become one entry: study, series, reason, hold, archive."""


@dataclass(slots=True)
class _Gathered:
    """The instances of one group, and the first entry that names one."""

    source: Source
    listing: Listing = field(default_factory=Listing)


def read_entries(
    entries: YamlSequence,
    plain: PlainEntries,
    intent: EntryKind,
    *,
    path: str,
    default_reason: YamlMapping | None,
    read_archive: ReadArchive,
    open_inventory: OpenInventory,
    problems: Problems,
) -> tuple[Entry, ...]:
    """The entries of one list of a file that the schema accepts, and the plain ones of it."""
    default = _reason_texts(default_reason) if default_reason is not None else None
    reader = _EntryReader(
        intent,
        path,
        default_reason=default,
        read_archive=read_archive,
        open_inventory=open_inventory,
        problems=problems,
    )
    for series, gathered in plain.series.items():
        reader.read_plain(series, gathered)
    for entry in cast(list[YamlMapping], entries):
        reader.read(entry)
    return tuple(reader.finished())


class _EntryReader:
    """Reads the entries of one list, one by one."""

    def __init__(
        self,
        intent: EntryKind,
        path: str,
        *,
        default_reason: ReasonTexts | None,
        read_archive: ReadArchive,
        open_inventory: OpenInventory,
        problems: Problems,
    ) -> None:
        self._intent = intent
        self._path = path
        self._default_reason = default_reason if intent is EntryKind.REMOVE else None
        self._read_archive = read_archive
        self._open_inventory = open_inventory
        self._problems = problems
        self._wide: list[Entry] = []
        self._groups: dict[_Group, _Gathered] = {}
        self._reasons: dict[ReasonTexts, Reason] = {}

    def read(self, entry: YamlMapping) -> None:
        reason = self._reason(entry)
        if "inventory" in entry:
            self._read_inventory(entry, reason)
        elif "instancesId" in entry:
            self._read_instances(entry, reason)
        else:
            self._wide.append(self._whole(entry, reason))

    def read_plain(self, address: SeriesAddress, plain: PlainSeries) -> None:
        """Take over what was gathered while the file was read."""
        if self._intent is EntryKind.REMOVE and self._default_reason is None:
            for line, column in zip(plain.entries[0::2], plain.entries[1::2], strict=True):
                self._report_missing_reason(Place(line, column))
        archive = self._archive(YamlMapping(*plain.place))
        group = (*address, self._default_reason, None, archive)
        self._groups[group] = _Gathered(self._source(plain.place), plain.listing)
        for uid, place in zip(address, (plain.study_place, plain.series_place), strict=True):
            warn_of_leading_zero(uid, self._source(place), self._problems)

    def finished(self) -> Iterator[Entry]:
        yield from self._wide
        for (study, series, reason, hold, archive), gathered in self._groups.items():
            yield Entry(
                self._intent,
                study,
                series,
                gathered.listing.finished(self._path, self._problems),
                gathered.source,
                self._reason_of(reason),
                hold,
                archive=archive.folder,
                allow_damaged=archive.allow_damaged,
            )

    def _read_instances(self, entry: YamlMapping, reason: ReasonTexts | None) -> None:
        fields: dict[str, Any] = entry
        archive = self._archive(entry)
        group = (fields["studiesId"], fields["seriesId"], reason, fields.get("hold"), archive)
        gathered = self._groups.get(group)
        if gathered is None:
            gathered = self._groups[group] = _Gathered(self._source(entry.place))
            self._warn_of_leading_zeros(entry)
        # Plain entries came first, wherever they stand.
        gathered.source = min(gathered.source, self._source(entry.place))
        instances = fields["instancesId"]
        if isinstance(instances, YamlSequence):
            gathered.listing.add_all(instances)
        else:
            gathered.listing.add(instances, *entry.value_place("instancesId"))

    def _whole(self, entry: YamlMapping, reason: ReasonTexts | None) -> Entry:
        study, series = cast(str, entry["studiesId"]), cast(str | None, entry.get("seriesId"))
        source, hold = self._source(entry.place), cast(str | None, entry.get("hold"))
        archive = self._archive(entry)
        self._warn_of_leading_zeros(entry)
        return Entry(
            self._intent,
            study,
            series,
            None,
            source,
            self._reason_of(reason),
            hold,
            archive=archive.folder,
            allow_damaged=archive.allow_damaged,
        )

    def _read_inventory(self, entry: YamlMapping, reason: ReasonTexts | None) -> None:
        inventory = self._open_inventory(cast(YamlMapping, entry["inventory"]))
        if inventory is None:
            return
        archive = self._archive(entry)
        for series, instances in inventory.series.items():
            source = Source(inventory.path, instances.lines[0], instances.columns[0])
            self._wide.append(
                Entry(
                    self._intent,
                    series.study_uid,
                    series.series_uid,
                    instances,
                    source,
                    self._reason_of(reason),
                    cast(str | None, entry.get("hold")),
                    from_inventory=True,
                    archive=archive.folder,
                    allow_damaged=archive.allow_damaged,
                )
            )

    def _reason(self, entry: YamlMapping) -> ReasonTexts | None:
        own = entry.get("reason")
        if isinstance(own, YamlMapping):
            return _reason_texts(own)
        if self._intent is EntryKind.REMOVE and self._default_reason is None:
            self._report_missing_reason(entry.place)
        return self._default_reason

    def _report_missing_reason(self, place: Place) -> None:
        self._problems.error(
            Rule.MISSING_REASON,
            self._source(place),
            "this remove entry has no reason",
            "give it a reason with a code of DICOM CID 7031, or the file a default",
        )

    def _archive(self, entry: YamlMapping) -> Archive:
        return self._read_archive(entry) if self._intent is EntryKind.REMOVE else Archive()

    def _reason_of(self, texts: ReasonTexts | None) -> Reason | None:
        if texts is None:
            return None
        if texts not in self._reasons:
            code, text, ticket = texts
            self._reasons[texts] = Reason(ReasonCode(code), text, ticket)
        return self._reasons[texts]

    def _warn_of_leading_zeros(self, entry: YamlMapping) -> None:
        for key in ("studiesId", "seriesId"):
            if key in entry:
                source = self._source(entry.value_place(key))
                warn_of_leading_zero(cast(str, entry[key]), source, self._problems)

    def _source(self, place: Place) -> Source:
        return Source(self._path, *place)


def _reason_texts(reason: Mapping[str, object]) -> ReasonTexts:
    """A reason that the schema accepts, as its three texts."""
    text, ticket = reason.get("text"), reason.get("ticket")
    return str(reason["code"]), cast(str | None, text), cast(str | None, ticket)
