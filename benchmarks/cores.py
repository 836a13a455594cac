"""What more processes bring: `apply --processes` beside one process, and Apache Beam's beside both.

    python benchmarks/cores.py [--instances N] [--latency S] [--parallelism P] [--processes N ...]
                               [--runs N] [--results FILE]

Each process has P connections. Rates are medians of alternating runs, from the first delete to the
last answer; the ratio is to the first number of processes. The store answers from memory in a
process of its own, and takes its part of the cores, which is shown: where it is near one, it is the
store that is measured. Where Beam is installed, `reconciler beam` is measured with as many workers
as the last number of processes; that its start takes seconds is in its CPU seconds alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rig.measuring import RECONCILER, memory_store, requests_seen, run, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results
from rig.shards import plan_in_shards

SHARDS = 8
"""Of each plan: so that no process waits long for the last one."""


class Applied(NamedTuple):
    """Deletions per second, CPU seconds per 1,000 requests, and the store's part of a core."""

    rate: float
    cpu: float
    store: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=16_000)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=64, help="of each process")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    table = Table(
        "cores",
        f"{options.instances:,} deletions in {SHARDS} shards, {options.parallelism} connections"
        f" in each process, {options.latency * 1000:g} ms, median of {options.runs}",
        ["processes", "deletions/s", "ratio (aim for two: 1.2)", "CPU s per 1,000 requests",
         "cores that the store took"],
    )  # fmt: skip
    commands = {
        f"{one}": ("apply", "plan/plan.json", "--processes", f"{one}") for one in options.processes
    }
    if find_spec("apache_beam"):
        last = f"{options.processes[-1]}"
        workers = ("--direct_running_mode", "multi_processing", "--direct_num_workers", last)
        commands[f"{last} of Beam"] = ("beam", "plan/plan.json", "--tasks", last, "--", *workers)
    found: defaultdict[str, list[Applied]] = defaultdict(list)
    for _ in range(options.runs):
        for name, command in commands.items():
            found[name].append(measure(options, command))
    first = median(one.rate for one in found[f"{options.processes[0]}"])
    for name, runs in found.items():
        rate, cpu, store = (median(column) for column in zip(*runs, strict=True))
        row = [name, f"{rate:.0f}", f"{rate / first:.2f}", f"{cpu:.2f}", f"{store:.2f}"]
        table.add(row)
    if not find_spec("apache_beam"):
        table.note("apache-beam is not installed, and was not measured.")
    write_results(table, options.results)


def measure(options: argparse.Namespace, command: tuple[str, ...]) -> Applied:
    """Plan and apply in a folder of their own."""
    layout = Layout(options.instances, per_series=10, series_per_study=5)
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        (folder / "specs").mkdir()
        write_nested(folder / "specs", layout)
        with memory_store(layout, latency=options.latency) as origin:
            common = ["--root", ".", "--endpoint", origin]
            common += ["--parallelism", str(options.parallelism)]
            plan_in_shards(folder, -(-options.instances // SHARDS), common)
            before = sum(requests_seen(origin)["requests"].values())
            typed = [*RECONCILER, command[0], "--report", "report.json", *common, *command[1:]]
            cost, _ = run(typed, cwd=folder)
            seen = requests_seen(origin)
        report = json.loads((folder / "report.json").read_text())
    seconds = seen["last"] - seen["first"]
    return Applied(
        report["counts"]["deleted"] / seconds,
        1000 * cost.cpu / (sum(seen["requests"].values()) - before),
        seen["cpu"] / seconds,
    )


if __name__ == "__main__":
    main()
