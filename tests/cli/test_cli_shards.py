"""A plan in shards from the command line: the folder, its forms, and what crosses shards."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.api import shard_folder
from reconciler.api.destination import write_file
from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress
from reconciler.planning.plan_file import read_plan
from reconciler.planning.shards.manifest_file import read_manifest

from ..derived import derived, file_of, images
from ..faulty_server import Faulty, running_faulty_server
from ..limits import wide_open_line
from ..waiting import SECONDS, wait_until
from .conftest import REASON, Project, address, removal

OPEN = REASON + wide_open_line("maxDangling")
IN_SHARDS = ("--shard-size", "2", "--out", "plan")

pytestmark = pytest.mark.usefixtures("study_by_study")


def shard_names(project: Project) -> list[str]:
    return sorted(one.name for one in (project.folder / "plan" / "shards").iterdir())


def test_the_manifest_is_shown_in_every_form_and_each_shard_as_a_plan(three: Project) -> None:
    planned = three.run("plan", *IN_SHARDS, "--max-qps", "200")
    assert planned.code == 0, planned.err
    assert planned.out.startswith("6 instances of 3 whole studies go for good.\n")
    assert "  shards/00003.json  2 instances of 1 study\n" in planned.out
    assert "apply sends about 12 requests: 0.0 hours at 200 per second (--max-qps)" in planned.err
    assert shard_names(three) == ["00001.json", "00002.json", "00003.json"]
    manifest = read_manifest(three.folder / "plan" / "plan.json")
    shown = three.run("show", "plan/plan.json")
    assert shown.out == planned.out
    written = (three.folder / "plan" / "plan.json").read_text("utf-8")
    assert three.run("show", "plan/plan.json", "--format", "json").out == written
    for form in ("markdown", "html"):
        text = three.run("show", "plan/plan.json", "--format", form).out
        assert manifest.digest in text
        assert all(shard.digest in text for shard in manifest.plan.shards)
        assert "6 instances of 3 whole studies go for good." in text
    terraform = three.run("show", "plan/plan.json", "--format", "terraform").out
    assert json.loads(terraform) == {"create": 0, "update": 0, "delete": 6}
    for form in ("sarif", "junit", "codequality"):
        assert three.run("show", "plan/plan.json", "--format", form).code == 0
    one = three.run("show", "plan/shards/00002.json")
    assert one.out.startswith("2 instances of 1 whole study go for good.\n")
    assert address(2, 1, 1).study_uid in one.out


def test_a_shard_is_not_applied_by_itself(three: Project) -> None:
    three.run("plan", *IN_SHARDS)
    refused = three.run("apply", "plan/shards/00001.json")
    assert refused.code == 3
    assert "this is shard 1 of plan" in refused.err
    assert "apply the plan.json in the folder above it" in refused.err
    assert three.deletes() == []


def test_a_blocking_gate_is_that_of_the_whole(three: Project) -> None:
    text = (three.folder / "specs" / "a.yaml").read_text("utf-8")
    (three.folder / "specs" / "a.yaml").write_text(
        text.replace("maxDeletions: 100000", "maxDeletions: 5"), encoding="utf-8"
    )
    planned = three.run("plan", *IN_SHARDS, "--events", "events.jsonl")
    assert planned.code == 3
    assert "(maxDeletions: 6 of at most 5)" in " ".join(planned.out.split())
    assert "blocking gates: maxDeletions" in planned.err
    assert len(shard_names(three)) == 3
    lines = (three.folder / "events.jsonl").read_text("utf-8").splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert sum(one["type"] == "planned_change" for one in events) == 6
    blocking = [one["name"] for one in events if one["type"] == "gate" and not one["passed"]]
    assert blocking == ["maxDeletions"]
    assert events[-1]["counts"]["listed"] == 6


def test_what_is_on_record_counts_over_all_shards(project: Project) -> None:
    """In each of three studies: a hold was taken out, another is overdue, something came back."""
    hold = "hold: {{text: Trial 7, owner: legal, ticket: {}, reviewBy: 2020-01-31}}"
    removed = [one for study in (1, 2, 3) for one in project.fill(study, 1, range(1, 5))]
    taken_out, overdue = (
        "keep:\n"
        + "".join(
            f"  - {{studiesId: {one.study_uid}, seriesId: {one.series_uid},"
            f" instancesId: [{one.instance_uid}], {hold.format(ticket)}}}\n"
            for one in removed[number::4]
        )
        for number, ticket in ((1, "LIT-7"), (2, "LIT-8"))
    )
    quality = 'reason: {code: "113037", ticket: QA-7}\n'
    body = quality + wide_open_line("maxReappeared", "maxStudyPercent")
    project.write("a.yaml", body + removal(removed[::4]))
    assert project.run("apply", "--auto-approve").code == 0
    for study in (1, 2, 3):
        project.fill(study, 1, [1])
    project.write("a.yaml", body + removal(removed))
    project.write("overdue.yaml", overdue)
    project.write("hold.yaml", taken_out)
    project.run("plan")
    (project.folder / "specs" / "hold.yaml").unlink()

    seen = []
    for arguments in (("--out", "one.json"), ("--shard-size", "2", "--out", "plan")):
        planned = project.run("plan", *arguments, "--events", "events.jsonl")
        assert planned.code == 3
        lines = (project.folder / "events.jsonl").read_text("utf-8").splitlines()
        said = " ".join(planned.out.split())
        seen.append(
            (
                [
                    {key: one[key] for key in ("name", "actual", "allowed", "hint", "studiesId")}
                    for one in map(json.loads, lines)
                    if one["type"] == "gate"
                ],
                re.findall(r"This hold is no longer [^,]*,|The review of this hold [^:]*:", said),
            )
        )
    in_one_file, in_shards = seen
    assert in_shards == in_one_file
    gates, (taken_out, overdue) = in_shards
    actual = {one["name"]: one["actual"] for one in gates}
    assert (actual["maxReappeared"], actual["maxStudyPercent"]) == (3, 75)
    assert "it still keeps 3 instances, of which files ask to remove 3" in overdue
    assert "it overrode 3 removes in 3 studies" in taken_out
    assert len(shard_names(project)) == 3


def test_a_new_plan_replaces_an_older_one_and_nothing_else(three: Project) -> None:
    assert three.run("plan", *IN_SHARDS).code == 0
    three.fill(3, 1, [3])
    assert three.run("plan", "--shard-size", "100", "--out", "plan").code == 0
    assert shard_names(three) == ["00001.json"]
    assert read_manifest(three.folder / "plan" / "plan.json").plan.deletions == 7
    (three.folder / "plan" / "notes.txt").write_text("mine", encoding="utf-8")
    refused = three.run("plan", *IN_SHARDS)
    assert refused.code == 1
    assert "holds something else than a plan in shards" in refused.err
    assert shard_names(three) == ["00001.json"]


def test_nothing_is_removed_behind_a_link(three: Project) -> None:
    mine = three.folder / "mine" / "20260101.json"
    (three.folder / "plan").mkdir()
    mine.parent.mkdir()
    mine.touch()
    (three.folder / "plan" / "shards").symlink_to(mine.parent)
    refused = three.run("plan", *IN_SHARDS)
    assert (refused.code, "something else than a plan in shards: shards" in refused.err) == (
        1,
        True,
    )
    assert mine.exists()


# A plan that does not come to its end

STUDY_BY_STUDY = """
import sys
from reconciler.cli.main import run
from reconciler.desired import parts

parts.HEAVIEST = 1
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture
def referred(project: Project) -> Project:
    """Three studies, each with a series to remove and an object in no file that refers to it."""
    entries = ""
    for study in ("1.2.3", "1.2.4", "1.2.5"):
        pixels = images(study, f"{study}.1", 2)
        for one in (*pixels, derived("SEG", pixels, study, f"{study}.2", f"{study}.2.1")):
            project.emulator.ingest(project.store, file_of(one))
        entries += f"  - studiesId: {study}\n    seriesId: {study}.1\n"
    project.write("a.yaml", f"{OPEN}remove:\n{entries}")
    return project


def check_no_plan_then_a_new_one(project: Project) -> None:
    """There is one shard, but nothing to show or to apply; and a new plan takes the folder."""
    assert shard_names(project) == ["00001.json"]
    assert not (project.folder / "plan" / "plan.json").exists()
    assert project.run("show", "plan/plan.json").code == 1
    assert project.run("apply", "plan/plan.json").code == 1
    assert project.deletes() == []
    project.emulator.set_faults(Faults())
    planned = project.run("plan", *IN_SHARDS)
    assert planned.code == 0, planned.err
    assert read_manifest(project.folder / "plan" / "plan.json").plan.deletions == 6
    assert shard_names(project) == ["00001.json", "00002.json", "00003.json"]


def test_a_plan_that_the_disk_ends_leaves_no_manifest(
    three: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, pieces: Iterable[str]) -> None:
        if path.name == "00002.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_file(path, pieces)

    assert three.run("plan", *IN_SHARDS).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(shard_folder, "write_file", full)
        ended = three.run("plan", *IN_SHARDS)
    assert ended.code == 1
    assert "00002.json: No space left on device" in ended.err
    check_no_plan_then_a_new_one(three)


@pytest.mark.slow
def test_a_killed_plan_leaves_no_manifest(referred: Project) -> None:
    assert referred.run("plan", *IN_SHARDS).code == 0
    manifest = referred.folder / "plan" / "plan.json"
    # What the last study refers to is read once the first shard is written.
    hanging = FaultRule(FaultKind.HANG, path="/studies/1[.]2[.]5/.*/metadata")
    referred.emulator.set_faults(Faults(rules=(hanging,)))
    command = [sys.executable, "-c", STUDY_BY_STUDY, "plan", *IN_SHARDS]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            wait_until(lambda: not manifest.exists() and shard_names(referred) == ["00001.json"])
        finally:
            child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    check_no_plan_then_a_new_one(referred)


def test_what_a_killed_plan_left_half_written_is_replaced(three: Project) -> None:
    folder = three.folder / "plan"
    (folder / "shards").mkdir(parents=True)
    left: list[Path] = []

    def pieces(target: Path) -> Iterator[str]:
        left.extend(target.parent.glob(".*"))
        yield ""

    for target in (folder / "plan.json", folder / "shards" / "00001.json"):
        write_file(target, pieces(target))
        target.unlink()
    for one in left:
        one.touch()
    assert len(left) == 2
    planned = three.run("plan", *IN_SHARDS)
    assert planned.code == 0, planned.err
    assert not any(one.exists() for one in left)


def test_a_plan_that_the_store_ends_leaves_an_older_one_as_it_was(three: Project) -> None:
    assert three.run("plan", *IN_SHARDS).code == 0
    before = (three.folder / "plan" / "plan.json").read_bytes()
    refusing = FaultRule(FaultKind.STATUS, path="testIamPermissions", status=403)
    three.emulator.set_faults(Faults(rules=(refusing,)))
    assert three.run("plan", *IN_SHARDS).code == 1
    assert (three.folder / "plan" / "plan.json").read_bytes() == before
    assert len(shard_names(three)) == 3


def test_the_next_part_is_asked_while_an_answer_about_one_is_out(three: Project) -> None:
    first, second = (f"/studies/{address(study, 1, 1).study_uid}/instances" for study in (1, 2))
    begun = threading.Event()
    waited: list[bool] = []

    def is_about_the_first(method: str, path: str) -> bool:
        if second in path:
            begun.set()
        return first in path

    def once_the_second_is_asked(true: bytes) -> Iterator[bytes]:
        waited.append(begun.wait(SECONDS))
        yield true

    faulty = Faulty(is_about_the_first, once_the_second_is_asked)
    with running_faulty_server(three.emulator.url, faulty) as url:
        planned = three.run("plan", *IN_SHARDS, "--endpoint", url)
    assert planned.code == 0, planned.err
    assert waited
    assert all(waited)
    assert len(shard_names(three)) == 3


def test_a_plan_of_invalid_files_leaves_an_older_one_as_it_was(three: Project) -> None:
    three.run("plan", *IN_SHARDS)
    before = (three.folder / "plan" / "plan.json").read_bytes()
    three.write("b.yaml", "remove: [{studiesId: x}]\n")
    assert three.run("plan", *IN_SHARDS).code == 1
    assert (three.folder / "plan" / "plan.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard-size", "2"), "a plan in shards is a folder, and none is named"),
        (("--shard-size", "0", "--out", "plan"), "0 is not in the range x>=1"),
        (("--shard-size", "2", "--out", "specs/a.yaml"), "specs/a.yaml: Not a directory"),
        (("--shard-size", "2", "--out", "specs"), "specs holds something else"),
    ],
)
def test_what_cannot_be_a_folder_of_shards_is_a_usage_error(
    three: Project, arguments: Sequence[str], said: str
) -> None:
    three.emulator.clear_requests()
    refused = three.run("plan", *arguments)
    assert refused.code == 1, refused.err
    assert said in refused.err
    assert three.emulator.requests() == []


def test_a_lone_plan_in_the_way_is_not_replaced(three: Project) -> None:
    (three.folder / "plan").mkdir()
    three.run("plan", "--out", "plan/plan.json")
    refused = three.run("plan", *IN_SHARDS)
    assert refused.code == 1
    assert "plan.json would be replaced, and is not one" in refused.err
    assert read_plan(three.folder / "plan" / "plan.json").plan.has_deletions


# What crosses shards


def both_ways(project: Project) -> tuple[list[str], list[str]]:
    """What is wrong with a plan in one file and in shards, in the words of stderr."""
    alone, sharded = project.run("plan", "--out", "plan.json"), project.run("plan", *IN_SHARDS)
    assert alone.code == sharded.code == 1
    return [
        [line for line in one.err.splitlines() if not line.startswith("sent ")]
        for one in (alone, sharded)
    ]  # type: ignore[return-value]  # two of them


def test_one_uid_at_two_addresses_of_inventories_is_found_with_its_lines(project: Project) -> None:
    rows = [address(study, 1, 1)._replace(instance_uid="1.2.3") for study in (2, 1)]
    text = "studiesId,seriesId,instancesId\n" + "".join(",".join(row) + "\n" for row in rows)
    (project.folder / "specs" / "list.csv").write_text(text, encoding="utf-8")
    pin = f"path: list.csv, sha256: {hashlib.sha256(text.encode()).hexdigest()}, count: 2"
    kept = f"keep:\n  - inventory: {{{pin}}}\n"
    removed = f"remove:\n  - studiesId: {rows[0].study_uid}\n    seriesId: {rows[0].series_uid}\n"
    project.write("a.yaml", f"{OPEN}{removed}{kept}")
    alone, sharded = both_ways(project)
    assert alone == sharded
    assert any("instance 1.2.3 is named in another series at specs/list.csv:2" in x for x in alone)


def test_what_another_study_keeps_is_not_deleted(project: Project) -> None:
    here, there = address(1, 1, 1), address(2, 1, 1)._replace(instance_uid=address(1, 1, 1)[2])
    project.emulator.ingest_synthetic(project.store, here.series, [here.instance_uid])
    project.emulator.ingest_synthetic(project.store, there.series, [there.instance_uid])
    project.write(
        "a.yaml",
        f"{OPEN}remove:\n  - studiesId: {there.study_uid}\n"
        f"keep:\n  - studiesId: {here.study_uid}\n",
    )
    alone, sharded = both_ways(project)
    assert alone == sharded
    assert any("keeps it in series" in line for line in alone), alone
    assert not (project.folder / "plan" / "plan.json").exists()


def test_a_reference_from_a_study_of_another_shard_dangles(project: Project) -> None:
    pixels = images("1.2.5", "1.2.5.1", 2)
    kept = [InstanceAddress(f"1.2.{n}", f"1.2.{n}.2", f"1.2.{n}.2.1") for n in (3, 9)]
    removed = images("1.2.9", "1.2.9.1", 1)
    for dataset in (*pixels, *removed, *(derived("SEG", pixels, *one) for one in kept)):
        project.emulator.ingest(project.store, file_of(dataset))
    project.write(
        "a.yaml",
        f"{OPEN}remove:\n  - studiesId: 1.2.5\n  - studiesId: 1.2.9\n    seriesId: 1.2.9.1\n"
        "keep:\n  - studiesId: 1.2.3\n  - studiesId: 1.2.9\n    seriesId: 1.2.9.2\n",
    )
    alone, sharded = project.run("plan", "--out", "plan.json"), project.run("plan", *IN_SHARDS)
    assert alone.code == sharded.code == 3, (alone.err, sharded.err)
    whole = read_plan(project.folder / "plan.json").plan.stores[0].dangling
    assert [one.instance_uid for one in whole] == [one.instance_uid for one in kept]
    names = shard_names(project)
    assert len(names) > 1
    shards = [read_plan(Path(project.folder, "plan", "shards", name)) for name in names]
    found = [one for shard in shards for store in shard.plan.stores for one in store.dangling]
    assert found == list(whole)


def test_what_came_back_counts_against_the_limit_of_the_whole_before_anything_goes(
    project: Project,
) -> None:
    """Each shard by itself is within the limit, and the plan knows nothing of the record."""
    removed = [one for study in (1, 2, 3) for one in project.fill(study, 1, [1, 2])]
    limits = wide_open_line().replace("maxReappeared: 100000", "maxReappeared: 2")
    project.write("a.yaml", f'reason: {{code: "113037", ticket: QA-7}}\n{limits}{removal(removed)}')
    assert project.run("apply", "--auto-approve").code == 0
    for study in (1, 2, 3):
        project.fill(study, 1, [1])
    project.emulator.clear_requests()
    unknowing = ("--state", "elsewhere")
    assert project.run("plan", "--shard-size", "1", "--out", "plan", *unknowing).code == 0
    assert project.run("plan", "--out", "one.json", *unknowing).code == 0
    for plan in ("one.json", "plan/plan.json"):
        refused = project.run("apply", plan)
        assert (refused.code, "blocking gate: maxReappeared" in refused.err) == (3, True)
    assert project.deletes() == []


def test_without_apache_beam_the_command_says_what_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam", None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "reconciler.beam", raising=False)
    done = project.run("beam", "plan/plan.json", "--tasks", "2")
    assert done.code == 1
    assert "error: a pipeline needs the package apache_beam" in done.err
    assert "hint: install the extra: pip install 'dicom-reconciler[beam]'" in done.err
