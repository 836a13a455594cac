"""What the journal costs: deletions with an fsynced intent each, against the same without.

Deletes and proves the same number of instances twice with the same engine, once with the journal
and once with one that writes nothing, against an embedded store in a process of its own. The two
take turns; the medians and their ratio are printed.

    python benchmarks/journal.py --instances 5000 --latency 0.02 --parallelism 16
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rig.embedded_store import emulator_process, fill

from reconciler.applying.archive import Archive
from reconciler.applying.deletion import Deleter, Target
from reconciler.applying.run import Account, work_through
from reconciler.applying.sending import RetryBudget, Sender
from reconciler.applying.stopping import Breaker, Stop
from reconciler.emulator import DEMO_STORE
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.locks import DiskLease
from reconciler.journal.records import Record, RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.http.labels import AuditLabels
from reconciler.model.address import InstanceAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.outcome import Operation, Outcome
from reconciler.model.plan import DeclaredInstances, DeletionGroup
from reconciler.model.reply import Change

REASON = Reason(ReasonCode.QUALITY_CONTROL_INTENT)


class NoJournal(RunJournal):
    """Takes every record and keeps none."""

    def __init__(self) -> None:
        """Open nothing."""

    @property
    def is_leased(self) -> bool:
        """Always."""
        return True

    @property
    def is_slow(self) -> bool:
        """Never."""
        return False

    def require_working(self) -> None:
        """It always does."""

    def append(self, record: Record) -> None:
        """Forget it."""

    def commit(self, record: Record) -> None:
        """Forget it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rates: dict[bool, list[float]] = {True: [], False: []}
    for _, with_journal in itertools.product(range(options.runs), (True, False)):
        seconds = measure(
            options.instances, options.latency, options.parallelism, with_journal=with_journal
        )
        rates[with_journal].append(options.instances / seconds)
    kept, none = median(rates[True]), median(rates[False])
    print(
        f"{options.instances} deletions, {options.latency * 1000:.0f} ms latency,"
        f" {options.parallelism} workers, median of {options.runs} runs"
    )
    print("deletions/s with the journal  without it  ratio")
    print(f"{kept:28.0f}  {none:10.0f}  {kept / none:5.2f}")


def measure(instances: int, latency: float, parallelism: int, *, with_journal: bool) -> float:
    """Delete and prove the instances; seconds from the first to the last."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        addresses = [
            InstanceAddress(*series, uid)
            for series, uids in fill(folder, instances).items()
            for uid in uids
        ]
        with emulator_process(folder, latency) as url, connected(url, parallelism) as connection:
            first = RunStarted(
                run="bench",
                time=now(),
                tool_version="bench",
                plan_id="bench",
                digest="bench",
                endpoint=url,
                stores=(DEMO_STORE,),
                planned=instances,
            )
            journal: RunJournal = NoJournal()
            if with_journal:
                journal = RunJournal.create(DiskState(folder), first, DiskLease())
            seconds = delete(addresses, connection, journal, parallelism)
            if with_journal:
                journal.close()
    return seconds


def delete(
    addresses: list[InstanceAddress], connection: Connection, journal: RunJournal, workers: int
) -> float:
    """Run the engine over all addresses; every one must be proven."""
    stop, account = Stop(), Account(Operation.APPLY, lambda _: None)
    sender = Sender(
        Change.DELETE,
        {DEMO_STORE: connection.store(DEMO_STORE)},
        journal,
        AuditLabels("bench", "bench"),
        RetryBudget(lambda _, retry_after: retry_after or 0.1),
        stop,
        now,
        threading.Semaphore(workers),
    )
    deleter = Deleter(sender, Archive("bench", journal, now=now), None)
    declared = DeclaredInstances((address.instance_uid, 1) for address in addresses)
    group = DeletionGroup("bench.yaml", REASON, expanded=False, instances=declared)
    targets = (Target(DEMO_STORE, 0, address, group) for address in addresses)
    started = time.perf_counter()
    work_through(
        targets,
        deleter.delete,
        lambda target, reason: target.result(Outcome.NOT_ATTEMPTED, reason),
        account,
        stop=stop,
        tried=Breaker(10, stop, Operation.APPLY).record,
        parallelism=workers,
    )
    seconds = time.perf_counter() - started
    if account.counts[Outcome.DELETED] != len(addresses):
        raise SystemExit(f"not everything was deleted: {dict(account.counts)}")
    return seconds


def connected(url: str, parallelism: int) -> Connection:
    """A connection to the embedded store."""
    numbers: Iterator[int] = itertools.count()
    return Connection(
        ConnectionSettings(parse_endpoint(url), read_only=False, parallelism=parallelism),
        now=now,
        random_source=random.Random(1),
        request_ids=lambda: f"bench-{next(numbers)}",
        stop=threading.Event(),
    )


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
