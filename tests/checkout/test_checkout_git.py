"""Git is asked, and nothing that a repository configures runs or is fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.checkout import git as git_module
from reconciler.checkout.git import Git
from reconciler.checkout.repository import Repository
from reconciler.checkout.work_tree import repositories_above
from reconciler.errors import GitError

from .conftest import run_git


def ask_everything(top: Path, git: Git) -> None:
    """Every question that is ever asked."""
    repository = Repository.open(top, git)
    listing = repository.listing(["."])
    repository.tracked_below(["a.yaml"])
    repository.ignored(["a.yaml"])
    repository.without_content(one.held.oid for one in listing.tracked.values())


def test_what_git_tracks_below_a_folder_is_found_in_any_case(repository: Path, git: Git) -> None:
    """Where the file system ignores case, both names are one folder."""
    (repository / ".Reconciler").mkdir()
    (repository / ".Reconciler" / "a").write_text("x")
    run_git(repository, "add", "-A", "-f")
    found = Repository.open(repository, git).tracked_below([".reconciler"])
    assert found == [".Reconciler/a"]


HOSTILE = {
    "core.fsmonitor": "COMMAND",
    "core.pager": "COMMAND",
    "pager.ls-files": "COMMAND",
    "core.hooksPath": "FOLDER",
    "core.sshCommand": "COMMAND",
    "core.alternateRefsCommand": "COMMAND",
    "core.editor": "COMMAND",
    "core.attributesFile": "FOLDER/attributes",
    "diff.external": "COMMAND",
    "diff.evil.textconv": "COMMAND",
    "diff.evil.command": "COMMAND",
    "filter.evil.clean": "COMMAND",
    "filter.evil.smudge": "COMMAND",
    "filter.evil.process": "COMMAND",
    "gpg.program": "COMMAND",
    "log.showSignature": "true",
    "alias.ls-files": "!COMMAND",
    "alias.rev-parse": "!COMMAND",
    "credential.helper": "!COMMAND",
    "uploadpack.packObjectsHook": "COMMAND",
    "submodule.recurse": "true",
}


def test_nothing_that_the_repository_configures_runs(
    repository: Path, git: Git, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    command = tmp_path / "command"
    command.write_text(f"#!/bin/sh\ntouch {ran}\n")
    command.chmod(0o755)
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        shutil.copy(command, hooks / name)
    (hooks / "attributes").write_text("* filter=evil diff=evil\n")
    (repository / ".gitattributes").write_text("* filter=evil diff=evil ident\n")
    for name, value in HOSTILE.items():
        said = value.replace("COMMAND", str(command)).replace("FOLDER", str(hooks))
        run_git(repository, "config", name, said)
    (repository / "a.yaml").write_text("changed\n")
    ran.unlink(missing_ok=True)
    ask_everything(repository, git)
    assert not ran.exists()


@pytest.mark.parametrize("address", ["ext::sh -c 'touch RAN'", "file://ORIGIN", "ORIGIN"])
def test_nothing_is_fetched_for_a_partial_clone(
    repository: Path, git: Git, tmp_path: Path, address: str
) -> None:
    run_git(repository, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    origin = f"file://{repository}"
    run_git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", origin, str(clone))
    ran = tmp_path / "ran"
    said = address.replace("RAN", str(ran)).replace("ORIGIN", str(repository))
    run_git(clone, "config", "remote.origin.url", said)
    run_git(clone, "config", "protocol.ext.allow", "always")
    opened = Repository.open(clone, git)
    (one,) = opened.listing(["."]).tracked.values()
    assert opened.without_content([one.held.oid]) == {one.held.oid}
    assert not ran.exists()
    packs = clone / ".git/objects/pack"
    assert len(list(packs.glob("*.pack"))) == 1


def test_a_tree_that_is_not_here_is_not_known(repository: Path, git: Git, tmp_path: Path) -> None:
    run_git(repository, "config", "uploadpack.allowFilter", "true")
    clone, origin = tmp_path / "clone", f"file://{repository}"
    run_git(tmp_path, "clone", "-q", "--filter=tree:0", "--no-checkout", origin, str(clone))
    with pytest.raises(GitError, match="fatal: "):
        Repository.open(clone, git).listing(["."])


def test_variables_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "-q")
    trace = tmp_path / "trace"
    elsewhere = {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": tmp_path / "index",
        "GIT_OBJECT_DIRECTORY": tmp_path / "objects",
        "GIT_COMMON_DIR": other / ".git",
        "GIT_NAMESPACE": "other",
        "GIT_CEILING_DIRECTORIES": repository.parent,
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TRACE": trace,
        "GIT_TRACE2_EVENT": trace,
    }
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, str(value))
    listing = Repository.open(repository, Git.of(os.environ)).listing(["a.yaml"])
    assert list(listing.tracked) == ["a.yaml"]
    assert not trace.exists()


def test_a_commit_that_is_replaced_is_itself(repository: Path, git: Git) -> None:
    first = run_git(repository, "rev-parse", "HEAD")
    (repository / "hold.yaml").write_text("hold\n")
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "A hold")
    run_git(repository, "replace", "HEAD", first)
    run_git(repository, "rm", "-q", "--cached", "hold.yaml")
    assert "hold.yaml" in Repository.open(repository, git).listing(["."]).tracked


def test_a_branch_without_a_commit_has_an_index_all_the_same(tmp_path: Path, git: Git) -> None:
    run_git(tmp_path, "init", "-q")
    (tmp_path / "a.yaml").write_text("a\n")
    run_git(tmp_path, "add", "-A")
    opened = Repository.open(tmp_path, git)
    listing = opened.listing(["."])
    assert listing.commit is None
    assert listing.tracked["a.yaml"].staged is not None
    assert opened.tracked_below(["a.yaml"]) == ["a.yaml"]


def corrupt_index(top: Path) -> None:
    (top / ".git/index").write_bytes(b"DIRC and no more")


def no_head(top: Path) -> None:
    (top / ".git/HEAD").unlink()


def broken_branch(top: Path) -> None:
    (top / ".git/refs/heads/main").write_text("no id\n")


def lost_commit(top: Path) -> None:
    (top / ".git/refs/heads/main").write_text("1" * 40 + "\n")


def lost_objects(top: Path) -> None:
    shutil.rmtree(top / ".git/objects")
    (top / ".git/objects").mkdir()


def bare(top: Path) -> None:
    run_git(top, "config", "core.bare", "true")


def tree_elsewhere(top: Path) -> None:
    (top.parent / "tree").mkdir()
    run_git(top, "config", "core.worktree", str(top.parent / "tree"))


def dangling_file(top: Path) -> None:
    shutil.rmtree(top / ".git")
    (top / ".git").write_text("gitdir: /nowhere\n")


def broken_config(top: Path) -> None:
    (top / ".git/config").write_text("[core\n")


@pytest.mark.parametrize(
    "damage",
    [
        corrupt_index,
        no_head,
        broken_branch,
        lost_commit,
        lost_objects,
        bare,
        tree_elsewhere,
        dangling_file,
        broken_config,
    ],
)
def test_a_repository_that_cannot_be_asked_is_not_known(
    repository: Path, git: Git, damage: Callable[[Path], None]
) -> None:
    damage(repository)
    assert next(repositories_above(repository)) == repository
    with pytest.raises(GitError):
        ask_everything(repository, git)


def test_a_damaged_repository_inside_of_another_is_not_taken_for_that_one(
    repository: Path, git: Git
) -> None:
    inner = repository / "inner"
    inner.mkdir()
    run_git(inner, "init", "-q")
    (inner / ".git/HEAD").unlink()
    with pytest.raises(GitError, match=r"takes .* for the top"):
        Repository.open(inner, git)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_somebody_else_is_not_known_in_the_words_of_git(
    repository: Path, git: Git
) -> None:
    os.chown(repository, 12345, 12345)
    os.chown(repository / ".git", 12345, 12345)
    with pytest.raises(GitError, match="dubious ownership") as caught:
        Repository.open(repository, git)
    assert f"safe.directory {repository}" in (caught.value.hint or "")


def test_the_user_may_trust_it_by_variables(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(repository, 12345, 12345)
        os.chown(repository / ".git", 12345, 12345)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(repository))
    assert Repository.open(repository, Git.of(os.environ)).commit()


def test_without_git_nothing_is_known(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git is not installed"):
        Repository.open(repository, Git({"PATH": str(tmp_path)}))


def fake_git(folder: Path, script: str) -> Git:
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    return Git({"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})


def test_what_git_says_is_quoted_without_secrets(repository: Path, tmp_path: Path) -> None:
    wrong = r"fatal: no https://user:token@host/x\033[31m\n"
    says = f"echo 'warning: x' >&2; printf '{wrong}' >&2; exit 128"
    with pytest.raises(GitError) as caught:
        Repository.open(repository, fake_git(tmp_path, says))
    assert str(caught.value) == "fatal: no https://…@host/x?[31m"


def test_git_that_gives_no_answer_is_not_waited_for(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "_SECONDS", 0.2)
    with pytest.raises(GitError, match="gave no answer"):
        Repository.open(repository, fake_git(tmp_path, "exec sleep 5"))


def test_names_are_what_they_are(repository: Path, git: Git) -> None:
    names = [":(top)x.yaml", "*.yaml", "with\nnewline.yaml", '"quoted".yaml', "ü.yaml", "a b/c"]
    for name in names:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(name)
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "Names")
    opened = Repository.open(repository, git)
    assert sorted(opened.listing(names).tracked) == sorted(names)
    assert opened.tracked_below(["*.yaml"]) == ["*.yaml"]
    assert opened.tracked_below(names) == sorted(names)


def test_more_paths_than_a_command_line_takes(repository: Path, git: Git) -> None:
    for number in range(1200):
        (repository / f"{number}.yaml").write_text("x")
    run_git(repository, "add", "-A")
    wanted = [f"{number}.yaml" for number in range(1100)]
    assert sorted(Repository.open(repository, git).listing(wanted).tracked) == sorted(wanted)


def test_an_empty_folder_of_the_name_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert tmp_path not in set(repositories_above(tmp_path))


def test_the_number_of_processes_does_not_grow(repository: Path, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    real = shutil.which("git")
    git = fake_git(tmp_path, f'echo x >> {counted}; exec {real} "$@"')
    ask_everything(repository, git)
    before = counted.read_text().count("x")
    for number in range(50):
        (repository / f"{number}.yaml").write_text(str(number))
    run_git(repository, "add", "-A")
    counted.unlink()
    ask_everything(repository, git)
    assert counted.read_text().count("x") == before
