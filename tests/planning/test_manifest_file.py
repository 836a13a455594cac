"""The manifest of a plan in shards comes back as it was written, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.errors import PlanFileError, PlanRefused, ReconcilerError
from reconciler.model.gate import GateCounts, GateName
from reconciler.model.plan import GitState, PartOf, Plan, SavedPlan, Why
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.manifest import Manifest, Shard, ShardedPlan, plan_id_of
from reconciler.model.shards.notices import Notices
from reconciler.planning.gates import count_for_gates, gates_of
from reconciler.planning.plan_file import read_plan, write_plan
from reconciler.planning.seal import PLAN, SEAL
from reconciler.planning.shards.manifest_file import (
    digest_of_shards,
    read_manifest,
    read_plan_or_manifest,
    read_shard,
    require_unchanged,
    write_manifest,
)

Case = Any  # the conftest's; a test module cannot import it

SCHEMAS = Path(__file__).parents[2] / "schemas"
one_case = pytest.mark.parametrize(
    "case", [Path(__file__).parent / "cases" / "whole-series-removed.yaml"], indirect=True
)


@pytest.fixture
def shard(case: Case, saved_plan: Callable[[Plan], SavedPlan]) -> SavedPlan:
    """The plan of a case, as the only shard of a plan."""
    if "errors" in case.expected:
        pytest.skip("the case makes no plan")
    part = PartOf("5f0c7a52", 1)
    return replace(saved_plan(case.plan()), plan_id=plan_id_of(part), part_of=part)


@pytest.fixture
def manifest(shard: SavedPlan) -> Manifest:
    plan = shard.plan
    summary = PlanSummary.of(shard)
    whole = ShardedPlan(
        plan.paths,
        plan.inputs,
        tuple(map(count_for_gates, plan.stores)),
        (Shard.of(shard, 1),),
    )
    return Manifest(
        plan=whole,
        digest=digest_of_shards(whole),
        plan_id="5f0c7a52",
        created=shard.created,
        expires=shard.expires,
        tool_version=shard.tool_version,
        endpoint=shard.endpoint,
        git=shard.git,
        keys=tuple(sorted(plan.keys)),
        summary=summary,
        notices=Notices.of(shard),
        gates=gates_of(shard),
    )


@pytest.fixture
def folder(tmp_path: Path, manifest: Manifest, shard: SavedPlan) -> Path:
    (tmp_path / "shards").mkdir()
    (tmp_path / "plan.json").write_text("".join(write_manifest(manifest)), encoding="utf-8")
    (tmp_path / "shards" / "00001.json").write_text("".join(write_plan(shard)), encoding="utf-8")
    return tmp_path


def test_a_manifest_is_as_the_schema_says_and_read_as_it_was_written(
    folder: Path, manifest: Manifest, shard: SavedPlan
) -> None:
    for name, path in {"manifest": "plan.json", "plan": "shards/00001.json"}.items():
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
        jsonschema.Draft202012Validator(schema).validate(json.loads((folder / path).read_text()))
    assert read_manifest(folder / "plan.json") == manifest
    assert read_plan_or_manifest(folder / "plan.json") == manifest
    (named,) = manifest.plan.shards
    assert read_shard(folder, manifest, named) == shard
    assert read_plan_or_manifest(folder / named.path) == shard
    assert manifest.plan.deletions == shard.plan.count(Why.LISTED)


@one_case
def test_one_is_not_read_as_the_other(folder: Path) -> None:
    with pytest.raises(PlanFileError, match="is the manifest of a plan in shards"):
        read_plan(folder / "plan.json")
    with pytest.raises(PlanFileError, match="not the manifest of a plan in shards"):
        read_manifest(folder / "shards" / "00001.json")


@one_case
def test_a_shard_of_another_plan_is_refused(
    folder: Path, manifest: Manifest, shard: SavedPlan
) -> None:
    (named,) = manifest.plan.shards
    for other in (
        replace(manifest, plan_id="another"),
        replace(manifest, plan=replace(manifest.plan, shards=(replace(named, digest="sha256:0"),))),
    ):
        with pytest.raises(PlanRefused, match=r"00001\.json is not shard 1 of plan"):
            read_shard(folder, other, other.plan.shards[0])
    lone = "".join(write_plan(replace(shard, part_of=None)))
    (folder / "shards" / "00001.json").write_text(lone, encoding="utf-8")
    with pytest.raises(PlanRefused, match=r"00001\.json is not shard 1 of plan"):
        read_shard(folder, manifest, named)


@one_case
@pytest.mark.parametrize(
    "change",
    [
        {"plan_id": "5f0c7a52-00002"},
        {"endpoint": "https://other.example"},
        {"expires": datetime(2100, 1, 1, tzinfo=UTC)},
        {"created": datetime(2000, 1, 1, tzinfo=UTC)},
        {"git": GitState("0" * 40, "0" * 40, dirty=False)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_shard_sealed_anew_that_differs_from_its_manifest_is_refused(
    folder: Path, manifest: Manifest, shard: SavedPlan, change: dict[str, Any]
) -> None:
    """None of this is in the digest of a shard; all of it decides what an apply refuses."""
    path = folder / "shards" / "00001.json"
    path.write_text("".join(write_plan(replace(shard, **change))), encoding="utf-8")
    with pytest.raises(PlanRefused, match=r"00001\.json is not shard 1 of plan"):
        read_shard(folder, manifest, manifest.plan.shards[0])


@one_case
def test_a_manifest_without_its_shards_says_where_they_belong(
    folder: Path, manifest: Manifest
) -> None:
    (folder / "shards" / "00001.json").unlink()
    with pytest.raises(PlanFileError, match="No such file") as refused:
        read_shard(folder, manifest, manifest.plan.shards[0])
    assert refused.value.hint == "keep shards/ beside the manifest, as they were written together"


@one_case
def test_an_edited_manifest_is_refused(folder: Path) -> None:
    path = folder / "plan.json"
    text = path.read_text("utf-8")
    for at in range(0, len(text), 97):
        edited = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        path.write_text(edited, encoding="utf-8")
        with pytest.raises(ReconcilerError):
            read_manifest(path)


def forged(document: Mapping[str, Any]) -> str:
    """What a forger can do: the file with a right seal and the digest of what it says."""
    stable = json.dumps(document["manifest"], sort_keys=True, separators=(",", ":"))
    header = {key: value for key, value in document.items() if key not in {"seal", "manifest"}}
    header["digest"] = f"sha256:{hashlib.sha256(stable.encode()).hexdigest()}"
    lines = ",\n".join(f"{json.dumps(key)}:{json.dumps(header[key])}" for key in header)
    body = f'{{\n{lines},\n"manifest":\n{stable}'
    return f'{body},\n"seal":"sha256:{hashlib.sha256(body.encode()).hexdigest()}"}}\n'


@one_case
def test_no_gate_on_what_is_counted_can_be_taken_out_under_the_reviewed_digest(
    folder: Path, manifest: Manifest
) -> None:
    path = folder / "plan.json"
    document = json.loads(path.read_text("utf-8"))
    path.write_text(forged(document), encoding="utf-8")
    assert read_manifest(path) == manifest
    (gate, *_) = (one for one in document["gates"] if one["name"] == GateName.MAX_DELETIONS.value)
    gate["allowed"] = gate["actual"] + 1
    path.write_text(forged(document), encoding="utf-8")
    with pytest.raises(PlanFileError, match="its gates are not those of what it counts"):
        read_manifest(path)
    document["manifest"]["stores"][0]["limits"]["maxDeletions"] = gate["allowed"]
    path.write_text(forged(document), encoding="utf-8")
    assert read_manifest(path).digest != manifest.digest


@one_case
def test_no_manifest_is_shown_under_the_digest_of_another_plan(
    folder: Path, manifest: Manifest, shard: SavedPlan
) -> None:
    """Whoever approved it would have approved that plan."""
    path = folder / "plan.json"
    text, other = path.read_text("utf-8"), (folder / "shards" / "00001.json").read_text("utf-8")
    plan = other.partition(PLAN)[2].rpartition(SEAL)[0]
    body = text.replace(manifest.digest, shard.digest).rpartition(SEAL)[0] + PLAN + plan
    seal = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(f'{body}{SEAL}{seal}"}}\n', encoding="utf-8")
    with pytest.raises(PlanFileError, match="a plan and a manifest at once"):
        read_plan_or_manifest(path)


@one_case
def test_the_digest_covers_every_shard_and_all_that_is_counted(manifest: Manifest) -> None:
    plan = manifest.plan
    (shard,) = plan.shards
    counts: GateCounts = plan.stores[0]
    others = [
        replace(plan, shards=(replace(shard, digest="sha256:" + "0" * 64),)),
        replace(plan, shards=()),
        replace(plan, paths=(*plan.paths, "specs/more.yaml")),
        replace(plan, stores=(replace(counts, deletions=counts.deletions + 1),)),
    ]
    assert len({digest_of_shards(one) for one in [plan, *others]}) == 5
    assert digest_of_shards(plan) == manifest.digest


@one_case
def test_a_manifest_that_was_changed_in_memory_is_no_longer_what_was_reviewed(
    manifest: Manifest,
) -> None:
    require_unchanged(manifest)
    (shard,) = manifest.plan.shards
    other = replace(manifest.plan, shards=(replace(shard, digest="sha256:0"),))
    with pytest.raises(PlanRefused, match="was changed"):
        require_unchanged(replace(manifest, plan=other))


@one_case
@pytest.mark.parametrize("name", [GateName.MAX_REAPPEARED, GateName.RESTORED])
def test_no_gate_on_the_record_can_be_left_out_or_opened(folder: Path, name: GateName) -> None:
    path = folder / "plan.json"
    document = json.loads(path.read_text("utf-8"))
    (gate,) = (one for one in document["gates"] if one["name"] == name.value)
    gate["allowed"] += 1
    others = [one for one in document["gates"] if one is not gate]
    for gates in (document["gates"], others):
        path.write_text(forged({**document, "gates": gates}), encoding="utf-8")
        with pytest.raises(PlanFileError, match="its gates are not those of what it counts"):
            read_manifest(path)


@one_case
def test_a_manifest_says_nothing_of_itself_that_its_parts_do_not(folder: Path) -> None:
    path = folder / "plan.json"
    text = path.read_text("utf-8")

    def summary(document: dict[str, Any]) -> None:
        document["summary"]["listed"] -= 1

    def deletions(document: dict[str, Any]) -> None:
        document["manifest"]["shards"][0]["deletions"] -= 1

    def twice(document: dict[str, Any]) -> None:
        document["manifest"]["shards"] *= 2

    def number(document: dict[str, Any]) -> None:
        document["manifest"]["shards"][0]["number"] = 2

    for change in (summary, deletions, twice, number):
        document = json.loads(text)
        change(document)
        path.write_text(forged(document), encoding="utf-8")
        with pytest.raises(PlanFileError, match=r"differ in how much|not numbered from 1"):
            read_manifest(path)
