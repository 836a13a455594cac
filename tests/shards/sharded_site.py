"""A site whose plan lies in shards, and what must hold of it however its processes end."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.errors import JournalError
from reconciler.journal.history import History
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.places.disk import DiskState
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent
from reconciler.journal.state import RUNS, State
from reconciler.model.audit import Selection
from reconciler.objects.disk import Disk

from ..chaos.sites import Ended, Site, address, running_site, wait_until

PROGRAM = Path(__file__).with_name("program.py")
APPLY = ("--parallelism", "2", "--max-qps", "100000", "--report", "report.json")
LOCKED = 5


SECONDS = 300.0
"""No command is meant to last so long, of which each starts several processes."""


def ended(child: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    out, err = child.communicate(timeout=SECONDS)
    assert "Traceback" not in out + err, err
    return Ended(child.returncode, out, err)


@dataclass
class ShardedSite:
    """A site, and the folder of its plan."""

    site: Site
    bucket: Path | None
    lease: str = "10"

    @property
    def state(self) -> State:
        if self.bucket is None:
            return DiskState(self.site.state)
        return BucketState(Disk(self.bucket), lambda: datetime.now(UTC))

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Apply the manifest."""
        short = ("--lease", self.lease) if self.bucket else ()
        return self.site.start(
            "apply", "plan/plan.json", *APPLY, *short, *options, program=(str(PROGRAM),)
        )

    def apply(self, *options: str) -> Ended:
        return ended(self.start(*options))

    def finish(self, *options: str) -> Ended:
        """Apply until nobody holds the lock any more."""
        for _ in range(20):
            done = self.apply(*options)
            if done.code not in {LOCKED, 4}:
                return done
        raise AssertionError(done)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.site.folder / "report.json").read_text())
        return found

    def require_no_harm(self) -> None:
        """No DELETE without an intent, nothing outside of the plan, and a record that is whole."""
        site = self.site
        wait_until(lambda: all(one.status is not None for one in site.emulator.requests()))
        intents: Counter[str] = Counter()
        for file in self.state.run_files(RUNS):
            intents.update(
                site.path_of(one.instance) for one in RunRecords(file) if isinstance(one, Intent)
            )
        sent = Counter(one.path for one in site.deletes())
        assert sent <= intents, sent - intents
        assert set(sent) <= {site.path_of(one) for one in site.planned}
        assert site.unplanned <= site.content()
        found = verify(Snapshot.take(self.state))
        assert [one for one in found.findings if one.kind.is_corruption] == []

    def require_all_done(self) -> None:
        """Everything that was planned is gone by one DELETE, and one report accounts for it."""
        site = self.site
        self.require_no_harm()
        assert site.content() == site.unplanned
        effects = Counter(one.path for one in site.deletes() if one.changed)
        assert set(effects.values()) == {1}
        assert len(effects) == len(site.planned)
        counts = self.report()["counts"]
        assert sum(counts.values()) == len(site.planned), counts
        assert not counts["failed"] + counts["unconfirmed"] + counts["not_attempted"], counts
        by_plan: dict[str, int] = {}
        for read in History.read(self.state).runs:
            if read.ended is not None and read.ended.state.is_final:
                plan = read.run.plan_id or ""
                assert plan not in by_plan, "a shard came to its end twice"
                by_plan[plan] = sum(read.ended.counts.values())
        assert sum(by_plan.values()) == len(site.planned)
        self._require_on_record()

    def _require_on_record(self) -> None:
        """What the report names, and who removed each instance; nothing is left open."""
        site, report = self.site, self.report()
        firsts = {read.run.name: read.run.started for read in History.read(self.state).runs}
        assert {*report["resumed"], *report["runs"]} == firsts.keys()
        tasks = {getattr(firsts[run], "task", None) for run in report["runs"]}
        assert tasks <= {report["run"]}
        problems: list[JournalError] = []
        found = list(recorded_deletions(Snapshot.take(self.state), Selection(), problems.append))
        assert problems == []
        gone = Counter(one.instance for one in found if one.outcome.is_removal)
        assert gone == Counter(site.planned), gone


@contextmanager
def running_sharded_site(
    folder: Path, *, studies: int = 6, each: int = 8, in_bucket: bool = False
) -> Iterator[ShardedSite]:
    """As many shards as studies, of which half of each is planned."""
    with running_site(folder) as site:
        bucket = folder / "bucket" if in_bucket else None
        if bucket is not None:
            bucket.mkdir()
            site.environment["RECONCILER_STATE"] = bucket.as_uri()
        for study in range(1, studies + 1):
            held = [address(study, 1 + number % 2, number) for number in range(2 * each)]
            site.fill(held)
            site.planned |= frozenset(held[:each])
            site.unplanned |= frozenset(held[each:])
            site.write(f"study-{study}.yaml", held[:each], held[each : each + each // 2])
        site.plan("--shard-size", str(each), "--out", "plan/")
        yield ShardedSite(site, bucket)
