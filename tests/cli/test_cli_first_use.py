"""Who starts with nothing is shown the steps, and each step is one that the program knows."""

from __future__ import annotations

import re

import click
import pytest

from reconciler.cli.main import group, run
from reconciler.cli.usage import FIRST_USE
from reconciler.errors import ExitCode

from .conftest import Project


def test_the_program_alone_shows_the_steps_of_a_first_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([]) == ExitCode.ERROR
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{FIRST_USE}\n")
    steps = re.findall(r"^  reconciler (\w+)", FIRST_USE, re.MULTILINE)
    assert steps == ["import", "resolve", "validate", "plan", "apply", "audit"]


def test_every_step_is_a_command_with_its_options() -> None:
    context = click.Context(group)
    for name, rest in re.findall(r"reconciler (\w[\w-]*)(.*)", FIRST_USE):
        command = group.get_command(context, name)
        assert command is not None, name
        options = {one for param in command.get_params(context) for one in param.opts}
        assert {*re.findall(r"--[a-z-]+", rest)} <= options, name


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit"]) == ExitCode.ERROR
    assert "audit verify" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize("has_folder", [True, False])
def test_a_folder_without_files_points_to_what_writes_them(
    project: Project, command: str, has_folder: bool
) -> None:
    if not has_folder:
        (project.folder / "specs").rmdir()
    answer = project.run(command)
    assert answer.code == ExitCode.ERROR
    assert answer.err.count("hint:") == 1
    (hint,) = (line for line in answer.err.splitlines() if "hint:" in line)
    assert "reconciler import STORE --out specs/keep.yaml" in hint
    assert "reconciler resolve" in hint


def test_another_path_without_files_has_its_own_hint(project: Project) -> None:
    answer = project.run("validate", "nowhere")
    assert "hint: name a .yaml file, or a folder that holds one" in answer.err
