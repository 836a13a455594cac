"""Credentials that fail end a command in one message, and an apply with a whole account."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.api.service import connect
from reconciler.cli import environment
from reconciler.model.address import Provider

from ..live.token_service import SECRET, Reply, TokenService, external, good, running_token_service
from .conftest import LIMITS_OPEN, REASON, Project, address, removal

WRONG = {
    "a line end in the token": good(token=f"{SECRET}\r\n"),
    "a list": Reply(f'["{SECRET}"]'.encode()),
    "no JSON": Reply(f"<html>{SECRET}</html>".encode()),
    "depth without end": Reply(b"[" * 100_000),
    "a redirect": Reply(b"", 302, {"Location": "http://127.0.0.1:9/"}),
    "no": Reply(f'{{"error": "invalid_grant", "error_description": "{SECRET}"}}'.encode(), 400),
}


@pytest.fixture
def service() -> Iterator[TokenService]:
    with running_token_service() as running:
        yield running


@pytest.fixture
def subject(project: Project, service: TokenService, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the subject token that every command exchanges for an access token."""
    path, file = project.folder / "subject", project.folder / "credentials.json"
    path.write_text(SECRET)
    file.write_text(json.dumps(external(service.url, {"file": str(path)})))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return path


def after(requests: int, reply: Reply) -> Callable[[str, str], Reply]:
    """So many tokens that serve for one request each, and then another reply."""
    replies = itertools.chain(
        itertools.repeat(good(lifetime=60), requests), itertools.repeat(reply)
    )
    return lambda method, path: next(replies)


@pytest.mark.parametrize("reply", WRONG.values(), ids=WRONG)
def test_a_plan_without_a_token_is_one_message(project, service, subject, reply) -> None:
    service.answers = lambda method, path: reply
    project.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    answer = project.run("plan")
    assert answer.code == 1
    assert "hint: " in answer.err
    assert SECRET not in answer.out + answer.err
    assert project.emulator.requests() == []


@pytest.mark.parametrize("parallelism", ["1", "4"])
@pytest.mark.parametrize("reply", WRONG.values(), ids=WRONG)
def test_an_apply_that_loses_its_token_accounts_for_all(
    project, service, subject, reply, parallelism
) -> None:
    held = project.fill(1, 1, range(1, 30))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    assert project.run("plan", "--out", "plan.json").code == 0
    service.answers = after(30, reply)
    options = ["--report", "report.json", "--events", "events.jsonl", "--parallelism", parallelism]
    answer = project.run("apply", "plan.json", *options)
    assert answer.code == 4, answer.err
    require_account(project)
    require_no_secret(project, answer.out + answer.err)
    service.answers = lambda method, path: good()
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set()


def require_account(project: Project) -> None:
    report = json.loads((project.folder / "report.json").read_text())
    assert report["state"] == "stopped"
    assert "credentials" in report["stopped_because"]
    outcomes = report["counts"]
    assert outcomes["not_attempted"] > 0
    assert outcomes["deleted"] > 0
    assert sum(outcomes.values()) == 29


def require_no_secret(project: Project, shown: str) -> None:
    """Neither in what was shown, nor in any file that the commands wrote."""
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    written = [path for path in written if path.name not in {"subject", "credentials.json"}]
    assert len(written) > 3
    assert SECRET not in shown + "".join(path.read_text() for path in written)


def test_an_apply_whose_subject_token_is_no_text_any_more(project, service, subject) -> None:
    held = project.fill(1, 1, range(1, 30))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    assert project.run("plan", "--out", "plan.json").code == 0
    left = itertools.count(30, -1)

    def answers(method: str, path: str) -> Reply:
        if next(left) == 0:
            subject.write_bytes(b"\xff" + SECRET.encode())
        return good(lifetime=60)

    service.answers = answers
    answer = project.run("apply", "plan.json", "--report", "report.json", "--parallelism", "1")
    assert answer.code == 4, answer.err
    require_account(project)
    require_no_secret(project, answer.out + answer.err)


def test_an_empty_variable_is_one_that_is_not_set(project, monkeypatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([address(1, 1, 1)]))
    assert project.run("plan").code == 0
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"RECONCILER_ORTHANC_{name}", "")
    access = environment.Access(project.emulator.url, parallelism=1, max_qps=None)
    reached = environment.service(access, Provider.ORTHANC)
    with connect(reached, Provider.ORTHANC, read_only=True) as connection:
        assert connection.principal is None
