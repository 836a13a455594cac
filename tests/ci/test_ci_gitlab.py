"""The scripts of the GitLab component do in a shell what they are for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Site, plant
from .runner import ROOT, STATE
from .test_ci_files import BUILT_FROM

pytestmark = pytest.mark.slow


def component(**given_too: str) -> dict[str, Any]:
    """The jobs of the component, as the example in docs/ci fills in its inputs."""
    header, jobs = (ROOT / "templates" / "reconciler.yml").read_text().split("\n---\n")
    inputs = yaml.safe_load(header)["spec"]["inputs"]
    example = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text())
    given = {**example["include"][0]["inputs"], **given_too}
    assert given.keys() <= inputs.keys()
    values = {name: given.get(name, spec.get("default")) for name, spec in inputs.items()}
    assert None not in values.values(), "the example leaves out an input that is required"
    filled = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: values[match[1]], jobs)
    loaded: dict[str, Any] = yaml.safe_load(filled)
    loaded["reconciler-drift"] = {"script": example["reconciler-drift"]["script"]}
    return loaded


class Pipeline:
    """Runs jobs as GitLab does: each in a clone of its own, with the artifacts that it needs."""

    def __init__(self, site: Site, **inputs: str) -> None:
        self._site = site
        self._jobs = component(**{"state": site.state, **inputs})
        self.folders: dict[str, Path] = {}

    def run(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        job = {**self._jobs[".reconciler"], **self._jobs[name]}
        folder = self._site.folder / f"{name}-{len(list(self._site.folder.iterdir()))}"
        self._site.git("clone", "--quiet", str(self._site.workspace), str(folder))
        for needed in job.get("needs", []):
            self._copy(self._jobs[needed]["artifacts"].get("paths", []), needed, folder)
        self.folders[name] = folder
        lines = [*job["before_script"], *job["script"]]
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
            cwd=folder,
            env=self._environment(folder, {**job["variables"], **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self, folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{self._site.tools / 'reconciler' / 'bin'}:/usr/bin:/bin",
            "HOME": str(self._site.folder),
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PROJECT_DIR": str(folder),
            "RECONCILER_ENDPOINT": self._site.emulator.url,
            **variables,
        }

    def _copy(self, names: list[str], source: str, folder: Path) -> None:
        for name in names:
            found = self.folders[source] / name
            if found.is_dir():
                shutil.copytree(found, folder / name)
            elif found.exists():
                shutil.copy(found, folder / name)


def test_the_state_of_every_job_is_where_the_example_says() -> None:
    jobs = component()
    assert jobs[".reconciler"]["variables"] == {"RECONCILER_STATE": STATE}
    for name in ("validate", "plan", "apply"):
        job = jobs[f"reconciler-{name}"]
        assert job["extends"] == ".reconciler"
        assert not {"variables", "cache"} & job.keys()


def test_a_schedule_fails_while_something_is_pending_or_a_list_is_not_up_to_date(
    site: Site,
) -> None:
    site.fill(4)
    site.remove([9], limits="maxNeverSeen: 1")
    pipeline = Pipeline(site)
    assert pipeline.run("reconciler-drift").returncode == 0
    site.select()
    done = pipeline.run("reconciler-drift")
    assert done.returncode == 2
    assert "specs/resolved/old.yaml differs" in done.stdout
    site.git("rm", "--quiet", "-r", "selectors")
    site.remove([0])
    assert pipeline.run("reconciler-drift").returncode == 2


def test_a_merge_is_validated_planned_and_its_plan_applied_once(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    pipeline = Pipeline(site)
    validated = pipeline.run("reconciler-validate")
    assert validated.returncode == 0, validated.stderr
    planned = pipeline.run("reconciler-plan")
    assert planned.returncode == 0, planned.stderr
    report = pipeline.folders["reconciler-plan"] / "terraform.json"
    assert json.loads(report.read_text()) == {"create": 0, "update": 0, "delete": 2}
    for _ in range(2):
        applied = pipeline.run("reconciler-apply")
        assert applied.returncode == 0, applied.stderr
    assert site.left() == {2, 3}
    assert sum(one.method == "DELETE" for one in site.emulator.requests()) == 2
    again = pipeline.run("reconciler-plan")
    assert again.returncode == 0, again.stderr
    assert "Plan: 0 to delete, 2 already absent, 0 kept, 0 missing, 0 unknown (" in again.stdout


def test_a_merge_request_that_breaks_a_file_has_it_in_its_reports(site: Site) -> None:
    site.write("remove:\n  - studiesId: ..\n")
    pipeline = Pipeline(site)
    assert pipeline.run("reconciler-validate").returncode == 1
    report = pipeline.folders["reconciler-validate"] / "codequality.json"
    (finding,) = json.loads(report.read_text())
    assert finding["location"]["path"] == "specs/a.yaml"


def test_a_plan_behind_a_blocking_gate_fails_its_job_and_is_never_applied(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1], limits="maxDeletions: 1, maxStudyPercent: 100")
    pipeline = Pipeline(site)
    assert pipeline.run("reconciler-plan").returncode == 3
    assert pipeline.run("reconciler-apply").returncode == 3
    assert site.left() == {0, 1, 2, 3}


def test_a_plan_whose_file_changed_since_is_refused(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    pipeline = Pipeline(site)
    assert pipeline.run("reconciler-plan").returncode == 0
    site.remove([1])
    assert pipeline.run("reconciler-apply").returncode == 3
    assert site.left() == {0, 1, 2, 3}


def archive(folder: Path) -> tuple[str, str]:
    """An archive of this project, as GitLab makes one; its address and its SHA-256."""
    path = folder / "reconciler-v0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name in BUILT_FROM:
            made.add(ROOT / name, f"reconciler-v0.1.0/{name}", filter=without_caches)
    return path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()


def without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def test_the_tool_is_installed_from_the_archive_and_nothing_of_the_checkout_runs(
    site: Site, tmp_path: Path
) -> None:
    site.fill(4)
    variables = plant(site.workspace)
    site.remove([0])
    source, sha256 = archive(tmp_path)
    pipeline = Pipeline(site, source=source, sha256=sha256)
    bare = {**variables, "PATH": os.environ["PATH"].replace(str(Path(sys.prefix) / "bin"), "")}
    planned = pipeline.run("reconciler-plan", **bare)
    assert planned.returncode == 0, planned.stderr
    assert "Plan: 1 to delete" in planned.stdout
    trace = site.folder / "trace"
    assert not trace.exists(), trace.read_text()

    other = Pipeline(site, source=source, sha256="0" * 64)
    refused = other.run("reconciler-plan", **bare)
    assert refused.returncode != 0
    assert "checksum did NOT match" in refused.stderr


def test_the_jobs_token_is_where_googles_client_reads_it_and_private(site: Site) -> None:
    site.remove([0])
    pipeline = Pipeline(site)
    assert pipeline.run("reconciler-validate", GOOGLE_ID_TOKEN="a.b.c").returncode == 0
    text = (ROOT / "docs" / "ci" / "index.md").read_text()
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    identity = json.loads(block)
    token = pipeline.folders["reconciler-validate"] / identity["credential_source"]["file"]
    assert token.read_text() == "a.b.c"
    assert token.stat().st_mode & 0o777 == 0o600
