"""What a plan of many instances costs, against single probes and against its floor.

    python benchmarks/plan.py [--instances N] [--latency S] [--parallelism P] [--runs N]

`reconciler plan` asks a store that answers from memory in a process of its own. Side by side, in
as many threads: `dicomweb-client`, which probes each instance with `retrieve_instance_metadata`,
of a part of the instances and then extrapolated; and the floor, a script that loads the same file
with `CSafeLoader`, fetches the same listings with plain `requests` and parses them with `json`,
and compares nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from rig.measuring import (
    FOLDER,
    RECONCILER,
    Cost,
    memory_store,
    requests_seen,
    run,
    write_nested,
)
from rig.memory_store import STORE, Layout
from rig.results import Table, write_results

PAGE = 5000
AIM_PROBES, AIM_FLOOR = 30, 1.5


def plan(folder: Path, layout: Layout, options: argparse.Namespace) -> tuple[Cost, int]:
    """One plan: what it cost, and how many requests it sent."""
    with memory_store(layout, latency=options.latency) as origin:
        command = [*RECONCILER, "plan", str(folder / "nested.yaml"), "--root", str(folder)]
        command += ["--endpoint", origin, "--parallelism", str(options.parallelism)]
        cost, _ = run([*command, "--out", str(folder / "plan.json")])
        return cost, sum(requests_seen(origin)["requests"].values())


def floor(folder: Path, layout: Layout, options: argparse.Namespace) -> Cost:
    """The same file loaded and the same listings fetched and parsed, in a process of its own."""
    with memory_store(layout, latency=options.latency) as origin:
        command = [sys.executable, __file__, "--floor", str(folder / "nested.yaml"), origin]
        return run([*command, "--parallelism", str(options.parallelism)])[0]


def run_floor(file: Path, origin: str, parallelism: int) -> None:
    import requests  # noqa: PLC0415 - only this process pays
    import yaml  # noqa: PLC0415 - only this process pays

    desired = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    studies = sorted({entry["studiesId"] for entry in desired["remove"]})
    local = threading.local()

    def fetch(study: str) -> int:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        found = offset = 0
        while True:
            url = f"{origin}/v1/{STORE}/dicomWeb/studies/{study}/instances"
            query = {"limit": PAGE, "offset": offset, "includefield": "0020000D,0020000E"}
            answer = local.session.get(url, params=query, timeout=60)
            page = json.loads(answer.content) if answer.content else []
            found, offset = found + len(page), offset + len(page)
            if len(page) < PAGE:
                return found

    with ThreadPoolExecutor(parallelism) as pool:
        listed = sum(pool.map(fetch, studies))
    assert listed == sum(len(entry["instancesId"]) for entry in desired["remove"])


def probes(layout: Layout, count: int, options: argparse.Namespace) -> float:
    """Seconds that `dicomweb-client` takes for so many instances."""
    with memory_store(layout, latency=options.latency) as origin:
        command = [sys.executable, str(FOLDER / "rig" / "clients.py"), "dicomweb-client", origin]
        command += ["--instances", str(count), "--parallelism", str(options.parallelism)]
        done = subprocess.run(command, check=True, capture_output=True)
    wall: float = json.loads(done.stdout)[0]
    return wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--probed", type=int, default=5000, help="by dicomweb-client")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    parser.add_argument("--floor", nargs=2, metavar=("FILE", "ORIGIN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        run_floor(Path(options.floor[0]), options.floor[1], options.parallelism)
        return
    layout = Layout(options.instances)
    planned, floors, probed, requests = [], [], [], 0
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        write_nested(folder, layout)
        for _ in range(options.runs):
            cost, requests = plan(folder, layout, options)
            planned.append(cost.wall)
            floors.append(floor(folder, layout, options).wall)
            probed.append(probes(layout, options.probed, options))
    ours = median(planned)
    whole = median(probed) * options.instances / options.probed
    title = (
        f"Plan {options.instances:,} instances in {options.instances // layout.per_series:,}"
        f" series, {options.latency * 1000:.0f} ms, {options.parallelism} threads,"
        f" median of {options.runs} runs"
    )
    table = Table("plan", title, ["", "seconds", "requests", "against reconciler plan", "aim"])
    table.add(["reconciler plan", f"{ours:.2f}", f"{requests:,}", "1", ""])
    ratio = f"{whole / ours:.0f} times as long"
    who = f"dicomweb-client (extrapolated from {options.probed:,})"
    table.add([who, f"{whole:.0f}", f"{options.instances:,}", ratio, f"at least {AIM_PROBES}"])
    low = median(floors)
    share = f"reconciler plan takes {ours / low:.2f} times as long"
    table.add(["CSafeLoader, requests, json: the floor", f"{low:.2f}", "", share, f"{AIM_FLOOR}"])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
