"""How near plan and apply come to what latency and parallelism allow.

With L seconds of latency a request and P requests at a time, at most P / L requests per second can
be answered. This stores instances in an embedded store, runs ``reconciler plan`` and
``reconciler apply`` as processes of their own against it (itself a process of its own), and
prints the rate of apply's deletes and probes, as the store's request log saw them, as a share of
that bound. No client reaches the bound, so the same number of probes is also sent by the leanest
one there is, ``http.client`` in as many threads, in the same run: the floor.

    python benchmarks/apply.py --instances 2000 --latency 0.02 --parallelism 16 32
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.model.address import SeriesAddress

ROOT = "1.2.826.0.1.3680043.10.2"
PER_SERIES = 100
RECONCILER = [sys.executable, "-m", "reconciler"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{options.instances} instances, {options.latency * 1000:.0f} ms latency,"
        f" median of {options.runs} runs"
    )
    print(
        "parallelism  plan s  apply s  deletes+probes/s  bound/s  share of the bound"
        "  share of http.client"
    )
    for parallelism in options.parallelism:
        runs = [
            measure(options.instances, options.latency, parallelism) for _ in range(options.runs)
        ]
        bound = parallelism / options.latency
        rate = median(run["rate"] for run in runs)
        plan, apply = (median(run[name] for run in runs) for name in ("plan", "apply"))
        print(
            f"{parallelism:11}  {plan:6.2f}  {apply:7.2f}  {rate:16.0f}  {bound:7.0f}"
            f"  {rate / bound:18.2f}  {median(run['rate'] / run['floor'] for run in runs):20.2f}"
        )


def measure(instances: int, latency: float, parallelism: int) -> dict[str, float]:
    """One plan and one apply in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        uids = fill(folder, instances)
        write_specs(folder, uids)
        with emulator_process(folder, latency) as url:
            common = ["--parallelism", str(parallelism), "--root", ".", "--endpoint", url]
            floor = rate_of_http_client(url, uids, parallelism)
            planned = timed(folder, ["plan", "--out", "plan.json", *common])
            clear_requests(url)
            applied = timed(folder, ["apply", "plan.json", *common])
            seen = [one for one in requests_of(url) if is_work(one)]
    if len(seen) != 2 * instances:
        raise SystemExit(f"expected {2 * instances} deletes and probes, the store saw {len(seen)}")
    times = sorted(float(one["time"]) for one in seen)
    rate = len(times) / (times[-1] - times[0])
    return {"plan": planned, "apply": applied, "rate": rate, "floor": floor}


def rate_of_http_client(url: str, uids: dict[SeriesAddress, list[str]], parallelism: int) -> float:
    """Probes a second by ``http.client``: no checks, no journal, nothing but the requests."""
    paths = iter(
        [
            f"/v1/{DEMO_STORE}/dicomWeb{series}/instances/{uid}/metadata"
            for series, members in uids.items()
            for uid in members
        ]
        * 2
    )
    lock = threading.Lock()

    def ask() -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        while True:
            with lock:
                path = next(paths, None)
            if path is None:
                connection.close()
                return
            connection.request("GET", path, headers={"Accept": "application/dicom+json"})
            connection.getresponse().read()

    threads = [threading.Thread(target=ask) for _ in range(parallelism)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * sum(map(len, uids.values())) / (time.perf_counter() - started)


def fill(folder: Path, instances: int) -> dict[SeriesAddress, list[str]]:
    """Store instances in series of a hundred, one study for ten series; all but one in each."""
    uids: dict[SeriesAddress, list[str]] = {}
    for number in range(instances):
        series = number // PER_SERIES
        study = f"{ROOT}.{series // 10}"
        address = SeriesAddress(study, f"{study}.{series}")
        uids.setdefault(address, []).append(f"{study}.{series}.{number}")
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        for series_address, members in uids.items():
            emulator.ingest_synthetic(DEMO_STORE, series_address, members)
    return uids


def write_specs(folder: Path, uids: dict[SeriesAddress, list[str]]) -> None:
    """Ask for the removal of all of them, one by one."""
    lines = ["version: 1", "store:"]
    lines += [f"  {name}: {value}" for name, value in DEMO_STORE.as_parameters().items()]
    lines.append('reason: {code: "113039", ticket: BENCH-1}')
    lines.append(
        "limits: {maxDeletions: 10000000, maxStudiesEmptied: 100000,"
        " maxSeriesEmptied: 100000, maxStudyPercent: 100}"
    )
    lines.append("remove:")
    for series, members in uids.items():
        lines.append(f"  - studiesId: {series.study_uid}")
        lines.append(f"    seriesId: {series.series_uid}")
        lines.append("    instancesId:")
        lines += [f"      - {uid}" for uid in members]
    (folder / "specs").mkdir()
    (folder / "specs" / "bench.yaml").write_text("\n".join(lines) + "\n")


@contextmanager
def emulator_process(folder: Path, latency: float) -> Iterator[str]:
    """Serve the store from a process of its own; gives its origin."""
    command = [*RECONCILER, "emulator", "--data", str(folder / "store")]
    with subprocess.Popen(
        [*command, "--latency", str(latency)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def timed(folder: Path, arguments: list[str]) -> float:
    """Run a command to its end; its wall time in seconds."""
    environment = {name: value for name, value in os.environ.items() if "RECONCILER" not in name}
    environment.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    started = time.perf_counter()
    done = subprocess.run(
        [*RECONCILER, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"reconciler {arguments[0]} exited with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - started


def requests_of(url: str) -> list[dict[str, Any]]:
    """The requests that the store received."""
    with urllib.request.urlopen(f"{url}/_emulator/requests") as answer:
        return list(json.load(answer))


def clear_requests(url: str) -> None:
    """Forget the requests so far."""
    request = urllib.request.Request(f"{url}/_emulator/requests", method="DELETE")
    with urllib.request.urlopen(request):
        pass


def is_work(request: dict[str, Any]) -> bool:
    """Whether a request is a DELETE or the probe that proves it."""
    is_of_nobody = "/studies/2.25." in request["path"]  # what apply asks before it begins
    is_probe = request["path"].endswith("/metadata") and not is_of_nobody
    return request["method"] == "DELETE" or is_probe


if __name__ == "__main__":
    main()
