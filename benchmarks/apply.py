"""How near apply comes to what latency and parallelism allow, beside bare clients in the same run.

    python benchmarks/apply.py [--instances N] [--latency S] [--parallelism P] [--runs N]
        [--also "OPTIONS OF APPLY" …] [--results FILE]

With L seconds of latency and P requests at a time, P / L requests per second can be answered at
most. A store that answers from memory, in a process of its own, is emptied over plain HTTP and over
TLS: by `reconciler apply` as a whole (pre-flight, journal, proof, report), and by clients that do
the least of it, in as many threads: a line that is synced to the disk, a DELETE, and a probe that
must find nothing. They take turns; a ratio is the median of those of the rounds. Rates are those of
deletes and probes, as the store saw them; the CPU is that of the whole process, start included.
The store's share of the machine's cores says whether it is in the way. `--also` adds a row for
apply with other options, such as "--parallelism 32". pycurl is measured where it is installed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rig.certificate import make_certificate
from rig.deleters import DELETERS
from rig.measuring import FOLDER, RECONCILER, memory_store, requests_seen, run, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results

APPLY = "reconciler apply"
FLOOR = "urllib3"
SHARES = {"http": 0.70, "https": 0.62}
"""Aims: of the bound, by one process with 64 connections at 20 ms."""
OF_FLOOR = 0.85
CPU = 0.45
OURS = (64, 0.02)
"""The parallelism and the latency that the aims are for."""


class Work(NamedTuple):
    """What one client did: requests per second, CPU seconds for a thousand of them.

    ``store`` is the share of the machine's cores that the store took meanwhile.
    """

    rate: float
    cpu: float
    store: float


@contextmanager
def served(layout: Layout, latency: float, *, tls: bool) -> Iterator[tuple[Path, str, Path | None]]:
    """A full store and an empty folder: the folder, the origin, the certificate."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        certificate = make_certificate(folder) if tls else None
        os.environ.pop("REQUESTS_CA_BUNDLE", None)
        if certificate is not None:
            os.environ["REQUESTS_CA_BUNDLE"] = str(certificate)
        with memory_store(layout, latency=latency, certificate=certificate) as origin:
            yield folder, origin, certificate


def measure(who: str, layout: Layout, options: argparse.Namespace, *, tls: bool) -> Work:
    """Let one client empty a store."""
    parallelism = ["--parallelism", str(options.parallelism)]
    with served(layout, options.latency, tls=tls) as (folder, origin, certificate):
        if who in DELETERS:
            command = [sys.executable, str(FOLDER / "rig" / "deleters.py"), who, origin]
            command += ["--instances", str(layout.instances), *parallelism]
            command += ["--journal", str(folder / "journal")]
        else:
            plan = str(folder / "plan.json")
            common = ["--root", str(folder), "--endpoint", origin]
            file = str(write_nested(folder, layout))
            run([*RECONCILER, "plan", file, "--out", plan, *common, *parallelism])
            more = shlex.split(who.removeprefix(APPLY))
            command = [*RECONCILER, "apply", plan, *common, *parallelism, *more]
        cost, _ = run(command)
        seen = requests_seen(origin, certificate)
    requests, seconds = 2 * layout.instances, seen["last"] - seen["first"]
    if seen["requests"]["DELETE"] != layout.instances:
        raise SystemExit(f"{who} sent {seen['requests']['DELETE']} deletes")
    share = seen["cpu"] / seconds / (os.cpu_count() or 1)
    return Work(requests / seconds, 1000 * cost.cpu / requests, share)


def rows(options: argparse.Namespace, *, tls: bool) -> Iterator[list[str]]:
    """A row for each client, once all rounds are over."""
    layout = Layout(options.instances)
    scheme = "https" if tls else "http"
    bound = options.parallelism / options.latency
    has_aims = (options.parallelism, options.latency) == OURS
    clients = [client for client in DELETERS if client != "pycurl" or find_spec("pycurl")]
    also = [f"{APPLY} {more}" for more in options.also]
    work: dict[str, list[Work]] = {who: [] for who in (APPLY, *also, *clients)}
    for _ in range(options.runs):
        for who, done in work.items():
            done.append(measure(who, layout, options, tls=tls))
    for who, done in work.items():
        pairs = zip(done, work[FLOOR], strict=True)
        is_ours = has_aims and who == APPLY
        yield [
            scheme,
            who,
            f"{median(one.rate for one in done):,.0f}",
            f"{median(one.rate for one in done) / bound:.2f}",
            f"{SHARES[scheme]:.2f}" if is_ours else "",
            f"{median(one.rate / floor.rate for one, floor in pairs):.2f}",
            f"{OF_FLOOR}" if is_ours else "",
            f"{median(one.cpu for one in done):.2f}",
            f"{CPU}" if is_ours and not tls else "",
            f"{median(one.store for one in done):.0%}",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--also", action="append", default=[], metavar="OPTIONS")
    parser.add_argument("--plain-only", action="store_true", help="leave TLS out")
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    title = (
        f"Delete and prove {options.instances:,} instances, {options.parallelism} at a time,"
        f" {options.latency * 1000:.0f} ms, median of {options.runs} runs"
    )
    heads = ["", "client", "requests/s", "of the bound", "aim", f"of {FLOOR}'s", "aim"]
    heads += ["CPU s per 1,000", "aim (at most)", "the store's share of the cores"]
    table = Table("apply", title, heads)
    for tls in (False,) if options.plain_only else (False, True):
        for row in rows(options, tls=tls):
            table.add(row)
    table.note(f"The bound: {options.parallelism / options.latency:,.0f} requests per second.")
    if not find_spec("pycurl"):
        table.note("pycurl is not installed, and was not measured.")
    write_results(table, options.results)


if __name__ == "__main__":
    main()
