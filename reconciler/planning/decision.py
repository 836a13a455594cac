"""The decision table: what follows from one instance's intent and presence."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.desired import Intent
from reconciler.model.live import Presence
from reconciler.model.plan import Action, Why

DECISIONS: Mapping[tuple[Intent, Presence], tuple[Action, Why]] = {
    (Intent.KEEP, Presence.PRESENT): (Action.NO_OP, Why.KEPT),
    (Intent.KEEP, Presence.ABSENT): (Action.NO_OP, Why.MISSING),
    (Intent.KEEP, Presence.UNKNOWN): (Action.NO_OP, Why.PROBE_FAILED),
    (Intent.REMOVE, Presence.PRESENT): (Action.DELETE, Why.LISTED),
    (Intent.REMOVE, Presence.ABSENT): (Action.NO_OP, Why.ALREADY_ABSENT),
    (Intent.REMOVE, Presence.UNKNOWN): (Action.NO_OP, Why.PROBE_FAILED),
}
"""Total over both enums. An absent remove that is found elsewhere becomes `Why.MISPLACED`."""


def decide(intent: Intent, presence: Presence, *, found_elsewhere: bool) -> tuple[Action, Why]:
    """Look the decision up."""
    action, why = DECISIONS[intent, presence]
    if why is Why.ALREADY_ABSENT and found_elsewhere:
        return Action.NO_OP, Why.MISPLACED
    return action, why
