"""How the cost of validate, plan and show grows with the number of instances.

    python benchmarks/growth.py [--counts N …] [--runs N] [--results FILE]

The store answers from memory in a process of its own. An exponent of 1 is cost that grows as the
number does. Start-up is taken off: it is the cost of the same command for one instance. So is
the memory of the listings in flight, which is the same for every count above a few thousand.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from statistics import linear_regression, median

from rig.measuring import RECONCILER, Cost, memory_store, run, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results

COMMANDS = ("validate", "plan", "show")
AIM = 1.05
SMALLEST = 1


def costs(count: int, runs: int) -> dict[str, Cost]:
    """The medians of each command's CPU seconds and peak memory."""
    layout = Layout(count)
    found: dict[str, list[Cost]] = {command: [] for command in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        file, plan = write_nested(folder, layout), folder / "plan.json"
        with memory_store(layout) as origin:
            ask = ["--endpoint", origin, "--parallelism", "16", "--out", str(plan)]
            commands = {
                "validate": [*RECONCILER, "validate", str(file), "--root", name],
                "plan": [*RECONCILER, "plan", str(file), "--root", name, *ask],
                "show": [*RECONCILER, "show", str(plan)],
            }
            for _ in range(runs):
                for command, typed in commands.items():
                    found[command].append(run(typed)[0])
    return {command: Cost(*map(median, zip(*done, strict=True))) for command, done in found.items()}


def exponent(points: list[tuple[int, float]], start: float) -> float:
    """The slope on two logarithmic scales, of what comes on top of the start.

    What is hardly more than the start says nothing, and is left out.
    """
    above = [(n, value - start) for n, value in points if value > 1.2 * start]
    if len(above) < 2:
        return math.nan
    slope, _ = linear_regression(
        [math.log(n) for n, _ in above], [math.log(value) for _, value in above]
    )
    return slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    start = costs(SMALLEST, options.runs)
    found = {count: costs(count, options.runs) for count in options.counts}
    table = Table(
        "growth",
        f"CPU seconds and peak memory, median of {options.runs} runs",
        [
            "command",
            *(f"{count:,}" for count in options.counts),
            f"exponent of time (aim {AIM})",
            f"exponent of memory (aim {AIM})",
        ],
    )
    for command in COMMANDS:
        cells = [
            f"{found[n][command].cpu:.2f} s, {found[n][command].mebibytes:.0f} MiB" for n in found
        ]
        time = exponent([(n, found[n][command].cpu) for n in found], start[command].cpu)
        memory = exponent(
            [(n, found[n][command].mebibytes) for n in found], start[command].mebibytes
        )
        table.add([command, *cells, f"{time:.2f}", f"{memory:.2f}"])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
