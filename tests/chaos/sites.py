"""A project folder, an embedded store, and the real command in processes of its own."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from reconciler.emulator import (
    DEMO_STORE,
    Emulator,
    EmulatorSettings,
    FaultRule,
    running_emulator,
)
from reconciler.emulator.http.request_log import RequestRecord
from reconciler.model.address import InstanceAddress, StoreAddress

from ..limits import wide_open_line

SECONDS = 60.0
"""No wait of these tests is meant to last so long."""

_ROOT = "1.2.826.0.1.3680043.10.1"
_LIMITS = wide_open_line("maxKeptMissing", "maxNeverSeen", "maxReappeared")


def address(study: int, series: int, instance: int) -> InstanceAddress:
    """An instance whose UIDs are made of the numbers."""
    return InstanceAddress(
        f"{_ROOT}.{study}", f"{_ROOT}.{study}.{series}", f"{_ROOT}.{study}.{series}.{instance}"
    )


@dataclass(frozen=True)
class Ended:
    """How a process ended; a negative code is the signal that killed it."""

    code: int
    out: str
    err: str


@dataclass
class Site:
    """What is planned, what is kept, what no file mentions, and the store that holds all of it.

    Half of each series is planned, a quarter is kept by name, the rest is unmanaged.
    """

    folder: Path
    emulator: Emulator
    planned: frozenset[InstanceAddress] = frozenset()
    unplanned: frozenset[InstanceAddress] = frozenset()
    store: StoreAddress = DEMO_STORE
    environment: dict[str, str] = field(default_factory=dict)
    _children: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / ".reconciler"

    @property
    def runs(self) -> Path:
        return self.state / "runs"

    # The store and the files

    def fill(self, instances: Iterable[InstanceAddress]) -> None:
        for series, group in groupby(sorted(instances), key=lambda one: one.series):
            uids = [one.instance_uid for one in group]
            self.emulator.ingest_synthetic(self.store, series, uids)

    def prepare(self, *, planned: int, study: int = 1) -> None:
        """Fill the store, write the files, and save a plan of so many deletions."""
        held = [address(study, 1 + number % 2, number) for number in range(2 * planned)]
        self.fill(held)
        removed, kept = held[:planned], held[planned : planned + planned // 2]
        self.planned |= frozenset(removed)
        self.unplanned |= frozenset(held) - self.planned
        self.write(f"study-{study}.yaml", removed, kept)
        self.plan("--out", "plan.json")

    def write(
        self, name: str, removed: Iterable[InstanceAddress], kept: Iterable[InstanceAddress] = ()
    ) -> Path:
        store = "".join(f"  {key}: {value}\n" for key, value in self.store.as_parameters().items())
        head = f'version: 1\nstore:\n{store}reason: {{code: "113039", ticket: RET-1}}\n{_LIMITS}'
        path = self.folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + _entries("remove", removed) + _entries("keep", kept))
        return path

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(self.store)

    def deletes(self) -> list[RequestRecord]:
        """The DELETEs that reached the store."""
        return [one for one in self.emulator.requests() if one.method == "DELETE"]

    def once_proven(self, rule: FaultRule) -> FaultRule:
        """A fault of DELETEs that skips the first: until it is proven, no other one leaves."""
        first = re.escape(self.path_of(min(self.planned)))
        return replace(rule, method="DELETE", path=f"^(?!{first}$)")

    def path_of(self, instance: InstanceAddress) -> str:
        """The one path that a DELETE of an instance may have."""
        return f"/v1/{self.store}/dicomWeb{instance}"

    # The command

    def start(
        self,
        *arguments: str,
        state: Path | None = None,
        program: tuple[str, ...] = ("-m", "reconciler"),
    ) -> subprocess.Popen[str]:
        """Type a command; it goes on while this returns."""
        state_options = ["--state", str(state)] if state else []
        child = subprocess.Popen(
            [sys.executable, *program, *arguments, *state_options],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        return child

    def run(self, *arguments: str, state: Path | None = None) -> Ended:
        return ended(self.start(*arguments, state=state))

    def plan(self, *arguments: str) -> None:
        """Plan, in this process: planning is not what these tests break."""
        self._must_here("plan", *arguments)

    def resume(self, *options: str, state: Path | None = None) -> None:
        """Type the same apply again, in this process: nobody disturbs it, and it has to succeed."""
        self._must_here("apply", "plan.json", *APPLY, *options, state=state)

    def here(self, *arguments: str, state: Path | None = None) -> Ended:
        """Run a command in this process, which starts no interpreter."""
        folder = ("--state", str(state)) if state else ()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            patch.chdir(self.folder)
            for name in INHERITED:
                patch.delenv(name, raising=False)
            for name, value in self._ours().items():
                patch.setenv(name, value)
            with redirect_stderr(io.StringIO()) as err:
                code = run([*arguments, *folder])
        return Ended(code, out.getvalue(), err.getvalue())

    def _must_here(self, *arguments: str, state: Path | None = None) -> None:
        done = self.here(*arguments, state=state)
        assert done.code == 0, done

    def apply(self, *options: str, state: Path | None = None) -> Ended:
        return ended(self.start_apply(*options, state=state))

    def start_apply(self, *options: str, **rest: Any) -> subprocess.Popen[str]:
        """Apply the saved plan with what these tests always want; ``rest`` is that of `start`."""
        return self.start("apply", "plan.json", *APPLY, *options, **rest)

    def end(self) -> None:
        """Leave no process behind."""
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.communicate()

    def _environment(self) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in INHERITED}
        return inherited | self._ours()

    def _ours(self) -> dict[str, str]:
        return {"RECONCILER_ENDPOINT": self.emulator.url} | self.environment


INHERITED = ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE", "http_proxy", "HTTP_PROXY")
"""What the environment of the tests may hold, and must not decide."""

APPLY = ("--report", "report.json", "--parallelism", "4", "--max-qps", "100000")
"""Without a cap, a 429 halves the speed down to one request in two seconds."""


def ended(child: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a process."""
    out, err = child.communicate(timeout=SECONDS)
    assert "Traceback" not in out + err, err
    return Ended(child.returncode, out, err)


def killed(child: subprocess.Popen[str]) -> bool:
    """``kill -9`` a process; whether that came before its own end."""
    child.kill()
    child.communicate(timeout=SECONDS)
    return child.returncode == -signal.SIGKILL


def wait_until(
    condition: Callable[[], object],
    *,
    during: subprocess.Popen[str] | None = None,
    seconds: float = SECONDS,
) -> None:
    """Wait until something is the case, as long as the process works that is to bring it about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if during is not None and during.poll() is not None:
            raise AssertionError(ended(during))
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def _entries(key: str, instances: Iterable[InstanceAddress]) -> str:
    lines = [f"{key}:\n" if instances else f"{key}: []\n"]
    for series, group in groupby(sorted(instances), key=lambda one: one.series):
        lines.append(f"  - studiesId: {series.study_uid}\n    seriesId: {series.series_uid}\n")
        lines.append("    instancesId:\n")
        lines += [f"      - {one.instance_uid}\n" for one in group]
    return "".join(lines)


@contextmanager
def running_site(folder: Path, **settings: object) -> Iterator[Site]:
    """A site with an emulator of its own, which logs its requests to ``requests.jsonl``."""
    project = folder / "project"
    (project / ".git").mkdir(parents=True)
    log = folder / "requests.jsonl"
    emulator_settings = EmulatorSettings(folder / "store", request_log=log, **settings)  # type: ignore[arg-type]  # the settings' own types
    with running_emulator(emulator_settings) as emulator:
        site = Site(project, emulator)
        try:
            yield site
        finally:
            site.end()
