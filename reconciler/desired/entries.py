"""Turns the checked lists of a file into entries of the desired state.

Entries that name instances of one series for one reason and archive (or hold) become one `Entry`,
so that a file with one entry an instance costs no more than one that lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import repeat
from typing import Any, cast

from reconciler.desired.checks.archives import Archive
from reconciler.desired.inventory.listing import Listing, warn_of_leading_zero
from reconciler.desired.inventory.reader import Inventory
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.schema.plain_entries import PlainEntries, PlainSeries
from reconciler.desired.wording import NOUNS, quoted
from reconciler.desired.yaml_tree.tree import Place, YamlMapping, YamlSequence
from reconciler.model.address import SeriesAddress
from reconciler.model.desired import Entry, EntryKind, Hold, InstanceList, Reason, ReasonCode
from reconciler.model.patient import Attribute, Binding
from reconciler.model.problem import Source

OpenInventory = Callable[[YamlMapping], Inventory | None]
"""Reads the inventory that a mapping pins; None if that failed, which is a problem already."""

ReasonTexts = tuple[str, str | None, str | None]
"""A reason as it is written: code, text, ticket."""


ReadArchive = Callable[[YamlMapping], Archive]
"""Reads where an entry is archived first."""

_Group = tuple[str, str | None, ReasonTexts | None, Hold | None, Archive]
"""What instances share that become one entry: study, series, reason, hold, archive."""


Bind = tuple[tuple[Attribute, ...], str]
"""What the targets of an inventory are bound to: the attributes, and the check of the key."""


@dataclass(frozen=True, slots=True)
class PinnedEntry:
    """An entry of a file that pins an inventory: what it says of all that this lists."""

    path: str
    intent: EntryKind
    reason: Reason | None
    hold: Hold | None
    archive: Archive
    bind: Bind | None

    def entries(self, inventory: Inventory) -> Iterator[Entry]:
        """The entries that it stands for: one for each series, and one for each target."""
        for series, instances in inventory.series.items():
            place = instances.lines[0], instances.columns[0]
            yield self._entry((*series, instances), place, None)
        targets = inventory.targets
        for target, seen in zip(targets, targets.seen or repeat(None), strict=False):
            study_uid, series_uid, *at = target
            bound = Binding(*self.bind, seen) if self.bind and seen else None
            yield self._entry((study_uid, series_uid, None), at, bound)

    def _entry(
        self,
        what: tuple[str, str | None, InstanceList | None],
        place: Iterable[int],
        bound: Binding | None,
    ) -> Entry:
        return Entry(
            self.intent,
            *what,
            Source(self.path, *place),
            self.reason,
            self.hold,
            from_inventory=True,
            archive=self.archive.folder,
            allow_damaged=self.archive.allow_damaged,
            bound=bound,
        )


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
) -> tuple[tuple[Entry, ...], tuple[PinnedEntry, ...]]:
    """The entries of one list of a file that the schema accepts, and the plain ones of it.

    Beside them stand those that pin an inventory, of which the entries are among the first as far
    as the inventory is in memory.
    """
    default = None
    if default_reason is not None and intent is EntryKind.REMOVE:
        default = _reason_texts(default_reason)
    reader = _EntryReader(intent, path, default, read_archive, open_inventory, problems)
    for series, gathered in plain.series.items():
        reader.read_plain(series, gathered)
    for entry in cast(list[YamlMapping], entries):
        reader.read(entry)
    return tuple(reader.finished()), tuple(reader.pinned)


@dataclass(slots=True)
class _EntryReader:
    """Reads the entries of one list, one by one."""

    intent: EntryKind
    path: str
    default_reason: ReasonTexts | None
    read_archive: ReadArchive
    open_inventory: OpenInventory
    problems: Problems
    wide: list[Entry] = field(default_factory=list)
    groups: dict[_Group, _Gathered] = field(default_factory=dict)
    reasons: dict[ReasonTexts, Reason] = field(default_factory=dict)
    pinned: list[PinnedEntry] = field(default_factory=list)

    def read(self, entry: YamlMapping) -> None:
        reason = self._reason(entry)
        if "inventory" in entry:
            self._read_inventory(entry, reason)
        elif "instancesId" in entry:
            self._read_instances(entry, reason)
        else:
            self._read_whole(entry, reason)

    def read_plain(self, address: SeriesAddress, plain: PlainSeries) -> None:
        """Take over what was gathered while the file was read."""
        if self.intent is EntryKind.REMOVE and self.default_reason is None:
            for line, column in zip(plain.entries[0::2], plain.entries[1::2], strict=True):
                self._report_missing_reason(Place(line, column))
        archive = self._archive(YamlMapping(*plain.place))
        group = (*address, self.default_reason, None, archive)
        self.groups[group] = _Gathered(self._source(plain.place), plain.listing)
        for uid, place in zip(address, (plain.study_place, plain.series_place), strict=True):
            warn_of_leading_zero(uid, self._source(place), self.problems)

    def finished(self) -> Iterator[Entry]:
        yield from self.wide
        for group, gathered in self.groups.items():
            listed = gathered.listing.finished(self.path, self.problems)
            yield self._entry(group, listed, gathered.source)

    def _read_whole(self, entry: YamlMapping, reason: ReasonTexts | None) -> None:
        self._warn_of_leading_zeros(entry)
        group = self._group(entry, reason)
        self.wide.append(self._entry(group, None, self._source(entry.place)))

    def _read_instances(self, entry: YamlMapping, reason: ReasonTexts | None) -> None:
        group = self._group(entry, reason)
        gathered = self.groups.get(group)
        if gathered is None:
            gathered = self.groups[group] = _Gathered(self._source(entry.place))
            self._warn_of_leading_zeros(entry)
        # Plain entries came first, wherever they stand.
        gathered.source = min(gathered.source, self._source(entry.place))
        instances = entry["instancesId"]
        if isinstance(instances, YamlSequence):
            gathered.listing.add_all(instances)
        else:
            gathered.listing.add(cast(str, instances), *entry.value_place("instancesId"))

    def _read_inventory(self, entry: YamlMapping, reason: ReasonTexts | None) -> None:
        inventory = self.open_inventory(cast(YamlMapping, entry["inventory"]))
        if inventory is None:
            return
        archive = self._archive(entry)
        pinned = PinnedEntry(
            inventory.path,
            self.intent,
            self._reason_of(reason),
            self._hold(entry),
            archive,
            self._bound(entry, inventory),
        )
        self.pinned.append(pinned)
        self.wide.extend(pinned.entries(inventory))

    def _bound(self, entry: YamlMapping, inventory: Inventory) -> Bind | None:
        """What the targets of an inventory are bound to; a keep takes no notice of it."""
        seen, bind = inventory.targets.seen, entry.get("bind")
        if self.intent is EntryKind.KEEP:
            return None
        if not isinstance(bind, YamlMapping):
            if seen is not None:
                self._report_bound(entry, "inventory", f"{inventory.path} has a column seen")
            return None
        if seen is None:
            self._report_bound(entry, "bind", f"{inventory.path} has no column seen")
            return None
        to = {Attribute(str(one)) for one in cast(YamlSequence, bind["to"])}
        return tuple(one for one in Attribute if one in to), str(bind["key"])

    def _report_bound(self, entry: YamlMapping, key: str, message: str) -> None:
        source = self._source(entry.value_place(key))
        hint = "bind stands beside the inventory exactly where this has the column"
        self.problems.error(Rule.INVENTORY_BOUND, source, message, hint)

    def _group(self, entry: YamlMapping, reason: ReasonTexts | None) -> _Group:
        fields: dict[str, Any] = entry
        study, series = fields["studiesId"], fields.get("seriesId")
        return study, series, reason, self._hold(entry), self._archive(entry)

    def _entry(
        self,
        group: _Group,
        instances: InstanceList | None,
        source: Source,
    ) -> Entry:
        study, series, reason, hold, archive = group
        return Entry(
            self.intent,
            study,
            series,
            instances,
            source,
            self._reason_of(reason),
            hold,
            archive=archive.folder,
            allow_damaged=archive.allow_damaged,
        )

    def _reason(self, entry: YamlMapping) -> ReasonTexts | None:
        own = entry.get("reason")
        if isinstance(own, YamlMapping):
            return _reason_texts(own)
        if self.intent is EntryKind.REMOVE and self.default_reason is None:
            self._report_missing_reason(entry.place)
        return self.default_reason

    def _report_missing_reason(self, place: Place) -> None:
        self.problems.error(
            Rule.MISSING_REASON,
            self._source(place),
            "this remove entry has no reason",
            "give it a reason with a code of DICOM CID 7031, or the file a default",
        )

    def _hold(self, entry: YamlMapping) -> Hold | None:
        hold = entry.get("hold")
        if not isinstance(hold, YamlMapping):
            return None if hold is None else Hold(str(hold))
        texts = cast(Mapping[str, str], hold)
        return Hold(texts["text"], texts.get("owner"), texts.get("ticket"), self._review_by(hold))

    def _review_by(self, hold: YamlMapping) -> date | None:
        if "reviewBy" not in hold:
            return None
        day = str(hold["reviewBy"])
        try:
            return date.fromisoformat(day)
        except ValueError:
            source = self._source(hold.value_place("reviewBy"))
            message = f"reviewBy {quoted(day)} is no day of the calendar"
            self.problems.error(Rule.INVALID_VALUE, source, message, NOUNS["reviewBy"].hint)
            return None

    def _archive(self, entry: YamlMapping) -> Archive:
        return self.read_archive(entry) if self.intent is EntryKind.REMOVE else Archive()

    def _reason_of(self, texts: ReasonTexts | None) -> Reason | None:
        if texts is None:
            return None
        if texts not in self.reasons:
            code, text, ticket = texts
            self.reasons[texts] = Reason(ReasonCode(code), text, ticket)
        return self.reasons[texts]

    def _warn_of_leading_zeros(self, entry: YamlMapping) -> None:
        for key in ("studiesId", "seriesId"):
            if key in entry:
                source = self._source(entry.value_place(key))
                warn_of_leading_zero(cast(str, entry[key]), source, self.problems)

    def _source(self, place: Place) -> Source:
        return Source(self.path, *place)


def _reason_texts(reason: Mapping[str, object]) -> ReasonTexts:
    """A reason that the schema accepts, as its three texts."""
    text, ticket = reason.get("text"), reason.get("ticket")
    return str(reason["code"]), cast(str | None, text), cast(str | None, ticket)
