"""What the readers of a record answer, as plain values: the one place that knows their forms.

A reader whose form changes is adapted here; what it must say stands in the tests.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from .ground import Answer, Site
from .model import GONE, Key

# Plans


class Listed(NamedTuple):
    """What a plan says of an instance that it deletes and that an earlier run removed."""

    run: str
    is_restored: bool


@dataclass(frozen=True)
class Planned:
    """A saved plan: what it deletes, what of it reappeared, and which gates are blocking."""

    path: Path
    plan: str
    endpoint: str
    created: datetime
    expires: datetime
    keys: frozenset[Key]
    reappeared: dict[Key, Listed]
    blocking: frozenset[str]


def read_plan(site: Site, path: Path) -> Planned:
    saved = json.loads(path.read_text())
    groups = [
        group
        for store in saved["plan"]["stores"]
        for study in store["studies"]
        for series in study["series"]
        for group in series["deletions"]
    ]
    return Planned(
        path,
        saved["plan_id"],
        saved["endpoint"],
        datetime.fromisoformat(saved["created"]),
        datetime.fromisoformat(saved["expires"]),
        frozenset(site.key_of(uid) for group in groups for uid in group["instances"]),
        {
            site.key_of(one["instancesId"]): Listed(one["run"], one["restored"])
            for one in saved["reappeared"]
        },
        frozenset(one["name"] for one in saved["gates"] if not one["passed"]),
    )


# Restores


class DryRun(NamedTuple):
    """What ``restore --dry-run`` counts; ``removed_again`` are those that it would not put back."""

    archived: int
    waiting: int
    restored_already: int
    removed_again: int


def read_dry_run(answer: Answer) -> DryRun:
    return DryRun(*map(int, re.findall(r"\d+", answer.out.rstrip().rpartition("\n")[2])))


def read_restored(path: Path) -> Counter[str]:
    """The outcomes of a restore's report."""
    outcomes: dict[str, int] = json.loads(path.read_text())["counts"]
    return +Counter(outcomes)


# The audit


class Headline(NamedTuple):
    """How many instances DELETEs of ours removed, and how many of them without a clear answer."""

    instances: int
    unclear: int


def read_headline(report: Any) -> Headline:
    return Headline(report["removed"]["instances"], report["removed"]["unclear"])


def read_removed_again(report: Any) -> int:
    """How often an instance was stored and removed again."""
    found: int = report["removed"]["again"]
    return found


class Row(NamedTuple):
    """A deletion as an export tells it."""

    run: str
    key: Key
    outcome: str
    is_proven: bool
    settled_by: str
    restored_by: str

    @property
    def is_removal(self) -> bool:
        return self.outcome in GONE - {"already_absent"}


def read_rows(site: Site, answer: Answer) -> list[Row]:
    return [
        Row(
            row["run"],
            site.key_of(row["instancesId"]),
            row["outcome"],
            row["presence"] != "",
            row["settled_by"],
            row["restored_by"],
        )
        for row in csv.DictReader(io.StringIO(answer.out))
    ]


class Event(NamedTuple):
    """A delete event of FHIR of which an instance is said to have gone."""

    run: str
    key: Key


def read_events(site: Site, answer: Answer) -> list[Event]:
    return [
        Event(details["run"], site.key_of(uid))
        for line in answer.out.splitlines()
        if (event := json.loads(line))["action"] == "D" and event["outcome"] == "0"
        for entity in event["entity"]
        if (uid := entity["what"]["identifier"]["value"].removeprefix("urn:oid:")).count(".") > 3
        for details in [{one["type"]: one.get("valueString") for one in entity["detail"]}]
    ]
