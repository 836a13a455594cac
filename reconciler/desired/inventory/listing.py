"""Gathers what one file names, each with its place: instances of a series, series, studies."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, pairwise, repeat
from typing import cast

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import quoted
from reconciler.desired.yaml_tree.tree import YamlSequence
from reconciler.model.desired import InstanceList
from reconciler.model.problem import Source

_LEADING_ZERO_AFTER_DOT = re.compile(r"\.0[0-9]")
_LEADING_ZERO = re.compile(r"(?:^|\.)0[0-9]")


@dataclass(slots=True)
class Listing:
    """SOP Instance UIDs in file order, with the line and column of each."""

    uids: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("I"))
    columns: array[int] = field(default_factory=lambda: array("I"))

    def add(self, uid: str, line: int, column: int) -> None:
        """Add one instance."""
        self.uids.append(uid)
        self.lines.append(line)
        self.columns.append(column)

    def add_all(self, instances: YamlSequence) -> None:
        """Add the instances of a checked list."""
        self.uids.extend(cast(list[str], instances))
        self.lines.extend(instances.marks[0::2])
        self.columns.extend(instances.marks[1::2])

    def extend(self, other: Listing) -> None:
        """Add the instances of another."""
        self.uids += other.uids
        self.lines += other.lines
        self.columns += other.columns

    def finished(self, path: str, problems: Problems) -> InstanceList:
        """The instances, each once and in the file's order; what occurs twice is a warning."""
        self._put_in_order()
        self._warn_of_leading_zeros(path, problems)
        if len(set(self.uids)) == len(self.uids):
            return InstanceList(tuple(self.uids), self.lines, self.columns)
        is_first = list(self._firsts(path, problems))
        return InstanceList(
            tuple(compress(self.uids, is_first)),
            array("I", compress(self.lines, is_first)),
            array("I", compress(self.columns, is_first)),
        )

    def _put_in_order(self) -> None:
        if all(
            before <= after
            for before, after in pairwise(zip(self.lines, self.columns, strict=True))
        ):
            return
        places = list(zip(self.lines, self.columns, strict=True))
        order = sorted(range(len(places)), key=places.__getitem__)
        self.uids = [self.uids[at] for at in order]
        self.lines = array("I", (self.lines[at] for at in order))
        self.columns = array("I", (self.columns[at] for at in order))

    def _firsts(self, path: str, problems: Problems) -> Iterable[bool]:
        seen: dict[str, int] = {}
        for index, uid in enumerate(self.uids):
            first = seen.setdefault(uid, index)
            if first != index:
                source = Source(path, self.lines[index], self.columns[index])
                warn_of_duplicate(
                    f"instance {uid}", source, Source(path, self.lines[first]), problems
                )
            yield first == index

    def _warn_of_leading_zeros(self, path: str, problems: Problems) -> None:
        # One search over all is a fifth of the cost of one for each.
        if not _LEADING_ZERO_AFTER_DOT.search("." + "\n.".join(self.uids)):
            return
        search = _LEADING_ZERO.search
        for index, uid in enumerate(self.uids):
            if search(uid):
                source = Source(path, self.lines[index], self.columns[index])
                warn_of_leading_zero(uid, source, problems)


@dataclass(slots=True)
class TargetList:
    """Series, or studies, that rows name as a whole, in file order, each once with its place.

    Parallel sequences, so that a million of them cost no objects of their own.
    """

    studies: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    """Empty where rows name studies."""
    lines: array[int] = field(default_factory=lambda: array("I"))
    columns: array[int] = field(default_factory=lambda: array("I"))
    seen: list[str] | None = None
    """What each was when it was resolved; None where the list has no such column."""

    def add(
        self, study_uid: str, *series_uid: str, line: int, column: int, seen: str | None = None
    ) -> None:
        """Add a study, or a series of it."""
        self.studies.append(study_uid)
        self.series += series_uid
        self.lines.append(line)
        self.columns.append(column)
        if self.seen is not None and seen is not None:
            self.seen.append(seen)

    def finished(self, path: str, problems: Problems) -> TargetList:
        """The targets, each once; what occurs twice is a warning."""
        firsts: dict[tuple[str, str | None], int] = {}
        is_first = []
        for study, series, line, column in self:
            first = firsts.setdefault((study, series), line)
            is_first.append(first == line)
            if first != line:
                what = f"study {study}" if series is None else f"series {series}"
                warn_of_duplicate(what, Source(path, line, column), Source(path, first), problems)
        if all(is_first):
            return self
        return TargetList(
            list(compress(self.studies, is_first)),
            list(compress(self.series, is_first)),
            array("I", compress(self.lines, is_first)),
            array("I", compress(self.columns, is_first)),
            None if self.seen is None else list(compress(self.seen, is_first)),
        )

    def __iter__(self) -> Iterator[tuple[str, str | None, int, int]]:
        series = self.series or repeat(None)
        return zip(self.studies, series, self.lines, self.columns, strict=False)


def has_leading_zero(uid: str) -> bool:
    """Whether a component of the UID has a leading zero (PS3.5 section 9.1 has none)."""
    return _LEADING_ZERO.search(uid) is not None


def warn_of_leading_zero(uid: str, source: Source, problems: Problems) -> None:
    """Warn if a component of the UID has a leading zero."""
    if has_leading_zero(uid):
        problems.warning(
            Rule.LEADING_ZERO,
            source,
            f"a component of {quoted(uid)} has a leading zero",
            "it is used as written; check that the store has the same UID",
        )


def warn_of_duplicate(what: str, source: Source, first: Source, problems: Problems) -> None:
    """Warn that ``what`` is named a second time."""
    problems.warning(
        Rule.DUPLICATE_ENTRY,
        source,
        f"{what} is named a second time; it is first at {first}",
        "remove one of the two",
    )
