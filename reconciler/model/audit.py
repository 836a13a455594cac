"""What an auditor asks of the record, and its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.address import SERIES, STUDIES, STUDY, InstanceAddress, StoreAddress
from reconciler.model.as_json import as_json
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.desired import Hold, Reason, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import Why
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance
from reconciler.model.verification import Verification


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the record is asked for; None and empty for all.

    ``since`` counts, ``until`` does not any more. ``reasons`` are codes of CID 7031.
    """

    since: datetime | None = None
    until: datetime | None = None
    studies: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        """Whether the whole record is asked for."""
        return self == Selection()

    @property
    def is_by_run(self) -> bool:
        """Whether it is narrowed down by nothing that speaks of single deletions."""
        return not (self.studies or self.reasons)

    def takes_run(self, run: str, time: datetime) -> bool:
        """Whether what a run says of itself is asked for; ``time`` is when it began."""
        return self.takes_time(time) and (not self.runs or run in self.runs)

    def takes_time(self, time: datetime) -> bool:
        """Whether something of this time is asked for."""
        if self.since is not None and time < self.since:
            return False
        return self.until is None or time < self.until

    def takes_study(self, study_uid: str) -> bool:
        """Whether this study is asked for."""
        return not self.studies or study_uid in self.studies

    def takes_reason(self, code: ReasonCode | None) -> bool:
        """Whether what has this reason is asked for."""
        return not self.reasons or (code is not None and code.value in self.reasons)

    def takes(self, deletion: RecordedDeletion) -> bool:
        """Whether this deletion is asked for; it belongs to the run of its DELETE and its proof."""
        return (
            self.takes_time(deletion.time)
            and self.takes_study(deletion.instance.study_uid)
            and self.takes_reason(deletion.reason.code if deletion.reason else None)
            and (not self.runs or not self.runs.isdisjoint({deletion.run.run, deletion.settled_by}))
        )


@dataclass(frozen=True, slots=True)
class ChangingRun:
    """An apply or a restore: who had what done, how it ended, and the head of its record.

    ``digest`` is that of the plan that was applied, None of a restore; ``restores`` are the runs
    that were undone. ``planned`` is how many instances that is about, ``counts`` what became of
    them by outcome, those of earlier runs of the same plan included. ``state`` is None, and
    ``counts`` empty, where the run has no end on record. ``tickets`` are those of the reasons of
    its deletions.
    """

    run: str
    time: datetime
    digest: str | None
    restores: tuple[str, ...]
    provenance: Provenance
    head: str | None
    planned: int
    state: RunState | None = None
    counts: Mapping[str, int] | None = None
    stopped_because: str | None = None
    tickets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gate that stopped a plan which somebody asked to apply.

    ``studies`` are those over the limit, where it is one on each study.
    """

    run: str
    time: datetime
    store: StoreAddress
    gate: GateName
    actual: int
    allowed: int
    studies: tuple[str, ...] = field(metadata=STUDIES)
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RefusedApply:
    """An apply that was refused and did nothing; ``digest`` is None for an edited plan."""

    run: str
    time: datetime
    digest: str | None
    why: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Reappearance:
    """An instance that ``removed_by`` had proven to be gone, and that a plan found in the store.

    ``time`` is that of the first plan that did; ``restored`` says that a restore put it back.
    """

    time: datetime
    store: StoreAddress
    instance: InstanceAddress
    removed_by: str
    code: ReasonCode
    restored: bool


@dataclass(frozen=True, slots=True)
class DanglingOnRecord:
    """An instance that an applied plan let refer to what it deletes.

    ``run`` is the first apply of the plan with this ``digest``; ``provenance`` says who approved
    it. ``kept_by`` is the line that kept the instance, None for one in no file. It refers to so
    many ``instances``, and names so many ``series`` as a whole.
    """

    run: str
    time: datetime
    digest: str
    store: StoreAddress
    instance: InstanceAddress
    kept_by: Source | None
    instances: int
    series: int
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class PutBack:
    """An instance that a restore stored again, or could not; ``archived_by`` had removed it.

    ``reason`` is that of the removal.
    """

    run: str
    time: datetime
    store: StoreAddress
    instance: InstanceAddress
    archived_by: str
    outcome: Outcome
    reason: Reason


@dataclass(frozen=True, slots=True)
class LastSeen:
    """A keep entry, as of the latest plan that names it.

    ``time`` is that of this plan, ``seen`` when the store had anything of the entry last, None for
    never. ``is_current`` says that no later plan of the store leaves the entry out. ``overridden``
    counts those of ``instances`` that files ask to remove.
    """

    store: StoreAddress
    study_uid: str = field(metadata=STUDY)
    series_uid: str | None = field(metadata=SERIES)
    source: Source
    hold: Hold | None
    instances: int
    missing: int
    time: datetime
    seen: datetime | None
    is_current: bool = True
    overridden: int = 0


@dataclass(frozen=True, slots=True)
class ImagesRead:
    """A query that read image bytes: how many instances came, and how many did not."""

    run: str
    time: datetime
    provenance: Provenance
    instances: int
    problems: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What some files ask for by their latest plan, and how much of it is proven.

    ``counts`` are the decisions of the plan; ``gone`` is how many of what it ``listed`` has been
    proven to be gone since.
    """

    run: str
    time: datetime
    files: tuple[str, ...]
    counts: Mapping[Why, int]
    gone: int

    @property
    def asked(self) -> int:
        """How many instances and entries the files are about."""
        return sum(self.counts.values())

    @property
    def proven(self) -> int:
        """How many are as the files ask for: seen where kept, proven to be gone where removed.

        Not what was never seen: that something is absent which nobody ever saw proves nothing.
        """
        return self.counts[Why.KEPT] + self.counts[Why.ALREADY_ABSENT] + self.gone


@dataclass(frozen=True, slots=True)
class RemovalCounts:
    """What DELETEs of this tool removed: distinct instances, and the series and studies of them.

    ``unclear`` of the instances were removed by an attempt that had no clear answer, ``copied``
    with a copy kept before. ``again``
    counts how often one was stored again and removed again.
    """

    instances: int = 0
    series: int = 0
    studies: int = 0
    unclear: int = 0
    again: int = 0
    copied: int = 0

    @property
    def removals(self) -> int:
        """How many removals that took, those of what was stored again included."""
        return self.instances + self.again


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The totals over what is selected; every sequence and mapping is sorted.

    ``made`` is when, by ``tool_version``; ``verification`` is the check of the whole record that
    came before. ``selection`` is what was asked for. ``outcomes`` counts planned deletions. The
    ``by_`` totals count the removals: what was found gone already is none, and an instance that was
    stored again and removed again counts twice. ``restored_since`` of the instances were put back
    after their last removal. ``unproven`` are the latest deletions of their
    instances that are not proven; ``proven_later`` counts those that a later one made good.
    ``coverage`` and ``head`` (of the latest apply or restore, and of the latest plan or query)
    speak of the whole record; the former is left out where a part of it is asked for.
    """

    made: datetime
    tool_version: str
    verification: Verification
    selection: Selection
    first: datetime | None
    last: datetime | None
    runs: int
    outcomes: Mapping[Outcome, int]
    restored: Mapping[Outcome, int]
    by_reason: Mapping[str, int]
    by_store: Mapping[str, int]
    by_day_and_reason: Mapping[str, Mapping[str, int]]
    by_actor: Mapping[str, int]
    removed: RemovalCounts
    restored_since: int
    proven_later: int
    unproven: tuple[RecordedDeletion, ...] = field(metadata=as_json(is_left=True))
    changes: tuple[ChangingRun, ...]
    coverage: tuple[Coverage, ...]
    refusals: tuple[Refusal, ...]
    refused_applies: tuple[RefusedApply, ...]
    reappeared: tuple[Reappearance, ...]
    left_dangling: tuple[DanglingOnRecord, ...]
    put_back: tuple[PutBack, ...]
    kept: tuple[LastSeen, ...]
    images_read: tuple[ImagesRead, ...]
    heads: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What of the record could not be read, or is not there, and is missing here therefore."""
        return tuple(
            f"{one.place}: {one.message}"
            for one in self.verification.findings
            if one.kind.leaves_a_gap
        )

    @property
    def by_month(self) -> Mapping[str, int]:
        """The months, and how many removals are proven in each."""
        months: Counter[str] = Counter()
        for day, counts in self.by_day_and_reason.items():
            months[day[:7]] += sum(counts.values())
        return months
