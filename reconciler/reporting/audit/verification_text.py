"""The result of a check of the journal, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.verification import Verification
from reconciler.reporting.wording import plain, plural


def verification_as_text(verification: Verification) -> Iterator[str]:
    """Render in pieces, what breaks the record first; the stable summary line last."""
    for one in sorted(verification.findings, key=lambda one: not one.kind.is_corruption):
        yield f"{plain(one.place)}: {one.kind.value}: {plain(one.message)}\n"
    for head in verification.published:
        covers = f"it covers {head.runs:,} of {plural(verification.runs, 'run')}"
        entry = f"entry {head.number} of the log, run {plain(head.run)}"
        yield f"Head {head.head}: {entry}; {covers}.\n"
    runs, records = plural(verification.runs, "run"), plural(verification.records, "record")
    broken, notes = verification.count(corruption=True), verification.count(corruption=False)
    yield f"Verify: {runs}, {records}: {broken} broken, {plural(notes, 'note')}.\n"
