"""The user's own git, asked in ways that only read and that run nothing a repository configures.

The configuration and the objects of a checkout may be anybody's. So only plumbing is used, which
knows no pager, filter, text conversion or diff program; ``core.fsmonitor``, which any command that
reads the index would run, is off; and nothing is fetched for a partial clone. Variables that point
git at another repository, index or object store, or that make it trace, are not passed on.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import GitError

_SECONDS = 30
_OPTIONS = ("--no-pager", "-c", "core.fsmonitor=")
_PASSED_ON = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
"""How the user configures git (``safe.directory`` too), and where it is."""
_SET = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    # From git 2.45 on, and in its security releases from 2.39.4 on.
    "GIT_NO_LAZY_FETCH": "1",
    # The same for older ones: no transport has this name.
    "GIT_ALLOW_PROTOCOL": "none",
}
_LONGEST = 300
_CREDENTIALS = re.compile(r"://[^/\s]*@")


@dataclass(frozen=True, slots=True)
class GitOutput:
    """What git said."""

    code: int
    out: bytes
    err: str

    def records(self) -> list[bytes]:
        """What ``-z`` puts a NUL behind."""
        return self.out.split(b"\0")[:-1]


@dataclass(frozen=True, slots=True)
class Git:
    """The git that is found on ``PATH``; ``environment`` is all that it is given."""

    environment: Mapping[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Git:
        """With what is left of the process's variables."""
        kept = {
            name: value
            for name, value in environment.items()
            if not name.startswith("GIT_") or name.startswith(_PASSED_ON)
        }
        return cls(kept | _SET)

    def ask(
        self, top: Path, *arguments: str, given: bytes = b"", codes: Collection[int] = (0,)
    ) -> GitOutput:
        """Run a command in a folder; ``codes`` are the exit codes that are an answer.

        Raises:
            GitError: it cannot be run, takes too long, or fails; in its own words.
        """
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                ["git", *_OPTIONS, "-C", str(top), *arguments],  # noqa: S607 - the user's own git
                input=given,
                capture_output=True,
                env=self.environment,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise GitError(
                "git is not installed", hint="install git, and run this again"
            ) from error
        except OSError as error:
            raise GitError(f"git cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]} gave no answer within {_SECONDS} s") from error
        stderr = done.stderr.decode("utf-8", "replace")
        if done.returncode not in codes:
            raise GitError(_words(stderr, arguments[0], done.returncode), hint=_hint(stderr, top))
        return GitOutput(done.returncode, done.stdout, stderr)


def _words(stderr: str, command: str, code: int) -> str:
    """The line of git's that says what is wrong, without what may be secret or is not text."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    line = wrong[0] if wrong else f"git {command} ended with exit code {code}"
    line = _CREDENTIALS.sub("://…@", line)[:_LONGEST]
    return "".join(char if char.isprintable() else "?" for char in line)


def _hint(stderr: str, top: Path) -> str:
    where = shlex.quote(str(top))
    if "safe.directory" in stderr or "dubious ownership" in stderr:
        return f"if you trust it: git config --global --add safe.directory {where}"
    return f"see that git works there: git -C {where} status"
