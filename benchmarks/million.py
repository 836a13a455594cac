"""A million deletions: planned, written, read, and applied for ten minutes.

    python benchmarks/million.py [--instances N] [--minutes M] [--latency S] [--results FILE]

One run, no medians. The store answers from memory in a process of its own. After the given time
apply gets SIGINT, as a person would stop it, lets what is in flight end, and its journal is what
the next apply would go on from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from rig.measuring import KIB_PER_MIB, RECONCILER, Cost, memory_store, run, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results

MOST_MEMORY = 400
MOST_FILE = 120
INTERRUPTED, INCOMPLETE = 130, 4


def size(path: Path) -> float:
    """In mebibytes."""
    return path.stat().st_size / KIB_PER_MIB**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    layout = Layout(options.instances)
    table = Table(
        "million",
        f"{options.instances:,} deletions, one run",
        ["step", "seconds", "peak memory (aim < 400 MiB)", "what came of it"],
    )

    def add(step: str, cost: Cost, what: str) -> None:
        table.add([step, f"{cost.wall:.1f}", f"{cost.mebibytes:.0f} MiB", what])

    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        file, plan = write_nested(folder, layout), folder / "plan.json"
        with memory_store(layout, latency=options.latency) as origin:
            common = ["--root", name, "--endpoint", origin]
            common += ["--parallelism", str(options.parallelism)]
            cost, _ = run([*RECONCILER, "plan", str(file), "--out", str(plan), *common])
            add("plan", cost, f"plan file {size(plan):.0f} MiB (aim < {MOST_FILE})")
            cost, _ = run([*RECONCILER, "show", str(plan)])
            add("show", cost, "")
            report = folder / "report.json"
            command = [*RECONCILER, "apply", str(plan), "--report", str(report), *common]
            ends = (0, INCOMPLETE, INTERRUPTED)
            cost, _ = run(command, expect=ends, timeout=60 * options.minutes)
        told = json.loads(report.read_text())
        deleted = told["counts"]["deleted"]
        rate = (
            f"{deleted:,} deleted and proven, {told['traffic']['per_second']:,} requests per second"
        )
        (journal,) = (folder / ".reconciler" / "runs").glob("*.jsonl")
        add("apply", cost, f"{rate}, journal {size(journal):.0f} MiB")
    write_results(table, options.results)


if __name__ == "__main__":
    main()
