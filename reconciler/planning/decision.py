"""The decision table: what follows from one instance's intent and presence."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.desired import EntryKind
from reconciler.model.live import Presence
from reconciler.model.plan import Action, Why

DECISIONS: Mapping[tuple[EntryKind, Presence], tuple[Action, Why]] = {
    (EntryKind.KEEP, Presence.PRESENT): (Action.NO_OP, Why.KEPT),
    (EntryKind.KEEP, Presence.ABSENT): (Action.NO_OP, Why.MISSING),
    (EntryKind.KEEP, Presence.UNKNOWN): (Action.NO_OP, Why.PROBE_FAILED),
    (EntryKind.REMOVE, Presence.PRESENT): (Action.DELETE, Why.LISTED),
    (EntryKind.REMOVE, Presence.ABSENT): (Action.NO_OP, Why.ALREADY_ABSENT),
    (EntryKind.REMOVE, Presence.UNKNOWN): (Action.NO_OP, Why.PROBE_FAILED),
}
"""Total over both enums. An absent remove that is found elsewhere becomes `Why.MISPLACED`."""


def decide(intent: EntryKind, presence: Presence, *, found_elsewhere: bool) -> tuple[Action, Why]:
    """Look the decision up."""
    action, why = DECISIONS[intent, presence]
    if why is Why.ALREADY_ABSENT and found_elsewhere:
        return Action.NO_OP, Why.MISPLACED
    return action, why
