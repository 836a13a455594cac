"""Deletions as the record tells them, for tests of what they are written as."""

from __future__ import annotations

from reconciler.model.address import InstanceAddress
from reconciler.model.deletion import RecordedDeletion, RecordedReply, RecordedRun
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester

from .records import NOON, STORE


def deletion(
    uid: str,
    *,
    text: str = "",
    outcome: Outcome = Outcome.DELETED,
    reason: Reason | None = None,
) -> RecordedDeletion:
    """One of study 1.2 and series 1.3; ``text`` stands wherever others may put words."""
    people = Provenance(text or None, Requester("github", text, text, text) if text else None)
    run = RecordedRun("a", "1.0", "p", "sha256:0", "https://x", people)
    return RecordedDeletion(
        run,
        NOON,
        STORE,
        InstanceAddress("1.2", "1.3", uid),
        outcome,
        Presence.ABSENT if outcome.is_gone else Presence.PRESENT,
        text,
        answers=(RecordedReply(None, text),) if text else (),
        source=Source(text, 7) if text else None,
        reason=reason or Reason(ReasonCode.QUALITY_CONTROL_INTENT, text, text or None),
    )
