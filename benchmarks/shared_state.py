"""What state in a bucket costs an apply, beside a state folder, in one run.

    python benchmarks/shared_state.py [--instances N] [--put SECONDS] [--latency SECONDS]

Each round applies one plan with a state folder and one with a bucket, against a store that answers
from memory after ``--latency``. The bucket is a folder by the bucket's protocol, of which each
create takes ``--put`` seconds more. Shown are deletions per second, and of the bucket how many
objects were created and how many bytes of the record are kept for each deletion.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from rig.measuring import RECONCILER, memory_store, run, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results

SLOW_BUCKET = """
import sys, time
from reconciler.objects.disk import Disk
create = Disk.create
def slow(self, name, data):
    time.sleep({put})
    return create(self, name, data)
Disk.create = slow
from reconciler.cli.main import main
main(sys.argv[1:])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--put", type=float, default=0.05, help="seconds")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    table = Table(
        "shared_state",
        f"{options.instances:,} deletions, {options.put * 1000:.0f} ms a create, median of"
        f" {options.runs}",
        ["state", "deletions per second", "of the folder's (aim 0.9)", "creates a deletion (aim"
         " 0.05)", "bytes a deletion (aim 300)"],
    )  # fmt: skip
    layout = Layout(options.instances)
    folders, buckets = zip(*(round_of(layout, options) for _ in range(options.runs)), strict=True)
    folder, bucket = median(one[0] for one in folders), median(one[0] for one in buckets)
    for name, rate, cost in (("folder", folder, folders[0]), ("bucket", bucket, buckets[0])):
        creates = f"{cost[1] / options.instances:.3f}" if name == "bucket" else ""
        stored = f"{cost[2] / options.instances:.0f}"
        table.add([name, f"{rate:.0f}", f"{rate / folder:.2f}", creates, stored])
    write_results(table, options.results)


def round_of(
    layout: Layout, options: argparse.Namespace
) -> tuple[tuple[float, int, int], tuple[float, int, int]]:
    """With a state folder and with a bucket: deletions per second, objects created, bytes kept."""
    return measure(layout, options, is_bucket=False), measure(layout, options, is_bucket=True)


def measure(
    layout: Layout, options: argparse.Namespace, *, is_bucket: bool
) -> tuple[float, int, int]:
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        (place := folder / "state").mkdir()
        state = place.as_uri() if is_bucket else str(place)
        file, plan = write_nested(folder, layout), folder / "plan.json"
        report = folder / "report.json"
        with memory_store(layout, latency=options.latency) as origin:
            common = ["--root", name, "--endpoint", origin, "--state", state]
            common += ["--parallelism", str(options.parallelism)]
            run([*RECONCILER, "plan", str(file), "--out", str(plan), *common])
            program = [sys.executable, "-c", SLOW_BUCKET.format(put=options.put)]
            command = program if is_bucket else RECONCILER
            before = sum(1 for path in place.rglob("*") if path.is_file())
            run([*command, "apply", str(plan), "--report", str(report), *common])
        told = json.loads(report.read_text())
        created = sum(1 for path in place.rglob("*") if path.is_file()) - before
        kept = sum(path.stat().st_size for path in (place / "runs").rglob("*") if path.is_file())
        rate = told["counts"]["deleted"] / _seconds(told)
        return rate, created, kept


def _seconds(report: dict[str, str]) -> float:
    from datetime import datetime  # noqa: PLC0415 - beside its only use

    began, ended = (datetime.fromisoformat(report[key]) for key in ("started", "ended"))
    return (ended - began).total_seconds()


if __name__ == "__main__":
    main()
