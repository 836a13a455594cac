"""Asks a store for all that a selector's rule looks at, and lists what it selects."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from reconciler.live.store import ReadableStore
from reconciler.model.desired import EntryKind
from reconciler.model.live import OddRow
from reconciler.model.patient import Attributes, PatientKey
from reconciler.model.selection.packed_uid import pack
from reconciler.model.selection.resolution import Resolution, Target
from reconciler.model.selection.selector import ListLevel, Modalities, Selector
from reconciler.selecting.judgement import undecided, verdict
from reconciler.selecting.studies import UNKNOWN, Answers, Studies

UNNAMED = "unknown"
"""What is counted of what has no year, or no modality."""

Row = TypeVar("Row")


def resolve(
    selector: Selector,
    store: ReadableStore,
    key: PatientKey,
    as_of: date,
    on_row: Callable[[], None] = lambda: None,
) -> Resolution:
    """List what the rule selects on a day.

    All studies are searched once; all series only where the rule asks for modalities, series are
    listed, or the rows of studies do not say how many series they have. ``on_row`` is called for
    each row that was read.

    Raises:
        LiveError: a search could not be read.
    """
    return _Resolving(selector, store, key, as_of, on_row).resolution()


@dataclass(slots=True)
class _Resolving:
    """One selector while it is resolved."""

    selector: Selector
    store: ReadableStore
    key: PatientKey
    as_of: date
    on_row: Callable[[], None]
    is_split: bool = False
    years: Counter[str] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)
    not_judged: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    seen: dict[Target, str] = field(default_factory=dict)

    def resolution(self) -> Resolution:
        studies = Studies(self.selector.rule, self.as_of, self.selector.bind)
        for row in self._read(self.store.search_studies(self.key, self._note_split)):
            studies.add(row)
        if self.selector.level is ListLevel.SERIES:
            return self._of_series(studies)
        return self._of_studies(studies)

    def _of_studies(self, studies: Studies) -> Resolution:
        asks = self.selector.rule.asks(Modalities)
        if asks:
            self._add_series(studies)
        chosen = array("I")
        for study in studies:
            if self._is_selected(study.uid, study.answers) and self._is_bound(
                (study.uid,), studies.attributes(study.number)
            ):
                chosen.append(study.number)
        if not asks and any(studies[number].series == UNKNOWN for number in chosen):
            self._add_series(studies)
        series = 0
        instances = array("q")
        listed: list[Target] = []
        for study in map(studies.__getitem__, chosen):
            listed.append((study.uid,))
            self.years[_named(study.year)] += 1
            self.modalities.update(map(_named, study.modalities))
            series += max(0, study.series)
            instances.append(study.instances)
        count = len(listed)
        return self._made(
            studies, sorted(listed), instances, count=count, series=series, emptied=count
        )

    def _of_series(self, studies: Studies) -> Resolution:
        listed: dict[Target, None] = {}
        instances = array("q")
        by_study: Counter[int] = Counter()
        for row in self._read(self.store.search_series(self._note_split)):
            number = studies.add_series(row)
            if number is None or isinstance(row.uids, OddRow):
                continue
            target = (studies.uid(number), pack(row.uids[1]))
            if target in listed or not self._is_selected(
                target[0], studies.answers_of_series(number, row.modality)
            ):
                continue
            if not self._is_bound(target, {**studies.attributes(number), **dict(row.attributes)}):
                continue
            listed[target] = None
            by_study[number] += 1
            self.years[_named(studies[number].year)] += 1
            self.modalities[_named(row.modality)] += 1
            instances.append(UNKNOWN if row.instances is None else row.instances)
        emptied = sum(studies.series_read(number) == count for number, count in by_study.items())
        return self._made(
            studies,
            sorted(listed),
            instances,
            count=len(by_study),
            series=len(listed),
            emptied=emptied,
        )

    def _add_series(self, studies: Studies) -> None:
        for row in self._read(self.store.search_series(self._note_split)):
            studies.add_series(row)

    def _is_selected(self, uid: bytes, answers: Answers) -> bool:
        """Whether it is listed; what cannot be judged is listed only to be kept."""
        found = verdict(self.selector.rule, answers)
        if found is not None:
            return found
        self._note_not_judged(uid, undecided(self.selector.rule, answers))
        return self.selector.intent is EntryKind.KEEP

    def _is_bound(self, target: Target, attributes: Attributes) -> bool:
        """Note what it is, where the list is bound to that; what cannot be read is not listed."""
        if not self.selector.bind:
            return True
        seen = self.key.seen(attributes, self.selector.bind)
        if seen is None:
            self._note_not_judged(target[0], ["bind"])
            return False
        self.seen[target] = seen
        return True

    def _note_not_judged(self, uid: bytes, why: Iterable[str]) -> None:
        self.not_judged[uid] = tuple(dict.fromkeys((*self.not_judged.get(uid, ()), *why)))

    def _made(
        self,
        studies: Studies,
        listed: list[Target],
        instances: array[int],
        *,
        count: int,
        series: int,
        emptied: int,
    ) -> Resolution:
        return Resolution(
            as_of=self.as_of,
            listed=listed,
            studies=count,
            series=series,
            instances=None if UNKNOWN in instances else sum(instances),
            emptied=emptied,
            years=dict(sorted(self.years.items())),
            modalities=dict(sorted(self.modalities.items())) or None,
            named=studies.unseen.named(),
            not_judged=dict(sorted(self.not_judged.items())),
            odd=tuple(sorted(studies.odd, key=str)),
            searched=len(studies),
            is_split=self.is_split,
            key=self.key.check,
            seen=self.seen,
        )

    def _note_split(self) -> None:
        self.is_split = True

    def _read(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.on_row()
            yield row


def _named(found: object) -> str:
    return UNNAMED if found is None else str(found)
