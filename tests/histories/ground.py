"""A store, state folders and the real commands, in one process: histories by the hundred.

One emulator serves all examples; each has stores of its own and a folder of its own. Nothing of
the product is replaced but what a process is given from outside: clock, randomness, and how long
it waits. What can happen to a process is made to happen here, exactly:

- A *step* is a request that leaves, an answer that comes, or an fsync that is asked for or done.
- A process can be killed at any step. What lies on the disk then is copied at that moment, and is
  what the next command finds; nothing is sent from then on. Losing power also takes what was
  written and not synced, as a whole or in part.
- Another command can run to its end at any step, as one of another terminal would.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache, partial
from pathlib import Path

import pytest
import requests
from urllib3 import BaseHTTPResponse, Timeout

from reconciler.api import machine, running, service
from reconciler.cli.main import run as run_command
from reconciler.emulator import (
    DEMO_STORE,
    Emulator,
    EmulatorSettings,
    Faults,
    RequestRecord,
    running_emulator,
)
from reconciler.live import connection
from reconciler.live.connection import ConnectionSettings
from reconciler.live.http.adapter import SharedContextAdapter
from reconciler.live.http.bounds import Bounds
from reconciler.live.http.message import Message
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.address import InstanceAddress, SeriesAddress

from .model import Key

ATTEMPTS = 3
"""So often a DELETE without a clear answer is sent: a number, not a time, so that it repeats."""


class Crash(BaseException):
    """The process is dead: it does nothing more."""


class Loss(Enum):
    """What of the journal goes with the process: the lines in memory always do."""

    KILL = "nothing that was written"
    TORN = "half of what was written since the last fsync"
    POWER = "all that was written since the last fsync"


@dataclass(frozen=True)
class Kill:
    """The process dies at this step, from 1, of those whose description matches ``on``."""

    step: int
    loss: Loss = Loss.KILL
    on: str = ""


@dataclass(frozen=True)
class Meanwhile:
    """Something else happens at this step, from 1, of those whose description matches ``on``."""

    step: int
    do: Callable[[], object]
    on: str = ""


@dataclass(frozen=True)
class Answer:
    """What a command answered; a killed one answers nothing.

    ``deletes`` are the instances of the DELETEs that left, in their order; ``unannounced`` those
    whose DELETE left before its intent was on disk. ``requests`` is what the store received.
    """

    code: int | None
    out: str
    err: str
    deletes: tuple[str, ...]
    unannounced: tuple[str, ...]
    requests: tuple[RequestRecord, ...] = field(repr=False)

    @property
    def is_killed(self) -> bool:
        return self.code is None


@dataclass
class Process:
    """One command while it works: its steps are counted, and what is due at one happens."""

    root: Path
    due: Kill | Meanwhile | None
    is_dead: bool = False
    deletes: list[str] = field(default_factory=list)
    unannounced: list[str] = field(default_factory=list)
    synced: dict[Path, int] = field(default_factory=dict)
    _steps: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def copy(self) -> Path:
        """The disk as it was when the process died."""
        return self.root.with_name(f"{self.root.name}.dead")

    def step(self, what: str, *, may_raise: bool = True) -> None:
        """Something happens, such as ``DELETE PATH leaves``: let what is due happen first.

        Raises:
            Crash: the process is dead. A thread that is asked not to raise does its work in vain.
        """
        with self._lock:
            is_counted = self.due is not None and re.search(self.due.on, what) is not None
            self._steps += is_counted
            is_due = is_counted and self._steps == self.due.step and not self.is_dead
            if is_due and isinstance(self.due, Kill):
                time.sleep(0.003)  # what was handed to the journal's writer is written by then
                shutil.copytree(self.root, self.copy)
                self.is_dead = True
            if self.is_dead and may_raise:
                raise Crash
        if is_due and isinstance(self.due, Meanwhile):
            self.due.do()

    def delete(self, path: str) -> None:
        """A DELETE is about to leave: look whether its intent is on disk."""
        uid = path.rpartition("/")[2]
        with self._lock:
            self.deletes.append(uid)
            if self._intents(uid) < self.deletes.count(uid):
                self.unannounced.append(uid)

    def _intents(self, uid: str) -> int:
        lines = [
            line
            for path, size in self.synced.items()
            if path.parent.name == "runs"
            for line in path.read_bytes()[:size].split(b"\n")
            if line
        ]
        records = [json.loads(line) for line in lines]
        return sum(one["type"] == "intent" and one["instancesId"] == uid for one in records)

    def bury(self) -> None:
        """Put the disk back to the moment of the death, less what is lost with it."""
        shutil.rmtree(self.root)
        self.copy.rename(self.root)
        assert isinstance(self.due, Kill)
        for path, size in self.synced.items():
            if path.exists():
                written = path.stat().st_size
                extra = {Loss.KILL: written - size, Loss.TORN: (written - size) // 2}
                os.truncate(path, size + extra.get(self.due.loss, 0))


_running: list[Process] = []
"""The processes, the innermost last."""


def _process_of(descriptor: int) -> tuple[Process, Path] | None:
    """Whose file of records this is."""
    if not _running:
        return None
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    for process in reversed(_running):
        if path.is_relative_to(process.root):
            return process, path
    return None


_really_send = SharedContextAdapter.send_once
_really_sync, _really_signal = os.fsync, signal.signal


def _send(adapter: SharedContextAdapter, message: Message, timeout: Timeout) -> BaseHTTPResponse:
    """As `SharedContextAdapter.send_once`, with a step before it and one after it."""
    if not _running:
        return _really_send(adapter, message, timeout)
    process = _running[-1]
    what = f"{message.method} {message.target}"
    process.step(f"{what} leaves")
    if message.method == "DELETE":
        process.delete(message.target)
    response = _really_send(adapter, message, timeout)
    try:
        process.step(f"{what} is answered")
    except Crash:
        response.close()
        raise
    return response


def _sync(descriptor: int) -> None:
    """As `os.fsync`, with two steps; no disk is waited for: what would be lost is cut off later."""
    found = _process_of(descriptor)
    if found is None:
        _really_sync(descriptor)
    elif found[1].suffix == ".jsonl":
        process, path = found
        process.synced.setdefault(path, 0)
        process.step("fsync", may_raise=False)
        if not process.is_dead:
            process.synced[path] = os.fstat(descriptor).st_size
        process.step("fsynced", may_raise=False)


def _set_signal(number: int, handler: object) -> object:
    """As `signal.signal`; a command that runs amid another one has no signals."""
    if threading.current_thread() is threading.main_thread():
        return _really_signal(number, handler)  # type: ignore[arg-type]  # as given
    return signal.SIG_DFL


@contextmanager
def seams(clock: Clock) -> Iterator[None]:
    """Put clock, randomness, waits and steps into the product's hands, for all examples."""
    quick = partial(
        ConnectionSettings, retry=RetryPolicy(2, 0.0), bounds=Bounds(whole=10.0, window=10.0)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SharedContextAdapter, "send_once", _send)
        patch.setattr(os, "fsync", _sync)
        patch.setattr(signal, "signal", _set_signal)
        patch.setattr(machine, "datetime", clock.watch)
        patch.setattr(machine, "secrets", clock)
        patch.setattr(service, "ConnectionSettings", quick)
        patch.setattr(running, "RetryPolicy", _FewAttempts)
        patch.setattr(connection, "tls_context", cache(connection.tls_context))
        patch.setattr(running, "VERIFY_SECONDS", 0.0)
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "http_proxy", "HTTP_PROXY"):
            patch.delenv(name, raising=False)
        yield


class _FewAttempts(RetryPolicy):
    """No pause between so many attempts, and then one that no deadline allows."""

    def wait(self, attempt: int, **_: object) -> float:
        return 0.0 if attempt < ATTEMPTS else 1e9


class Clock:
    """The wall clock, and the randomness in names: both repeat, and the clock can be set."""

    def __init__(self) -> None:
        clock = self

        class Watch(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # always UTC
                return clock.read()

        self.watch = Watch
        self.reset()

    def reset(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self._names = 0

    def read(self) -> datetime:
        """The time; it goes on by a millisecond each time that somebody looks."""
        self._now += timedelta(milliseconds=1)
        return self._now

    def jump(self, by: timedelta) -> None:
        self._now += by

    def token_hex(self, size: int) -> str:
        """As `secrets.token_hex`; in an order that is not that of time."""
        self._names += 1
        return hashlib.sha256(str(self._names).encode()).hexdigest()[: 2 * size]


SPARE = (101, 102)
"""Two instances of each store that no file names, so that nothing is ever emptied."""


class Site:
    """A project, an archive, state folders and two stores, for one example."""

    def __init__(self, emulator: Emulator, clock: Clock, root: Path, number: int) -> None:
        self.clock = clock
        self.emulator = emulator
        self.root = root
        self.parallelism = 1
        self.stores = {
            letter: replace(DEMO_STORE, dicom_store_id=f"store-{number}-{letter}")
            for letter in "ab"
        }
        base = f"1.2.826.0.1.3680043.10.12.{number}"
        self._series = {
            letter: SeriesAddress(f"{base}.{place}", f"{base}.{place}.1")
            for place, letter in enumerate("ab", start=1)
        }
        root.mkdir(parents=True)
        self.specs = root / "project" / "specs"
        self.specs.mkdir(parents=True)
        self.archive = root / "archive"
        for letter, store in self.stores.items():
            emulator.add_store(store)
            for spare in SPARE:
                self.store(Key(letter, spare))
        self._originals: dict[Key, bytes] = {}

    # The store, and others who use it

    def address(self, key: Key) -> InstanceAddress:
        series = self._series[key.store]
        return InstanceAddress(*series, f"{series.series_uid}.{key.number}")

    def uid(self, key: Key) -> str:
        return self.address(key).instance_uid

    def key_of(self, uid: str) -> Key:
        """The instance of this SOP Instance UID."""
        (letter,) = [one for one, s in self._series.items() if uid.startswith(f"{s.series_uid}.")]
        return Key(letter, int(uid.rpartition(".")[2]))

    def letter_of(self, store: str) -> str:
        """The store of this resource name, or of this dicomStoresId."""
        (letter,) = [
            one
            for one, address in self.stores.items()
            if store in {str(address), address.dicom_store_id}
        ]
        return letter

    def store(self, key: Key) -> None:
        """Someone stores an instance: always the same bytes."""
        uid = self.uid(key)
        self.emulator.ingest_synthetic(self.stores[key.store], self._series[key.store], [uid])

    def remove(self, key: Key) -> None:
        """Someone else deletes an instance."""
        assert requests.delete(self._url(key), timeout=10).status_code == 200

    def content(self) -> set[Key]:
        """What the stores hold."""
        return {
            self.key_of(one.instance_uid)
            for store in self.stores.values()
            for one in self.emulator.instances(store)
        }

    def bytes_of(self, key: Key) -> bytes:
        """The file that the store holds."""
        accept = {"Accept": "application/dicom; transfer-syntax=*"}
        answer = requests.get(self._url(key), headers=accept, timeout=10)
        assert answer.status_code == 200
        return answer.content

    def _url(self, key: Key) -> str:
        return f"{self.emulator.url}/v1/{self.stores[key.store]}/dicomWeb{self.address(key)}"

    # The files and the commands

    def write(
        self,
        name: str,
        keys: Iterable[Key],
        *,
        code: str = "113037",
        ticket: str = "",
        archive: bool = True,
        limits: str = "",
    ) -> Path:
        """Write a file that removes some instances of one store."""
        wanted = sorted(keys)
        store = self.stores[wanted[0].store]
        study, series, _ = self.address(wanted[0])
        limits = "maxStudyPercent: 100, maxStudiesEmptied: 1, maxSeriesEmptied: 1" + limits
        path = self.specs / f"{name}.yaml"
        path.write_text(
            "version: 1\nstore:\n"
            + "".join(f"  {key}: {value}\n" for key, value in store.as_parameters().items())
            + f'reason: {{code: "{code}", ticket: {ticket or name.upper()}}}\n'
            + f"limits: {{{limits}}}\n"
            + (f"archive: {{path: {self.archive}}}\n" if archive else "")
            + f"remove:\n  - studiesId: {study}\n    seriesId: {series}\n"
            + f"    instancesId: [{', '.join(map(self.uid, wanted))}]\n"
        )
        return path

    @property
    def by_address(self) -> str:
        return self.emulator.url

    @property
    def by_name(self) -> str:
        """The same emulator, by another name."""
        return self.emulator.url.replace("127.0.0.1", "localhost")

    def state(self, name: str) -> Path:
        return self.root / "states" / name

    def runs(self, name: str) -> Path:
        return self.state(name) / "runs"

    def run_file(self, state: str, run: str) -> Path:
        return self.runs(state) / f"{run}.jsonl"

    def run(
        self,
        *arguments: str | Path,
        state: str = "first",
        endpoint: str | None = None,
        due: Kill | Meanwhile | None = None,
        faults: Faults | None = None,
    ) -> Answer:
        """Type a command, in this process; one of audit knows no store."""
        given = [str(one) for one in arguments]
        given += ["--state", str(self.state(state))]
        if given[0] != "audit":
            given += ["--endpoint", endpoint or self.by_address, "--max-qps", "100000"]
            given += ["--root", str(self.root / "project")]
            given += ["--parallelism", str(self.parallelism)]
        return self._work(given, Process(self.root, due), faults or Faults())

    def _work(self, given: list[str], process: Process, faults: Faults) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        code: int | None = None
        before = self.emulator.requests()
        self.emulator.set_faults(faults)
        _running.append(process)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = int(run_command(given))
        except Crash:
            pass
        finally:
            _running.pop()
            self.emulator.set_faults(Faults())
        if process.is_dead:
            code = None
            process.bury()
        return Answer(
            code,
            out.getvalue(),
            err.getvalue(),
            tuple(process.deletes),
            tuple(process.unannounced),
            tuple(self.emulator.requests()[len(before) :]),
        )

    def effects(self, answer: Answer) -> Counter[Key]:
        """The instances that the command's DELETEs took out of a store."""
        return Counter(
            self.key_of(one.path.rpartition("/")[2])
            for one in answer.requests
            if one.method == "DELETE" and one.changed
        )

    def copy_runs(self, source: str, target: str) -> list[str]:
        """Copy the runs that a state folder lacks from another; their names."""
        self.runs(target).mkdir(parents=True, exist_ok=True)
        missing = [
            path
            for path in sorted(self.runs(source).glob("*.jsonl"))
            if not (self.runs(target) / path.name).exists()
        ]
        for path in missing:
            shutil.copy(path, self.runs(target) / path.name)
        return [path.stem for path in missing]

    def end(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.emulator.clear_requests()


class Ground:
    """One emulator and a folder, on which sites are made."""

    def __init__(self, emulator: Emulator, clock: Clock, folder: Path) -> None:
        self._emulator, self._clock, self._folder = emulator, clock, folder
        self._sites = 0

    def site(self) -> Site:
        """A site of its own; the clock says noon again."""
        self._sites += 1
        self._clock.reset()
        self._emulator.clear_requests()
        return Site(self._emulator, self._clock, self._folder / f"site-{self._sites}", self._sites)


@contextmanager
def running_ground(folder: Path) -> Iterator[Ground]:
    """Run an emulator, and the commands with a clock of their own, until the block ends."""
    clock = Clock()
    with seams(clock), running_emulator(EmulatorSettings(folder / "store")) as emulator:
        yield Ground(emulator, clock, folder)
