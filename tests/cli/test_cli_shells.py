"""Completion in the real shells, typed at a terminal as a person would."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.cli.main import group, run
from reconciler.errors import ExitCode

from ..sampling import some

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PREPARED = {"zsh": "autoload -U compinit; compinit -u -D; "}
SECONDS = 60


def require(shell: str) -> None:
    if shutil.which(shell) is None:
        message = f"{shell} is not installed; script/bootstrap test installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's, and this installation first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def type_at_terminal(shell: str, keys: str, folder: Path) -> None:
    """Give keys to an interactive shell on a terminal, and wait until it has left."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        SHELLS[shell],
        cwd=folder,
        env=environment(folder),
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    drain = threading.Thread(target=_drain, args=[main], daemon=True)
    drain.start()
    os.write(main, keys.encode())
    try:
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        drain.join(5)
        os.close(main)


def write_script(shell: str, folder: Path) -> None:
    with (folder / "completion").open("w") as script:
        subprocess.run(
            ["reconciler", "completion", shell],
            env=environment(folder),
            stdout=script,
            check=True,
        )


def _drain(main: int) -> None:
    try:
        while os.read(main, 4096):
            pass
    except OSError:
        """The terminal is gone."""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    some(
        [
            ("reconciler sche\tplan", "reconciler schema plan"),
            ("reconciler plan --detailed-e\t --help", "reconciler plan --detailed-exitcode --help"),
            ("reconciler show --format ter\t--help", "reconciler show --format terraform --help"),
        ]
    ),
    ids=["a command", "an option", "a value"],
)
def test_a_tab_completes(shell: str, typed: str, completed: str, tmp_path: Path) -> None:
    require(shell)
    write_script(shell, tmp_path)
    before = PREPARED.get(shell, "")
    keys = f"{before}source ./completion\n{typed} > out.txt 2>&1\nexit 0\n"
    type_at_terminal(shell, keys, tmp_path)
    expected = subprocess.run(
        completed.split(), env=environment(tmp_path), capture_output=True, text=True, check=True
    ).stdout
    assert (tmp_path / "out.txt").read_text("utf-8") == expected


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("reconciler sche", "schema"),
        ("reconciler plan --detailed-e", "--detailed-exitcode"),
        ("reconciler show --format ter", "terraform"),
    ],
)
def test_fish_offers_what_fits(typed: str, offered: str, tmp_path: Path) -> None:
    """Fish tells itself what a tab would offer."""
    require("fish")
    write_script("fish", tmp_path)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source ./completion; complete -C '{typed}'"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [offered]


def test_every_command_is_offered_without_importing_what_runs_it() -> None:
    code = (
        "import sys; from reconciler.cli.main import run; run([]);"
        " sys.exit('requests' in sys.modules or 'aiohttp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": "reconciler ", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = [line.partition(",")[2] for line in done.stdout.splitlines()]
    assert names == group.list_commands(None)  # type: ignore[arg-type]  # it asks no context


def test_plan_does_not_import_what_deletes() -> None:
    code = (
        "import sys, reconciler.cli.commands.plan;"
        " sys.exit('reconciler.applying.deletion' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("shell", ["tcsh", ""])
def test_another_shell_is_refused(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == ExitCode.ERROR
    assert "is not one of 'bash', 'zsh', 'fish'" in capsys.readouterr().err
