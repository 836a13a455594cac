"""Time `reconciler audit verify` beside sha256sum and json.loads of the same journal.

python benchmarks/verify.py --records 200000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

from rig.results import Table, write_results

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.journal.ending import add_run
from reconciler.journal.places.disk import DiskRunFile, DiskState
from reconciler.journal.records import EmptiedStudy, Intent, Record, Result, RunStarted, Verified
from reconciler.journal.segments import SegmentWriter, line_of
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("p", "europe-west4", "d", "s")
ROUNDS = 3
MOST_TIMES = 4
SEGMENT = 16
"""So many records go to disk at once, as those of as many workers do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    title = f"Verify {options.records:,} records, best of {ROUNDS} alternating runs"
    table = Table("verify", title, ["what", "seconds", f"times (aim {MOST_TIMES})"])
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        path = write(state, options.records)
        plain, ours = best(lambda: read_plainly(path), lambda: check(state))
    table.add(["sha256sum and json.loads", f"{plain:.2f}", "1"])
    table.add(["audit verify", f"{ours:.2f}", f"{ours / plain:.1f}"])
    write_results(table, options.results)


def write(state: Path, count: int, per_study: int | None = None) -> Path:
    """A run with so many records, and those of the studies of so many instances that it empties."""
    path = state / "runs" / "bench.jsonl"
    path.parent.mkdir(parents=True)
    studies = range(count // 3 // per_study) if per_study else ()
    first = RunStarted(
        run="bench",
        time=NOW,
        tool_version="1.0",
        plan_id="p",
        digest="sha256:0",
        endpoint="https://x",
        stores=(STORE,),
        planned=count,
    )
    emptied = [EmptiedStudy(NOW, 0, f"1.2.840.1.{one}", per_study or 0) for one in studies]
    segments = SegmentWriter()
    lines = map(line_of, chain([first], emptied, records(count - 1, per_study)))
    with path.open("wb") as file:
        while some := list(islice(lines, SEGMENT)):
            file.write(segments.make(some))
    add_run(DiskState(state), DiskRunFile(path, path.stat().st_size))
    return path


def records(count: int, per_study: int | None = None) -> Iterator[Record]:
    made = 0
    for number in range(count // 3 + 1):
        study = f"1.2.840.1.{number // per_study}" if per_study else "1.2.840.1"
        instance = InstanceAddress(study, f"{study}.1", f"{study}.1.{number}")
        for record in (
            Intent(NOW, 0, instance, 1),
            Result(NOW, 0, instance, 1, ReplyKind.ACCEPTED, 200, "", "0123456789abcdef-1"),
            Verified(NOW, 0, instance, Presence.ABSENT, Outcome.DELETED),
        ):
            if made < count:
                yield record
            made += 1


def best(*works: Callable[[], None]) -> list[float]:
    """The shortest time of each, in rounds of all of them."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    return [min(taken) for taken in times]


def read_plainly(path: Path) -> None:
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def check(state: Path) -> None:
    found = verify(Snapshot.take(DiskState(state)))
    assert [one.kind.value for one in found.findings] == ["unfinished"], found.findings


if __name__ == "__main__":
    main()
