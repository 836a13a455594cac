"""Where state may be, as it is typed: nothing is taken for what it is not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from .conftest import REASON, Project, removal


@pytest.fixture
def bucket(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is used as a bucket, with a plan on record; the project's files remove one."""
    folder = project.folder.parent / "bucket"
    folder.mkdir()
    project.write("a.yaml", REASON + removal(project.fill(1, 1, [1, 2, 3, 4])[:1]))
    planned = project.run("plan", "--out", "plan.json", "--state", folder.as_uri())
    assert planned.code == 0, planned.err
    return folder


@pytest.mark.parametrize("given", ["s3:/bucket/p", "gs:bucket", "file:/x", "AZ:/c/p"])
def test_a_url_with_a_slash_too_few_is_no_folder(project: Project, given: str) -> None:
    answer = project.run("state", "check", given)
    assert answer.code == 1
    assert "write two slashes" in answer.err
    assert not (project.folder / given.partition("/")[0]).exists()


@pytest.mark.parametrize("lease", ["nan", "inf", "0", "-1", "1e300", "601"])
def test_a_lease_that_is_none_is_refused(project: Project, lease: str) -> None:
    answer = project.run("apply", "plan.json", "--lease", lease)
    assert answer.code == 1
    assert "is not above 0 and at most 600" in answer.err


def test_the_two_layouts_of_a_folder_are_never_mixed(project: Project, bucket: Path) -> None:
    """Their locks do not see each other, so a plan could be applied by both."""
    applied = project.run("apply", "plan.json", "--state", bucket.as_uri())
    assert applied.code == 0, applied.err
    for command in (["apply", "plan.json"], ["status"], ["plan"]):
        answer = project.run(*command, "--state", str(bucket))
        assert (answer.code, "bucket's layout" in answer.err) == (3, True), answer
    own = project.folder / ".reconciler"
    project.run("plan", "--out", "again.json")
    project.run("apply", "again.json")
    answer = project.run("apply", "again.json", "--state", own.as_uri())
    assert (answer.code, "holds a state folder" in answer.err) == (3, True), answer


def test_an_object_that_grows_beyond_bounds_is_found_and_not_unpacked(
    project: Project, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.journal.places.bucket._MOST", 1 << 20)
    (segment,) = bucket.glob("observations/*/00000000")
    segment.write_bytes(gzip.compress(b'{"type":"segment",' + bytes(1 << 21)))
    answer = project.run("audit", "verify", "--state", bucket.as_uri())
    assert answer.code == 3
    assert "larger than a segment can be" in answer.out


def test_unlock_names_nobody_where_nobody_holds_the_store(project: Project, bucket: Path) -> None:
    answer = project.run("state", "unlock", str(project.store), "--state", bucket.as_uri())
    assert (answer.code, "not a terminal" in answer.err) == (3, True)


def test_a_copy_into_another_record_writes_nothing(project: Project, bucket: Path) -> None:
    assert project.run("plan", "--out", "other.json").code == 0
    before = sorted(bucket.rglob("*"))
    answer = project.run("state", "copy", ".reconciler", bucket.as_uri())
    assert (answer.code, "holds another" in answer.err) == (1, True)
    assert sorted(bucket.rglob("*")) == before
