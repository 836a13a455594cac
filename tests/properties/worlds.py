"""Random worlds: what files ask for, what a store holds, and what that must come to.

A world is small on purpose, so that its parts meet: two studies of two series of three
instances. What must come of it is said here in set arithmetic over addresses, without a line of
the product.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Any

from hypothesis import strategies as st

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import EntryKind

from ..limits import wide_open
from .harness import Site, address

NUMBERS = (1, 2, 3)
ADDRESSES = tuple(address(*place) for place in product((1, 2), (1, 2), NUMBERS))
ELSEWHERE = 9
"""The series that no file names; it holds what is misplaced, and copies."""

FILES = ("specs/a.yaml", "specs/more/b.yaml", "bulk/c.yaml")
PATHS = (("specs",), ("specs", "bulk"), ("specs/a.yaml",), ("bulk/c.yaml",))
WIDE_OPEN = wide_open("maxReappeared")


class Fate(Enum):
    """Where an instance is when a plan is made."""

    PRESENT = "present"
    ABSENT = "absent"
    STALE = "deleted just now, and still listed"
    MISPLACED = "in another series of its study"
    COPIED = "here, and in another series of its study"


_LIVE = frozenset({Fate.PRESENT, Fate.COPIED})
_COPY = frozenset({Fate.MISPLACED, Fate.COPIED})


def copy_of(instance: InstanceAddress) -> InstanceAddress:
    """Where the same object also is, or is by mistake."""
    study = int(instance.study_uid.rpartition(".")[2])
    return instance._replace(series_uid=address(study, ELSEWHERE, 0).series_uid)


@dataclass(frozen=True)
class Claim:
    """One entry of a file; ``series`` None is a whole study, no ``numbers`` a whole series."""

    intent: EntryKind
    file: str
    study: int
    series: int | None
    numbers: tuple[int, ...]
    hold: bool
    by_inventory: bool

    def covers(self, instance: InstanceAddress) -> bool:
        named = address(self.study, self.series or 0, 0)
        if instance.study_uid != named.study_uid:
            return False
        if self.series is None:
            return True
        if instance.series_uid != named.series_uid:
            return False
        return not self.numbers or instance in self.listed()

    def listed(self) -> tuple[InstanceAddress, ...]:
        """The instances that it names one by one."""
        return tuple(address(self.study, self.series or 0, number) for number in self.numbers)


@dataclass(frozen=True)
class World:
    """What files ask for and what a store holds; ``parallelism`` is that of the commands.

    ``limits`` are those of every file but of those with ``own_limits``; None are none at all.
    ``arrivals`` and ``departures`` are what others store and delete between plan and apply.
    """

    claims: tuple[Claim, ...]
    paths: tuple[str, ...]
    limits: Mapping[str, int] | None
    fates: Mapping[InstanceAddress, Fate]
    arrivals: frozenset[InstanceAddress]
    departures: frozenset[InstanceAddress]
    contradicts: bool
    parallelism: int
    own_limits: Mapping[str, Mapping[str, int] | None] = field(default_factory=dict)

    # What a store holds

    def held(self) -> set[InstanceAddress]:
        """What can be retrieved when the plan is made."""
        here = {one for one, fate in self.fates.items() if fate in _LIVE}
        return here | {copy_of(one) for one, fate in self.fates.items() if fate in _COPY}

    def stale(self) -> set[InstanceAddress]:
        """What is only listed."""
        return {one for one, fate in self.fates.items() if fate is Fate.STALE}

    def arriving(self) -> set[InstanceAddress]:
        return set(self.arrivals) - self.held()

    def departing(self) -> set[InstanceAddress]:
        """Others delete what is not kept: what they do to the rest is not this tool's doing."""
        return {one for one in self.departures & self.held() if not self.protects(one)}

    @property
    def has_two_addresses(self) -> bool:
        return any(fate in _COPY for fate in self.fates.values())

    @property
    def is_quiet(self) -> bool:
        """Whether nobody else touches the store."""
        return not self.stale() and not self.arriving() and not self.departing()

    # What files ask for

    def is_selected(self, file: str) -> bool:
        return any(file == path or file.startswith(f"{path}/") for path in self.paths)

    def counts(self, claim: Claim) -> bool:
        """Whether a claim counts: removes of the PATHs, keeps also of every file in specs/."""
        neighbour = claim.intent is EntryKind.KEEP and claim.file.startswith("specs/")
        return neighbour or self.is_selected(claim.file)

    def keeps(self, instance: InstanceAddress) -> bool:
        return self._asks(EntryKind.KEEP, instance)

    def protects(self, instance: InstanceAddress) -> bool:
        """Whether it is kept, or is the same object as one that is."""
        return instance.instance_uid in self._kept_objects() or self.keeps(instance)

    def _kept_objects(self) -> set[str]:
        """The SOP Instance UIDs of what is kept by name, and of what a kept whole holds."""
        named = {one for claim in self._counting(EntryKind.KEEP) for one in claim.listed()}
        return {one.instance_uid for one in named | set(filter(self.keeps, self.held()))}

    def removes(self, instance: InstanceAddress) -> bool:
        """Whether it is to be removed: keep always wins."""
        return self._asks(EntryKind.REMOVE, instance) and not self.keeps(instance)

    def _asks(self, intent: EntryKind, instance: InstanceAddress) -> bool:
        return any(claim.covers(instance) for claim in self._counting(intent))

    def _counting(self, intent: EntryKind) -> list[Claim]:
        return [one for one in self.claims if one.intent is intent and self.counts(one)]

    def to_delete(self) -> set[InstanceAddress]:
        """What a complete plan deletes: a listing decides what is there to be removed."""
        return {one for one in self.held() | self.stale() if self.removes(one)}

    def named_to_remove(self) -> set[InstanceAddress]:
        """What is to be removed by name: the plan must speak of each."""
        return {
            one
            for claim in self._counting(EntryKind.REMOVE)
            for one in claim.listed()
            if not self.keeps(one)
        }

    def misplaced(self) -> set[InstanceAddress]:
        """What is to be removed by name and is in the store at another address only.

        A keep of its whole series or study cannot protect what is not in it.
        """
        asked, kept = (
            {one for claim in self._counting(intent) for one in claim.listed()}
            for intent in (EntryKind.REMOVE, EntryKind.KEEP)
        )
        return {one for one in asked - kept if self.fates[one] is Fate.MISPLACED}

    def named_kept_are_held(self) -> bool:
        """Whether nothing that is kept is missing."""
        held = self.held()
        return all(
            set(claim.listed()) <= held and any(map(claim.covers, held))
            for claim in self._counting(EntryKind.KEEP)
        )

    # Carrying it out

    def build(self, site: Site) -> None:
        """Write the files and fill the store."""
        for file in FILES:
            site.write(file, self._text(site, file))
        site.fill(self.held() | self.stale())
        site.delete_behind_its_back(self.stale())

    def move_on(self, site: Site) -> None:
        """Let others change the store after the plan was made."""
        site.delete_behind_its_back(self.departing())
        site.fill(self.arriving())

    def _text(self, site: Site, file: str) -> str:
        claims = [claim for claim in self.claims if claim.file == file]
        lines = ["version: 1", *_store(site.store), 'reason: {code: "113039", ticket: RET-1}']
        limits = self.own_limits.get(file, self.limits)
        if limits is not None:
            inner = ", ".join(f"{name}: {value}" for name, value in limits.items())
            lines.append(f"limits: {{{inner}}}")
        for intent in EntryKind:
            mine = [claim for claim in claims if claim.intent is intent]
            lines += [f"{intent.value}:" if mine else f"{intent.value}: []"]
            for claim in mine:
                lines += self._entry(site, claim)
        return "\n".join(lines) + "\n"

    def _entry(self, site: Site, claim: Claim) -> Iterator[str]:
        if claim.by_inventory:
            yield f"  - inventory: {{{_inventory(site, claim)}}}"
        else:
            named = address(claim.study, claim.series or 0, 0)
            yield f"  - studiesId: {named.study_uid}"
            if claim.series is not None:
                yield f"    seriesId: {named.series_uid}"
            if claim.numbers:
                yield f"    instancesId: [{', '.join(one[2] for one in claim.listed())}]"
        if claim.intent is EntryKind.KEEP and (claim.hold or self._needs_hold(claim)):
            yield "    hold: Litigation 2026-17"

    def _needs_hold(self, keep: Claim) -> bool:
        """Without a hold, a hand-written remove inside a keep is a contradiction."""
        return not self.contradicts and any(
            one.intent is EntryKind.REMOVE
            and any(one.covers(a) and keep.covers(a) for a in ADDRESSES)
            for one in self.claims
        )


def _store(store: StoreAddress) -> list[str]:
    return ["store:", *(f"  {name}: {value}" for name, value in store.as_parameters().items())]


def _inventory(site: Site, claim: Claim) -> str:
    """Write an inventory beside the file that pins it; the pin's members."""
    depth = 3 if claim.numbers else 1 if claim.series is None else 2
    named = claim.listed() or (address(claim.study, claim.series or 0, 0),)
    rows = [",".join(one[:depth]) for one in named]
    header = ",".join(("studiesId", "seriesId", "instancesId")[:depth])
    text = "\n".join([header, *rows]) + "\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    path = site.write(f"{claim.file}.{sha256[:8]}.csv", text)
    return f"path: {path.name}, sha256: {sha256}, count: {len(rows)}"


# Strategies; each shrinks to the plainest world


@st.composite
def _claims(
    draw: st.DrawFn, intents: st.SearchStrategy[EntryKind], files: tuple[str, ...]
) -> Claim:
    series = draw(st.sampled_from([1, 2, None]))
    numbers = st.sets(st.sampled_from(NUMBERS), min_size=1).map(sorted).map(tuple)
    return Claim(
        intent=draw(intents),
        file=draw(st.sampled_from(files)),
        study=draw(st.sampled_from([1, 2])),
        series=series,
        numbers=() if series is None else draw(numbers | numbers | st.just(())),
        hold=draw(st.booleans()),
        by_inventory=draw(st.booleans()),
    )


_steady_fates = st.sampled_from([Fate.PRESENT] * 4 + [Fate.ABSENT])
_fates = st.sampled_from([Fate.PRESENT] * 7 + [Fate.ABSENT, Fate.STALE])
TIGHT = {"maxDeletions": 6, "maxStudiesEmptied": 1, "maxSeriesEmptied": 2, "maxStudyPercent": 99}
"""The limits that bite, each up to this value."""


def _tight(name: str) -> st.SearchStrategy[dict[str, int]]:
    """One limit that bites, while the others let the plan pass."""
    return (st.just(0) | st.integers(0, TIGHT[name])).map(lambda value: WIDE_OPEN | {name: value})


_any_tight = st.sampled_from(list(TIGHT)).flatmap(_tight)
own_limits = st.dictionaries(st.sampled_from(FILES), st.none() | _any_tight)
_few = st.frozensets(st.sampled_from(ADDRESSES), max_size=2)


@st.composite
def worlds(draw: st.DrawFn, odd: st.SearchStrategy[int]) -> World:
    """A world in which at least one remove counts; most let a plan pass.

    ``odd`` is how many instances have a copy, or are misplaced.
    """
    return World(
        **draw(_asked(_fates, odd, most=5)),
        limits=draw(st.just(WIDE_OPEN) | st.just(WIDE_OPEN) | st.none() | _any_tight),
        arrivals=draw(st.just(frozenset()) | _few),
        departures=draw(st.just(frozenset()) | _few),
        contradicts=draw(st.sampled_from([False] * 9 + [True])),
    )


@st.composite
def tight_worlds(draw: st.DrawFn, name: str) -> World:
    """A world that nobody else touches, where one limit matters, and copies do."""
    return World(
        **draw(_asked(_steady_fates, st.integers(0, 2), most=2)),
        limits=draw(_tight(name)),
        arrivals=frozenset(),
        departures=frozenset(),
        contradicts=False,
    )


@st.composite
def _asked(
    draw: st.DrawFn, fates: st.SearchStrategy[Fate], odd: st.SearchStrategy[int], *, most: int
) -> dict[str, Any]:
    """What files ask for, and what a store holds of it."""
    paths = draw(st.sampled_from(PATHS))
    selected = FILES[2:] if paths == ("bulk/c.yaml",) else FILES[:1]
    first = draw(_claims(st.just(EntryKind.REMOVE), selected))
    claims = (first, *draw(st.lists(_claims(st.sampled_from(EntryKind), FILES), max_size=most)))
    named = sorted({one for claim in claims for one in claim.listed()}) or ADDRESSES
    held = {one: draw(fates) for one in ADDRESSES}
    for _ in range(draw(odd)):
        held[draw(st.sampled_from(named))] = draw(st.sampled_from([Fate.MISPLACED, Fate.COPIED]))
    return {
        "claims": claims,
        "paths": paths,
        "fates": held,
        "parallelism": draw(st.sampled_from([1, 4])),
    }
