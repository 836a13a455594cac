"""A plan in shards, for whoever calls the functions: read, shown, applied whole or in tasks."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import pytest

import reconciler
from reconciler.api.shard_folder import ShardFolder
from reconciler.api.sharding import plan_in_shards
from reconciler.emulator import DEMO_STORE
from reconciler.errors import GatesBlocking, PlanRefused, UsageError
from reconciler.model.outcome import Outcome
from reconciler.planning.gates import gates_on_counts
from reconciler.planning.shards.manifest_file import (
    digest_of_shards,
    read_manifest,
    write_manifest,
)

from ..cli.conftest import LIMITS_OPEN, REASON, address, head, removal
from .conftest import LEFT, Site

PLANNED = [address(study, 1, 1) for study in (11, 12, 13)]


@pytest.fixture
def manifest(site: Site) -> Path:
    """Of three shards, each of one study with one instance."""
    for one in PLANNED:
        site.emulator.ingest_synthetic(DEMO_STORE, one.series, [one.instance_uid])
    text = head() + REASON + LIMITS_OPEN + removal(PLANNED)
    (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    folder = site.folder / "plan"
    plan_in_shards(None, site.project, lambda _: site.service, ShardFolder(folder), size=1)
    return folder / "plan.json"


def in_shards(manifest: Path) -> reconciler.PlanInShards:
    found = reconciler.read_plan(manifest)
    assert isinstance(found, reconciler.PlanInShards)
    return found


def apply(site: Site, plan: reconciler.PlanInShards, **others: object) -> reconciler.Applied:
    given = {"digest": plan.digest} | others
    return reconciler.apply(plan, site.project, site.service, **given)  # type: ignore[arg-type]


def test_tasks_apply_their_shards_and_the_last_call_reports_all(site: Site, manifest: Path) -> None:
    plan = in_shards(manifest)
    numbers = [shard.number for shard in plan.plan.shards]
    assert numbers == [1, 2, 3]
    first = apply(site, plan, shards=range(1, 4, 2))
    assert (first.exit_code, first.report.planned, first.is_earlier) == (0, 2, False)
    assert PLANNED[1] in site.content()
    whole = apply(site, plan)
    assert (whole.exit_code, whole.error, whole.report.counts[Outcome.DELETED]) == (0, None, 3)
    assert not site.content() & {*PLANNED}
    again = apply(site, plan)
    assert again.is_earlier
    assert again.report.counts == whole.report.counts
    with pytest.raises(PlanRefused, match="expected was sha256:0"):
        apply(site, plan, digest="sha256:0")
    assert site.deletes() == 3


def test_it_shows_itself_and_its_report_is_that_of_the_command(site: Site, manifest: Path) -> None:
    plan = in_shards(manifest)
    assert str(plan) == reconciler.show(plan)
    assert "shards/00003.json" in str(plan)
    assert repr(plan) == f"<PlanInShards {plan.digest}>"
    assert escape(reconciler.show(plan, format="html")) in plan._repr_html_()
    assert reconciler.show(plan, format="json") == manifest.read_text("utf-8")
    assert pickle.loads(pickle.dumps(plan)) == plan
    applied = apply(site, plan)
    report = json.loads(reconciler.show(applied, format="json"))
    assert (report["exit_code"], report["digest"], report["planned"]) == (0, plan.digest, 3)
    assert "Apply: 3 planned: 3 deleted" in reconciler.show(applied)
    with pytest.raises(UsageError, match="no format 'html' of a report"):
        reconciler.show(applied, format="html")


def test_it_is_found_from_any_working_directory(
    site: Site, manifest: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(site.folder)
    plan = in_shards(manifest.relative_to(site.folder))
    monkeypatch.chdir(tmp_path)
    assert apply(site, plan).report.is_success


def test_the_guards_are_those_of_any_plan(site: Site, manifest: Path) -> None:
    plan = in_shards(manifest)
    with pytest.raises(PlanRefused, match="expected was sha256:0"):
        apply(site, plan, digest="sha256:0")
    with pytest.raises(PlanRefused, match="expected was sha256:0"):
        apply(site, plan, digest="sha256:0", shards=())
    expired = replace(plan, expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(PlanRefused, match="expired"):
        apply(site, expired)
    with pytest.raises(PlanRefused, match="not today"):
        apply(site, plan, refusal=PlanRefused("not today"))
    assert not site.deletes()
    assert LEFT in site.content()


def plan_with_limit(site: Site, manifest: Path, name: str) -> None:
    """Plan again, with 2 as the limit of this name."""
    limits = re.sub(f"{name}: [0-9]+", f"{name}: 2", LIMITS_OPEN)
    text = head() + REASON + limits + removal(PLANNED)
    (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    folder = ShardFolder(manifest.parent)
    plan_in_shards(None, site.project, lambda _: site.service, folder, size=1)


def test_what_was_changed_in_memory_is_refused_as_in_a_file(site: Site, manifest: Path) -> None:
    plan_with_limit(site, manifest, "maxDeletions")
    plan = in_shards(manifest)
    with pytest.raises(GatesBlocking):
        apply(site, plan)
    twice = replace(plan.plan, shards=2 * plan.plan.shards)
    for changed in (
        replace(plan, gates=()),
        replace(plan, gates=tuple(replace(gate, actual=0) for gate in plan.gates)),
        replace(plan, summary=replace(plan.summary, listed=1)),
        replace(plan, plan=twice, digest=digest_of_shards(twice)),
    ):
        with pytest.raises(PlanRefused, match="the plan was changed: its"):
            apply(site, changed, digest=changed.digest)
    assert not site.deletes()


def test_a_manifest_that_counts_less_than_its_shards_hold_opens_no_gate(
    site: Site, manifest: Path
) -> None:
    plan_with_limit(site, manifest, "maxStudiesEmptied")
    whole = read_manifest(manifest)
    (store,) = whole.plan.stores
    for less in ({"studies_emptied": 2}, {"studies_emptied": 2, "study_percent": 99}):
        plan = replace(whole.plan, stores=(replace(store, **less),))
        counted = {gate.name: gate for gate in gates_on_counts(plan.stores)}
        gates = tuple(counted.get(gate.name, gate) for gate in whole.gates)
        forged = replace(whole, plan=plan, digest=digest_of_shards(plan), gates=gates)
        manifest.write_text("".join(write_manifest(forged)), encoding="utf-8")
        with pytest.raises(PlanRefused, match="hold more than their manifest counts"):
            apply(site, in_shards(manifest))
    assert not site.deletes()


def test_shards_are_chosen_by_whole_numbers_in_whatever_holds_them(
    site: Site, manifest: Path
) -> None:
    plan = in_shards(manifest)
    for wrong in ({"shards": "12"}, {"shards": [1.0]}, {"shards": [None]}, {"processes": 1.5}):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            apply(site, plan, **wrong)
    assert apply(site, plan, shards=(number for number in (3, 1))).report.planned == 2
    assert site.deletes() == 2


def test_no_more_processes_are_started_than_there_are_shards(site: Site, manifest: Path) -> None:
    started: list[int] = []

    class Counting(reconciler.Listener):
        def result(self, result: object) -> None:
            started.append(len(multiprocessing.active_children()))

    done = apply(site, in_shards(manifest), shards=[2], processes=64, listener=Counting())
    assert (done.exit_code, started) == (0, [0])


def test_a_process_of_a_pool_which_may_start_none_is_answered_with_an_error(
    site: Site, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]  # as `Pool` sets it
    with pytest.raises(reconciler.ReconcilerError, match="not allowed to have children"):
        apply(site, in_shards(manifest), processes=2)
    assert not site.deletes()


def test_what_is_only_for_shards_is_refused_of_any_other_plan(site: Site, manifest: Path) -> None:
    plan, whole = in_shards(manifest), site.plan()
    for wrong in ({"processes": 2}, {"shards": [1]}):
        with pytest.raises(UsageError, match="are for a plan in shards, and this is none"):
            reconciler.apply(whole, site.project, site.service, digest=whole.digest, **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the plan has no shard 4"):
        apply(site, plan, shards=[1, 4])
    with pytest.raises(ValueError, match="processes must be at least 1"):
        apply(site, plan, processes=0)
    assert not site.deletes()
