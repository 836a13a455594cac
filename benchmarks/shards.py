"""Plans in shards from inventories: whether memory grows with the number of deletions.

    python benchmarks/shards.py [--instances N …] [--shard-size N] [--minutes M] [--results FILE]

One run for each number. The store answers from memory in a process of its own; a plan without
shards of the smallest number stands beside. A hundredth more is kept, by a second inventory. The
ratio of the peaks of the last two is the aim, and growth is the exponent of the CPU time between
the first and the last.

Each plan is then applied, in one process. After the given time, in which it also reads the files
and checks all shards, it gets SIGINT, as a person would stop it. With no minutes nothing is
applied.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rig.measuring import RECONCILER, Cost, memory_store, run, write_inventory
from rig.memory_store import Layout
from rig.results import Table, write_results

MOST_RATIO = 1.2
MOST_GROWTH = 1.05
INTERRUPTED, INCOMPLETE = 130, 4


def planned(folder: Path, origin: str, out: Sequence[str]) -> Cost:
    """What a plan of the inventory in the folder costs."""
    file = folder / "inventory.yaml"
    cost, _ = run([*RECONCILER, "plan", str(file), *out, *common(folder, origin)])
    return cost


def common(folder: Path, origin: str) -> list[str]:
    """The options of both commands."""
    return ["--root", str(folder), "--endpoint", origin, "--parallelism", "16"]


def row(what: str, cost: Cost, beside: str = "") -> list[str]:
    """A row of the table of plans."""
    return [what, f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.mebibytes:.0f} MiB", beside]


def applied(folder: Path, origin: str, number: int, minutes: float) -> list[str]:
    """Apply the plan in the folder for so long; a row of the table of that."""
    report = folder / "report.json"
    command = [*RECONCILER, "apply", str(folder / "plan/plan.json"), "--report", str(report)]
    ends = (0, INCOMPLETE, INTERRUPTED)
    cost, _ = run([*command, *common(folder, origin)], expect=ends, timeout=60 * minutes)
    told = json.loads(report.read_text())
    requests = sum(told["traffic"]["requests"].values())
    return [
        f"{number:,}",
        f"{cost.wall:.1f}",
        f"{told['counts']['deleted']:,}",
        f"{told['traffic']['per_second']:,}",
        f"{1000 * cost.cpu / max(requests, 1):.2f}",
        f"{cost.mebibytes:.0f} MiB",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--shard-size", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each apply")
    parser.add_argument("--results", type=Path, help="the file to write the tables to")
    options = parser.parse_args()
    table = Table(
        "shards",
        f"Plans in shards of {options.shard_size:,} deletions, from one inventory",
        ["deletions", "seconds", "CPU seconds", "peak memory", f"ratio (aim <= {MOST_RATIO})"],
    )
    costs: list[tuple[int, Cost]] = []
    applies: list[list[str]] = []
    for number in options.instances:
        layout = Layout(number + number // 100)
        with (
            tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name,
            memory_store(layout) as origin,
        ):
            folder = Path(name)
            write_inventory(folder, layout, kept=number // 100)
            out = ["--out", str(folder / "plan"), "--shard-size", str(options.shard_size)]
            cost = planned(folder, origin, out)
            beside = f"{cost.mebibytes / costs[-1][1].mebibytes:.2f}" if costs else ""
            costs.append((number, cost))
            table.add(row(f"{number:,}", cost, beside))
            if options.minutes:
                applies.append(applied(folder, origin, number, options.minutes))
    (least, small), (most, large) = costs[0], costs[-1]
    layout = Layout(least)
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name,
        memory_store(layout) as origin,
    ):
        write_inventory(Path(name), layout)
        cost = planned(Path(name), origin, ["--out", str(Path(name) / "plan.json")])
    table.add(row(f"{least:,} in one file", cost))
    if most > least:
        growth = math.log(large.cpu / small.cpu) / math.log(most / least)
        table.add(["growth of CPU", f"exponent {growth:.2f} (aim <= {MOST_GROWTH})", "", "", ""])
    applying = Table(
        "shards",
        f"Applied for {options.minutes:g} minutes, 16 connections",
        ["planned", "seconds", "deleted and proven", "requests/s", "CPU s per 1,000 requests",
         "peak memory"],
    )  # fmt: skip
    for cells in applies:
        applying.add(cells)
    write_results(table, options.results, [applying] if applies else [])


if __name__ == "__main__":
    main()
