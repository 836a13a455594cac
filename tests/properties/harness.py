"""Project folders, embedded stores and the real commands, quick enough to try by the hundred.

One emulator serves many sites: each site has a project folder, a state folder and a store of its
own, so that nothing of one example reaches the next. `running_ground` starts the emulator,
`Ground.site` makes a site, and a site types commands, changes its store behind their back and
reads what they left: requests, journal, content. Nothing of the product is replaced, but it is
not made to wait (`quick_commands`).
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, partial
from itertools import count, groupby
from pathlib import Path

import pytest
import requests

from reconciler.api import running, service
from reconciler.cli.main import run
from reconciler.emulator import (
    DEMO_STORE,
    Emulator,
    EmulatorSettings,
    FaultKind,
    FaultRule,
    Faults,
    RequestRecord,
    running_emulator,
)
from reconciler.journal.fold import Attempt
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import Intent, Record
from reconciler.live import connection
from reconciler.live.connection import ConnectionSettings
from reconciler.live.dicomweb import confirmation
from reconciler.live.http.bounds import Bounds
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import Observation
from reconciler.model.outcome import Outcome
from reconciler.model.reply import Reply
from reconciler.planning.plan_file import read_plan

from ..answer import Answer
from ..outcomes import outcomes_of
from ..run_files import run_records

QUICK_READS = RetryPolicy(attempts=3, first_wait=0.0, longest_retry_after=0.0)
"""As many attempts as make a difference, without the waits between them."""

QUICK_DELETION = RetryPolicy(first_wait=0.004, longest_retry_after=0.0, deadline=0.03)
"""A few attempts; only the deadline ends them."""

PLAN = Path("plan.json")
REPORT = Path("report.json")
"""Where a site keeps what plan and apply write."""

LAG = 3600.0
"""Seconds that a search lags behind deletions: longer than any example."""

SHORT_LAG = 0.05
"""Seconds that it lags while something is applied: an apply waits longer for it, for `PATIENCE`."""

PATIENCE = 0.3

_ROOT = "1.2.826.0.1.3680043.10.1"


def address(study: int, series: int, instance: int) -> InstanceAddress:
    """An instance whose UIDs are made of the numbers."""
    return InstanceAddress(
        f"{_ROOT}.{study}", f"{_ROOT}.{study}.{series}", f"{_ROOT}.{study}.{series}.{instance}"
    )


@dataclass(frozen=True)
class Site:
    """A project folder and the store behind it."""

    folder: Path
    emulator: Emulator
    store: StoreAddress
    parallelism: int = 1

    @property
    def state(self) -> Path:
        return self.folder / ".reconciler"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, command: str, *arguments: str | Path) -> Answer:
        """Type a command, in this process; paths are relative to the folder."""
        given = [str(self.folder / one) if isinstance(one, Path) else one for one in arguments]
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run([command, *given, *self._options()])
        return Answer(int(code), out.getvalue(), err.getvalue())

    def _options(self) -> list[str]:
        # Without a cap, a 429 halves the speed down to one request in two seconds.
        options = {"--endpoint": self.emulator.url, "--max-qps": "100000"}
        options |= {"--root": str(self.folder), "--state": str(self.state)}
        options |= {"--parallelism": str(self.parallelism)}
        return [text for pair in options.items() for text in pair]

    def fill(self, instances: Iterable[InstanceAddress]) -> None:
        """Store instances, without a request."""
        for series, group in groupby(sorted(instances), key=lambda one: one.series):
            uids = [one.instance_uid for one in group]
            self.emulator.ingest_synthetic(self.store, series, uids)

    def delete_behind_its_back(self, instances: Iterable[InstanceAddress]) -> None:
        """Let someone else delete instances just now: searches still list them for `LAG`."""
        self.emulator.set_faults(Faults(search_lag=LAG))
        for one in sorted(instances):
            url = f"{self.emulator.url}/v1/{self.store}/dicomWeb{one}"
            assert requests.delete(url, timeout=10).status_code == 200

    def break_with(self, faults: Faults, *, lag: float = LAG) -> None:
        """Put faults in force, beside a search that lags, and forget the requests so far."""
        self.emulator.set_faults(replace(faults, search_lag=lag))
        self.emulator.clear_requests()

    def mend(self) -> None:
        """End the faults and the lag, and forget the requests so far."""
        self.emulator.set_faults(Faults())
        self.emulator.clear_requests()

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(self.store)

    def requests(self) -> list[RequestRecord]:
        return self.emulator.requests()

    def deletes(self) -> list[RequestRecord]:
        return [one for one in self.requests() if one.method == "DELETE"]

    def delete_path(self, instance: InstanceAddress) -> str:
        """The one path that a DELETE of an instance may have."""
        return f"/v1/{self.store}/dicomWeb{instance}"

    def open_attempts(self) -> tuple[Attempt, ...]:
        """The intents of which the journal does not say what came of them."""
        return History.read(DiskState(self.state)).open_attempts(self.store, self.emulator.url)

    def outcomes(self) -> Mapping[InstanceAddress, Outcome]:
        """What the journal says of the saved plan's instances, over all its runs."""
        return outcomes_of(self.state, read_plan(self.folder / PLAN).plan_id)

    def runs(self) -> list[list[Record]]:
        """The journal, run by run, as far as it is on disk."""
        folder = self.state / "runs"
        return [list(run_records(path)) for path in sorted(folder.glob("*.jsonl"))]


class Crash(BaseException):
    """The process dies here."""


class Mishap(Enum):
    """What happens at a certain DELETE of an apply."""

    CRASH_BEFORE = "the process dies before it is sent"
    CRASH_AFTER = "the process dies before the answer is read"
    VANISH = "from now on, the service says in its own words that there is no such store"


@dataclass(frozen=True)
class Incident:
    """A mishap at the DELETE with this number, from 1."""

    mishap: Mishap
    at: int


GONE = Faults((FaultRule(FaultKind.STATUS, status=404),), search_lag=LAG)
"""A store that is not there: 404 to everything that is asked of it."""


@dataclass
class Witness:
    """Looks whether a DELETE has its intent on disk, at the moment it is about to be sent.

    ``has_happened`` says that the incident came to pass.
    """

    site: Site
    incident: Incident | None = None
    has_happened: bool = False
    unannounced: list[InstanceAddress] = field(default_factory=list)
    _sent: Counter[InstanceAddress] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, instance: InstanceAddress) -> Mishap | None:
        """Look, and let happen what is due before the DELETE; what is due, if anything."""
        with self._lock:
            self._sent[instance] += 1
            if self._intents(instance) < self._sent[instance]:
                self.unannounced.append(instance)
            if self.incident is None or self._sent.total() != self.incident.at:
                return None
            self.has_happened = True
        if self.incident.mishap is Mishap.VANISH:
            self.site.emulator.set_faults(GONE)
        elif self.incident.mishap is Mishap.CRASH_BEFORE:
            raise Crash
        return self.incident.mishap

    def _intents(self, instance: InstanceAddress) -> int:
        return sum(
            isinstance(record, Intent) and record.instance == instance
            for records in self.site.runs()
            for record in records
        )


@contextmanager
def witnessed(site: Site, incident: Incident | None = None) -> Iterator[Witness]:
    """Have every DELETE of the block witnessed, and let the incident happen."""
    witness = Witness(site, incident)
    really_delete = HealthcareStore.delete

    def delete(store: HealthcareStore, instance: InstanceAddress) -> Reply:
        mishap = witness.before(instance)
        reply = really_delete(store, instance)
        if mishap is Mishap.CRASH_AFTER:
            raise Crash
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HealthcareStore, "delete", delete)
        yield witness


@contextmanager
def vanishing(site: Site, at: int | None) -> Iterator[None]:
    """Let the store be gone from the probe with this number (from 1) on."""
    really_probe = HealthcareStore.probe
    numbers = count(1)

    def probe(store: HealthcareStore, instance: InstanceAddress) -> Observation:
        if next(numbers) == at:
            site.emulator.set_faults(GONE)
        return really_probe(store, instance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HealthcareStore, "probe", probe)
        yield


class Ground:
    """One emulator and a folder, on which sites are made."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator = emulator
        self._folder = folder
        self._sites = 0

    def site(self, *, parallelism: int = 1) -> Site:
        """A site of its own: an empty store, an empty folder, no state, no faults."""
        self._sites += 1
        store = replace(DEMO_STORE, dicom_store_id=f"store-{self._sites}")
        folder = self._folder / f"site-{self._sites}"
        folder.mkdir()
        self._emulator.add_store(store)
        site = Site(folder, self._emulator, store, parallelism)
        site.mend()
        return site


@contextmanager
def running_ground(folder: Path) -> Iterator[Ground]:
    """Run an emulator, and the commands without waits, until the block ends."""
    with quick_commands(), running_emulator(EmulatorSettings(folder / "store")) as emulator:
        yield Ground(emulator, folder)


@contextmanager
def quick_commands() -> Iterator[None]:
    """Let the commands retry without waiting, and not wait for a deletion to show.

    The waits are real in production, up to 120 s a request and 30 s a proof; what is decided
    before and after them is the same. The CA bundle, which no loopback http uses, is loaded once:
    that costs more than all else that a command does here. The environment's credentials and
    proxies play no part.
    """
    settings = partial(
        ConnectionSettings, retry=QUICK_READS, bounds=Bounds(whole=10.0, window=10.0)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "ConnectionSettings", settings)
        patch.setattr(connection, "tls_context", cache(connection.tls_context))
        patch.setattr(running, "RetryPolicy", lambda: QUICK_DELETION)
        patch.setattr(running, "VERIFY_SECONDS", 0.0)
        patch.setattr(confirmation, "SEARCH_LAG", PATIENCE)
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "http_proxy", "HTTP_PROXY"):
            patch.delenv(name, raising=False)
        yield
