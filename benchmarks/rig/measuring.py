"""What the benchmarks share: processes that are timed, a store to ask, files to load."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from rig.memory_store import STORE, Layout

FOLDER = Path(__file__).parents[1]
RECONCILER = [sys.executable, "-P", "-m", "reconciler"]
"""As this Python has it installed; without -P, a checkout in the working directory goes first."""
KIB_PER_MIB = 1024

_STORE_FIELDS = "".join(
    f"  {name}: {value}\n"
    for name, value in zip(
        ("projectsId", "locationsId", "datasetsId", "dicomStoresId"),
        STORE.split("/")[1::2],
        strict=True,
    )
)
HEAD = f"""version: 1
store:
{_STORE_FIELDS}reason: {{code: "113039", ticket: BENCH-1}}
limits:
  maxDeletions: 1000000000
  maxStudiesEmptied: 1000000000
  maxSeriesEmptied: 1000000000
  maxStudyPercent: 100
remove:
"""


_APART = """import os, signal, sys
out = int(sys.argv[1])
os.set_inheritable(out, False)
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
_, status, usage = os.wait4(child, 0)
cpu = usage.ru_utime + usage.ru_stime
os.write(out, f"{os.waitstatus_to_exitcode(status)} {cpu} {usage.ru_maxrss}".encode())
"""
"""Starts a command and measures it: the peak of a process is at least its parent's at its start,
and that of a benchmark may be large."""


class Cost(NamedTuple):
    """What a process cost: wall and CPU seconds, and the most memory that it ever held."""

    wall: float
    cpu: float
    mebibytes: float


def write_nested(folder: Path, layout: Layout) -> Path:
    """One file that lists the instances of each series."""
    file = folder / "nested.yaml"
    with file.open("w") as out:
        out.write(HEAD)
        for (study, series), members in groupby(layout.addresses(), key=lambda one: one[:2]):
            out.write(f"  - studiesId: {study}\n    seriesId: {series}\n    instancesId:\n")
            out.writelines(f"      - {uid}\n" for _, _, uid in members)
    return file


def write_flat(folder: Path, layout: Layout) -> Path:
    """One file with an entry for each instance."""
    file = folder / "flat.yaml"
    with file.open("w") as out:
        out.write(HEAD)
        out.writelines(
            f"  - studiesId: {study}\n    seriesId: {series}\n    instancesId: {uid}\n"
            for study, series, uid in layout.addresses()
        )
    return file


def write_inventory(folder: Path, layout: Layout, kept: int = 0) -> Path:
    """A CSV inventory, and the file that pins it; the last ones are ``kept``, by a second one."""
    rows = layout.addresses()
    removes = _pinned(folder / "instances.csv", islice(rows, layout.instances - kept))
    keeps = f"keep:\n{_pinned(folder / 'kept.csv', rows)}" if kept else ""
    file = folder / "inventory.yaml"
    file.write_text(f"{HEAD}{removes}{keeps}")
    return file


def _pinned(file: Path, addresses: Iterable[tuple[str, str, str]]) -> str:
    """Write an inventory; the entry that pins it."""
    digest, count = hashlib.sha256(), -1
    with file.open("wb") as out:
        for line in chain(["studiesId,seriesId,instancesId"], map(",".join, addresses)):
            out.write(f"{line}\n".encode())
            digest.update(f"{line}\n".encode())
            count += 1
    return f"  - inventory: {{path: {file.name}, sha256: {digest.hexdigest()}, count: {count}}}\n"


@contextmanager
def memory_store(
    layout: Layout, *, latency: float = 0.0, certificate: Path | None = None
) -> Iterator[str]:
    """A store that answers from memory, in a process of its own; gives its origin."""
    command = [sys.executable, str(FOLDER / "rig" / "memory_store.py"), "--latency", str(latency)]
    for name, value in layout._asdict().items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    if certificate is not None:
        command += ["--certificate", str(certificate)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def requests_seen(origin: str, certificate: Path | None = None) -> Mapping[str, Any]:
    """What the store says of the requests that it got."""
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    with urllib.request.urlopen(f"{origin}/_requests", context=context) as answer:
        told: Mapping[str, Any] = json.load(answer)
    return told


def run(
    command: Sequence[str],
    *,
    expect: Iterable[int] = (0,),
    timeout: float | None = None,
    **more: Any,
) -> tuple[Cost, str]:
    """Run a command to its end; what it cost, and what it printed on stderr.

    Longer than ``timeout`` seconds, it is sent SIGINT, as a person would.

    Raises:
        SystemExit: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if "RECONCILER" not in name}
    environment.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    measured, out = os.pipe()
    started = time.perf_counter()
    with (
        os.fdopen(measured, encoding="ascii") as usage,
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _APART, str(out), *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[out],
            **more,
        ) as process,
    ):
        os.close(out)
        if timeout is not None:
            _interrupt_after(process, timeout)
        assert process.stderr is not None
        said = process.stderr.read()
        code, cpu, kibibytes = usage.read().split()
    wall = time.perf_counter() - started
    if int(code) not in set(expect):
        raise SystemExit(f"{' '.join(command)} exited with {code}:\n{said}")
    return Cost(wall, float(cpu), int(kibibytes) / KIB_PER_MIB), said


def _interrupt_after(process: subprocess.Popen[str], seconds: float) -> None:
    timer = threading.Timer(seconds, process.send_signal, [signal.SIGINT])
    timer.daemon = True
    timer.start()
