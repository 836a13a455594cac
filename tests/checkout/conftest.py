"""Real repositories, made by the git of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.checkout.git import Git

IDENTITY = ("-c", "user.name=Reviewer", "-c", "user.email=reviewer@example.org")

RunGit = Callable[..., str]


def run_git(folder: Path, *arguments: str) -> str:
    """Run git as a user would, whatever the environment of the tests says."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    done = subprocess.run(
        ["git", *IDENTITY, "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def git() -> Git:
    return Git.of(os.environ)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of one file."""
    top = tmp_path / "repository"
    top.mkdir()
    run_git(top, "init", "-q", "-b", "main")
    (top / "a.yaml").write_text("a\n")
    run_git(top, "add", "-A")
    run_git(top, "commit", "-q", "-m", "One file")
    return top
