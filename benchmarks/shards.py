"""Plans in shards from inventories: whether memory grows with the number of deletions.

    python benchmarks/shards.py [--instances N …] [--shard-size N] [--results FILE]

One run for each number. The store answers from memory in a process of its own; a plan without
shards of the smallest number stands beside. The ratio of the peaks of the last two is the aim, and
growth is the exponent of the wall time between the first and the last.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

from rig.measuring import RECONCILER, Cost, memory_store, run, write_inventory
from rig.memory_store import Layout
from rig.results import Table, write_results

MOST_RATIO = 1.2
MOST_GROWTH = 1.05


def planned(folder: Path, layout: Layout, *arguments: str) -> Cost:
    """What a plan of all instances costs."""
    file = write_inventory(folder, layout)
    with memory_store(layout) as origin:
        common = ["--root", str(folder), "--endpoint", origin, "--parallelism", "16"]
        cost, _ = run([*RECONCILER, "plan", str(file), *arguments, *common])
    return cost


def row(what: str, cost: Cost, beside: str = "") -> list[str]:
    """A row of the table."""
    return [what, f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.mebibytes:.0f} MiB", beside]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--shard-size", type=int, default=100_000)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    table = Table(
        "shards",
        f"Plans in shards of {options.shard_size:,} deletions, from one inventory",
        ["deletions", "seconds", "CPU seconds", "peak memory", f"ratio (aim <= {MOST_RATIO})"],
    )
    costs: list[tuple[int, Cost]] = []
    for number in options.instances:
        with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
            folder = Path(name)
            out = ["--out", str(folder / "plan"), "--shard-size", str(options.shard_size)]
            cost = planned(folder, Layout(number), *out)
        beside = f"{cost.mebibytes / costs[-1][1].mebibytes:.2f}" if costs else ""
        costs.append((number, cost))
        table.add(row(f"{number:,}", cost, beside))
    (least, small), (most, large) = costs[0], costs[-1]
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        cost = planned(Path(name), Layout(least), "--out", str(Path(name) / "plan.json"))
    table.add(row(f"{least:,} in one file", cost))
    if most > least:
        growth = math.log(large.cpu / small.cpu) / math.log(most / least)
        table.add(["growth of CPU", f"exponent {growth:.2f} (aim <= {MOST_GROWTH})", "", "", ""])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
