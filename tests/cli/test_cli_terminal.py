"""What a person at a terminal meets: colour, examples, and the word that was meant."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.cli.main import group, run
from reconciler.errors import ExitCode

from .conftest import REASON, Project, removal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
COMMANDS = group.list_commands(None)  # type: ignore[arg-type]  # it asks no context


@pytest.fixture
def refused(project: Project) -> Project:
    """A plan that empties its study, so that its gates are blocking."""
    project.write("a.yaml", REASON + removal(project.fill(1, 1, [1, 2, 3])))
    return project


def on_a_terminal(arguments: list[str], variables: Mapping[str, str]) -> tuple[str, str]:
    """What the program writes to stdout and to stderr, each a terminal."""
    terminals = [pty.openpty() for _ in range(2)]
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        env=inherited | {"TERM": "xterm-256color"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=terminals[0][1],
        stderr=terminals[1][1],
    )
    for _, other in terminals:
        os.close(other)
    out, err = (_read(main) for main, _ in terminals)
    process.wait()
    return out, err


def _read(main: int) -> str:
    pieces = []
    try:
        while piece := os.read(main, 65536):
            pieces.append(piece)
    except OSError:
        """The other end is blocking."""
    os.close(main)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def test_a_terminal_shows_colour_and_says_the_same(refused: Project) -> None:
    refused.run("plan", "--out", "plan.json")
    plain = refused.run("show", "plan.json").out
    out, _ = on_a_terminal(["show", "plan.json"], {})
    assert COLOUR.sub("", out) == plain
    (blocking,) = [line for line in out.splitlines() if "(maxStudiesEmptied:" in line]
    assert blocking.startswith("\x1b[31m\x1b[1m  BLOCKING  ")
    assert COLOUR.search(plain) is None


def test_an_error_is_marked_on_a_terminal(project: Project) -> None:
    _, err = on_a_terminal(["show", "no-such.json"], {})
    assert err.startswith("\x1b[31m\x1b[1merror:\x1b[0m cannot read no-such.json")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_who_wants_no_colour_gets_none(refused: Project, variables: dict[str, str]) -> None:
    refused.run("plan", "--out", "plan.json")
    for arguments in (["show", "plan.json"], ["show", "no-such.json"], ["plan"]):
        assert COLOUR.search("".join(on_a_terminal(arguments, variables))) is None


def test_a_file_never_holds_colour(refused: Project) -> None:
    refused.run("plan", "--out", "plan.json")
    on_a_terminal(["show", "plan.json", "--write", "text=plan.txt"], {})
    assert COLOUR.search(Path("plan.txt").read_text("utf-8")) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["plna"], "plan"),
        (["aply", "plan.json"], "apply"),
        (["plan", "--detailed-exit-code"], "--detailed-exitcode"),
        (["apply", "--expect-diggest", "x"], "--expect-digest"),
        (["validate", "--rot", "."], "--root"),
    ],
)
def test_what_was_meant_is_suggested(
    typed: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed) == ExitCode.ERROR
    err = capsys.readouterr().err
    assert err.splitlines()[1] == f"  hint: did you mean {meant}?"


@pytest.mark.parametrize(
    "typed",
    [
        ["xyzzy"],
        ["plan", "--zzz"],
        ["plan", "--max-age", "5x"],
        ["show"],
        ["plan", "--parallelism", "900"],
        ["show", "a", "b"],
        ["plan", "--out"],
    ],
    ids=" ".join,
)
def test_usage_errors_speak_in_one_voice(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed) == ExitCode.ERROR
    captured = capsys.readouterr()
    error, hint = captured.err.splitlines()
    assert re.fullmatch(r"error: [a-z].*[^.]", error)
    assert re.fullmatch(r"  hint: .*--help.*", hint)
    assert captured.out == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_that_names_its_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == ExitCode.SUCCESS
    examples = capsys.readouterr().out.partition("Examples:\n")[2].partition("\n\n")[0]
    assert f"  reconciler {command}" in examples


def test_the_schemas_are_printed_as_they_are_published(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    schemas = request.config.rootpath / "schemas"
    assert run(["schema"]) == ExitCode.SUCCESS
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(one.name.removesuffix(".schema.json") for one in schemas.glob("*.json"))
    for name in names:
        assert run(["schema", name]) == ExitCode.SUCCESS
        assert capsys.readouterr().out == (schemas / f"{name}.schema.json").read_text("utf-8")
