"""A gateway in between answers for the store: neither plan nor apply takes that for the truth."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
import requests

from reconciler.api import running, service
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.live.connection import ConnectionSettings
from reconciler.live.dicomweb import confirmation
from reconciler.live.http.retry import RetryPolicy
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress

from ..live.proxy import DONE, NOT_THERE, Behaviour, When, running_proxy
from ..sampling import some
from .conftest import LIMITS_OPEN, REASON, Answer, Project, removal

BODIES = [
    '{"message": "no Route matched"}',
    '{"error": "not found"}',
    '"Not Found"',
    '"DICOM instance does not exist."',
    '{"detail": "Not Found"}',
    '{"code": 404, "message": "no Route matched"}',
    '{"error": {"code": 404, "message": "no Route matched", "status": "NOT_FOUND"}}',
]
ON_INSTANCES = r"/instances/[0-9.]+(/metadata)?$"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 0.1)
    monkeypatch.setattr(running, "VERIFY_SECONDS", 0.05)
    deletion = RetryPolicy(first_wait=0.01, deadline=0.1)
    monkeypatch.setattr(running, "RetryPolicy", lambda: deletion)
    reading = RetryPolicy(attempts=3, first_wait=0.0)
    settings = partial(ConnectionSettings, retry=reading)
    monkeypatch.setattr(service, "ConnectionSettings", settings)


@pytest.fixture
def held(project: Project) -> list[InstanceAddress]:
    """Eleven instances in two studies, all of them to be removed; and their plan."""
    held = [*project.fill(1, 1, range(1, 8)), *project.fill(2, 1, range(1, 5))]
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    assert project.run("plan", "--out", "plan.json").code == 0
    project.emulator.clear_requests()
    return held


def interpose(
    project: Project, body: str, path: str = ON_INSTANCES, method: str | None = None
) -> None:
    rule = FaultRule(FaultKind.STATUS, status=404, body=body, path=path, method=method)
    project.emulator.set_faults(Faults((rule,)))


def apply(project: Project, *options: str) -> tuple[Answer, Counter[str]]:
    """The answer, and the outcomes that the report counts; none of an apply that is refused."""
    path = project.folder / "report.json"
    answer = project.run("apply", "plan.json", "--report", path, *options)
    if answer.code == 3:
        assert not path.exists()
        assert not project.deletes()
        return answer, Counter()
    report = json.loads(path.read_text())
    return answer, Counter({name: n for name, n in report["counts"].items() if n})


@pytest.mark.parametrize(
    ("parallelism", "body"), some(itertools.product(["1", "4"], BODIES), each=2)
)
def test_apply_takes_no_404_of_a_gateway_for_an_absence(
    project: Project, held: Sequence[InstanceAddress], body: str, parallelism: str
) -> None:
    interpose(project, body)
    answer, outcomes = apply(project, "--parallelism", parallelism)
    assert answer.code != 0
    assert project.content() == set(held)
    assert outcomes.keys() <= {"unconfirmed", "failed", "not_attempted"}


@pytest.mark.parametrize("body", BODIES)
def test_plan_takes_no_404_of_a_gateway_for_an_absence(
    project: Project, held: Sequence[InstanceAddress], body: str
) -> None:
    interpose(project, body)
    plan = project.run("plan", "--probe", "retrieve", "--format", "json")
    assert plan.code == 3
    assert plan.json["summary"]["already_absent"] == 0


@pytest.mark.parametrize("body", BODIES)
def test_a_kept_instance_behind_a_gateway_is_not_missing(project: Project, body: str) -> None:
    kept = project.fill(1, 1, range(1, 4))
    project.write("a.yaml", removal(kept[:1], key="keep"))
    interpose(project, body)
    plan = project.run("plan", "--format", "json")
    assert plan.code == 3
    assert plan.json["summary"]["missing"] == 0


@pytest.mark.parametrize("body", BODIES)
def test_a_gateway_before_some_studies_is_seen_through(
    project: Project, held: Sequence[InstanceAddress], body: str
) -> None:
    study = held[0].study_uid
    interpose(project, body, path=rf"/studies/{study}/series/[0-9.]+{ON_INSTANCES}")
    _, outcomes = apply(project)
    rest = {one for one in held if one.study_uid == study}
    assert project.content() == rest
    assert outcomes["deleted"] == len(held) - len(rest)
    assert outcomes.keys() <= {"deleted", "unconfirmed", "failed", "not_attempted"}


@pytest.mark.parametrize("only", [None, "GET", "DELETE"])
@pytest.mark.parametrize("body", BODIES[2:6:3])
def test_a_gateway_that_comes_amid_the_run_is_noticed(
    project: Project,
    held: Sequence[InstanceAddress],
    body: str,
    only: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really_delete = HealthcareStore.delete
    sent: list[InstanceAddress] = []

    def delete(store: HealthcareStore, instance: InstanceAddress):
        sent.append(instance)
        if len(sent) == 4:
            interpose(project, body, method=only)
        return really_delete(store, instance)

    monkeypatch.setattr(HealthcareStore, "delete", delete)
    answer, outcomes = apply(project, "--parallelism", "1")
    gone = sum(outcomes[name] for name in ("deleted", "already_absent"))
    assert gone <= len(held) - len(project.content())
    assert outcomes["already_absent"] == 0
    assert outcomes["deleted"] >= 3
    assert answer.code != 0 or project.content() == set()


@pytest.mark.parametrize("lag", [0.0, 0.2])
@pytest.mark.parametrize("by_this_tool", [True, False])
def test_absences_are_confirmed_in_groups(
    project: Project, monkeypatch: pytest.MonkeyPatch, lag: float, by_this_tool: bool
) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 0.3)
    held = [one for study in (1, 2, 3) for one in project.fill(study, 1, range(1, 31))]
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    assert project.run("plan", "--out", "plan.json").code == 0
    project.run("plan", "--out", "other.json")
    project.emulator.set_faults(Faults(search_lag=lag))
    if by_this_tool:
        assert project.run("apply", "other.json").code == 0
    else:
        for one in held:
            path = f"v1/{project.store}/dicomWeb{one}"
            assert requests.delete(f"{project.emulator.url}/{path}", timeout=10).ok
    project.emulator.clear_requests()
    answer, outcomes = apply(project, "--parallelism", "8")
    assert (answer.code, outcomes) == (0, {"already_absent": 90})
    sent = project.emulator.requests()
    deletes = sum(one.method == "DELETE" for one in sent)
    assert deletes == (0 if by_this_tool else 90)
    assert sum(one.path.endswith("/metadata") for one in sent) == 90 + 1
    # Beside them the pre-flight, and the studies' listings: at each pause one more, if they lag.
    assert len(sent) - 91 - deletes <= 4 + 3 * (1 if lag == 0 else 4)


PROVEN = {"deleted", "already_absent", "absent_after_ambiguous_attempt"}


@pytest.mark.parametrize("parallelism", some(["8", "1"]))
@pytest.mark.parametrize("when", When)
def test_no_deletion_is_proven_by_a_reply_too_many(
    project: Project,
    held: Sequence[InstanceAddress],
    monkeypatch: pytest.MonkeyPatch,
    when: When,
    parallelism: str,
) -> None:
    """Each DELETE but the first is answered with a yes that is none, and with a 404 too many."""
    deletes = itertools.count()

    def is_struck(method: str, path: str) -> bool:
        return method == "DELETE" and next(deletes) > 0

    behaviour = Behaviour(NOT_THERE, when, is_struck, fake=DONE)
    with running_proxy(project.emulator.url, behaviour) as url:
        monkeypatch.setenv("RECONCILER_ENDPOINT", url)
        project.run("plan", "--out", "plan.json")
        answer, outcomes = apply(project, "--parallelism", parallelism)
    assert behaviour.lied
    assert answer.code != 0
    assert len(project.content()) == len(held) - 1
    assert {name: n for name, n in outcomes.items() if name in PROVEN} == {"deleted": 1}


@pytest.mark.parametrize("when", When)
def test_what_is_gone_is_gone_whatever_follows_each_reply(
    project: Project, held: Sequence[InstanceAddress], monkeypatch: pytest.MonkeyPatch, when: When
) -> None:
    behaviour = Behaviour(NOT_THERE, when, lambda method, path: "/instances/" in path)
    with running_proxy(project.emulator.url, behaviour) as url:
        monkeypatch.setenv("RECONCILER_ENDPOINT", url)
        project.run("plan", "--out", "plan.json")
        _, outcomes = apply(project, "--parallelism", "4")
    assert sum(outcomes[name] for name in PROVEN) <= len(held) - len(project.content())
