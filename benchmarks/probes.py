"""What a probe and a delete cost, and how near they come to what latency and parallelism allow.

    python benchmarks/probes.py [--instances N] [--latency S …] [--parallelism P …] [--runs N]

With L seconds of latency and P requests at a time, P / L requests per second can be answered at
most. Instances are probed and deleted one by one, in a store that answers from memory in a process
of its own, plainly and over TLS with a certificate made for the run, connects included: by the
requests of reconciler alone, by `reconciler apply` as a whole (journal, proof and start included),
by a plain `requests.Session` and by `dicomweb-client`, each in as many threads, in turns. Medians
of several runs: the share of the bound, and CPU seconds per 1,000 requests. What the store itself
can do is measured with `wrk`, if that is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rig.certificate import make_certificate
from rig.clients import CLIENTS
from rig.measuring import FOLDER, RECONCILER, memory_store, requests_seen, run, write_nested
from rig.memory_store import STORE, Layout
from rig.results import Table, write_results

MOST_BOUND = 1300
"""Requests per second: what one Python process can be expected to reach."""
AIMS = {"http": 0.9, "https": 0.88}
WHOLE = "reconciler apply"


class Work(NamedTuple):
    """What one client did: requests per second, CPU seconds for a thousand of them."""

    rate: float
    cpu: float


def work_of_client(client: str, origin: str, layout: Layout, parallelism: int) -> Work:
    command = [sys.executable, str(FOLDER / "rig" / "clients.py"), client, origin, "--delete"]
    command += ["--instances", str(layout.instances), "--parallelism", str(parallelism)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    wall, cpu = json.loads(done.stdout)
    requests = 2 * layout.instances
    return Work(requests / wall, 1000 * cpu / requests)


def work_of_apply(
    folder: Path, origin: str, layout: Layout, parallelism: int, certificate: Path | None
) -> Work:
    """The rate is that of its deletes and probes, as the store saw them."""
    file = write_nested(folder, layout)
    common = ["--root", str(folder), "--endpoint", origin, "--parallelism", str(parallelism)]
    run([*RECONCILER, "plan", str(file), "--out", str(folder / "plan.json"), *common])
    cost, _ = run([*RECONCILER, "apply", str(folder / "plan.json"), *common])
    seen = requests_seen(origin, certificate)
    requests = 2 * layout.instances
    return Work(requests / (seen["last"] - seen["first"]), 1000 * cost.cpu / requests)


def measure(client: str, layout: Layout, latency: float, parallelism: int, *, tls: bool) -> Work:
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        certificate = make_certificate(folder) if tls else None
        if certificate is not None:
            os.environ["REQUESTS_CA_BUNDLE"] = str(certificate)
        with memory_store(layout, latency=latency, certificate=certificate) as origin:
            if client == WHOLE:
                return work_of_apply(folder, origin, layout, parallelism, certificate)
            return work_of_client(client, origin, layout, parallelism)


def rows(options: argparse.Namespace, *, tls: bool) -> Iterator[list[str]]:
    layout = Layout(options.instances)
    scheme = "https" if tls else "http"
    for latency in options.latency:
        for parallelism in options.parallelism:
            bound = parallelism / latency
            work: dict[str, list[Work]] = {client: [] for client in (*CLIENTS, WHOLE)}
            for _ in range(options.runs):
                for client, done in work.items():
                    done.append(measure(client, layout, latency, parallelism, tls=tls))
            for client, done in work.items():
                share = median(one.rate for one in done) / bound
                ours = client.startswith("reconciler")
                aim = f"{AIMS[scheme]}" if ours and bound <= MOST_BOUND else ""
                yield [
                    scheme,
                    f"{latency * 1000:.0f} ms",
                    f"{parallelism}",
                    f"{bound:,.0f}",
                    client,
                    f"{median(one.rate for one in done):,.0f}",
                    f"{share:.2f}",
                    aim,
                    f"{median(one.cpu for one in done):.2f}",
                ]


def ceiling(*, tls: bool) -> str:
    """What the store answers with nobody's client in the way."""
    layout = Layout(1000)
    study, series, uid = layout.address(0)
    path = f"/v1/{STORE}/dicomWeb/studies/{study}/series/{series}/instances/{uid}/metadata"
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        certificate = make_certificate(Path(name)) if tls else None
        with memory_store(layout, certificate=certificate) as origin:
            command = ["wrk", "-t1", "-c64", "-d3s", f"{origin}{path}"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            except FileNotFoundError:
                return "not measured: wrk is not installed"
    line = next(line for line in done.stdout.splitlines() if line.startswith("Requests/sec"))
    return f"{float(line.split(':')[1]):,.0f} requests per second"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--latency", type=float, nargs="+", default=[0.02, 0.05], help="seconds")
    parser.add_argument("--parallelism", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plain-only", action="store_true", help="leave TLS out")
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    heads = ["", "latency", "parallelism", "bound/s", "client", "requests/s", "share", "aim"]
    title = f"Probe and delete {options.instances:,} instances, median of {options.runs} runs"
    table = Table("probes", title, [*heads, "CPU s per 1,000"])
    for tls in (False,) if options.plain_only else (False, True):
        for row in rows(options, tls=tls):
            table.add(row)
        table.note(f"The store alone over {'TLS' if tls else 'plain HTTP'}: {ceiling(tls=tls)}.")
    write_results(table, options.results)


if __name__ == "__main__":
    main()
