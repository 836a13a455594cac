"""A plan in shards whose place is a bucket, by each of the protocols that a state knows."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest

import reconciler
from reconciler.api.shard_folder import MANIFEST, ShardFolder
from reconciler.errors import ReconcilerError
from reconciler.objects.path import open_folder

from ..objects import conftest as places
from ..objects.conftest import BUCKETS, PLACES, Place
from ..objects.proxy import Forward, Reply, Request, honest, says, unheard
from .conftest import Project, write_removes

azurite, clean, fake_google = places.azurite, places.clean, places.fake_google
moto, place, service_account = places.moto, places.place, places.service_account

everywhere = pytest.mark.parametrize("place", PLACES, indirect=True)
in_buckets = pytest.mark.parametrize("place", BUCKETS, indirect=True)
in_s3 = pytest.mark.parametrize("place", ["s3"], indirect=True)
SHARDS = ["shards/00001.json", "shards/00002.json", "shards/00003.json"]

pytestmark = pytest.mark.usefixtures("study_by_study")


def plan(project: Project, place: Place, *, size: int = 2, ending: str = "/") -> str:
    """Plan into the place; the URL of the manifest."""
    planned = project.run("plan", "--shard-size", str(size), "--out", place.url + ending)
    assert planned.code == 0, planned.err
    return f"{place.url}/plan.json"


def names(place: Place) -> list[str]:
    return list(place.open().names(""))


@everywhere
def test_a_plan_in_a_bucket_is_that_in_a_folder(three: Project, place: Place) -> None:
    three.run("plan", "--shard-size", "2", "--out", "plan")
    manifest = plan(three, place)
    assert names(place) == [MANIFEST, *SHARDS]
    digest = json.loads(three.run("show", manifest, "--format", "json").out)["digest"]
    assert digest == json.loads(Path("plan", MANIFEST).read_text("utf-8"))["digest"]
    objects = place.open()
    for name in (MANIFEST, SHARDS[1]):
        Path("plan", name).write_bytes(objects.read(name) or b"")
        assert three.run("show", f"{place.url}/{name}") == three.run("show", f"plan/{name}")


@in_s3
def test_a_slash_at_the_end_is_the_same(three: Project, place: Place) -> None:
    for ending in ("", "/"):
        plan(three, place, ending=ending)
        assert names(place) == [MANIFEST, *SHARDS]


@everywhere
def test_a_plan_in_a_bucket_is_applied(three: Project, place: Place) -> None:
    manifest = plan(three, place)
    digest = json.loads(three.run("show", manifest, "--format", "json").out)["digest"]
    wrong = three.run("apply", manifest, "--expect-digest", f"sha256:{'0' * 64}")
    assert (wrong.code, three.deletes()) == (3, [])
    task = three.run("apply", manifest, "--shard", "2/3", "--expect-digest", digest)
    assert (task.code, len(three.deletes())) == (0, 2)
    done = three.run("apply", manifest, "--expect-digest", digest, "--report", "report.json")
    assert done.code == 0, done.err
    assert three.content() == set()
    assert json.loads(Path("report.json").read_text("utf-8"))["counts"]["deleted"] == 6


@everywhere
def test_a_new_plan_replaces_an_older_one_and_nothing_else(three: Project, place: Place) -> None:
    plan(three, place)
    plan(three, place, size=100)
    assert names(place) == [MANIFEST, SHARDS[0]]
    place.put("notes.txt", b"mine")
    before = place.open().read(MANIFEST)
    refused = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert refused.code == 1
    assert "holds something else than a plan in shards: notes.txt" in refused.err
    assert names(place) == ["notes.txt", MANIFEST, SHARDS[0]]
    assert place.open().read(MANIFEST) == before


@in_s3
def test_what_is_no_manifest_is_not_replaced(three: Project, place: Place) -> None:
    three.run("plan", "--out", "plan.json")
    place.put(MANIFEST, Path("plan.json").read_bytes())
    refused = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert (refused.code, "would be replaced, and is not one" in refused.err) == (1, True)
    place.put(".hidden.part", b"")
    refused = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert (refused.code, "something else than a plan in shards" in refused.err) == (1, True)


@in_buckets
def test_the_older_manifest_goes_first_and_the_new_one_comes_last(
    three: Project, place: Place
) -> None:
    plan(three, place)
    place.spoilt.seen.clear()
    plan(three, place)
    changes = [
        (one.method, name)
        for one in place.spoilt.seen
        for name in (MANIFEST, *SHARDS)
        if one.method != "GET" and name in unquote(one.path) + str(one.body)[:1000]
    ]
    assert [name for _, name in changes] == [MANIFEST, *SHARDS, *SHARDS, MANIFEST]
    assert [method == "PUT" for method, _ in changes] == [False] * 4 + [True] * 4


@in_buckets
def test_a_plan_that_was_cut_off_leaves_no_manifest(three: Project, place: Place) -> None:
    manifest = plan(three, place)
    place.spoilt.queued["PUT"] = [honest]
    place.spoilt.always["PUT"] = says(403, "AccessDenied")
    ended = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert ended.code == 1
    assert f"{place.url}: no permission to create objects (403 AccessDenied)" in ended.err
    assert names(place) == SHARDS[:1]
    for command in ("show", "apply"):
        none = three.run(command, manifest)
        assert none.code == 1
        assert f"cannot read {manifest}: there is no such object" in none.err
    place.spoilt.always.clear()
    plan(three, place)
    assert names(place) == [MANIFEST, *SHARDS]


@in_s3
def test_two_plans_at_once_leave_a_whole_one_or_none(three: Project, place: Place) -> None:
    """The other one is made while this one writes its second shard."""

    def another_one_meanwhile(request: Request, forward: Forward) -> Reply:
        plan(three, place)
        return forward(request)

    place.spoilt.queued["PUT"] = [honest, another_one_meanwhile]
    first = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert first.code == 1
    assert f"another plan was written to {place.url} at the same time" in first.err
    assert three.run("apply", f"{place.url}/plan.json").code == 0


def interleavings(each: int) -> list[tuple[int, ...]]:
    """Whose turn it is, of two that have so many."""
    turns = itertools.combinations(range(2 * each), each)
    return [tuple(int(turn in chosen) for turn in range(2 * each)) for chosen in turns]


def is_written(folder: ShardFolder, name: str, text: str) -> bool:
    try:
        folder.write(name, [text])
    except ReconcilerError:
        return False
    return True


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_in_whatever_order_two_write_no_plan_is_mixed(tmp_path: Path, kind: str) -> None:
    steps = [*SHARDS, MANIFEST]
    whole = 0
    for number, order in enumerate(interleavings(len(steps))):
        folder = tmp_path / str(number)
        folder.mkdir()
        writers = [
            ShardFolder(folder if kind == "folder" else open_folder(folder.as_uri())) for _ in "ab"
        ]
        left = [list(steps), list(steps)]
        for turn in order:
            if left[turn]:
                name = left[turn].pop(0)
                if not is_written(writers[turn], name, f"{name} of {turn}"):
                    left[turn].clear()
        if (folder / MANIFEST).exists():
            owners = {(folder / name).read_text("utf-8").rpartition(" ")[2] for name in steps}
            assert len(owners) == 1, order
            whole += 1
    assert whole


@in_s3
def test_an_object_that_was_edited_exchanged_or_lost_stops_the_whole(
    three: Project, place: Place
) -> None:
    plan(three, place)
    older = place.open().read(SHARDS[2]) or b""
    manifest = plan(three, place)
    good = {name: place.open().read(name) or b"" for name in names(place)}
    for name, data, code, said in (
        (SHARDS[2], good[SHARDS[2]].replace(b"RET-1042", b"RET-1043"), 3, "was edited"),
        (SHARDS[2], good[SHARDS[1]], 3, "is not shard 3 of plan"),
        (SHARDS[2], older, 3, "is not shard 3 of plan"),
        (MANIFEST, good[MANIFEST].replace(b"RET-1042", b"RET-1043"), 3, "was edited"),
        (MANIFEST, b"{}", 1, "is not a plan file"),
    ):
        place.put(name, data)
        refused = three.run("apply", manifest)
        assert refused.code == code, refused.err
        assert f"{place.url}/{name} {said}" in refused.err
        place.put(name, good[name])
    place.open().remove(SHARDS[1])
    refused = three.run("apply", manifest)
    assert refused.code == 1
    assert f"cannot read {place.url}/{SHARDS[1]}: there is no such object" in refused.err
    assert "keep shards/ beside the manifest" in refused.err
    assert three.deletes() == []


@in_s3
def test_a_shard_that_is_lost_when_its_turn_comes_ends_the_run(
    three: Project, place: Place
) -> None:
    manifest = plan(three, place)
    place.spoilt.seen.clear()

    def lost_once_read(request: Request, forward: Forward) -> Reply | None:
        reads = [one.path for one in place.spoilt.seen if SHARDS[1] in one.path]
        is_lost = SHARDS[1] in request.path and len(reads) > 1
        return (says(404, "NoSuchKey") if is_lost else honest)(request, forward)

    place.spoilt.always["GET"] = lost_once_read
    ended = three.run("apply", manifest, "--report", "report.json")
    assert ended.code == 4
    assert f"cannot read {place.url}/{SHARDS[1]}: there is no such object" in ended.err
    counts = json.loads(Path("report.json").read_text("utf-8"))["counts"]
    assert (counts["deleted"], counts["not_attempted"]) == (2, 4)
    assert len(three.deletes()) == 2
    place.spoilt.always.clear()
    assert three.run("apply", manifest).code == 0
    assert three.content() == set()


def commands_of(place: Place) -> list[tuple[str, ...]]:
    manifest = f"{place.url}/plan.json"
    making = ("plan", "--shard-size", "2", "--out", place.url)
    return [("show", manifest), ("apply", manifest), making]


@in_buckets
def test_a_bucket_that_is_not_there_or_not_allowed(three: Project, place: Place) -> None:
    plan(three, place)
    gone = place.url.replace("://bucket-", "://nobucket-")
    for command in commands_of(place):
        absent = three.run(*(one.replace(place.url, gone) for one in command))
        assert (absent.code, f"{gone}: there is no such bucket (404 " in absent.err) == (1, True)
    place.spoilt.always["GET"] = says(403, "AccessDenied")
    for command in commands_of(place):
        forbidden = three.run(*command)
        assert (forbidden.code, "no permission to " in forbidden.err) == (1, True)
    place.spoilt.always.clear()
    place.spoilt.always |= dict.fromkeys(("POST", "DELETE"), says(403, "AccessDenied"))
    kept = three.run("plan", "--shard-size", "2", "--out", place.url)
    assert (kept.code, "no permission to remove objects (403" in kept.err) == (1, True)
    assert names(place) == [MANIFEST, *SHARDS]
    assert three.deletes() == []


@pytest.mark.slow
@in_buckets
def test_a_bucket_that_does_not_answer(
    three: Project, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(three, place)
    monkeypatch.setattr("reconciler.objects.bucket.open_bucket.__defaults__", (1.0,))
    for fault, said in ((unheard, "no answer"), (says(503, "SlowDown"), "(503 SlowDown)")):
        place.spoilt.always["GET"] = fault
        for command in commands_of(place):
            ended = three.run(*command)
            assert (ended.code, said in ended.err) == (1, True), ended.err
            assert "would be replaced" not in ended.err
    assert three.deletes() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--out", "gs://b/plan.json"), "add --shard-size N"),
        (("plan", "--shard-size", "2", "--out", "gs:/b/p"), "write two slashes"),
        (("plan", "--shard-size", "2", "--out", "https://b/p"), "a scheme that is not known"),
        (("plan", "--shard-size", "2", "--out", "gs://u:hunter2@b/p"), "holds credentials"),
        (("plan", "--shard-size", "2", "--out", "gs://b/p?k=hunter2"), "holds credentials"),
        (("plan", "--shard-size", "2", "--out", "gs://"), "names no bucket"),
        (("show", "gs://b/p/"), "ends in no name of an object"),
        (("show", "gs://b"), "ends in no name of an object"),
        (("show", "gs://b/plan.json?k=hunter2"), "ends in no name of an object"),
        (("show", "gs://u:hunter2@b/plan.json"), "holds credentials"),
        (("apply", "gs:/b/plan.json"), "write two slashes"),
        (("apply", "ftp://b/plan.json"), "a scheme that is not known"),
        (("apply", "gs://b/p/"), "ends in no name of an object"),
        (("apply", "gs://b/plan.json", "specs"), "a saved plan is applied alone"),
        (("apply", "gs://b/plan.json", "gs://b/plan.json"), "a saved plan is applied alone"),
    ],
)
def test_a_url_that_names_no_place_of_a_plan(
    three: Project, arguments: Sequence[str], said: str
) -> None:
    three.emulator.clear_requests()
    refused = three.run(*arguments)
    assert refused.code in {1, 2}
    assert said in refused.err
    assert "hunter2" not in refused.err
    assert three.emulator.requests() == []


@in_s3
def test_a_plan_in_one_file_is_read_from_a_bucket_too(three: Project, place: Place) -> None:
    three.run("plan", "--out", "plan.json")
    place.put(MANIFEST, Path("plan.json").read_bytes())
    shown = three.run("show", f"{place.url}/plan.json")
    assert shown.out == three.run("show", "plan.json").out
    lines = three.run("filter-file", f"{place.url}/plan.json")
    assert (lines.code, lines.out.count("\n")) == (0, 6)
    assert reconciler.read_plan(f"{place.url}/plan.json") == reconciler.read_plan("plan.json")
    assert three.run("apply", f"{place.url}/plan.json").code == 0
    assert three.content() == set()


@pytest.mark.slow
@in_buckets
def test_from_plan_to_report_with_all_in_a_bucket(three: Project, place: Place) -> None:
    """Two tasks on two machines, then the one report; each command is a process of its own."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "reconciler", *arguments, "--state", f"{place.url}/state"]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def run(*arguments: str) -> None:
        with start(*arguments) as child:
            _, said = child.communicate(timeout=120)
            assert child.returncode == 0, said

    manifest = f"{place.url}/plan/plan.json"
    run("plan", "--shard-size", "2", "--out", f"{place.url}/plan")
    run("show", manifest, "--write", "json=manifest.json")
    digest = json.loads(Path("manifest.json").read_text("utf-8"))["digest"]
    apply = ("apply", manifest, "--expect-digest", digest, "--lease", "5")
    with start(*apply, "--shard", "1/2") as one, start(*apply, "--shard", "2/2") as two:
        for task in (one, two):
            _, said = task.communicate(timeout=120)
            assert task.returncode == 0, said
    assert three.content() == set()
    write_removes(three, "a.yaml", (1, 2))
    for study in (1, 2):
        three.fill(study, 2, [1, 2])
    run("plan", "--shard-size", "2", "--out", f"{place.url}/plan")
    run("apply", manifest, "--processes", "2", "--report", "report.json", "--lease", "5")
    assert three.content() == set()
    report = json.loads(Path("report.json").read_text("utf-8"))
    assert (report["counts"]["deleted"], len(report["runs"])) == (4, 2)
