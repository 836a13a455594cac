"""Where apply settles against a store that allows so many requests per second.

    python benchmarks/quota.py [--instances N] [--quota Q …] [--parallelism P] [--processes N]
                               [--results FILE]

The embedded store, in a process of its own, answers 429 above Q requests in any second of its own
clock. A plan in shards is applied by one process, by N processes that share one rate, and by N
tasks with ``--shard`` of which each has a rate of its own, with P connections in each. Printed is
what passed by that clock, from the first third of the requests to their last tenth, as a share of
the quota, and how many of all requests were refused. One run each: the rate of a run is what is
measured. Where the machine is too busy to send as many requests as the quota allows, the share
says that and nothing of the rate: then hardly any request is refused either.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rig.embedded_store import clear_requests, emulator_process, fill, requests_of, write_specs
from rig.measuring import RECONCILER, run
from rig.results import Table, write_results
from rig.shards import plan_in_shards

TOO_MANY_REQUESTS = 429


def set_quota(url: str, quota: int, latency: float) -> None:
    faults = {"latency": latency, "rules": [{"fault": "rate_cap", "per_second": quota}]}
    request = urllib.request.Request(
        f"{url}/_emulator/faults", data=json.dumps(faults).encode(), method="PUT"
    )
    with urllib.request.urlopen(request):
        pass


def apply(folder: Path, ways: list[list[str]], common: list[str]) -> None:
    """Apply the plan, in so many commands at once."""
    commands = [[*RECONCILER, "apply", "plan/plan.json", *way, *common] for way in ways]
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda command: run(command, cwd=folder), commands))


def measured(ways: list[list[str]], quota: int, options: argparse.Namespace) -> list[str]:
    """The cells of one row, but for its name."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        write_specs(folder, fill(folder, options.instances))
        with emulator_process(folder, 0.0) as url:
            common = ["--root", ".", "--endpoint", url]
            common += ["--parallelism", str(options.parallelism)]
            plan_in_shards(folder, -(-options.instances // (2 * options.processes)), common)
            clear_requests(url)
            set_quota(url, quota, options.latency)
            apply(folder, ways, common)
            seen = requests_of(url)
    passed = sorted(float(one["time"]) for one in seen if one["status"] != TOO_MANY_REQUESTS)
    counted = passed[len(passed) // 3 : -(len(passed) // 10) or None]
    settled = (len(counted) - 1) / (counted[-1] - counted[0])
    refused = 1 - len(passed) / len(seen)
    return [f"{quota}", f"{settled:.0f}", f"{settled / quota:.2f}", f"{refused:.1%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=6000)
    parser.add_argument("--quota", type=int, nargs="+", default=[200])
    parser.add_argument("--parallelism", type=int, default=8)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.01, help="seconds")
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    several = range(1, options.processes + 1)
    rows = {
        "1 process (aim 0.9, 2 %)": [["--processes", "1"]],
        f"{options.processes} processes (aim 0.9, 2 %)": [["--processes", f"{options.processes}"]],
        f"{options.processes} separate tasks (aim 0.85, 5 %)": [
            ["--shard", f"{number}/{options.processes}"] for number in several
        ],
    }
    table = Table(
        "quota",
        f"{options.instances:,} deletions, {options.parallelism} at a time in each, one run",
        ["applied by", "quota/s", "settled/s", "share", "refused"],
    )
    for quota in options.quota:
        for name, ways in rows.items():
            table.add([name, *measured(ways, quota, options)])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
