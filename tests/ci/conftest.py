"""A repository, a store and a faked GitHub for the workflows to run against."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.journal.places.bucket import BucketState
from reconciler.journal.state import RUNS
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.objects.opening import open_objects

from .runner import ROOT, Job, Start, filled, workflow

STUDY = "1.2.826.0.1.3680043.10.7"
SERIES = SeriesAddress(STUDY, f"{STUDY}.1")
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "PIP_CERT",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "SSL_CERT_FILE",
)


@dataclass
class Site:
    """One repository on a faked GitHub, with the store that its files are about."""

    folder: Path
    emulator: Emulator
    tools: Path
    number: int = 7
    environment: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    machine: str = "repository"
    """The runner whose workspace it is."""
    bucket: str = "bucket"
    """Where the state lies."""

    @property
    def workspace(self) -> Path:
        return self.folder / self.machine

    @property
    def state(self) -> str:
        """The URL of the state: objects below a folder, by the protocol of a bucket."""
        return (self.folder / self.bucket).as_uri()

    def journals(self) -> dict[str, list[dict[str, Any]]]:
        """The lines on record of each apply, by the name of its run."""
        found = {}
        for file in BucketState(open_objects(self.state), lambda: datetime.now(UTC)).run_files(
            RUNS
        ):
            with file.open() as lines:
                found[file.name] = [json.loads(line) for line in lines]
        return found

    def another(self, machine: str, bucket: str = "bucket") -> Site:
        """The same repository and store, on a runner with a workspace of its own."""
        other = replace(self, machine=machine, bucket=bucket)
        (self.folder / bucket).mkdir(exist_ok=True)
        self.git("clone", "--quiet", str(self.workspace), str(other.workspace))
        return other

    @property
    def artifacts(self) -> Path:
        return self.folder / "world" / "artifacts"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t.test", *arguments],
            cwd=self.workspace,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, body: str) -> None:
        """Put a desired-state file into the repository and commit it."""
        store = "".join(f"  {name}: {v}\n" for name, v in DEMO_STORE.as_parameters().items())
        head = f'version: 1\nstore:\n{store}reason: {{code: "113039", ticket: RET-1}}\n'
        (self.workspace / "specs" / "a.yaml").write_text(head + body)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change", "--allow-empty")

    def remove(self, numbers: Sequence[int], *, limits: str = "maxStudyPercent: 100") -> None:
        """Ask for the removal of instances by their numbers."""
        uids = "".join(f"      - {SERIES.series_uid}.{n}\n" for n in numbers)
        self.write(
            f"limits: {{{limits}}}\nremove:\n  - studiesId: {SERIES.study_uid}\n"
            f"    seriesId: {SERIES.series_uid}\n    instancesId:\n{uids}"
        )

    def select(self) -> None:
        """Put a selector into the repository, and no list."""
        path = self.workspace / "selectors" / "old.yaml"
        path.parent.mkdir()
        store = "".join(f"  {name}: {v}\n" for name, v in DEMO_STORE.as_parameters().items())
        path.write_text(
            f"version: 1\nstore:\n{store}"
            "select: {level: study, studyDate: {before: 1950-01-01}}\n"
            'then: {remove: {reason: {code: "113039"}}}\n'
        )
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Select")

    def fill(self, count: int) -> None:
        uids = [f"{SERIES.series_uid}.{n}" for n in range(count)]
        self.emulator.ingest_synthetic(DEMO_STORE, SERIES, uids)

    def left(self) -> set[int]:
        """The numbers of the instances that the store still holds."""
        found = self.emulator.instances(DEMO_STORE)
        return {int(one.instance_uid.rpartition(".")[2]) for one in found}

    def instance(self, number: int) -> InstanceAddress:
        return InstanceAddress(*SERIES, f"{SERIES.series_uid}.{number}")

    def world(self, name: str) -> Any:
        """What the faked GitHub holds under a name."""
        path = self.folder / "world" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else []

    def know(self, name: str, value: Any) -> None:
        (self.folder / "world" / f"{name}.json").write_text(json.dumps(value))

    def run(
        self,
        name: str,
        job: str,
        *,
        needs: Any = None,
        dispatch: Any = None,
        fork: bool = False,
        start: Start | None = None,
        given: Mapping[str, str] | None = None,
    ) -> tuple[Job, dict[str, str]] | None:
        """Run a job of an example workflow; None if its condition does not hold."""
        spec = workflow(name, state=self.state)["jobs"][job]
        temp = self.folder / f"temp-{self.machine}-{len(self.jobs)}"
        temp.mkdir()
        (temp / "reconciler").symlink_to(self.tools / "reconciler")
        repository = "hospital/specs"
        event = {
            "pull_request": {
                "number": self.number,
                "head": {
                    "repo": {"full_name": "someone/fork" if fork else repository},
                    "sha": self.git("rev-parse", "HEAD"),
                },
            }
        }
        github = {
            "repository": repository,
            "token": "no-token",
            "sha": self.git("rev-parse", "HEAD"),
            "event": event if name == "plan.yml" else {},
        }
        environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        environment["PATH"] = f"{self.tools}:{environment['PATH']}"
        environment["RECONCILER_ENDPOINT"] = self.emulator.url
        environment["FAKE_GH"] = str(self.folder / "world")
        environment |= self.environment
        done = Job(
            self.workspace, temp, environment, github, self.artifacts,
            needs=needs or {}, dispatch=dispatch or {}, start=start, given=given or {},
        )  # fmt: skip
        condition = spec.get("if", "true")
        if filled(f"${{{{ {condition} }}}}", {"github": github}) != "true":
            return None
        self.jobs.append(done)
        return done, done.run_job(spec)

    def planned(self, **given: str) -> Job:
        """Run the jobs of a pull request up to its plan, with these inputs of the action."""
        inputs = {name.replace("_", "-"): value for name, value in given.items()}
        validated = self.run("plan.yml", "validate", given=inputs)
        assert validated is not None
        assert not validated[0].failed
        planned = self.run("plan.yml", "plan", given=inputs)
        assert planned is not None
        return planned[0]

    def plan_run(self, **changed: Any) -> dict[str, Any]:
        """What GitHub says of the run that planned the pull request; it ended at eleven."""
        return {
            "id": 11,
            "head_sha": self.git("rev-parse", "HEAD"),
            "head_repository": {"full_name": "hospital/specs"},
            "path": ".github/workflows/reconciler-plan.yml",
            "event": "pull_request",
            "display_title": f"reconciler plan of pull request {self.number}",
            "status": "completed",
            "run_attempt": 1,
            "created_at": "2026-03-01T10:50:00Z",
            "updated_at": "2026-03-01T11:00:00Z",
            "pull_requests": [],  # as GitHub has it once the pull request is closed
            **changed,
        }

    def review(self, who: str = "bob", state: str = "APPROVED", **changed: Any) -> dict[str, Any]:
        """What GitHub says of a review, at noon."""
        head = self.git("rev-parse", "HEAD")
        author = {"login": who, "__typename": "User"}
        said = {"commit": {"oid": head}, "submittedAt": "2026-03-01T12:00:00Z"}
        return {"author": author, "state": state, **said, **changed}

    def reviewed(self, *runs: dict[str, Any], reviews: Sequence[dict[str, Any]] = ()) -> None:
        """Let the faked GitHub know of plans, their review, and the merge."""
        head = self.git("rev-parse", "HEAD")
        merged = {"merged_at": "2026-03-01T13:00:00Z", "merge_commit_sha": head}
        pull = {"number": self.number, "head": {"sha": head}, "base": {"ref": "main"}, **merged}
        self.know("pulls", [pull])
        self.know("runs", runs or [self.plan_run()])
        self.know("reviews", reviews or [self.review()])

    def applied(self, **options: Any) -> Job:
        """Run the jobs that follow a merge."""
        found = self.run("apply.yml", "reviewed")
        assert found is not None
        assert not found[0].failed, found[0].steps
        done = self.run("apply.yml", "apply", needs={"reviewed": {"outputs": found[1]}}, **options)
        assert done is not None
        return done[0]


PLANTED = (
    *("venv", "ensurepip", "pip", "hatchling", "setuptools", "sitecustomize", "usercustomize"),
    *("reconciler", "requests", "click", "yaml", "google", "json", "subprocess"),
)


def plant(checkout: Path) -> dict[str, str]:
    """Put modules and packages into a checkout, and lead an interpreter there by its variables.

    Whichever is imported writes its name into the file ``trace`` beside the checkout.
    """
    trace = checkout.parent / "trace"
    line = f"open({str(trace)!r}, 'a').write(__file__ + chr(10))\n"
    for name in PLANTED:
        (checkout / name).mkdir()
        for file in (f"{name}.py", f"{name}/__init__.py", f"{name}/__main__.py"):
            (checkout / file).write_text(line)
    return dict.fromkeys(("PYTHONPATH", "PYTHONUSERBASE"), str(checkout))


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runner has: the faked gh, and reconciler as the action's own step installs it."""
    folder = tmp_path_factory.mktemp("tools")
    shutil.copy(Path(__file__).with_name("gh"), folder / "gh")
    checkout = folder / "checkout"
    checkout.mkdir()
    environment, trace = os.environ | plant(checkout), folder / "trace"
    job = Job(checkout, folder, environment, {"repository": "r"}, folder, action=ROOT)
    action = workflow("../../../action.yml")
    job._run_steps([action["runs"]["steps"][0]], {})
    assert not job.failed, job.steps
    assert not trace.exists(), trace.read_text()
    return folder


@pytest.fixture
def site(tmp_path: Path, tools: Path) -> Iterator[Site]:
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        found = Site(tmp_path, emulator, tools)
        (found.workspace / "specs").mkdir(parents=True)
        found.artifacts.mkdir(parents=True)
        (tmp_path / found.bucket).mkdir()
        found.git("init", "--quiet", "--initial-branch", "main")
        (found.workspace / ".gitignore").write_text("/.reconciler/\n")
        yield found
