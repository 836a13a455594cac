"""What a restore would do, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.archived import ArchivedInstance
from reconciler.model.outcome import InstanceResult
from reconciler.reporting.wording import plain


def pending_as_text(
    settled: Sequence[InstanceResult], waiting: Sequence[ArchivedInstance]
) -> Iterator[str]:
    """What a restore would put back; the stable summary line last."""
    for one in sorted(waiting, key=lambda one: (one.store, one.instance)):
        yield f"{one.instance.instance_uid}\n  {plain(str(one.file))}, {one.size:,} bytes\n"
        if one.damage:
            yield f"  damaged when it was archived: {plain(one.damage)}\n"
        yield f"  archived by run {one.run}, as {plain(str(one.source))} asked\n"
    for result in settled:
        if result.detail:
            yield f"{result.instance.instance_uid}\n  {plain(result.detail)}\n"
    restored = sum(result.outcome.is_restored for result in settled)
    yield (
        f"Restore: {len(waiting) + len(settled)} archived: {len(waiting)} to restore,"
        f" {restored} restored already, {len(settled) - restored} removed again.\n"
    )
