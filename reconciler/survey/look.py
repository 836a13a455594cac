"""Asks a store the questions of a refresh, many at a time, and notes the answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.live import (
    ABSENT,
    ABSENT_BY_TEXT,
    Observation,
    OddRow,
    OddRows,
    Presence,
    Referrer,
    Referrers,
    SeriesSeen,
    StudyContents,
    UnreportedImage,
    unknown,
)
from reconciler.survey.asking import Asking
from reconciler.survey.facts import Facts, StudyOrSeries, WasDeleted
from reconciler.survey.questions import Questions
from reconciler.survey.stages import Batch

T = TypeVar("T")

_MOST_CONFIRMATIONS = 3
"""How many listed instances of a kept study or series are tried, should the first rows be stale."""


class Survey:
    """The stages of a refresh that ask; each needs the answers of those before it."""

    def __init__(
        self,
        store: ReadableStore,
        questions: Questions,
        *,
        asking: Asking,
        was_deleted: WasDeleted,
    ) -> None:
        self.facts = Facts()
        self._store = store
        self._questions = questions
        self._asking = asking
        self._was_deleted = was_deleted
        self._since = 0.0

    def read_listings(self, targets: Collection[StudyOrSeries]) -> None:
        """List series and studies; what hides a listing is noted in its place."""
        self._ask(targets, self._read_listing, len(targets))

    def read_partial_listings(self, series: Collection[tuple[SeriesAddress, int]]) -> None:
        """Read listings of series as far as they are worth it, for what is kept in them."""
        self._ask(series, self._read_partial_listing, len(series))

    def probe(self, batches: Collection[Batch]) -> None:
        """Probe instances one by one."""
        instances = (InstanceAddress(*series, uid) for series, uids in batches for uid in uids)
        self._ask(instances, self._probe, sum(len(uids) for _, uids in batches))

    def confirm_absences(self) -> None:
        """Have each absence confirmed that no listing agrees with so far."""
        unconfirmed = []
        for instance in list(self.facts.by_probe(Presence.ABSENT)):
            if self.facts.shows(instance) is False:
                self.facts.note_probe(instance, ABSENT)
            else:
                unconfirmed.append(instance)
        self._ask(unconfirmed, self._confirm_absence, len(unconfirmed))

    def search(self, instances: Collection[InstanceAddress]) -> None:
        """Look for absent instances at other addresses of the store."""
        self._ask(instances, self._search, len(instances))

    def confirm(self, targets: Collection[StudyOrSeries]) -> None:
        """Confirm targets by a retrieve: of a listed instance, else of their metadata."""
        self._ask(targets, self._confirm, len(targets))

    def _ask(self, items: Iterable[T], question: Callable[[T], object], count: int) -> None:
        self._since = time.monotonic()
        self._asking.ask(items, question, count)

    def _read_listing(self, target: StudyOrSeries) -> None:
        spelled = self._questions.spelled_in(target[0])
        try:
            seen: dict[str, SeriesSeen] = {}
            rows = self._store.list_instances(*target, on_series=seen.__setitem__)
            self.facts.listings[target] = replace(contents_of(rows, spelled), seen=seen)
        except LiveError as error:
            self.facts.listings[target] = StudyContents(problem=str(error))

    def _read_partial_listing(self, asked: tuple[SeriesAddress, int]) -> None:
        series, at_most = asked
        kept = self._questions.kept_in(series)
        rows = self._store.list_instances(*series, at_most=at_most)
        try:
            found = list(islice(rows, at_most))
        except LiveError:
            return  # a probe of each will tell
        uids = {row.instance_uid for row in found if not isinstance(row, OddRow)}
        self.facts.partial_listings[series] = frozenset(kept & uids)
        if len(found) < at_most and not any(isinstance(row, OddRow) for row in found):
            self.facts.seen_whole.add(series)

    def _probe(self, instance: InstanceAddress) -> None:
        self.facts.note_probe(instance, self._store.probe(instance))

    def _confirm_absence(self, instance: InstanceAddress) -> Observation:
        seen = self.facts.probed_in(instance.series)[instance.instance_uid]
        seen = self._store.confirmed(instance, seen, since=self._since)
        self.facts.note_probe(instance, seen)
        return seen

    def _look(self, instance: InstanceAddress) -> Observation:
        """Probe an instance, and have its absence confirmed at once."""
        self._probe(instance)
        return self._confirm_absence(instance)

    def _search(self, instance: InstanceAddress) -> None:
        try:
            found = self._store.find(instance.instance_uid)
        except LiveError as error:
            self.facts.searches[instance] = str(error)
            return
        others = [other for other in found if other != instance and not self._is_stale(other)]
        self.facts.searches[instance] = tuple(others)

    def _is_stale(self, row: InstanceAddress) -> bool:
        """Whether a row that is recorded as deleted is really gone."""
        return self._was_deleted(row) and self._look(row).presence is Presence.ABSENT

    def _confirm(self, target: StudyOrSeries) -> None:
        listing = self.facts.listing_of(target)
        for row in islice(_rows(target[0], listing.series), _MOST_CONFIRMATIONS):
            seen = self._look(row)
            match seen.presence:
                case Presence.PRESENT:
                    return
                case Presence.UNKNOWN:
                    self.facts.target_probes[target] = unknown(f"{row}: {seen.detail}")
                    return
                case Presence.ABSENT:
                    continue
        self.facts.target_probes[target] = self._without_witness(target)

    def _without_witness(self, target: StudyOrSeries) -> Observation:
        """Look at a study or series of which no listed instance could be retrieved."""
        if self.facts.listing_of(target).series:
            return unknown("its listing is stale: the instances tried are absent")
        seen = self._store.probe_study_or_series(*target)
        is_shown = self.facts.listing_of(target).odd.may_be(*filter(None, target))
        if seen.presence is Presence.PRESENT:
            nothing = unknown("the store has it, though its listing shows no instance")
            return seen if is_shown else nothing
        if is_shown:
            return unknown("its listing shows nothing that can be addressed, and it is not there")
        return ABSENT if seen == ABSENT_BY_TEXT else seen  # the listing agrees: it shows nothing


def _rows(study_uid: str, series: Mapping[str, frozenset[str]]) -> Iterator[InstanceAddress]:
    """The rows of a listing, in the order of their UIDs."""
    for series_uid in sorted(series):
        for uid in sorted(series[series_uid]):
            yield InstanceAddress(study_uid, series_uid, uid)


def contents_of(
    rows: Iterable[InstanceAddress | OddRow], spelled: Mapping[str, str]
) -> StudyContents:
    """The SOP Instance UIDs by series, the odd rows, and what may refer to others.

    Where the desired state names one, its text is taken: a million of them are held once.
    """
    series: dict[str, set[str]] = {}
    odd = []
    referrers = set()
    unreported: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, OddRow):
            odd.append(row)
            continue
        _, series_uid, uid = row
        series.setdefault(series_uid, set()).add(spelled.get(uid, uid))
        if isinstance(row, Referrer):
            referrers.add(InstanceAddress(*row))
        elif isinstance(row, UnreportedImage):
            unreported[series_uid] += 1
    listed = {uid: frozenset(members) for uid, members in series.items()}
    counts = Counter(one.series for one in referrers)
    half = frozenset(one for one in counts if 2 * counts[one] >= len(listed[one.series_uid]))
    return StudyContents(
        listed,
        odd=OddRows(tuple(odd)),
        referrers=Referrers(frozenset(referrers), half, unreported),
    )
