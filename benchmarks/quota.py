"""Where apply settles against a store that allows so many requests per second.

    python benchmarks/quota.py [--instances N] [--quota Q] [--parallelism P] [--processes N]
                               [--results FILE]

The embedded store, in a process of its own, answers 429 above Q requests in any second. Printed is
what got through in the last two thirds of the run, as a share of the quota, and how many of all
requests were refused. One run: the rate of a run is what is measured. With several processes the
plan is in shards, and each process has P connections.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import urllib.request
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--quota", type=int, nargs="+", default=[200])
    parser.add_argument("--parallelism", type=int, default=32)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.01, help="seconds")
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    table = Table(
        "quota",
        f"{options.instances:,} deletions, {options.parallelism} at a time in each of"
        f" {options.processes} processes, one run",
        ["quota/s", "settled/s", "share (aim 0.9)", "refused (aim < 2 %)"],
    )
    for quota in options.quota:
        with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
            folder = Path(name)
            write_specs(folder, fill(folder, options.instances))
            with emulator_process(folder, 0.0) as url:
                common = ["--root", ".", "--endpoint", url]
                common += ["--parallelism", str(options.parallelism)]
                plan_in_shards(folder, -(-options.instances // (2 * options.processes)), common)
                clear_requests(url)
                set_quota(url, quota, options.latency)
                several = ["--processes", str(options.processes)]
                run([*RECONCILER, "apply", "plan/plan.json", *several, *common], cwd=folder)
                seen = requests_of(url)
        passed = sorted(float(one["time"]) for one in seen if one["status"] != TOO_MANY_REQUESTS)
        begun = passed[0] + (passed[-1] - passed[0]) / 3
        settled = sum(time > begun for time in passed) / (passed[-1] - begun)
        refused = 1 - len(passed) / len(seen)
        table.add([f"{quota}", f"{settled:.0f}", f"{settled / quota:.2f}", f"{refused:.1%}"])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
