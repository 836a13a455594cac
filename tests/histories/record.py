"""The records of run files as plain values, by docs/journal.md and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..journal.by_hand import records_of
from .model import (
    Archived,
    Ended,
    Intent,
    Key,
    Restored,
    Result,
    Run,
    Settled,
    Step,
    Verified,
)

_RESTORED = {"identical", "same_dataset"}

KeyOf = Callable[[str], Key]
"""The instance of a SOP Instance UID."""


def read_run(path: Path, before: frozenset[str], key_of: KeyOf) -> Run | None:
    """One run; None where it never started."""
    first, *rest = records_of(path) or [None]
    if first is None:
        return None
    if "restores" in first:  # its requests store, and are no attempts to delete
        rest = [one for one in rest if one["type"] not in {"intent", "result"}]
    return Run(
        name=first["run"],
        plan=first.get("plan_id"),
        endpoint=first["endpoint"],
        earlier=tuple(first.get("restores", first.get("resumes", ()))),
        before=before,
        steps=tuple(_steps(rest, key_of)),
    )


def _steps(records: list[Mapping[str, Any]], key_of: KeyOf) -> Iterator[Step]:
    for record in records:
        key = key_of(record["instancesId"]) if "instancesId" in record else Key("", 0)
        match record["type"]:
            case "intent":
                yield Intent(key, record["attempt"])
            case "result":
                yield Result(key, record["attempt"], record["kind"])
            case "verified":
                yield Verified(key, record["presence"], record["outcome"])
            case "settled":
                yield Settled(record["run"], key, record["presence"], record["outcome"])
            case "archived":
                yield Archived(key)
            case "restored" if record["outcome"] in _RESTORED:
                yield Restored(record["run"], key)
            case "run_ended":
                yield Ended(record["state"])
