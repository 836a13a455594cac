"""What is applied is what was reviewed: the same files, from the same commit, on any machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.emulator import EmulatorSettings, running_emulator

from .conftest import REASON, Project, address, removal


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Reviewer", "-c", "user.email=reviewer@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(project: Project) -> Project:
    """The project as a git repository with one commit, which asks for one removal."""
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "-b", "main")
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 6))[:1]))
    commit(project, "Remove one instance")
    return project


def commit(project: Project, message: str) -> None:
    git(project.folder, "add", "specs")
    git(project.folder, "commit", "-q", "--allow-empty", "-m", message)


def test_the_plan_records_the_commit(repository: Project) -> None:
    planned = repository.run("plan", "--format", "json").json
    assert planned["git"]["commit"] == git(repository.folder, "rev-parse", "HEAD")
    assert planned["git"]["dirty"] is False
    repository.write("a.yaml", REASON + removal([address(1, 1, 2)]))
    assert repository.run("plan", "--format", "json").json["git"]["dirty"] is True


def test_require_clean_survives_a_squash_merge(repository: Project) -> None:
    """The merge commit is never the reviewed one; what it holds at the input files is."""
    git(repository.folder, "switch", "-q", "-c", "review")
    repository.write("b.yaml", REASON + removal([address(1, 1, 2)]))
    commit(repository, "Remove another")
    assert repository.run("plan", "--out", "plan.json").code == 0
    git(repository.folder, "switch", "-q", "main")
    git(repository.folder, "merge", "-q", "--squash", "review")
    (repository.folder / "unrelated.txt").write_text("not an input\n")
    commit(repository, "Squashed")
    applied = repository.run("apply", "plan.json", "--require-clean")
    assert applied.code == 0, applied.err
    assert len(repository.content()) == 3


def test_require_clean_refuses_a_plan_of_uncommitted_files(repository: Project) -> None:
    repository.write("a.yaml", REASON + removal([address(1, 1, 2)]))
    repository.run("plan", "--out", "plan.json")
    refused = repository.run("apply", "plan.json", "--require-clean")
    assert refused.code == 3
    assert "when the plan was made" in refused.err
    commit(repository, "Committed after planning")
    assert repository.run("apply", "plan.json", "--require-clean").code == 3
    assert repository.deletes() == []


def test_require_clean_refuses_an_untracked_input(repository: Project) -> None:
    repository.write("new.yaml", "keep: []\n")
    repository.run("plan", "--out", "plan.json")
    assert repository.run("apply", "plan.json", "--require-clean").code == 3


def test_require_clean_needs_a_repository(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 6))[:1]))
    project.run("plan", "--out", "plan.json")
    refused = project.run("apply", "plan.json", "--require-clean")
    assert refused.code == 3
    assert "no git repository" in refused.err


def test_the_state_folder_and_plan_files_do_not_make_it_dirty(repository: Project) -> None:
    repository.run("plan", "--out", "plan.json")
    assert repository.run("apply", "plan.json", "--require-clean").code == 0
    assert (repository.folder / ".reconciler").is_dir()
    assert repository.run("plan", "--format", "json").json["git"]["dirty"] is False


def test_another_machine_makes_the_same_stable_part(project: Project, tmp_path: Path) -> None:
    """Another folder, another working directory, another service, other times of the files."""
    instances = project.fill(1, 1, range(1, 12))
    project.write("b.yaml", REASON + removal(instances[:2]))
    project.write("a.yaml", REASON + removal(instances[2:4]))
    inventory = "studiesId,seriesId,instancesId\n" + ",".join(instances[5]) + "\n"
    (project.folder / "specs" / "c.csv").write_text(inventory)
    digest = hashlib.sha256(inventory.encode()).hexdigest()
    project.write(
        "c.yaml",
        f"{REASON}remove:\n  - inventory: {{path: c.csv, sha256: {digest}, count: 1}}\n",
    )
    here = project.run("plan", "specs", "--out", "plan.json")
    assert here.code == 0, here.err

    other = tmp_path / "elsewhere" / "checkout"
    (other / "specs").mkdir(parents=True)
    for path in sorted((project.folder / "specs").iterdir(), reverse=True):
        shutil.copyfile(path, other / "specs" / path.name)
    with running_emulator(EmulatorSettings(tmp_path / "other-store")) as emulator:
        uids = [one.instance_uid for one in reversed(instances)]
        emulator.ingest_synthetic(project.store, instances[0].series, uids)
        there = project.run(
            "plan",
            other / "specs",
            "--root",
            other,
            "--state",
            tmp_path / "other-state",
            "--endpoint",
            emulator.url,
            "--format",
            "json",
        )
    mine = (project.folder / "plan.json").read_text()
    assert json.loads(mine)["digest"] == there.json["digest"]
    assert stable_part(mine) == stable_part(there.out)


def stable_part(text: str) -> str:
    return text[text.index('"plan":') : text.index('"seal":')]


def test_an_inventory_that_changed_since_the_plan_is_refused(project: Project) -> None:
    instances = project.fill(1, 1, range(1, 12))
    path = project.folder / "specs" / "c.csv"

    def pin(*listed: int) -> None:
        rows = [",".join(instances[number]) for number in listed]
        path.write_text("\n".join(["studiesId,seriesId,instancesId", *rows]) + "\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        project.write(
            "c.yaml",
            f"{REASON}remove:\n"
            f"  - inventory: {{path: c.csv, sha256: {digest}, count: {len(listed)}}}\n",
        )

    pin(1, 2)
    assert project.run("plan", "--out", "plan.json").code == 0
    path.write_text(path.read_text().replace(instances[1].instance_uid, instances[3].instance_uid))
    assert project.run("apply", "plan.json").code == 3
    pin(1, 3)
    refused = project.run("apply", "plan.json")
    assert refused.code == 3
    assert "specs/c.csv was changed" in refused.err
    assert project.deletes() == []


def test_an_expired_plan_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 6))[:1]))
    project.run("plan", "--out", "plan.json", "--max-age", "2h")
    later = datetime.now(UTC) + timedelta(hours=2, seconds=1)
    monkeypatch.setattr("reconciler.api.machine.now", lambda: later)
    refused = project.run("apply", "plan.json")
    assert refused.code == 3
    assert "expired" in refused.err
    assert project.deletes() == []
