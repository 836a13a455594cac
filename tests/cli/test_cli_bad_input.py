"""Bad input gets one clear message, an exit code of the table, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from .conftest import REASON, Project, address, head, removal

FILES = {
    "binary": b"\x00\x01\xff\xfe" * 100,
    "not utf-8": head().encode() + b"reason: \xff\n",
    "empty": b"",
    "yaml syntax": head().encode() + b"remove: [\n",
    "unknown key": head().encode() + b"removes: []\n",
    "wrong type": head().encode() + b"remove: 5\n",
    "brackets": b"[" * 50_000,
    "billion laughs": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    "two documents": head().encode() + b"---\nversion: 1\n",
    "duplicate key": head().encode() + b"version: 1\n",
    "tag": head().encode() + b"keep: !!python/object:os.system []\n",
}
UIDS = {
    "65 characters": '"' + "1" * 65 + '"',
    "trailing newline": '"1.2\\n"',
    "dots": '".."',
    "empty": '""',
    "full-width digits": '"\\uff11.\\uff12"',
    "nothing": "",
    "encoded dots": '"%2e%2e"',
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_clear_error_with_its_place(project: Project, name: str) -> None:
    (project.folder / "specs" / "bad.yaml").write_bytes(FILES[name])
    answer = project.run("validate")
    assert answer.code == 1
    assert re.search(r"^specs/bad\.yaml:[0-9]+:[0-9]+: .+", answer.err, re.MULTILINE), answer.err
    assert "Traceback" not in answer.err
    assert project.run("plan").code == 1
    assert project.run("apply", "--auto-approve").code == 1
    assert project.emulator.requests() == []


@pytest.mark.parametrize("name", UIDS)
def test_a_bad_uid_never_reaches_the_store(project: Project, name: str) -> None:
    body = f"{REASON}remove:\n  - studiesId: 1.2\n    seriesId: 1.2.3\n    instancesId:\n"
    project.write("bad.yaml", f"{body}      - {UIDS[name]}\n")
    answer = project.run("apply", "--auto-approve")
    assert answer.code == 1
    assert "specs/bad.yaml:" in answer.err
    assert project.emulator.requests() == []


def test_a_uid_without_quotes_stays_text(project: Project) -> None:
    project.write("a.yaml", f"{REASON}remove:\n  - studiesId: 1.10\n")
    planned = project.run("plan", "--format", "json")
    (finding,) = planned.json["plan"]["stores"][0]["findings"]
    assert finding["studiesId"] == "1.10"


@pytest.mark.parametrize("field", ["sha256", "count"])
def test_an_inventory_that_is_not_the_pinned_one_is_refused(project: Project, field: str) -> None:
    path = project.folder / "specs" / "list.csv"
    path.write_text("studiesId,seriesId,instancesId\n1.2,1.2.3,1.2.3.4\n")
    pins = {"sha256": "0" * 64, "count": 1}
    if field == "count":
        pins = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "count": 2}
    project.write(
        "a.yaml",
        f"{REASON}remove:\n  - inventory: {{path: list.csv, sha256: {pins['sha256']},"
        f" count: {pins['count']}}}\n",
    )
    answer = project.run("validate")
    assert answer.code == 1
    assert field in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["plann"],
        ["plan", "--nonsense"],
        ["plan", "--parallelism", "0"],
        ["plan", "--max-age", "soon"],
        ["plan", "--write", "pdf=x"],
        ["plan", "--endpoint", "http://example.org"],
        ["plan", "--endpoint", "ftp://127.0.0.1"],
        ["plan", "no-such-folder"],
        ["plan", "--root", "no-such-folder"],
        ["show", "no-such-plan.json"],
        ["apply", "no-such-plan.json"],
        ["apply", "a.json", "b.json"],
        ["plan", "--out", "no/such/folder/plan.json"],
    ],
)
def test_an_impossible_command_line_exits_with_1(project: Project, arguments: list[str]) -> None:
    project.write("a.yaml", "keep: []\n")
    answer = project.run(*arguments)
    assert answer.code == 1
    assert answer.err.strip()
    assert "Traceback" not in answer.err


def test_a_store_that_does_not_exist_is_not_an_empty_one(project: Project) -> None:
    elsewhere = type(project.store)("demo-project", "europe-west4", "demo-dataset", "nowhere")
    project.write("a.yaml", REASON + removal([address(1, 1, 1)]), store=elsewhere)
    answer = project.run("plan")
    assert answer.code == 1
    assert "nowhere" in answer.err


@pytest.mark.parametrize(
    "fault",
    [
        FaultRule(FaultKind.HTML, status=200),
        FaultRule(FaultKind.STATUS, status=403),
        FaultRule(FaultKind.STATUS, status=401),
        FaultRule(FaultKind.REDIRECT, location="/login"),
    ],
    ids=["html", "forbidden", "unauthenticated", "redirect"],
)
def test_a_service_that_gives_no_answer_is_an_error(project: Project, fault: FaultRule) -> None:
    project.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    project.emulator.set_faults(Faults((fault,)))
    answer = project.run("plan")
    assert answer.code == 1
    assert answer.err.strip()
    assert "Traceback" not in answer.err


def test_away_from_loopback_credentials_are_needed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(project.folder))
    project.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    answer = project.run("plan", "--endpoint", "https://healthcare.example.org")
    assert answer.code == 1
    assert "GOOGLE_APPLICATION_CREDENTIALS" in answer.err


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("yes\n", 0, 3), ("y\n", 3, 4), ("\x04", 3, 4)]
)
def test_on_a_terminal_only_yes_goes_on(project: Project, typed: str, code: int, left: int) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "apply", "specs"],
        cwd=project.folder,
        env=os.environ | {"RECONCILER_ENDPOINT": project.emulator.url},
        stdin=child,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(child)
        os.write(parent, typed.encode())
        _, errors = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == code, errors
    assert "Only 'yes' is accepted" in errors
    assert len(project.content()) == left


def test_a_plan_shown_into_a_closed_pipe_ends_quietly(project: Project) -> None:
    project.write("a.yaml", REASON + removal(project.fill(1, 1, range(1, 5))[:1]))
    done = subprocess.run(
        f"{sys.executable} -m reconciler plan --format json | head -c 1",
        shell=True,
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_a_message_never_names_a_path_outside_the_question(project: Project) -> None:
    outside = Path("..") / "elsewhere.yaml"
    (project.folder / outside).write_text("version: 1\n")
    answer = project.run("validate", outside)
    assert answer.code == 1
    assert "outside" in answer.err
