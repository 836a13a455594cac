"""Entries that only name instances, gathered while the file is read.

A file may have a million of them, one for each instance. As a tree each would take half a
kilobyte; here it takes its UID and its place. Whatever says more than the three UIDs, or is not
as the schema wants it, stays in the tree.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from reconciler.desired.inventory.listing import Listing
from reconciler.desired.yaml_tree.tree import Place, Value, YamlMapping, YamlSequence
from reconciler.model.address import SeriesAddress, is_uid

_KEYS = frozenset({"studiesId", "seriesId", "instancesId"})


@dataclass(slots=True)
class PlainSeries:
    """The instances of a series that such entries name.

    The places are those of the first entry and its two UIDs; ``entries`` holds line and column of
    every entry.
    """

    place: Place
    study_place: Place
    series_place: Place
    listing: Listing = field(default_factory=Listing)
    entries: array[int] = field(default_factory=lambda: array("I"))


class PlainEntries:
    """The plain entries of one list of a file, by series."""

    def __init__(self) -> None:
        self.series: dict[SeriesAddress, PlainSeries] = {}

    def take(self, entry: Value) -> bool:
        """Take an entry if it is plain; else leave it alone."""
        if not isinstance(entry, YamlMapping) or entry.keys() != _KEYS:
            return False
        study, series, instances = entry["studiesId"], entry["seriesId"], entry["instancesId"]
        if not isinstance(study, str) or not isinstance(series, str):
            return False
        address = SeriesAddress(study, series)
        known = self.series.get(address)
        if known is None and not (is_uid(study) and is_uid(series)):
            return False
        uids = instances if isinstance(instances, YamlSequence) else (instances,)
        if not uids or not all(isinstance(uid, str) and is_uid(uid) for uid in uids):
            return False
        self._add(known or self._begin(address, entry), entry)
        return True

    def _begin(self, address: SeriesAddress, entry: YamlMapping) -> PlainSeries:
        places = (entry.value_place("studiesId"), entry.value_place("seriesId"))
        return self.series.setdefault(address, PlainSeries(entry.place, *places))

    def _add(self, series: PlainSeries, entry: YamlMapping) -> None:
        series.entries.append(entry.line)
        series.entries.append(entry.column)
        instances = entry["instancesId"]
        if isinstance(instances, YamlSequence):
            series.listing.add_all(instances)
        else:
            series.listing.add(str(instances), *entry.value_place("instancesId"))
