"""A record that came with the checkout is not believed, nor is anything written by its links."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import LIMITS_OPEN, REASON, Project, removal
from .test_cli_checkout import commit, delete_statement, git

STATE = ".reconciler"
EVERY_COMMAND = [
    ["plan"],
    ["apply", "--auto-approve"],
    ["apply", "plan.json"],
    ["restore", "RUN"],
    ["query", "--file", "../delete.sql", "--reason", "113039"],
    ["show", "plan.json", "--thumbnails", "--write", "html=a.html"],
    ["audit", "verify"],
    ["audit", "report"],
    ["audit", "export", "--format", "csv"],
    ["audit", "sign", "--key", "k.pem", "--out", "s.json"],
]


@pytest.fixture
def repository(project: Project) -> Project:
    """A repository that asks for ten removals, with its plan."""
    (project.folder / ".git").rmdir()
    git(project.folder, "init", "-q", "-b", "main")
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(project.fill(1, 1, range(1, 21))[:10]))
    commit(project.folder)
    (project.folder.parent / "delete.sql").write_text(delete_statement(project))
    assert project.run("plan", "--out", "plan.json", "--state", "../elsewhere").code == 0
    return project


def refused(project: Project, arguments: list[str], said: str) -> None:
    project.emulator.clear_requests()
    answer = project.run(*arguments)
    assert (answer.code, answer.out) == (3, ""), answer.err
    assert said in answer.err
    assert "hint:" in answer.err
    assert project.emulator.requests() == []


def forged(project: Project) -> str:
    """A record of ten deletions that are made no more, and the digest of their plan."""
    digest = project.run("plan", "--format", "json").json["digest"]
    assert project.run("apply", "--auto-approve", "--expect-digest", digest).code == 0
    project.fill(1, 1, range(1, 11))
    project.emulator.clear_requests()
    return digest


def test_a_forged_record_makes_no_deletion_that_was_not_made(repository: Project) -> None:
    digest = forged(repository)
    commit(repository.folder)
    command = ["apply", "--auto-approve", "--expect-digest", digest]
    answer = repository.run(*command)
    assert (answer.code, answer.out) == (3, "")
    assert f"git tracks {STATE}/" in answer.err
    (saved,) = (repository.folder / STATE / "plans").iterdir()
    assert repository.run("apply", saved).code == 3
    assert len(repository.content()) == 20
    again = repository.run(*command, "--state", "../own")
    assert again.code == 0
    assert len(repository.deletes()) == 10


def committed(project: Project) -> None:
    forged(project)
    commit(project.folder)


def committed_and_gone_from_the_index(project: Project) -> None:
    forged(project)
    commit(project.folder)
    git(project.folder, "rm", "-rq", "--cached", STATE)


def only_staged(project: Project) -> None:
    forged(project)
    git(project.folder, "add", "-f", STATE)


def ignored_and_committed(project: Project) -> None:
    forged(project)
    (project.folder / ".gitignore").write_text(f"{STATE}/\n")
    git(project.folder, "add", "-f", STATE)
    commit(project.folder)


def one_file_of_it(project: Project) -> None:
    (project.folder / STATE / "delivered").mkdir(parents=True)
    (project.folder / STATE / "delivered/host_6514").write_text("")
    commit(project.folder)


def outside_a_sparse_checkout(project: Project) -> None:
    forged(project)
    commit(project.folder)
    git(project.folder, "sparse-checkout", "set", "--cone", "specs")


def a_submodule(project: Project) -> None:
    forged(project)
    state = project.folder / STATE
    git(state, "init", "-q")
    commit(state)
    commit(project.folder)
    shutil.move(state / ".git", project.folder.parent / "git-of-state")
    (state / ".git").write_text(f"gitdir: {project.folder.parent / 'git-of-state'}\n")


def a_repository_of_its_own(project: Project) -> None:
    forged(project)
    git(project.folder / STATE, "init", "-q")
    commit(project.folder / STATE)


def a_repository_further_up(project: Project) -> None:
    """The project has a repository of its own, and one around both tracks the state."""
    forged(project)
    top = project.folder.parent
    shutil.move(project.folder / ".git", top / "away")
    git(top, "init", "-q")
    git(top, "add", f"project/{STATE}")
    shutil.move(top / "away", project.folder / ".git")


def a_link(project: Project) -> None:
    (project.folder / STATE).symlink_to("../elsewhere")


def runs_that_are_a_link(project: Project) -> None:
    (project.folder / STATE).mkdir()
    (project.folder / STATE / "runs").symlink_to(project.folder.parent / "elsewhere")


def a_run_that_is_a_link(project: Project) -> None:
    (project.folder / STATE / "runs").mkdir(parents=True)
    (project.folder / STATE / "runs/RUN.jsonl").symlink_to("/etc/hostname")


def locks_that_are_a_link(project: Project) -> None:
    (project.folder / STATE).mkdir()
    (project.folder / STATE / "locks").symlink_to("nowhere")


def a_link_deep_down(project: Project) -> None:
    deep = project.folder / STATE / "a/b/c/d/e"
    deep.mkdir(parents=True)
    (deep / "f").symlink_to("/")


def a_pipe(project: Project) -> None:
    (project.folder / STATE / "observations").mkdir(parents=True)
    os.mkfifo(project.folder / STATE / "observations/RUN.jsonl")


def a_socket(project: Project) -> None:
    (project.folder / STATE / "locks").mkdir(parents=True)
    before = Path.cwd()
    os.chdir(project.folder / STATE / "locks")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("a.lock")
    os.chdir(before)


def a_file(project: Project) -> None:
    (project.folder / STATE).write_text("")


def links_in_a_circle(project: Project) -> None:
    (project.folder / STATE).symlink_to(STATE)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (committed, "git tracks"),
        (committed_and_gone_from_the_index, "git tracks"),
        (only_staged, "git tracks"),
        (ignored_and_committed, "git tracks"),
        (one_file_of_it, "git tracks"),
        (outside_a_sparse_checkout, "git tracks"),
        (a_submodule, "a git repository"),
        (a_repository_of_its_own, "a git repository"),
        (a_repository_further_up, f"git tracks project/{STATE}/"),
        (a_link, "is a link"),
        (runs_that_are_a_link, f"{STATE}/runs is a link"),
        (a_run_that_is_a_link, "runs/RUN.jsonl is a link"),
        (locks_that_are_a_link, f"{STATE}/locks is a link"),
        (a_link_deep_down, "a/b/c/d/e/f is a link"),
        (a_pipe, "neither a file nor a folder"),
        (a_socket, "neither a file nor a folder"),
        (a_file, "Not a directory"),
        (links_in_a_circle, "is a link"),
    ],
)
def test_every_command_refuses_a_state_folder_that_is_not_its_own(
    repository: Project, make: Callable[[Project], None], said: str
) -> None:
    make(repository)
    before = sorted((repository.folder.parent / "elsewhere").rglob("*"))
    for command in EVERY_COMMAND:
        refused(repository, command, said)
    assert sorted((repository.folder.parent / "elsewhere").rglob("*")) == before
    validated = repository.run("validate")
    assert validated.code == 1
    assert said in validated.err


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_folder_that_is_a_link_may_be_named(
    repository: Project, monkeypatch: pytest.MonkeyPatch, *, by_variable: bool
) -> None:
    (repository.folder / ".gitignore").write_text(f"{STATE}\n")
    a_link(repository)
    named = [] if by_variable else ["--state", STATE]
    if by_variable:
        monkeypatch.setenv("RECONCILER_STATE", STATE)
    assert repository.run("apply", "plan.json", *named).code == 0
    assert list((repository.folder.parent / "elsewhere/runs").iterdir())


def to_a_place_outside(project: Project) -> str:
    (project.folder / STATE).symlink_to("../elsewhere")
    return STATE


def to_a_forged_one(project: Project) -> str:
    forged(project)
    (project.folder / STATE).rename(project.folder / "record")
    (project.folder / STATE).symlink_to("record")
    return STATE


def through_another(project: Project) -> str:
    (project.folder / "way").symlink_to("..")
    return "way/elsewhere"


def over_an_untracked_one(project: Project) -> str:
    (project.folder / "way").symlink_to("../elsewhere")
    (project.folder.parent / "mine").symlink_to(project.folder / "way")
    return "../mine"


@pytest.mark.parametrize(
    "make", [to_a_place_outside, to_a_forged_one, through_another, over_an_untracked_one]
)
def test_a_link_that_was_committed_may_not_be_named(
    repository: Project, make: Callable[[Project], str]
) -> None:
    """The example workflows name the folder, so a link there is anybody's."""
    state = make(repository)
    commit(repository.folder)
    for command in EVERY_COMMAND:
        refused(repository, [*command, "--state", state], "git tracks")


def test_a_link_inside_of_a_named_folder_is_refused_too(repository: Project) -> None:
    runs_that_are_a_link(repository)
    refused(repository, ["plan", "--state", STATE], "is a link")


def test_a_folder_in_another_repository_is_asked_about_there(
    repository: Project, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "records/runs").mkdir(parents=True)
    git(other, "init", "-q")
    (other / "records/.gitkeep").write_text("")
    assert repository.run("plan", "--state", other / "records").code == 0
    git(other, "add", "records/.gitkeep")
    refused(repository, ["plan", "--state", str(other / "records")], "git tracks records/.gitkeep")


def test_a_neighbour_whose_name_begins_alike_is_no_matter(repository: Project) -> None:
    (repository.folder / f"{STATE}-notes").mkdir()
    (repository.folder / f"{STATE}-notes/a.md").write_text("x")
    (repository.folder / STATE.upper()).mkdir()
    (repository.folder / STATE.upper() / "a.md").write_text("x")
    (repository.folder / ".gitignore").write_text(f"/{STATE}/\n")
    commit(repository.folder)
    assert repository.run("apply", "plan.json").code == 0
    assert repository.run("plan").code == 0


def test_outside_of_any_repository_nothing_is_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 6))[:1]))
    (project.folder / ".git").rmdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert project.run("plan", "--out", "plan.json").code == 0
    assert project.run("apply", "plan.json").code == 0


@pytest.mark.parametrize(
    ("ignores", "is_warned"),
    [
        ("", True),
        (f"{STATE}\n", False),
        (f"/{STATE}/\n", False),
        (f"{STATE}/runs/\n", True),
        (f"{STATE}/*\n!{STATE}/plans/\n", True),
    ],
)
def test_validate_warns_where_git_does_not_ignore_the_folder(
    repository: Project, ignores: str, *, is_warned: bool
) -> None:
    (repository.folder / ".gitignore").write_text(ignores)
    validated = repository.run("validate")
    assert validated.code == 0
    hint = f"add this line to .gitignore: /{STATE}/"
    assert (hint in validated.err) is is_warned
    assert repository.run("validate", "--state", "../elsewhere").err == ""


def test_the_line_of_the_warning_is_the_one_that_helps(repository: Project) -> None:
    inner = repository.folder / "imaging"
    inner.mkdir()
    (repository.folder / "specs").rename(inner / "specs")
    warned = repository.run("validate", "--root", "imaging", "imaging/specs")
    line = warned.err.partition("add this line to .gitignore: ")[2].partition("\n")[0]
    assert line == f"/imaging/{STATE}/"
    (repository.folder / ".gitignore").write_text(f"{line}\n")
    assert repository.run("validate", "--root", "imaging", "imaging/specs").err == ""
