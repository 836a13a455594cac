"""The plan: what would be deleted from each store, and what was found besides."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

from reconciler.model.address import (
    INSTANCE,
    INSTANCES,
    SERIES,
    STUDY,
    InstanceAddress,
    SeriesAddress,
    StoreAddress,
    checked_uid,
)
from reconciler.model.as_json import as_json
from reconciler.model.desired import Hold, InputFile, Limits, Reason, ReasonCode
from reconciler.model.patient import Binding
from reconciler.model.problem import Source


class Action(Enum):
    """The action of apply."""

    DELETE = "delete"
    NO_OP = "no-op"


class Why(Enum):
    """Why a decision fell as it did; each has one action."""

    LISTED = "listed"
    KEPT = "kept"
    MISSING = "missing"
    ALREADY_ABSENT = "already_absent"
    NEVER_SEEN = "never_seen"
    """Already absent, and known neither to the store nor to the record: perhaps a wrong UID."""
    MISPLACED = "misplaced"
    PROBE_FAILED = "probe_failed"


class DeclaredInstances(Mapping[str, int]):
    """SOP Instance UIDs in their order, each with the line that declares it.

    Two parallel sequences instead of a ``dict``: of a million each costs 12 bytes beside its
    text.
    """

    __slots__ = ("_lines", "_uids")

    def __init__(self, declared: Iterable[tuple[str, int]]) -> None:
        pairs = sorted(declared)
        self._uids = tuple(uid for uid, _ in pairs)
        self._lines = array("I", (line for _, line in pairs))

    def __getitem__(self, uid: str) -> int:
        at = bisect_left(self._uids, uid)
        if at == len(self._uids) or self._uids[at] != uid:
            raise KeyError(uid)
        return self._lines[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self._uids)

    def __len__(self) -> int:
        return len(self._uids)

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def items(self) -> ItemsView[str, int]:
        """Each UID with its line, without looking one up by the other."""
        return dict(zip(self._uids, self._lines, strict=True)).items()


def _checked_instances(lines: Mapping[str, int]) -> DeclaredInstances:
    if not lines:
        raise ValueError("a group of deletions without an instance")
    return DeclaredInstances((checked_uid(uid), line) for uid, line in lines.items())


def _checked_folder(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"not an absolute path: {path!r}")
    return path


@dataclass(frozen=True, slots=True)
class DeletionGroup:
    """Deletions of one series for one reason, declared in one file.

    ``instances`` maps each SOP Instance UID to the line that declares it; ``expanded`` says that
    the line names the series or study as a whole; ``archive`` is the absolute path of the folder
    under which each instance is kept before it is deleted, ``allow_damaged`` that the copy there
    need not be whole; ``bound`` is what each instance must still be then.
    """

    path: str
    reason: Reason = field(metadata=as_json(is_shared=True))
    expanded: bool
    instances: Mapping[str, int] = field(metadata=as_json(check=_checked_instances))
    archive: str | None = field(default=None, metadata=as_json(check=_checked_folder))
    allow_damaged: bool = False
    bound: Binding | None = None


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """The deletions of one series; ``instances`` counts what it holds before them."""

    series_uid: str = field(metadata=SERIES)
    instances: int
    emptied: bool
    groups: tuple[DeletionGroup, ...] = field(metadata=as_json(key="deletions"))

    @property
    def deletions(self) -> int:
        """How many instances are deleted."""
        return sum(len(group.instances) for group in self.groups)

    @property
    def listed_deletions(self) -> int:
        """How many of them a file names one by one."""
        return sum(len(group.instances) for group in self.groups if not group.expanded)

    def deletes(self, instance_uid: str) -> bool:
        """Whether this instance is deleted."""
        return any(instance_uid in group.instances for group in self.groups)


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The deletions of one study.

    ``instances`` counts what the study holds before them, ``unmanaged`` what of that no file
    mentions; ``unaddressed`` the rows of its listing besides, that no request can address.
    """

    study_uid: str = field(metadata=STUDY)
    instances: int
    unmanaged: int
    emptied: bool
    series: tuple[SeriesPlan, ...] = field(metadata=as_json(is_left=True))
    unaddressed: int = 0

    def __post_init__(self) -> None:
        if self.deletions > self.instances:
            raise ValueError(f"more deletions than instances in study {self.study_uid}")

    @property
    def deletions(self) -> int:
        """How many instances are deleted."""
        return sum(series.deletions for series in self.series)

    @property
    def listed_deletions(self) -> int:
        """How many of them a file names one by one."""
        return sum(series.listed_deletions for series in self.series)


def _checked_why(why: Why) -> Why:
    """What may stand in a file; the local history decides what was never seen."""
    if why in {Why.LISTED, Why.KEPT, Why.NEVER_SEEN}:
        raise ValueError(f"not a finding: {why.value}")
    return why


@dataclass(frozen=True, slots=True)
class Finding:
    """A no-op that someone should look at: missing, already absent, never seen, misplaced, unclear.

    ``series_uid`` and ``instance_uid`` are None where a whole study or series is meant;
    ``elsewhere`` names where a misplaced instance really is.
    """

    why: Why = field(metadata=as_json(check=_checked_why))
    study_uid: str = field(metadata=STUDY)
    series_uid: str | None = field(metadata=SERIES)
    instance_uid: str | None = field(metadata=INSTANCE)
    source: Source
    detail: str = ""
    elsewhere: tuple[InstanceAddress, ...] = ()

    @property
    def subject(self) -> tuple[str, str | None, str | None]:
        """The address that it is about, of which a store has no two findings of one kind."""
        return self.study_uid, self.series_uid, self.instance_uid


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """How many instances a keep entry protects that are in the store."""

    source: Source
    study_uid: str = field(metadata=STUDY)
    series_uid: str | None = field(metadata=SERIES)
    instances: int
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class OverriddenEntry:
    """A remove that a keep overrides: the keep's line, and how many instances it covers."""

    removal: Source
    keep: Source
    study_uid: str = field(metadata=STUDY)
    series_uid: str | None = field(metadata=SERIES)
    instances: int
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class OverriddenInstances:
    """Instances of a series that files ask to remove, and a hold that overrides this."""

    store: StoreAddress
    study_uid: str = field(metadata=STUDY)
    series_uid: str = field(metadata=SERIES)
    hold: Hold
    instances: tuple[str, ...] = field(metadata=INSTANCES)


@dataclass(frozen=True, slots=True)
class OverdueHold:
    """A hold in one file that is past its review date; it still applies.

    ``instances`` counts what it keeps in the store, ``overridden`` those of them that files ask to
    remove; ``source`` is the first of its entries.
    """

    store: StoreAddress
    hold: Hold
    source: Source
    overdue_days: int
    instances: int
    overridden: int


@dataclass(frozen=True, slots=True)
class ReferredSeries:
    """What of one series an instance refers to: so many instances that are deleted.

    ``first`` are the first of them. ``as_a_whole`` says that it names the series itself, which is
    emptied.
    """

    study_uid: str = field(metadata=STUDY)
    series_uid: str = field(metadata=SERIES)
    instances: int
    first: tuple[str, ...]
    as_a_whole: bool


@dataclass(frozen=True, slots=True)
class Dangling:
    """An instance that stays, and refers to what is deleted.

    ``kept_by`` is the line that keeps it, None for one that is in no file.
    """

    study_uid: str = field(metadata=STUDY)
    series_uid: str = field(metadata=SERIES)
    instance_uid: str = field(metadata=INSTANCE)
    kept_by: Source | None
    refers_to: tuple[ReferredSeries, ...]


@dataclass(frozen=True, slots=True)
class MayRefer:
    """An instance that stays, and names only a frame of reference; ``kept_by`` as in `Dangling`."""

    study_uid: str = field(metadata=STUDY)
    series_uid: str = field(metadata=SERIES)
    instance_uid: str = field(metadata=INSTANCE)
    kept_by: Source | None


@dataclass(frozen=True, slots=True)
class Unread:
    """An instance in no file whose references could not be read, and why."""

    study_uid: str = field(metadata=STUDY)
    series_uid: str = field(metadata=SERIES)
    instance_uid: str = field(metadata=INSTANCE)
    detail: str


@dataclass(frozen=True, slots=True)
class NotLookedAt:
    """Of what it is not known whether it refers to what is deleted; see `ReferencesSeen`."""

    instances: tuple[Unread, ...] = ()
    more_instances: int = 0
    more_studies: int = 0
    unreported: int = 0

    @property
    def is_any(self) -> bool:
        """Whether there is anything."""
        return self != NotLookedAt()


@dataclass(frozen=True, slots=True)
class StorePlan:
    """What is planned for one store; every sequence is sorted."""

    store: StoreAddress
    limits: Limits
    studies: tuple[StudyPlan, ...] = field(metadata=as_json(is_left=True))
    findings: tuple[Finding, ...] = field(metadata=as_json(is_left=True))
    kept: tuple[KeptEntry, ...] = field(metadata=as_json(is_left=True))
    overridden: tuple[OverriddenEntry, ...] = field(metadata=as_json(is_left=True))
    dangling: tuple[Dangling, ...] = field(default=(), metadata=as_json(is_left=True))
    may_refer: tuple[MayRefer, ...] = field(default=(), metadata=as_json(is_left=True))
    not_looked_at: NotLookedAt = NotLookedAt()

    def by_series(self) -> Mapping[SeriesAddress, SeriesPlan]:
        """The series from which something is deleted, by their addresses."""
        return {
            SeriesAddress(study.study_uid, series.series_uid): series
            for study in self.studies
            for series in study.series
        }

    def staying(self, instances: Iterable[InstanceAddress]) -> Iterator[InstanceAddress]:
        """Those that it does not delete; by address, since a UID may stand at two of them."""
        touched = self.by_series()
        for instance in instances:
            series = touched.get(instance.series)
            if series is None or not series.deletes(instance.instance_uid):
                yield instance

    def count(self, why: Why) -> int:
        """How many decisions fell for this reason."""
        match why:
            case Why.LISTED:
                return sum(study.deletions for study in self.studies)
            case Why.KEPT:
                return sum(entry.instances for entry in self.kept)
            case _:
                return sum(finding.why is why for finding in self.findings)

    def overdue_holds(self, today: date) -> Iterator[OverdueHold]:
        """The holds that are past their review, in the order of their places."""
        found: dict[tuple[str, Hold], list[KeptEntry]] = {}
        for entry in self.kept:
            if entry.hold is not None and entry.hold.overdue_days(today):
                found.setdefault((entry.source.path, entry.hold), []).append(entry)
        for (path, hold), entries in found.items():
            yield OverdueHold(
                self.store,
                hold,
                entries[0].source,
                hold.overdue_days(today),
                sum(one.instances for one in entries),
                sum(
                    one.instances
                    for one in self.overridden
                    if one.hold == hold and one.keep.path == path
                ),
            )

    def deletions(self) -> Iterator[InstanceAddress]:
        """Every instance to delete, in the plan's order."""
        for instance, _, _ in self.declared_deletions():
            yield instance

    def declared_deletions(self) -> Iterator[tuple[InstanceAddress, DeletionGroup, int]]:
        """Every instance to delete, in the plan's order, with its group and line there."""
        for study in self.studies:
            for series in study.series:
                for group in series.groups:
                    for uid, line in group.instances.items():
                        yield InstanceAddress(study.study_uid, series.series_uid, uid), group, line


@dataclass(frozen=True, slots=True)
class Plan:
    """What the digest names: the same files and the same live answers give an equal digest.

    One thing in it rests on the local history, and the digest takes no notice of it: which of the
    absent removes are `Why.NEVER_SEEN`; to the digest they are already absent.
    """

    paths: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    stores: tuple[StorePlan, ...] = field(metadata=as_json(is_left=True))

    def count(self, why: Why) -> int:
        """How many decisions fell for this reason, over all stores."""
        return sum(store.count(why) for store in self.stores)

    def count_dangling(self, *, kept: bool) -> int:
        """How many instances that stay refer to what is deleted, kept ones or those in no file."""
        return sum(
            (one.kept_by is not None) is kept for store in self.stores for one in store.dangling
        )

    @property
    def archives(self) -> tuple[str, ...]:
        """The folders under which instances are kept before they are deleted, sorted."""
        found = {
            group.archive
            for store in self.stores
            for study in store.studies
            for series in study.series
            for group in series.groups
        }
        return tuple(sorted(archive for archive in found if archive is not None))

    @property
    def keys(self) -> frozenset[str]:
        """The checks of the keys by which something in it is bound."""
        return frozenset(
            group.bound.key
            for store in self.stores
            for study in store.studies
            for series in study.series
            for group in series.groups
            if group.bound is not None
        )

    @property
    def has_deletions(self) -> bool:
        """Whether applying it would delete anything."""
        return any(store.studies for store in self.stores)

    @property
    def has_pending(self) -> bool:
        """Whether there is a deletion to do or a drift to look at."""
        return self.has_deletions or self.count(Why.MISSING) > 0 or self.count(Why.MISPLACED) > 0


@dataclass(frozen=True, slots=True)
class GitState:
    """The state of the input files in git when the plan was created."""

    commit: str
    """The commit that was checked out."""
    tree: str
    """What it holds at the paths of the input files, as a SHA-256 over their paths and blobs;
    unlike the commit it survives a squash merge."""
    dirty: bool
    """Whether an input file differs from the commit, or is not in it."""


@dataclass(frozen=True, slots=True)
class Reappeared:
    """An instance to delete that an earlier run removed and verified, and that is there again.

    ``run`` removed it; ``restored`` says that it was put back from the archive, and that the line
    that asks for its removal is still the one that it was removed for.
    """

    store: StoreAddress
    instance: InstanceAddress
    run: str
    code: ReasonCode
    source: Source
    restored: bool = False


@dataclass(frozen=True, slots=True)
class StudySeen:
    """What the listings said of a study from which something is deleted.

    ``modalities`` counts what is deleted of each, as far as they said it; ``year`` is the study's,
    None where they did not.
    """

    store: StoreAddress
    study_uid: str = field(metadata=STUDY)
    year: int | None
    modalities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PartOf:
    """The plan in shards that a shard belongs to, and the number of the shard."""

    plan_id: str
    """The plan in shards."""
    number: int
    """The number of the shard, from 1."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan with what differs between two equal plans, as it stands in a plan file.

    ``digest`` names the stable part (``sha256:`` and 64 hexadecimal digits); ``plan_id`` this one
    making of it, which may be applied once; ``endpoint`` is the origin that was asked. What rests
    on the local history is no part of the digest: ``reappeared``; ``unrecorded``, the stores
    with something never seen of which that history knows nothing at all; and ``freed``, deletions
    of what a hold kept when the same PATHs were planned before. Nor is ``seen``, which only a
    reader needs: a study whose date was corrected is the same study. A shard is ``part_of`` a plan
    in shards, and is applied with it alone.
    """

    plan: Plan = field(metadata=as_json(is_left=True))
    digest: str
    plan_id: str
    created: datetime
    expires: datetime
    tool_version: str
    endpoint: str
    git: GitState | None = None
    reappeared: tuple[Reappeared, ...] = ()
    unrecorded: tuple[StoreAddress, ...] = ()
    freed: tuple[OverriddenInstances, ...] = ()
    seen: tuple[StudySeen, ...] = ()
    part_of: PartOf | None = None

    @property
    def overdue_holds(self) -> tuple[OverdueHold, ...]:
        """The holds that were past their review date when the plan was created."""
        today = self.created.date()
        return tuple(one for store in self.plan.stores for one in store.overdue_holds(today))
