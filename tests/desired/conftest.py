from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.errors import DesiredStateError
from reconciler.model.desired import DesiredState
from reconciler.model.problem import Problem

HEAD = """\
version: 1
store: {projectsId: p, locationsId: europe-west4, datasetsId: d, dicomStoresId: s}
reason: {code: "113039", ticket: RET-1}
"""


class Project:
    """A project folder that a test writes files into and loads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def spec(self, name: str, body: str, *, head: str = HEAD) -> Path:
        """A desired-state file of one store, with a default reason."""
        return self.write(name, head + body)

    def inventory(self, name: str, rows: str) -> str:
        """A CSV file, and the mapping that pins it by its name alone."""
        data = f"studiesId,seriesId,instancesId\n{rows}".encode()
        self.write(name, data)
        digest, count = hashlib.sha256(data).hexdigest(), len(rows.splitlines())
        return f"{{path: {Path(name).name}, sha256: {digest}, count: {count}}}"

    def load(self, *paths: str) -> DesiredState:
        return load_desired_state([self.root / path for path in paths], root=self.root)

    def problems(self, *paths: str) -> tuple[Problem, ...]:
        with pytest.raises(DesiredStateError) as caught:
            self.load(*paths)
        return caught.value.problems

    def found(self, *paths: str) -> list[tuple[int, int, str]]:
        """The line, column and rule of each problem."""
        return [(p.source.line, p.source.column, p.rule) for p in self.problems(*paths)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
