"""A plan in shards says what the same plan says in one file, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from reconciler.desired import parts
from reconciler.model.desired import EntryKind
from reconciler.model.plan import NotLookedAt, Plan, SavedPlan, StorePlan, StudyPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.manifest import Manifest
from reconciler.model.shards.notices import Notices
from reconciler.planning.gates import gates_of
from reconciler.planning.plan_file import read_plan
from reconciler.planning.shards.manifest_file import read_manifest, read_shard

from .harness import PLAN, Ground, Site
from .plan_checks import plan_again
from .profile import tried
from .worlds import ADDRESSES, FILES, PATHS, WIDE_OPEN, Claim, Fate, World, own_limits, worlds

SIZES = (1, 2, 7, 10**6)


@pytest.fixture(params=[1, 50_000], ids=["study by study", "all at once"])
def weight(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much is planned at a time."""
    monkeypatch.setattr(parts, "HEAVIEST", request.param)
    return int(request.param)


def in_two_files(*limits: Mapping[str, int] | None) -> World:
    """Both studies lose a series to one file and the other to another; these are their limits."""
    files = dict(zip(FILES, limits, strict=False))
    claims = tuple(
        Claim(EntryKind.REMOVE, file, study, series, (), hold=False, by_inventory=True)
        for series, file in enumerate(files, 1)
        for study in (1, 2)
    )
    return World(
        claims=claims,
        paths=PATHS[0],
        limits=None,
        fates=dict.fromkeys(ADDRESSES, Fate.PRESENT),
        arrivals=frozenset(),
        departures=frozenset(),
        contradicts=False,
        parallelism=1,
        own_limits=files,
    )


@pytest.mark.usefixtures("weight")
@tried(5)
@given(
    world=st.builds(
        lambda world, own: replace(world, own_limits=own), worlds(odd=st.integers(0, 2)), own_limits
    ),
    size=st.sampled_from(SIZES),
)
@example(world=in_two_files(WIDE_OPEN | {"maxDeletions": 6}, WIDE_OPEN), size=1)
@example(world=in_two_files(WIDE_OPEN, WIDE_OPEN | {"maxSeriesEmptied": 1}), size=1)
@example(world=in_two_files(WIDE_OPEN, None), size=1)
def test_shards_are_together_what_the_plan_is_in_one_file(
    ground: Ground, world: World, size: int
) -> None:
    site = ground.site(parallelism=world.parallelism)
    world.build(site)
    alone = plan_again(site, world, "--out", PLAN)
    folder = site.folder / "plan"
    sharded = plan_again(site, world, "--shard-size", str(size), "--out", Path("plan"))
    assert sharded.code == alone.code, (alone.err, sharded.err)
    if alone.code == 1:
        event("invalid")
        assert problems(sharded.err) == problems(alone.err)
        assert not folder.exists()
        return
    saved, manifest = read_plan(site.folder / PLAN), read_manifest(folder / "plan.json")
    shards = [read_shard(folder, manifest, one) for one in manifest.plan.shards]
    event(f"{min(len(shards), 3)} shards")
    check_whole(saved, manifest, shards)
    check_shards(shards, size)
    plan_again(site, world, "--shard-size", str(size), "--out", Path("plan"))
    assert read_manifest(folder / "plan.json").digest == manifest.digest


def problems(said: str) -> list[str]:
    """What was wrong with the files, less what else a command says."""
    return [line for line in said.splitlines() if not line.startswith(("sent ", "journal head"))]


def check_whole(saved: SavedPlan, manifest: Manifest, shards: Sequence[SavedPlan]) -> None:
    assert manifest.summary == PlanSummary.of(saved)
    assert manifest.notices == Notices.of(saved)
    assert manifest.gates == gates_of(saved)
    assert manifest.keys == tuple(sorted(saved.plan.keys))
    assert [store.limits for store in manifest.plan.stores] == [
        store.limits for store in saved.plan.stores
    ]
    for store in saved.plan.stores:
        check_store(store, [*stores_of(shards, store)])
    for name in ("reappeared", "freed", "seen"):
        found = [one for shard in shards for one in getattr(shard, name)]
        assert found == list(getattr(saved, name))


def stores_of(shards: Sequence[SavedPlan], whole: StorePlan) -> Iterator[StorePlan]:
    for shard in shards:
        assert shard.plan.inputs
        yield from (store for store in shard.plan.stores if store.store == whole.store)


def check_store(whole: StorePlan, shards: Sequence[StorePlan]) -> None:
    for one in fields(StorePlan):
        if one.name in {"store", "limits", "not_looked_at"}:
            continue
        found = [item for shard in shards for item in getattr(shard, one.name)]
        expected = list(getattr(whole, one.name))
        assert sorted(found, key=repr) == sorted(expected, key=repr), one.name
        if one.name in {"studies", "findings", "dangling", "may_refer"}:
            assert found == expected
    looked = [shard.not_looked_at for shard in shards]
    assert whole.not_looked_at == NotLookedAt(
        tuple(one for each in looked for one in each.instances),
        sum(each.more_instances for each in looked),
        sum(each.more_studies for each in looked),
        sum(each.unreported for each in looked),
    )


def check_shards(shards: Sequence[SavedPlan], size: int) -> None:
    for shard in shards:
        studies = studies_of(shard.plan)
        deletions = sum(study.deletions for study in studies)
        assert deletions <= size or len(studies) == 1
    every = [study.study_uid for shard in shards for study in studies_of(shard.plan)]
    assert len(set(every)) == len(every)
    assert len({shard.plan_id for shard in shards}) == len(shards)


def studies_of(plan: Plan) -> list[StudyPlan]:
    return [study for store in plan.stores for study in store.studies]


def test_a_plan_of_nothing_has_no_shard_and_replaces_an_older(ground: Ground) -> None:
    site = ground.site()
    site.write("specs/a.yaml", json.dumps(nothing(site)))
    for _ in range(2):
        answer = site.run("plan", Path("specs"), "--shard-size", "5", "--out", Path("plan"))
        assert answer.code == 0, answer.err
    manifest = read_manifest(site.folder / "plan" / "plan.json")
    assert manifest.plan.shards == ()
    assert manifest.summary.listed == 0


def nothing(site: Site) -> dict[str, object]:
    return {"version": 1, "store": dict(site.store.as_parameters()), "remove": []}
