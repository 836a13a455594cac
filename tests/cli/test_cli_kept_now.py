"""What the project keeps when a plan is applied is not deleted, however the plan is sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.model.desired import InputFile, InputRole
from reconciler.model.plan import Plan
from reconciler.model.shards.manifest import Shard
from reconciler.planning.plan_file import digest_of, read_plan, write_plan
from reconciler.planning.shards.manifest_file import (
    digest_of_shards,
    read_manifest,
    write_manifest,
)

from .conftest import LIMITS_OPEN, REASON, ROOT, Project, address, removal

HOLD = "    hold: Litigation 2026-17\n"
SERIES = f"keep:\n  - studiesId: {ROOT}.1\n    seriesId: {ROOT}.1.1\n"
LISTED = removal([address(1, 1, 2), address(1, 1, 9)], key="keep")
KEEPS = {
    "a study": (f"keep:\n  - studiesId: {ROOT}.1\n", "3 instances by specs/hold.yaml:8"),
    "a series": (SERIES, "3 instances by specs/hold.yaml:8"),
    "a held series": (
        SERIES + HOLD,
        "3 instances by specs/hold.yaml:8 (hold: Litigation 2026-17)",
    ),
    "an instance": (LISTED, "1 instance by specs/hold.yaml:8"),
    "a held instance": (
        LISTED + HOLD,
        "1 instance by specs/hold.yaml:8 (hold: Litigation 2026-17)",
    ),
    "an instance at another address": (
        removal(
            [address(7, 7, 1)._replace(instance_uid=address(1, 1, 3).instance_uid)], key="keep"
        ),
        "1 instance by specs/hold.yaml:8",
    ),
    "two that overlap": (
        SERIES + f"  - studiesId: {ROOT}.1\n" + HOLD,
        "3 instances by specs/hold.yaml:8, 3 instances by specs/hold.yaml:10"
        " (hold: Litigation 2026-17)",
    ),
}
"""What specs/hold.yaml keeps, and how a plan that deletes instances 1 to 3 is refused for it."""


@pytest.fixture
def planned(project: Project) -> Project:
    """A plan of three deletions, by an inventory beside specs/, which holds nothing of the store.

    Lines of an inventory contradict no keep, so a new plan would skip them.
    """
    listed = project.fill(1, 1, range(1, 7))[:3]
    bulk = project.folder / "bulk"
    bulk.mkdir()
    rows = "studiesId,seriesId,instancesId\n" + "".join(",".join(one) + "\n" for one in listed)
    (bulk / "list.csv").write_text(rows)
    digest = hashlib.sha256(rows.encode()).hexdigest()
    pin = f"  - inventory: {{path: list.csv, sha256: {digest}, count: 3}}\n"
    written = project.write("a.yaml", REASON + LIMITS_OPEN + "remove:\n" + pin)
    written.rename(bulk / "a.yaml")
    assert project.run("plan", "bulk", "--out", "plan.json").code == 0
    return project


def reseal(project: Project, forge: Callable[[Plan], Plan]) -> None:
    """Write the plan anew as a forger would, with a right digest and a right seal."""
    path = project.folder / "plan.json"
    saved = read_plan(path)
    plan = forge(saved.plan)
    forged = replace(saved, plan=plan, digest=digest_of(plan))
    path.write_text("".join(write_plan(forged)), encoding="utf-8")


def inputs_now(project: Project, *paths: str) -> tuple[InputFile, ...]:
    found = [project.folder / path for path in paths]
    return load_desired_state(found, root=project.folder).inputs


def refused(project: Project, plan: str = "plan.json") -> str:
    applied = project.run("apply", plan)
    assert applied.code == 3
    assert project.deletes() == []
    assert "Traceback" not in applied.err
    return applied.err


SAME_ADDRESS = {name: keep for name, keep in KEEPS.items() if "another" not in name}
"""With the other one the files are no longer valid beside each other."""


@pytest.mark.parametrize(("body", "told"), SAME_ADDRESS.values(), ids=SAME_ADDRESS)
def test_a_keep_that_came_since_is_named(planned: Project, body: str, told: str) -> None:
    planned.write("hold.yaml", body)
    assert f"error: the plan deletes what the files keep: {told}\n" in refused(planned)


@pytest.mark.parametrize(("body", "told"), SAME_ADDRESS.values(), ids=SAME_ADDRESS)
def test_a_plan_that_names_the_keep_as_its_own_input_is_refused(
    planned: Project, body: str, told: str
) -> None:
    """A hand-made plan: all that it rests on is just as it is now."""
    planned.write("hold.yaml", body)
    reseal(planned, lambda plan: replace(plan, inputs=inputs_now(planned, "bulk")))
    assert f"the plan deletes what the files keep: {told}\n" in refused(planned)


@pytest.mark.parametrize(("body", "told"), SAME_ADDRESS.values(), ids=SAME_ADDRESS)
def test_so_is_a_plan_in_shards(planned: Project, body: str, told: str) -> None:
    """Its manifest and its shard are made by hand, each with a right digest and a right seal."""
    assert planned.run("plan", "bulk", "--shard-size", "9", "--out", "plan").code == 0
    planned.write("hold.yaml", body)
    now = inputs_now(planned, "bulk")
    path = planned.folder / "plan" / "plan.json"
    manifest = read_manifest(path)
    (shard,) = manifest.plan.shards
    saved = read_plan(path.parent / shard.path)
    plan = replace(saved.plan, inputs=now)
    forged = replace(saved, plan=plan, digest=digest_of(plan))
    whole = replace(manifest.plan, inputs=now, shards=(Shard.of(forged, 1),))
    (path.parent / shard.path).write_text("".join(write_plan(forged)), encoding="utf-8")
    sealed = write_manifest(replace(manifest, plan=whole, digest=digest_of_shards(whole)))
    path.write_text("".join(sealed), encoding="utf-8")
    refusal = refused(planned, "plan/plan.json")
    assert f"the plan deletes what the files keep: {told}\n" in refusal


@pytest.mark.parametrize(("body", "told"), KEEPS.values(), ids=KEEPS)
@pytest.mark.parametrize("role", [None, InputRole.QUERY], ids=["no file", "a statement"])
def test_a_plan_of_no_file_or_of_a_statement_is_refused(
    planned: Project, body: str, told: str, role: InputRole | None
) -> None:
    """Then no file that it names is about the store."""
    planned.write("hold.yaml", body)
    statement = [InputFile("<query>", "0" * 64, role)] if role else []
    inputs = tuple(sorted([*inputs_now(planned), *statement], key=lambda one: one.path))
    reseal(planned, lambda plan: replace(plan, paths=(), inputs=inputs))
    assert f"the plan deletes what the files keep: {told}\n" in refused(planned)


def test_an_inventory_of_keeps_counts_too(planned: Project) -> None:
    (planned.folder / "bulk" / "list.csv").rename(planned.folder / "specs" / "kept.csv")
    pin = (planned.folder / "bulk" / "a.yaml").read_text().partition("remove:\n")[2]
    planned.write("hold.yaml", "keep:\n" + pin.replace("list.csv", "kept.csv"))
    reseal(planned, lambda plan: replace(plan, paths=(), inputs=inputs_now(planned)))
    assert "the plan deletes what the files keep: 3 instances by specs/kept.csv:2" in refused(
        planned
    )


def test_of_many_keeps_the_first_are_named(planned: Project) -> None:
    planned.write("hold.yaml", "keep:\n" + f"  - studiesId: {ROOT}.1\n{HOLD}" * 7)
    told = refused(planned)
    assert "specs/hold.yaml:16 (hold: Litigation 2026-17) and 2 more keeps\n" in told


def test_invalid_files_there_are_a_refusal_that_names_the_first_problem(planned: Project) -> None:
    reseal(planned, lambda plan: replace(plan, paths=(), inputs=inputs_now(planned)))
    planned.write("hold.yaml", "keeps: []\n")
    told = refused(planned)
    assert ": specs/hold.yaml:7:1: " in told.replace("\n  ", " ")
    assert told.count("hint: ") == 1


def test_a_keep_of_something_else_refuses_nothing(planned: Project) -> None:
    planned.write("hold.yaml", removal([address(1, 1, 5), address(2, 1, 1)], key="keep"))
    reseal(planned, lambda plan: replace(plan, inputs=inputs_now(planned, "bulk")))
    applied = planned.run("apply", "plan.json")
    assert applied.code == 0, applied.err
    assert "has no folder" not in applied.err
    assert len(planned.content()) == 3


def test_where_there_is_no_such_folder_that_is_said(planned: Project) -> None:
    (planned.folder / "specs").rmdir()
    applied = planned.run("apply", "plan.json")
    assert applied.code == 0, applied.err
    assert (
        f"note: {planned.folder} has no folder specs/, so it has no keeps to check" in applied.err
    )


def test_what_only_looks_like_the_folder_is_refused(planned: Project) -> None:
    (planned.folder / "specs").rmdir()
    (planned.folder / "specs").symlink_to("nowhere")
    assert "nowhere cannot be read" in refused(planned)


def test_a_keep_that_comes_while_the_user_is_asked_refuses_a_new_plan(
    planned: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.runs.plan_and_apply.require_terminal", lambda _: None)
    monkeypatch.setattr(
        "reconciler.cli.runs.plan_and_apply.require_approval",
        lambda *_: planned.write("hold.yaml", SERIES + HOLD),
    )
    applied = planned.run("apply", "bulk")
    assert applied.code == 3
    assert "3 instances by specs/hold.yaml:8 (hold: Litigation 2026-17)" in applied.err
    assert planned.deletes() == []
