"""A bucket that goes away at any step: all deletions are on record, and the same apply goes on.

The bucket is a folder, by the same protocol. From one of its requests on, none is answered.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent
from reconciler.journal.state import RUNS
from reconciler.objects.disk import Disk

from ..chaos.sites import Ended, Site, running_site

PLANNED = 3
SUCCESS, ERROR, INCOMPLETE = 0, 1, 4
AWAY = "the bucket gives no answer"


class Away:
    """Answers so many requests, and then none."""

    def __init__(self, patch: pytest.MonkeyPatch, answers: int) -> None:
        self.left = answers
        self.asked = 0
        for name in ("create", "read", "names"):
            patch.setattr(Disk, name, self._limited(getattr(Disk, name)))

    def _limited(self, method):  # type: ignore[no-untyped-def]  # of three signatures
        def limited(objects: Disk, *arguments: object) -> object:
            self.asked += 1
            if self.asked > self.left:
                raise StateError(AWAY, hint="see to the network")
            return method(objects, *arguments)

        return limited


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("reconciler.journal.places.bucket.REQUEST_TIMEOUT", 0.1)
    with running_site(tmp_path) as running:
        yield running


def new_bucket(site: Site, number: int) -> Path:
    bucket = site.folder.parent / f"bucket-{number}"
    bucket.mkdir()
    site.environment["RECONCILER_STATE"] = bucket.as_uri()
    return bucket


def apply(site: Site, answers: int) -> tuple[Ended, int]:
    """Apply with a bucket that answers so often; how it ended, and how often it was asked."""
    with pytest.MonkeyPatch.context() as patch:
        away = Away(patch, answers)
        done = site.here("apply", "plan.json", "--parallelism", "2", "--lease", "1")
    return done, away.asked


def require_on_record(site: Site, bucket: Path) -> None:
    """Each DELETE that reached the store has an intent of its own in the bucket."""
    state = BucketState(Disk(bucket), lambda: pytest.fail("nobody is fenced"))
    intents = Counter(
        site.path_of(one.instance)
        for file in state.run_files(RUNS)
        for one in RunRecords(file)
        if isinstance(one, Intent)
    )
    sent = Counter(one.path for one in site.deletes())
    assert sent <= intents, sent - intents


@pytest.mark.slow
def test_at_whatever_step_it_goes_away_the_same_command_goes_on(site: Site) -> None:
    codes: Counter[int] = Counter()
    for study in itertools.count(1):
        bucket = new_bucket(site, study)
        site.planned = site.unplanned = frozenset()
        (site.folder / "specs" / f"study-{study - 1}.yaml").unlink(missing_ok=True)
        site.prepare(planned=PLANNED, study=study)
        site.emulator.clear_requests()
        answers = study
        done, asked = apply(site, answers)
        codes[done.code] += 1
        require_on_record(site, bucket)
        if site.deletes():
            assert done.code in {SUCCESS, INCOMPLETE}, done
            assert "Apply: 3 planned" in done.out, done
        if asked > answers and done.code != SUCCESS:
            assert done.code in {ERROR, INCOMPLETE}, done
            assert AWAY in done.err + done.out, (answers, done)
            again, _ = apply(site, 10**9)
            assert again.code == SUCCESS, (answers, again)
            require_on_record(site, bucket)
        assert not site.planned & site.content(), answers
        assert site.unplanned <= site.content()
        effects = Counter(one.path for one in site.deletes() if one.changed)
        assert set(effects.values()) == {1}
        if asked <= answers:
            assert done.code == SUCCESS, done
            break
    assert codes[ERROR] > 5
    assert codes[INCOMPLETE] > 0
