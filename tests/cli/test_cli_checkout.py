"""A hold that git has and the work tree does not show is not overlooked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import REASON, Answer, Project, address, removal

HOLD = "specs/legal/hold.yaml"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Reviewer", "-c", "user.email=reviewer@example.org"]
    done = subprocess.run(
        ["git", *identity, "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "As reviewed")


def hold_of(project: Project) -> str:
    return f"keep:\n  - studiesId: {address(1, 1, 1).study_uid}\n    hold: Litigation 7\n"


@pytest.fixture
def held(project: Project) -> Project:
    """A repository that asks for two removals, which a hold in another folder vetoes."""
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "-b", "main")
    instances = project.fill(1, 1, range(1, 31))
    project.write("retention/r.yaml", REASON + removal(instances[:2]))
    project.write("legal/hold.yaml", hold_of(project))
    (project.folder / ".gitignore").write_text(".reconciler/\n*.json\n")
    commit(project.folder)
    return project


def delete_statement(project: Project) -> str:
    names = zip(("studiesId", "seriesId", "instancesId"), address(1, 1, 1), strict=True)
    parameters = {**project.store.as_parameters(), **dict(names)}
    where = " AND ".join(f"{name} = '{value}'" for name, value in parameters.items())
    return f"DELETE FROM google.healthcare.instances WHERE {where}"


def refused_everywhere(project: Project, reason: str) -> Answer:
    """No command plans or deletes by these files; the answer of ``validate``."""
    (project.folder / "plan.json").unlink(missing_ok=True)
    planned = project.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert reason in planned.err
    assert not (project.folder / "plan.json").exists()
    for arguments in (["apply", "--auto-approve"], ["plan", "specs/retention/r.yaml"]):
        refused = project.run(*arguments)
        assert (refused.code, reason in refused.err) == (3, True)
    sql = delete_statement(project)
    queried = project.run("query", sql, "--reason", "113039")
    assert (queried.code, reason in queried.err) == (3, True)
    assert project.deletes() == []
    validated = project.run("validate")
    assert (validated.code, reason in validated.err) == (1, True)
    return validated


def outside_the_cone(project: Project) -> None:
    git(project.folder, "sparse-checkout", "set", "--cone", "specs/retention")


def outside_patterns(project: Project) -> None:
    git(project.folder, "sparse-checkout", "set", "--no-cone", "/*", "!hold.yaml")


def in_a_sparse_index(project: Project) -> None:
    git(project.folder, "sparse-checkout", "set", "--sparse-index", "specs/retention")


def skipped_by_hand(project: Project) -> None:
    git(project.folder, "update-index", "--skip-worktree", HOLD)
    (project.folder / HOLD).unlink()


def skipped_with_its_folder(project: Project) -> None:
    git(project.folder, "update-index", "--skip-worktree", HOLD)
    shutil.rmtree(project.folder / "specs/legal")


def assumed(project: Project) -> None:
    git(project.folder, "update-index", "--assume-unchanged", HOLD)
    (project.folder / HOLD).unlink()


def emptied_and_assumed(project: Project) -> None:
    git(project.folder, "update-index", "--assume-unchanged", HOLD)
    project.write("legal/hold.yaml", "keep: []\n")


def emptied_and_skipped(project: Project) -> None:
    git(project.folder, "update-index", "--skip-worktree", HOLD)
    project.write("legal/hold.yaml", "keep: []\n")


def emptied_at_the_same_time_and_size(project: Project) -> None:
    path = project.folder / HOLD
    before = path.stat()
    git(project.folder, "update-index", "--assume-unchanged", HOLD)
    other = path.read_text().replace(f"{address(1, 1, 1)[0]}\n", f"{address(2, 1, 1)[0]}\n")
    path.write_text(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_folder_in_its_place(project: Project) -> None:
    git(project.folder, "update-index", "--skip-worktree", HOLD)
    (project.folder / HOLD).unlink()
    (project.folder / HOLD).mkdir()


def a_link_instead_of_its_folder(project: Project) -> None:
    git(project.folder, "update-index", "--assume-unchanged", HOLD)
    shutil.rmtree(project.folder / "specs/legal")
    (project.folder / "specs/legal").symlink_to("retention")


def a_plain_file_for_a_link(project: Project) -> None:
    (project.folder / "holds").mkdir()
    (project.folder / HOLD).rename(project.folder / "holds/hold.yaml")
    (project.folder / "specs/legal").rmdir()
    (project.folder / "specs/legal").symlink_to("../holds")
    commit(project.folder)
    git(project.folder, "config", "core.symlinks", "false")
    (project.folder / "specs/legal").unlink()
    git(project.folder, "checkout", "--", "specs/legal")
    assert (project.folder / "specs/legal").read_text() == "../holds"
    assert git(project.folder, "status", "--short") == ""


def behind_a_link_and_outside(project: Project) -> None:
    (project.folder / "holds/old").mkdir(parents=True)
    (project.folder / HOLD).rename(project.folder / "holds/old/hold.yaml")
    (project.folder / "holds/note.txt").write_text("x")
    (project.folder / "specs/legal").rmdir()
    (project.folder / "specs/legal").symlink_to("../holds")
    commit(project.folder)
    git(project.folder, "sparse-checkout", "set", "--no-cone", "/*", "!/holds/old/")
    assert (project.folder / "specs/legal/note.txt").exists()


def links_that_were_skipped(project: Project) -> None:
    (project.folder / "holds").mkdir()
    (project.folder / HOLD).rename(project.folder / "holds/hold.yaml")
    (project.folder / "specs/legal").rmdir()
    (project.folder / "specs/legal").symlink_to("../holds")
    commit(project.folder)
    git(project.folder, "update-index", "--skip-worktree", "specs/legal")
    (project.folder / "specs/legal").unlink()
    (project.folder / "specs/legal").symlink_to("retention")


def never_fetched(project: Project) -> None:
    """A partial clone whose checkout was cut off: the index is full, the hold is nowhere."""
    origin = project.folder.parent / "origin"
    project.folder.rename(origin)
    git(origin, "config", "uploadpack.allowFilter", "true")
    clone = ["clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{origin}"]
    git(project.folder.parent, *clone, str(project.folder))
    os.chdir(project.folder)
    git(project.folder, "reset", "-q")
    git(project.folder, "checkout", "--", ".gitignore", "specs/retention")
    origin.rename(origin.with_name("away"))


@pytest.mark.parametrize(
    ("hide", "hint"),
    [
        (outside_the_cone, "git sparse-checkout add specs/legal"),
        (outside_patterns, "git sparse-checkout add specs/legal"),
        (in_a_sparse_index, "git sparse-checkout add specs/legal"),
        (skipped_by_hand, f"git update-index --no-skip-worktree {HOLD}"),
        (skipped_with_its_folder, f"git update-index --no-skip-worktree {HOLD}"),
        (assumed, f"git update-index --no-assume-unchanged {HOLD}"),
        (emptied_and_assumed, f"git update-index --no-assume-unchanged {HOLD}"),
        (emptied_and_skipped, f"git update-index --no-skip-worktree {HOLD}"),
        (emptied_at_the_same_time_and_size, "git diff"),
        (a_folder_in_its_place, f"git update-index --no-skip-worktree {HOLD}"),
        (a_link_instead_of_its_folder, f"git update-index --no-assume-unchanged {HOLD}"),
        (a_plain_file_for_a_link, "core.symlinks true"),
        (behind_a_link_and_outside, "git sparse-checkout add holds/old"),
        (links_that_were_skipped, "git update-index --no-skip-worktree specs/legal"),
        (never_fetched, f"git checkout HEAD -- {HOLD}"),
    ],
)
def test_a_hold_that_git_status_does_not_show_as_gone_is_refused(
    held: Project, hide: Callable[[Project], None], hint: str
) -> None:
    assert held.run("plan").last_line.startswith("Plan: 0 to delete, 0 already absent, 30 kept")
    hide(held)
    validated = refused_everywhere(held, hint)
    assert "1 error, 0 warnings" in validated.err


def test_a_plan_of_a_whole_checkout_is_not_applied_where_a_hold_is_hidden(held: Project) -> None:
    """Nor is one of a checkout without the hold applied where it is."""
    held.write("retention/r.yaml", REASON + removal([*held.fill(2, 1, range(1, 30))][:2]))
    commit(held.folder)
    assert held.run("plan", "--out", "plan.json").last_line.startswith("Plan: 2 to delete")
    outside_the_cone(held)
    refused = held.run("apply", "plan.json", "--require-clean")
    assert refused.code == 3
    assert HOLD in refused.err
    assert held.deletes() == []
    git(held.folder, "sparse-checkout", "disable")
    assert held.run("apply", "plan.json", "--require-clean").code == 0


def test_the_problem_is_in_every_form(held: Project) -> None:
    outside_the_cone(held)
    forms = ["--format", "json", "--write", "sarif=a.sarif"]
    (problem,) = held.run("validate", *forms).json["problems"]
    assert (problem["rule"], problem["source"]["path"]) == ("not-checked-out", HOLD)
    assert "not-checked-out" in (held.folder / "a.sarif").read_text()


def test_the_first_few_are_named_and_the_rest_counted(held: Project) -> None:
    for number in range(9):
        held.write(f"legal/{number}.yaml", "keep: []\n")
    commit(held.folder)
    outside_the_cone(held)
    planned = held.run("plan")
    assert "specs/legal/4.yaml and 5 more are not in the work tree" in planned.err


def test_the_project_may_lie_below_the_top_and_what_lies_beside_it_is_no_matter(
    held: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = held.folder / "imaging"
    inner.mkdir()
    (held.folder / "specs").rename(inner / "specs")
    (held.folder / "docs").mkdir()
    (held.folder / "docs/a.md").write_text("x")
    commit(held.folder)
    git(held.folder, "sparse-checkout", "set", "--cone", "imaging")
    monkeypatch.chdir(inner)
    assert held.run("plan", "--root", ".").last_line.startswith("Plan: 0 to delete")
    git(held.folder, "sparse-checkout", "set", "--cone", "imaging/specs/retention")
    refused = held.run("plan", "--root", ".")
    assert refused.code == 3
    assert f"{HOLD} is not in the work tree" in refused.err


def test_a_linked_work_tree_is_a_checkout_too(
    held: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(held.folder, "worktree", "add", "-q", str(other))
    monkeypatch.chdir(other)
    assert held.run("plan", "--out", "plan.json").code == 0
    assert json.loads((other / "plan.json").read_text())["git"]["dirty"] is False
    git(other, "update-index", "--skip-worktree", HOLD)
    (other / HOLD).unlink()
    assert held.run("plan").code == 3


def submodule(project: Project, path: str) -> Path:
    """Move a folder of the project into a repository of its own, as a submodule."""
    lists = project.folder.parent / "lists"
    shutil.move(project.folder / path, lists)
    git(lists, "init", "-q", "-b", "main")
    commit(lists)
    git(project.folder, "rm", "-rq", "--cached", path)
    git(project.folder, "submodule", "--quiet", "add", str(lists), path)
    commit(project.folder)
    return lists


@pytest.mark.parametrize("path", ["specs", "specs/legal"])
def test_a_submodule_that_is_not_checked_out_is_refused(held: Project, path: str) -> None:
    submodule(held, path)
    planned = held.run("plan", "--out", "plan.json")
    assert planned.last_line.startswith("Plan: 0 to delete, 0 already absent, 30 kept")
    assert json.loads((held.folder / "plan.json").read_text())["git"]["dirty"] is False
    git(held.folder, "submodule", "--quiet", "deinit", "--all", "--force")
    refused = held.run("plan", "specs/retention/r.yaml")
    assert refused.code == 3
    assert f"git submodule update --init {path}" in refused.err
    shutil.rmtree(held.folder / path)
    git(held.folder, "config", "diff.ignoreSubmodules", "all")
    assert held.run("plan").code == 3


def test_what_a_submodule_hides_is_seen(held: Project) -> None:
    submodule(held, "specs")
    git(held.folder / "specs", "sparse-checkout", "set", "--cone", "retention")
    refused = held.run("plan")
    assert refused.code == 3
    assert f"{HOLD} is not in the work tree" in refused.err


def test_a_submodule_that_stayed_behind_is_refused(held: Project) -> None:
    """As after a ``git pull`` that brought a hold, without an update of the submodules."""
    submodule(held, "specs/legal")
    legal = held.folder / "specs/legal"
    held.write("legal/more.yaml", "keep: []\n")
    commit(legal)
    commit(held.folder)
    assert held.run("plan", "--format", "json").json["git"]["dirty"] is False
    git(legal, "checkout", "-q", "HEAD~1")
    git(held.folder, "config", "diff.ignoreSubmodules", "all")
    refused = held.run("plan")
    assert refused.code == 3
    assert "git submodule update specs/legal" in refused.err
    git(held.folder, "add", "specs/legal")
    assert held.run("plan", "--format", "json").json["git"]["dirty"] is True


def test_an_empty_git_folder_makes_no_submodule(held: Project) -> None:
    submodule(held, "specs/legal")
    git(held.folder, "submodule", "--quiet", "deinit", "--all", "--force")
    (held.folder / "specs/legal/.git").mkdir()
    assert held.run("plan").code == 3


def test_files_of_a_repository_that_no_commit_names_are_not_clean(held: Project) -> None:
    git(held.folder, "rm", "-rq", "--cached", "specs/legal")
    git(held.folder, "commit", "-q", "-m", "Without it")
    git(held.folder / "specs/legal", "init", "-q")
    commit(held.folder / "specs/legal")
    assert held.run("plan", "--format", "json").json["git"]["dirty"] is True


def test_all_of_specs_and_the_folder_of_a_path_count(held: Project) -> None:
    lists = held.folder / "lists"
    (lists / "own").mkdir(parents=True)
    shutil.copy(held.folder / "specs/retention/r.yaml", lists / "own/r.yaml")
    shutil.copy(held.folder / HOLD, lists / "hold.yaml")
    (held.folder / "specs/retention/r.yaml").unlink()
    commit(held.folder)
    assert held.run("plan", "lists").last_line.startswith("Plan: 0 to delete")
    git(held.folder, "sparse-checkout", "set", "--no-cone", "/lists/")
    refused = held.run("plan", "lists/own/r.yaml")
    assert (refused.code, f"{HOLD} is not in the work tree" in refused.err) == (3, True)
    git(held.folder, "sparse-checkout", "set", "--no-cone", "/lists/own/", "/specs/")
    git(held.folder, "rm", "-q", "--sparse", HOLD)
    commit(held.folder)
    assert not (lists / "hold.yaml").exists()
    refused = held.run("plan", "lists")
    assert (refused.code, "lists/hold.yaml is not in the work tree" in refused.err) == (3, True)
    # A PATH that names one file asks for no other outside of specs/.
    assert held.run("plan", "lists/own/r.yaml").code == 0


def test_an_inventory_outside_of_specs_counts_too(held: Project) -> None:
    lists = held.folder / "lists"
    lists.mkdir()
    one = ",".join(address(1, 1, 5))
    text = f"studiesId,seriesId,instancesId\n{one}\n"
    (lists / "kept.csv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    inventory = f"{{path: ../lists/kept.csv, sha256: {digest}, count: 1}}"
    held.write("more.yaml", f"keep:\n  - inventory: {inventory}\n")
    commit(held.folder)
    git(held.folder, "sparse-checkout", "set", "--cone", "specs")
    refused = held.run("plan")
    assert refused.code == 3
    assert "git sparse-checkout add lists" in refused.err


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 210\n"


def test_a_pointer_of_git_lfs_is_no_file(held: Project) -> None:
    pointer = POINTER.format("a" * 64)
    (held.folder / HOLD).write_text(pointer)
    (held.folder / "specs/kept.csv").write_text(pointer)
    digest = hashlib.sha256(pointer.encode()).hexdigest()
    inventory = f"{{path: kept.csv, sha256: {digest}, count: 2}}"
    held.write("more.yaml", f"keep:\n  - inventory: {inventory}\n")
    commit(held.folder)
    validated = refused_everywhere(held, "git lfs pull")
    assert f"{HOLD} is a Git LFS pointer" in validated.err
    assert "specs/kept.csv is a Git LFS pointer" in validated.err
    assert "2 errors" in validated.err


def test_what_git_lfs_fetched_is_clean(held: Project) -> None:
    text = (held.folder / HOLD).read_bytes()
    pointer = POINTER.format(hashlib.sha256(text).hexdigest())
    (held.folder / HOLD).write_text(pointer.replace("210", str(len(text))))
    commit(held.folder)
    (held.folder / HOLD).write_bytes(text)
    assert held.run("plan", "--format", "json").json["git"]["dirty"] is False


def unstaged(project: Project) -> None:
    (project.folder / HOLD).unlink()


def staged(project: Project) -> None:
    git(project.folder, "rm", "-q", HOLD)


def replaced(project: Project) -> None:
    (project.folder / HOLD).unlink()
    (project.folder / HOLD).symlink_to("../retention/r.yaml")


def moved(project: Project) -> None:
    git(project.folder, "mv", HOLD, "specs/legal/hold.txt")


@pytest.mark.parametrize("delete", [unstaged, staged, replaced, moved])
def test_a_deletion_that_git_status_shows_is_a_note_and_not_clean(
    held: Project, delete: Callable[[Project], None]
) -> None:
    delete(held)
    assert "hold" in git(held.folder, "status", "--short")
    planned = held.run("plan", "--out", "plan.json")
    assert planned.code == 0
    assert planned.last_line.startswith("Plan: 2 to delete")
    assert f"warning: {HOLD} is deleted or replaced" in planned.err
    assert held.run("validate").code == 0
    refused = held.run("apply", "plan.json", "--require-clean")
    assert refused.code == 3
    assert "when the plan was made" in refused.err
    assert held.run("apply", "--auto-approve", "--require-clean").code == 3
    assert held.deletes() == []
    applied = held.run("apply", "plan.json")
    assert applied.code == 0
    assert f"warning: {HOLD} is deleted or replaced" in applied.err


def test_a_deletion_that_is_committed_is_no_matter(held: Project) -> None:
    git(held.folder, "rm", "-q", HOLD)
    commit(held.folder)
    planned = held.run("plan", "--out", "plan.json")
    assert "warning" not in planned.err
    assert held.run("apply", "plan.json", "--require-clean").code == 0


def test_a_change_behind_a_stray_cr_is_not_clean(held: Project) -> None:
    git(held.folder, "rm", "-q", HOLD)
    commit(held.folder)
    removes = held.folder / "specs/retention/r.yaml"
    removes.write_bytes(
        removes.read_bytes() + f"      - {address(1, 1, 3).instance_uid}\r".encode()
    )
    planned = held.run("plan", "--out", "plan.json", "--format", "json")
    assert planned.json["git"]["dirty"]
    assert held.run("apply", "plan.json", "--require-clean").code == 3
    assert held.deletes() == []


def same_stat(project: Project) -> None:
    """Changed within the granularity of what the index remembers."""
    path = project.folder / "specs/retention/r.yaml"
    git(project.folder, "rm", "-q", HOLD)
    git(project.folder, "config", "core.checkStat", "minimal")
    git(project.folder, "config", "core.trustctime", "false")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    commit(project.folder)
    before = path.stat()
    path.write_text(
        path.read_text().replace(f"{address(1, 1, 2)[2]}\n", f"{address(1, 1, 3)[2]}\n")
    )
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert git(project.folder, "status", "--short") == ""


def a_filter_that_makes_it_the_same(project: Project) -> None:
    committed = project.folder.parent / "committed.yaml"
    shutil.copy(project.folder / "specs/retention/r.yaml", committed)
    (project.folder / ".git/info/attributes").write_text("r.yaml filter=evil\n")
    git(project.folder, "config", "filter.evil.clean", f"cat {committed}")
    project.write("retention/r.yaml", REASON + removal([address(1, 1, 4)]))
    git(project.folder, "add", "specs")
    assert git(project.folder, "status", "--short") == ""


def a_hook_that_says_nothing_changed(project: Project) -> None:
    hook = project.folder.parent / "hook"
    hook.write_text("#!/bin/sh\nprintf 'token\\0'\n")
    hook.chmod(0o755)
    git(project.folder, "config", "core.fsmonitor", str(hook))
    git(project.folder, "update-index", "--fsmonitor")
    git(project.folder, "status", "--short")
    project.write("retention/r.yaml", REASON + removal([address(1, 1, 4)]))
    assert git(project.folder, "status", "--short") == ""


def an_index_of_its_own(project: Project) -> None:
    project.write("retention/r.yaml", REASON + removal([address(1, 1, 4)]))
    git(project.folder, "add", "specs")


def a_link_of_its_own(project: Project) -> None:
    """Every file that is read is committed; that it is read is not."""
    other = project.folder / "old"
    other.mkdir()
    (project.folder / "specs/retention/r.yaml").rename(other / "r.yaml")
    (project.folder / "specs/retention").rmdir()
    commit(project.folder)
    (project.folder / "specs/retention").symlink_to("../old")


def a_link_that_leads_elsewhere(project: Project) -> None:
    (project.folder / "a").mkdir()
    (project.folder / "b").mkdir()
    (project.folder / "a/x.yaml").write_bytes((project.folder / HOLD).read_bytes())
    shutil.copy(project.folder / "a/x.yaml", project.folder / "b/x.yaml")
    (project.folder / "now").symlink_to("a")
    (project.folder / "specs/more").symlink_to("../now")
    commit(project.folder)
    (project.folder / "now").unlink()
    (project.folder / "now").symlink_to("b")


@pytest.mark.parametrize(
    "change",
    [
        same_stat,
        a_filter_that_makes_it_the_same,
        a_hook_that_says_nothing_changed,
        an_index_of_its_own,
        a_link_of_its_own,
        a_link_that_leads_elsewhere,
    ],
)
def test_clean_is_told_from_the_bytes_that_were_read(
    held: Project, change: Callable[[Project], None]
) -> None:
    change(held)
    planned = held.run("plan", "--out", "plan.json")
    assert planned.code == 0, planned.err
    assert json.loads((held.folder / "plan.json").read_text())["git"]["dirty"] is True
    assert held.run("apply", "plan.json", "--require-clean").code == 3
    assert held.deletes() == []


def test_line_ends_of_a_checkout_are_clean_and_other_conversions_are_not(held: Project) -> None:
    for attributes, is_dirty in (("* text eol=crlf\n", False), ("* ident\n", True)):
        held.write("retention/r.yaml", "# $Id$\n" + REASON + removal([address(1, 1, 1)]))
        (held.folder / ".gitattributes").write_text(attributes)
        commit(held.folder)
        shutil.rmtree(held.folder / "specs")
        git(held.folder, "checkout", "--", "specs")
        assert git(held.folder, "status", "--short") == ""
        assert held.run("plan", "--format", "json").json["git"]["dirty"] is is_dirty


def test_a_repository_of_sha256_is_one_too(project: Project) -> None:
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "--object-format=sha256")
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 6))[:1]))
    commit(project.folder)
    planned = project.run("plan", "--format", "json").json["git"]
    assert (len(planned["commit"]), planned["dirty"]) == (64, False)


@pytest.mark.parametrize("name", ["index", "HEAD", "objects"])
def test_where_git_fails_it_is_not_known_and_refused_in_its_own_words(
    held: Project, name: str
) -> None:
    planned = held.run("plan", "--out", "plan.json")
    assert planned.code == 0
    path = held.folder / ".git" / name
    path.rename(held.folder.parent / name)
    if name == "index":
        path.write_bytes(b"DIRC and no more")
    refused = held.run("plan")
    assert refused.code in {1, 3}
    assert "not known: fatal: " in refused.err
    assert held.run("validate").code == 1
    assert held.run("apply", "plan.json").code == 3
    assert held.run("restore", "RUN").code == 3
    noted = held.run("audit", "verify")
    assert noted.code == 0
    assert "note: whether git tracks the state folder" in noted.err
    assert held.deletes() == []


def test_without_git_nothing_is_planned_in_a_checkout(
    held: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = held.run("plan", "--state", tmp_path / "state")
    assert refused.code == 3
    assert "git is not installed" in refused.err
    shutil.rmtree(held.folder / ".git")
    assert held.run("plan").code == 0


def test_the_number_of_git_processes_does_not_depend_on_that_of_files(
    held: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counted = tmp_path / "counted"
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin/git"
    wrapper.write_text(f'#!/bin/sh\necho x >> {counted}\nexec {shutil.which("git")} "$@"\n')
    wrapper.chmod(0o755)
    counts = []
    for number in (1, 60):
        for name in range(number):
            held.write(f"many/{number}/{name}.yaml", "keep: []\n")
        commit(held.folder)
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
            assert held.run("plan").code == 0
        counts.append(len(counted.read_text().splitlines()))
        counted.unlink()
    assert counts[0] == counts[1] < 10


def test_what_cannot_be_looked_at_under_specs_is_an_error(held: Project) -> None:
    specs = held.folder / "specs"
    (specs / "gone").symlink_to("nowhere")
    (specs / "loop").symlink_to("loop")
    os.mkfifo(specs / "pipe.yaml")
    validated = held.run("validate")
    assert validated.code == 1
    for name in ("gone", "loop", "pipe.yaml"):
        assert f"specs/{name} cannot be read" in validated.err


def test_a_folder_that_may_not_be_looked_into_is_an_error(
    held: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for root, whom a mode does not stop: the system's refusal is what is told."""
    scandir = os.scandir

    def denied(path: str | Path) -> object:
        if Path(path).name == "legal":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    if os.geteuid() == 0:
        monkeypatch.setattr("reconciler.desired.selection.os.scandir", denied)
    else:
        (held.folder / "specs/legal").chmod(0)
    refused = held.run("plan")
    (held.folder / "specs/legal").chmod(stat.S_IRWXU)
    assert refused.code == 3
    assert "specs/legal cannot be read: Permission denied" in refused.err
