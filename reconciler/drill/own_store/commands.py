"""Runs this program's commands in projects of their own, against the user's own store."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.drill.trial import Program, require
from reconciler.errors import ExitCode

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs this program in projects below ``folder``; ``options`` say how the store is reached.

    A signal to this process is passed on by ``stop``: each command has a session of its own, so
    that Ctrl-C does not reach it twice, and what it has begun finishes.
    """

    folder: Path
    program: Program
    options: Sequence[str]

    def run(self, project: str, *arguments: str, stop: threading.Event | None = None) -> None:
        """Run a command that has to succeed.

        Raises:
            BrokenPromiseError: it does not.
        """
        log = self.folder / f"{project}.log"
        with log.open("ab") as stderr:
            start = stderr.tell()
            process = subprocess.Popen(  # noqa: S603 - this very program with fixed arguments
                [*self.program.arguments, *arguments, *self.places(project), *self.options],
                env=self.program.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
                cwd=self.folder / project,
            )
            code = _wait(process, stop or threading.Event())
        lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
        why = next((f": {line}" for line in lines if "error" in line.lower()), "")
        require(kept=code == ExitCode.SUCCESS, seen=f"`{arguments[0]}` exited with {code}{why}")

    def places(self, project: str) -> tuple[str, ...]:
        """The options for a project and its state folder."""
        folder = self.folder / project
        return "--root", str(folder), "--state", str(folder / ".reconciler")


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> int:
    is_sent = False
    while True:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if stop.is_set() and not is_sent:
                process.send_signal(signal.SIGINT)
                is_sent = True
