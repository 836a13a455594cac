"""Time `reconciler audit verify` beside sha256sum and json.loads of the same journal.

python benchmarks/verify.py --records 200000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.journal.chain import body_of, chained, hash_of
from reconciler.journal.folder import run_file
from reconciler.journal.records import Intent, Record, Result, RunStarted, Verified
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.reply import ReplyKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("p", "europe-west4", "d", "s")
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        path = write(state, parser.parse_args().records)
        plain = best(lambda: read_plainly(path))
        ours = best(lambda: check(state))
        print(f"sha256sum and json.loads  {plain:.2f} s")
        print(f"audit verify              {ours:.2f} s, {ours / plain:.1f} times")


def write(state: Path, count: int) -> Path:
    path = run_file(state, "bench")
    path.parent.mkdir(parents=True)
    first = RunStarted("bench", NOW, "1.0", "p", "sha256:0", "https://x", (STORE,), count)
    prev = None
    with path.open("wb") as file:
        for seq, record in enumerate([first, *records(count - 1)]):
            line = chained(body_of(record), seq, prev)
            prev = hash_of(line)
            file.write(line)
    return path


def records(count: int) -> list[Record]:
    made: list[Record] = []
    for number in range(count // 3 + 1):
        instance = InstanceAddress("1.2.840.1", "1.2.840.1.1", f"1.2.840.1.1.{number}")
        made += [
            Intent(NOW, 0, instance, 1),
            Result(NOW, 0, instance, 1, ReplyKind.ACCEPTED, 200, "", "0123456789abcdef-1"),
            Verified(NOW, 0, instance, Presence.ABSENT, Outcome.DELETED),
        ]
    return made[:count]


def best(work: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def read_plainly(path: Path) -> None:
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def check(state: Path) -> None:
    found = verify(Snapshot.take(state))
    assert [one.kind.value for one in found.findings] == ["unfinished"], found.findings


if __name__ == "__main__":
    main()
