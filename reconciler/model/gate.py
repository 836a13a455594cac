"""What may stop a plan from being applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from reconciler.model.address import STUDIES, StoreAddress
from reconciler.model.desired import LIMIT_KEYS, Limits


class GateName(Enum):
    """The gates, by the name of the limit that passes them where there is one."""

    meaning: str
    """What it means that the gate is blocking, in a few words."""

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Give each gate its name and its meaning."""
        gate = object.__new__(cls)
        gate._value_ = value
        gate.meaning = meaning
        return gate

    INCOMPLETE = ("incomplete", "The store did not answer every question")
    MISPLACED = ("misplaced", "What to remove is stored elsewhere")
    MAX_DELETIONS = (
        LIMIT_KEYS["max_deletions"],
        "Too many instances to delete",
    )
    MAX_STUDIES_EMPTIED = (
        LIMIT_KEYS["max_studies_emptied"],
        "Too many studies left empty",
    )
    MAX_SERIES_EMPTIED = (
        LIMIT_KEYS["max_series_emptied"],
        "Too many series left empty",
    )
    MAX_STUDY_PERCENT = (
        LIMIT_KEYS["max_study_percent"],
        "Too large a part of a study to delete",
    )
    MAX_KEPT_MISSING = (
        LIMIT_KEYS["max_kept_missing"],
        "What must be kept is missing",
    )
    MAX_DANGLING = (
        LIMIT_KEYS["max_dangling"],
        "Kept instances refer to instances that this plan deletes",
    )
    MAX_NEVER_SEEN = (
        LIMIT_KEYS["max_never_seen"],
        "What to remove was never seen",
    )
    MAX_REAPPEARED = (
        LIMIT_KEYS["max_reappeared"],
        "Removed instances were stored again",
    )
    RESTORED = ("restored", "What to remove was restored on purpose")

    @property
    def rule(self) -> str:
        """The name of the rule that a problem of the gate is about, such as ``gate-restored``."""
        return f"gate-{self.name.lower().replace('_', '-')}"

    def allowed(self, limits: Limits) -> int:
        """How much of it a plan may come to; nothing where no limit opens the gate."""
        return int(getattr(limits, self.name.lower(), 0))


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of one store: what was counted, what is allowed, and how to pass.

    ``studies`` are those over the limit, where it is one on each study; ``actual`` is then what the
    furthest of them comes to. A passed gate needs no ``hint``.
    """

    name: GateName
    store: StoreAddress
    actual: int
    allowed: int
    hint: str
    studies: tuple[str, ...] = field(default=(), metadata=STUDIES)

    @classmethod
    def of(
        cls,
        name: GateName,
        store: StoreAddress,
        limits: Limits,
        actual: int,
        hint: str = "{raise_limit}",
        *,
        studies: tuple[str, ...] = (),
    ) -> Gate:
        """The gate as the limits have it; ``hint`` may name ``{raise_limit}``, how to do that."""
        allowed = name.allowed(limits)
        raise_limit = f"set limits.{name.value} to {actual} in the reviewed file"
        hint = hint.replace("{raise_limit}", raise_limit) if actual > allowed else ""
        return cls(name, store, actual, allowed, hint, studies)

    @property
    def is_passed(self) -> bool:
        """Whether the plan may pass."""
        return self.actual <= self.allowed


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What the gates of one store count that rest on the stable part of a plan alone.

    ``files`` counts those, and inventories, that declare a deletion. ``study_percent`` is the
    largest share of a study that is deleted line by line, rounded up, and ``studies_over`` are the
    studies whose share is over the limit. ``dangling`` counts what is kept.
    """

    store: StoreAddress
    limits: Limits
    files: int
    deletions: int
    studies_emptied: int
    series_emptied: int
    study_percent: int
    studies_over: tuple[str, ...] = field(metadata=STUDIES)
    missing: int
    misplaced: int
    probe_failed: int
    dangling: int
