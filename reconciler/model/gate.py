"""What may stop a plan from being applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from reconciler.model.address import STUDY, StoreAddress
from reconciler.model.desired import LIMIT_KEYS, Limits


class GateName(Enum):
    """The gates, by the name of the limit that passes them where there is one."""

    INCOMPLETE = "incomplete"
    MISPLACED = "misplaced"
    MAX_DELETIONS = LIMIT_KEYS["max_deletions"]
    MAX_STUDIES_EMPTIED = LIMIT_KEYS["max_studies_emptied"]
    MAX_SERIES_EMPTIED = LIMIT_KEYS["max_series_emptied"]
    MAX_STUDY_PERCENT = LIMIT_KEYS["max_study_percent"]
    MAX_KEPT_MISSING = LIMIT_KEYS["max_kept_missing"]
    MAX_NEVER_SEEN = LIMIT_KEYS["max_never_seen"]
    MAX_REAPPEARED = LIMIT_KEYS["max_reappeared"]
    RESTORED = "restored"

    def allowed(self, limits: Limits) -> int:
        """How much of it a plan may come to; nothing where no limit opens the gate."""
        return int(getattr(limits, self.name.lower(), 0))


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of one store: what was counted, what is allowed, and how to pass.

    ``subject`` names the study that a gate on a study is about; a passed gate needs no ``hint``.
    """

    name: GateName
    store: StoreAddress
    actual: int
    allowed: int
    hint: str
    subject: str | None = field(default=None, metadata=STUDY)

    @classmethod
    def of(
        cls,
        name: GateName,
        store: StoreAddress,
        limits: Limits,
        actual: int,
        hint: str = "{raise_limit}",
        *,
        subject: str | None = None,
    ) -> Gate:
        """The gate as the limits have it; ``hint`` may name ``{raise_limit}``, how to do that."""
        allowed = name.allowed(limits)
        raise_limit = f"set limits.{name.value} to {actual} in the reviewed file"
        hint = hint.replace("{raise_limit}", raise_limit) if actual > allowed else ""
        return cls(name, store, actual, allowed, hint, subject)

    @property
    def is_passed(self) -> bool:
        """Whether the plan may pass."""
        return self.actual <= self.allowed
