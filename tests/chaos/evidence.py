"""Three records of one apply, held against each other.

The emulator's request log says what reached the store, the store's content what came of it, the
journal what the tool knows of it. None of them is trusted alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import Intent, RunEnded, RunStarted
from reconciler.model.outcome import Outcome
from reconciler.planning.plan_file import read_plan

from ..journal.by_hand import heads_of, log_of, measure
from ..outcomes import outcomes_of
from ..run_files import run_records
from .sites import Site, wait_until

GONE = {outcome.value for outcome in Outcome if outcome.is_gone}


@dataclass(frozen=True)
class Run:
    """One run file, read to its end."""

    started: RunStarted
    ended: RunEnded | None
    intents: Counter[str]
    is_torn: bool


def runs_of(site: Site, state: Path | None = None) -> list[Run]:
    """Every run that started; a broken chain raises here."""
    folder = (state or site.state) / "runs"
    runs = [run for path in sorted(folder.glob("*.jsonl")) if (run := _read(site, path))]
    order = [one.run.name for one in History.read(DiskState(state or site.state)).runs]
    return sorted(runs, key=lambda run: order.index(run.started.run))


def _read(site: Site, path: Path) -> Run | None:
    source = run_records(path)
    records = list(source)
    if not records:
        return None
    intents = Counter(site.path_of(one.instance) for one in records if isinstance(one, Intent))
    started, last = records[0], records[-1]
    assert isinstance(started, RunStarted)
    ended = last if isinstance(last, RunEnded) else None
    return Run(started, ended, intents, source.torn_tail)


def require_no_harm(site: Site, state: Path | None = None) -> list[Run]:
    """What holds at every moment, also just after a kill.

    Every run file reads to its end, at most the last line of an unended one torn; every DELETE
    that reached the store has an intent of its own; only what is planned was named; everything
    else is still there.
    """
    runs = runs_of(site, state)
    assert not any(run.is_torn and run.ended for run in runs)
    reached = Counter(one.path for one in site.deletes())
    announced = sum((run.intents for run in runs), Counter())
    assert reached <= announced, reached - announced
    assert set(reached) <= {site.path_of(one) for one in site.planned}
    assert site.unplanned <= site.content()
    return runs


def require_exact_account(site: Site, state: Path | None = None) -> dict[str, Any]:
    """What holds when the apply of a plan has come to its end, whatever happened on the way.

    The report's outcomes add up to the plan, are those of the journal, and of those that say
    ``deleted`` the store knows itself.
    """
    wait_until(lambda: all(one.status is not None for one in site.emulator.requests()))
    runs = require_no_harm(site, state)
    report: dict[str, Any] = json.loads((site.folder / "report.json").read_text())
    counts = {name: count for name, count in report["counts"].items() if count}
    assert sum(counts.values()) == report["planned"] == len(site.planned)
    assert _counts_of_the_last_end(runs) == counts
    assert _counts_by_instance(site, report["planned"], state) == counts
    _require_chained(runs, (state or site.state) / "runs")
    effects = Counter(one.path for one in site.deletes() if one.changed)
    assert set(effects.values()) <= {1}
    assert {site.path_of(one) for one in site.planned - site.content()} >= set(effects)
    return report


def require_all_done(site: Site, state: Path | None = None) -> dict[str, Any]:
    """The account of an apply after which the plan is carried out, by this apply alone."""
    report = require_exact_account(site, state)
    assert site.content() == site.unplanned
    assert {name for name, count in report["counts"].items() if count} <= GONE
    # Nobody else deletes here: what is gone went by a DELETE that the journal must know of.
    assert report["counts"]["already_absent"] == 0
    clear = {one.path for one in site.deletes() if one.changed and one.status == 200}
    assert report["counts"]["deleted"] <= len(clear)
    return report


def _counts_of_the_last_end(runs: list[Run]) -> dict[str, int]:
    end = runs[-1].ended
    assert end is not None
    return {outcome.value: count for outcome, count in end.counts.items() if count}


def _counts_by_instance(site: Site, planned: int, state: Path | None) -> dict[str, int]:
    """The last outcome of each instance on record; what has none was not attempted either."""
    plan = read_plan(site.folder / "plan.json")
    outcomes = outcomes_of(state or site.state, plan.plan_id)
    counts = Counter(outcome.value for outcome in outcomes.values())
    counts[Outcome.NOT_ATTEMPTED.value] += planned - counts.total()
    return {name: count for name, count in counts.items() if count}


def _require_chained(runs: list[Run], folder: Path) -> None:
    """Each run names those before it of the same plan, and a head of the log with those before.

    All are in the log as they are, in their order. One whose process died got there when the next
    began, so that not the next but the one after that names a head with it.
    """
    log = log_of(folder)
    assert [one["run"] for one in log] == [run.started.run for run in runs]
    for entry in log:
        assert (entry["size"], entry["root"]) == measure(folder / f"{entry['run']}.jsonl")
    heads = [None, *heads_of(folder)]
    for place, run in enumerate(runs):
        earlier = runs[:place]
        same = [one.started.run for one in earlier if one.started.plan_id == run.started.plan_id]
        assert list(run.started.resumes) == same
        named = heads.index(run.started.previous_head)
        assert named == place or (named == place - 1 and earlier[-1].ended is None)
