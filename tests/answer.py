"""What a command answered, and a way to type one in this process."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.cli.main import run


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]


def typist(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Types a command and reads what it wrote, and no more."""

    def type_command(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(list(arguments))
        return Answer(code, *capsys.readouterr())

    return type_command


def typed(*arguments: str) -> Answer:
    """What a command answers, without a fixture of one test."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        return Answer(run(list(arguments)), out.getvalue(), err.getvalue())


def typed_at(folder: Path, environment: Mapping[str, str], *arguments: str) -> Answer:
    """What a command answers there; ``out`` is all that it wrote, in its order."""
    both = io.StringIO()
    with (
        chdir(folder),
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(both),
        redirect_stderr(both),
    ):
        return Answer(run(list(arguments)), both.getvalue(), "")
