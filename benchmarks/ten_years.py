"""What a plan costs on a record of many years, beside one on an empty record, in one run.

    python benchmarks/ten_years.py [--runs N] [--deletions N] [--instances N] [--rounds N]

The record has as many applies as ``--runs``, each with ``--deletions`` of them; the plan is about
``--instances`` other ones, in a store that answers from memory. The state is a folder, and a copy
of it in a bucket, which is a folder by the bucket's protocol. Of the bucket the requests are
counted; a listing is one for each 1,000 names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from rig.measuring import RECONCILER, memory_store, run, write_nested
from rig.memory_store import STORE, Layout
from rig.results import Table, write_results

from reconciler.journal.ending import add_run
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.copying import copy_state
from reconciler.journal.places.disk import DiskRunFile, DiskState
from reconciler.journal.records import Intent, Record, Result, RunEnded, RunStarted, Verified
from reconciler.journal.segments import SegmentWriter, line_of
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.reply import ReplyKind
from reconciler.objects.disk import Disk

AIM_TIME, AIM_REQUESTS = 1.5, 50
BEGAN = datetime(2016, 1, 1, tzinfo=UTC)
PER_SEGMENT = 150
PER_STUDY = 50
COUNTED = """
import sys
from reconciler.objects.disk import Disk
asked = [0]
def counted(method):
    def ask(self, *given):
        asked[0] += 1
        return method(self, *given)
    return ask
def listed(method):
    def ask(self, *given):
        asked[0] += 1
        for number, name in enumerate(method(self, *given), 1):
            asked[0] += number % 1000 == 0
            yield name
    return ask
Disk.create, Disk.read = counted(Disk.create), counted(Disk.read)
Disk.names, Disk.folders = listed(Disk.names), listed(Disk.folders)
from reconciler.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print("requests", asked[0], file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--deletions", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    table = Table(
        "ten_years",
        f"a plan of {options.instances:,} instances on a record of {options.runs:,} applies and"
        f" {options.runs * options.deletions:,} deletions, median of {options.rounds}",
        ["state", "seconds", f"of an empty record's (aim {AIM_TIME})", "requests", "more than with"
         f" an empty record (aim {AIM_REQUESTS})"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        layout = Layout(options.instances)
        file = write_nested(folder, layout)
        with memory_store(layout) as origin:
            fill(folder / "full", options.runs, options.deletions, origin)
            for state in ("empty", "empty-bucket", "full-bucket"):
                (folder / state).mkdir()
            bucket = BucketState(Disk(folder / "full-bucket"), lambda: datetime.now(UTC))
            copy_state(DiskState(folder / "full"), bucket)
            plan = ["plan", str(file), "--root", name, "--endpoint", origin]
            for where in ("folder", "bucket"):
                add_rows(table, where, folder, plan, options.rounds)
    write_results(table, options.results)


def add_rows(table: Table, where: str, folder: Path, plan: list[str], rounds: int) -> None:
    """The rows of a folder or of a bucket: with an empty record, and with a full one."""
    ending = "" if where == "folder" else "-bucket"
    states = {kind: folder / f"{kind}{ending}" for kind in ("empty", "full")}
    given = {
        kind: ["--state", str(path) if where == "folder" else path.as_uri()]
        for kind, path in states.items()
    }
    asked = {kind: requests_of([*plan, *state]) for kind, state in given.items() if ending}
    taken: dict[str, list[float]] = {"empty": [], "full": []}
    for _ in range(rounds):
        for kind, state in given.items():
            taken[kind].append(run([*RECONCILER, *plan, *state])[0].wall)
    for kind, seconds in taken.items():
        row = [f"{kind} {where}", f"{median(seconds):.2f}"]
        row.append(f"{median(seconds) / median(taken['empty']):.2f}")
        row += [str(asked[kind]), str(asked[kind] - asked["empty"])] if asked else ["", ""]
        table.add(row)


def requests_of(command: list[str]) -> int:
    """How many requests a command sends to its bucket."""
    program = [sys.executable, "-c", COUNTED, *command]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    return int(done.stderr.splitlines()[-1].split()[-1])


def fill(folder: Path, runs: int, deletions: int, endpoint: str) -> None:
    """A state folder with so many applies of so many deletions each."""
    state = DiskState(folder)
    (folder / "runs").mkdir(parents=True)
    latest: tuple[str, ...] = ()
    for number in range(runs):
        first = RunStarted(
            run=f"{number:06}",
            time=BEGAN + timedelta(days=3 * number),
            tool_version="bench",
            plan_id=f"plan-{number}",
            digest=f"sha256:{number}",
            endpoint=endpoint,
            stores=(StoreAddress.parse(STORE),),
            planned=deletions,
            after=latest,
        )
        lines = [line_of(record) for record in (first, *records(number, deletions))]
        writer = SegmentWriter()
        segments = [
            writer.make(lines[start : start + PER_SEGMENT])
            for start in range(0, len(lines), PER_SEGMENT)
        ]
        path = folder / "runs" / f"{first.run}.jsonl"
        path.write_bytes(b"".join(segments))
        add_run(state, DiskRunFile(path, path.stat().st_size))
        latest = (first.run,)


def records(run: int, deletions: int) -> list[Record]:
    time = BEGAN + timedelta(days=3 * run)
    found: list[Record] = []
    for number in range(deletions):
        study = f"1.2.840.9.{run}.{number // PER_STUDY}"
        instance = InstanceAddress(study, f"{study}.1", f"{study}.1.{number}")
        found += [
            Intent(time, 0, instance, 1),
            Result(time, 0, instance, 1, ReplyKind.ACCEPTED, 200, "", f"{run}-{number}"),
            Verified(time, 0, instance, Presence.ABSENT, Outcome.DELETED),
        ]
    return [*found, RunEnded(time, RunState.COMPLETED, {Outcome.DELETED: deletions}, 0)]


if __name__ == "__main__":
    main()
