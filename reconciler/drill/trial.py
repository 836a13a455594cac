"""A place to try a promise out: a project folder, a store of its own, and the real command."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from reconciler.emulator import DEMO_STORE, Emulator, RequestRecord
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress

PLAN = "plan.json"
REPORT = "report.json"
HOLD = "kept by the selftest"
READ_METHODS = frozenset({"GET", "POST"})
"""What only asks: a POST is a question for permissions; it is checked that it changed nothing."""

_OPENER = build_opener(ProxyHandler({}))
"""The store is on this machine, whatever proxy the environment names."""
_SECONDS = 120.0
"""How long a command may take before it counts as hanging."""
_ROOT = "1.2.826.0.1.3680043.10.1"
_LIMITS = "maxDeletions: 1000, maxStudiesEmptied: 100, maxSeriesEmptied: 100, maxStudyPercent: 100"


class BrokenPromiseError(Exception):
    """What was seen is not what was promised; the message says what was seen."""


def require(*, kept: bool, seen: str) -> None:
    """Go on only if the promise is kept; ``seen`` is what was seen if it is not.

    Raises:
        BrokenPromiseError: it is not kept.
    """
    if not kept:
        raise BrokenPromiseError(seen)


@dataclass(frozen=True, slots=True)
class Program:
    """How this very program is started; ``environment`` is all that its processes are given."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


def series(number: int, instances: int) -> list[InstanceAddress]:
    """The addresses of a series of study 1; UIDs are made of the numbers, which start from 1."""
    above = SeriesAddress(f"{_ROOT}.1", f"{_ROOT}.1.{number}")
    return [InstanceAddress(*above, f"{above.series_uid}.{one + 1}") for one in range(instances)]


@dataclass(frozen=True, slots=True)
class Trial:
    """One folder with desired-state files, and the store that they speak of."""

    folder: Path
    store: StoreAddress
    emulator: Emulator
    program: Program

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / ".reconciler"

    @property
    def archive(self) -> str:
        """The line by which what is removed is archived first, in a folder beside this one."""
        return archive_in(self.folder.with_name(f"{self.folder.name}-archive"))

    def fill(self, instances: Sequence[InstanceAddress]) -> None:
        """Store instances of one series."""
        uids = [one.instance_uid for one in instances]
        self.emulator.ingest_synthetic(self.store, instances[0].series, uids)

    def write(self, *lists: str, never_seen: int = 0) -> None:
        """Write the desired-state file: its ``remove`` and ``keep`` lists, as text.

        ``never_seen`` is how many of its removes may name what the store never held.
        """
        write_desired_state(self.folder, self.store, *lists, never_seen=never_seen)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command, in a process of its own."""
        options = ("--root", ".", "--state", ".reconciler", "--endpoint", self.emulator.url)
        return subprocess.Popen(  # noqa: S603 - this very program with fixed arguments
            [*self.program.arguments, *arguments, *options],
            cwd=self.folder,
            env=self.program.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, exit_codes: Collection[int]) -> None:
        """Run a command that has to exit with one of these.

        Raises:
            BrokenPromiseError: it exits otherwise, or not at all.
        """
        process = self.start(*arguments)
        try:
            _, stderr = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
            stderr = "error: it did not end"
        code = process.returncode
        why = next((f": {line}" for line in stderr.splitlines() if "error" in line.lower()), "")
        require(kept=code in exit_codes, seen=f"`{arguments[0]}` exited with {code}{why}")

    def wait_until(self, condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait until something is the case, or the process has ended."""
        deadline = time.monotonic() + _SECONDS
        while process.poll() is None and time.monotonic() < deadline and not condition():
            time.sleep(0.001)

    def content(self) -> set[InstanceAddress]:
        """What the store holds."""
        return self.emulator.instances(self.store)

    def retrieve(self, instance: InstanceAddress) -> bytes:
        """The bytes of an instance as they are stored, by a request of its own.

        Raises:
            BrokenPromiseError: it cannot be retrieved.
        """
        url = f"{self.emulator.url}{self.path_of(instance)}"
        as_stored = {"Accept": "application/dicom; transfer-syntax=*"}
        try:
            request = Request(url, headers=as_stored)  # noqa: S310 - the emulator's own origin
            with _OPENER.open(request, timeout=_SECONDS) as answer:
                content: bytes = answer.read()
        except OSError as error:
            raise BrokenPromiseError(f"{instance} cannot be retrieved: {error}") from error
        return content

    def report(self) -> Any:
        """What the last command with ``--report`` reported, as JSON."""
        return json.loads((self.folder / REPORT).read_text(encoding="utf-8"))

    def requests(self) -> list[RequestRecord]:
        """The requests that this store received."""
        path = f"/v1/{self.store}"
        return [one for one in self.emulator.requests() if one.path.startswith(path)]

    def changes_asked(self) -> list[RequestRecord]:
        """Those of them that ask for more than an answer."""
        return [one for one in self.requests() if one.method not in READ_METHODS or one.changed]

    def path_of(self, instance: InstanceAddress) -> str:
        """The path of a request that deletes it."""
        return f"/v1/{self.store}/dicomWeb{instance}"


def kill(process: subprocess.Popen[str]) -> None:
    """``kill -9``."""
    process.kill()
    process.communicate()


class Trials:
    """Makes trials on one emulator, each with a store and a folder of its own."""

    def __init__(self, folder: Path, emulator: Emulator, program: Program) -> None:
        self._folder = folder
        self._emulator = emulator
        self._program = program
        self._numbers = count(1)

    def new(self) -> Trial:
        """An empty folder and an empty store."""
        name = f"trial-{next(self._numbers):02}"
        folder = self._folder / name
        folder.mkdir()
        store = replace(DEMO_STORE, dicom_store_id=name)
        self._emulator.add_store(store)
        return Trial(folder, store, self._emulator, self._program)


def write_desired_state(
    folder: Path, store: StoreAddress, *lists: str, never_seen: int = 0
) -> Path:
    """Write the one desired-state file of a project, with limits that do not stop a trial."""
    parameters = [f"  {name}: {value}" for name, value in store.as_parameters().items()]
    reason = 'reason: {code: "113039", ticket: SELFTEST}'
    limits = f"limits: {{{_LIMITS}, maxNeverSeen: {never_seen}}}"
    lines = ["version: 1", "store:", *parameters, reason, limits, *lists]
    path = folder / "specs" / "selftest.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def archive_in(folder: Path) -> str:
    """The line of a file by which what it removes is archived in a folder first."""
    return f"archive: {{path: {json.dumps(str(folder))}}}"


def one_by_one(instances: Sequence[InstanceAddress], *, hold: str = "") -> str:
    """Entries that name instances, one for each series; those of a series stand together."""
    entries = []
    for _, group in groupby(instances, key=lambda one: one.series):
        members = list(group)
        uids = "".join(f"\n      - {one.instance_uid}" for one in members)
        entries.append(f"{whole(members[0], hold=hold)}\n    instancesId:{uids}")
    return "\n".join(entries)


def whole(instance: InstanceAddress, *, hold: str = "") -> str:
    """An entry that names the series of an instance as a whole."""
    held = f"\n    hold: {hold}" if hold else ""
    return f"  - studiesId: {instance.study_uid}\n    seriesId: {instance.series_uid}{held}"
