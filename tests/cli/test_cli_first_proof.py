"""Before many deletions leave, an absence must be understood and the first deletion be proven.

Tried out, each of these makes the tests that it concerns fail: no look at what nobody has
(`Apply._absences_unclear`), no turns or endless ones (`FirstProofs.turn`), a run that goes on
after an accepted deletion without a proof (`FirstProofs.heed`), copies made within a turn
(`Deleter.delete`).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from reconciler.api import running, service
from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.live.connection import ConnectionSettings
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.address import InstanceAddress

from ..archive.proxy import Reply, proxy_of
from .conftest import LIMITS_OPEN, REASON, Answer, Project, removal


def error(code: int, status: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "no", "status": status}}).encode()


JSON, DICOM_JSON = "application/json", "application/dicom+json"
ODD = {
    "a page": Reply(404, "text/html", b"<html><body>Not Found</body></html>"),
    "plain text": Reply(404, "text/plain", b"no such instance"),
    "nothing": Reply(404, JSON, b""),
    "an object without a code": Reply(404, JSON, b'{"message": "not found"}'),
    "a text that names the path": Reply(404, JSON, b'"PATH does not exist"'),
    "200 with an error": Reply(200, JSON, error(404, "NOT_FOUND")),
    "200 with nothing": Reply(200, DICOM_JSON, b""),
    "200 with an empty list": Reply(200, DICOM_JSON, b"[]"),
    "204": Reply(204, JSON, b""),
    "302": Reply(302, "text/html", b""),
    "410": Reply(410, JSON, error(410, "NOT_FOUND")),
    "403": Reply(403, JSON, error(403, "PERMISSION_DENIED")),
    "400": Reply(400, JSON, error(400, "INVALID_ARGUMENT")),
    "500": Reply(500, JSON, error(500, "INTERNAL")),
}
"""What may come in place of the API's own 404."""

OTHER_STORE = replace(DEMO_STORE, dicom_store_id="other-store")
WORKERS = 8


@dataclass
class Gateway:
    """Changes the answers for instances that are not there, on the paths that ``strikes`` finds.

    ``under_way`` has for each DELETE how many of its store were between DELETE and proof then,
    itself included. Each waits for ``wanted_copies``; ``copied`` has how many it saw then.
    """

    odd: Reply | None = None
    strikes: str = ""
    under_way: dict[str, list[int]] = field(default_factory=dict)
    deletes: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    copied: list[int] = field(default_factory=list)
    wanted_copies: int = 0
    _open: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, request: str, reply: Reply) -> Reply:
        method, path = request.split(" ")
        instance = path.removesuffix("/metadata")
        if method == "DELETE":
            self._note(instance)
            deadline = time.monotonic() + 10
            while len(self.copies) < self.wanted_copies and time.monotonic() < deadline:
                time.sleep(0.01)
            self.copied.append(len(self.copies))
            time.sleep(0.05)
        elif path.endswith("/metadata"):
            with self._lock:
                self._open.discard(instance)
            if reply.status == 404 and self.odd and re.search(self.strikes, path):
                return replace(self.odd, body=self.odd.body.replace(b"PATH", path.encode()))
        elif re.search(r"/instances/[0-9.]+$", path):
            self.copies.append(path)
        return reply

    def _note(self, instance: str) -> None:
        store = instance.partition("/dicomWeb/")[0].rpartition("/")[2]
        with self._lock:
            self.deletes.append(instance)
            self._open.add(instance)
            mine = sum(f"/{store}/" in one for one in self._open)
            self.under_way.setdefault(store, []).append(mine)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "VERIFY_SECONDS", 0.05)
    deletion = RetryPolicy(first_wait=0.01, deadline=0.1)
    monkeypatch.setattr(running, "RetryPolicy", lambda: deletion)
    settings = partial(ConnectionSettings, retry=RetryPolicy(attempts=2, first_wait=0.0))
    monkeypatch.setattr(service, "ConnectionSettings", settings)


@pytest.fixture
def held(project: Project) -> list[InstanceAddress]:
    """Forty instances, all of them to be removed; and their plan."""
    held = project.fill(1, 1, range(1, 41))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(held))
    return held


@pytest.fixture
def gateway(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Where the commands of the test find the store; it changes nothing yet."""
    gateway = Gateway()
    with proxy_of(project.emulator.url, gateway.change) as url:
        monkeypatch.setenv("RECONCILER_ENDPOINT", url)
        yield gateway


def plan_and_apply(project: Project, *options: str) -> Answer:
    assert project.run("plan", "--out", "plan.json").code == 0
    return apply(project, *options)


def apply(project: Project, *options: str) -> Answer:
    return project.run("apply", "plan.json", "--parallelism", f"{WORKERS}", *options)


def report_of(project: Project) -> dict[str, object]:
    report: dict[str, object] = json.loads((project.folder / "report.json").read_text())
    return report


@pytest.mark.parametrize("odd", ODD)
def test_no_delete_leaves_where_an_absence_is_not_understood(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway, odd: str
) -> None:
    gateway.odd = ODD[odd]
    answer = plan_and_apply(project)
    assert answer.code == 3
    assert "an instance that does not exist" in answer.err
    assert "hint: nothing was deleted" in answer.err
    assert not gateway.deletes
    assert project.content() == set(held)
    assert not list((project.folder / ".reconciler" / "runs").glob("*.jsonl"))


@pytest.mark.parametrize("odd", sorted(ODD.keys() - {"a text that names the path"}))
def test_one_delete_leaves_where_only_what_was_deleted_is_answered_oddly(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway, odd: str
) -> None:
    gateway.odd, gateway.strikes = ODD[odd], f"/studies/{held[0].study_uid}/"
    answer = plan_and_apply(project, "--report", "report.json")
    assert answer.code == 4
    assert len(gateway.deletes) == 1
    assert len(project.content()) == len(held) - 1
    report = report_of(project)
    assert report["state"] == "stopped"
    assert "the first deletion could not be proven" in str(report["stopped_because"])


def test_each_run_asks_and_proves_again(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway
) -> None:
    """A run that resumes is one of its own."""
    gateway.odd, gateway.strikes = ODD["410"], f"/studies/{held[0].study_uid}/"
    assert plan_and_apply(project).code == 4
    gateway.strikes = ""
    assert apply(project).code == 3
    assert len(gateway.deletes) == 1
    gateway.odd = None
    assert apply(project).code == 0
    assert project.content() == set()
    assert gateway.under_way["demo-store"][:3] == [1, 1, 1]
    assert max(gateway.under_way["demo-store"]) > WORKERS // 2


def test_workers_delete_in_parallel_after_the_first_proof_of_each_store(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway
) -> None:
    project.emulator.add_store(OTHER_STORE)
    uids = [one.instance_uid for one in held]
    project.emulator.ingest_synthetic(OTHER_STORE, held[0].series, uids)
    project.write("b.yaml", REASON + LIMITS_OPEN + removal(held), store=OTHER_STORE)
    assert plan_and_apply(project).code == 0
    assert sorted(gateway.under_way) == ["demo-store", "other-store"]
    for under_way in gateway.under_way.values():
        assert len(under_way) == len(held)
        assert under_way[:2] != [1, 2]
        assert max(under_way[: WORKERS + 1]) > WORKERS // 2


def test_an_odd_store_keeps_the_plan_from_deleting_in_any(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway
) -> None:
    project.emulator.add_store(OTHER_STORE)
    project.emulator.ingest_synthetic(OTHER_STORE, held[0].series, [held[0].instance_uid])
    project.write("b.yaml", REASON + LIMITS_OPEN + removal(held[:1]), store=OTHER_STORE)
    gateway.odd, gateway.strikes = ODD["a page"], "/other-store/"
    answer = plan_and_apply(project)
    assert answer.code == 3
    assert "other-store: no deletion could be proven" in answer.err
    assert not gateway.deletes


def test_after_failed_deletions_the_next_one_still_goes_alone(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway
) -> None:
    """A refusal proves nothing of how a deleted instance is answered for."""
    refusal = FaultRule(FaultKind.STATUS, "DELETE", status=400, times=3)
    project.emulator.set_faults(Faults((refusal,)))
    assert plan_and_apply(project).code == 4
    assert len(project.content()) == 3
    assert gateway.under_way["demo-store"][:4] == [1, 1, 1, 1]
    assert max(gateway.under_way["demo-store"]) > WORKERS // 2


def test_copies_are_made_in_parallel_before_the_first_proof(
    project: Project, gateway: Gateway, tmp_path: Path
) -> None:
    held = project.fill(1, 1, range(1, 41))
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\n"
    project.write("a.yaml", archive + REASON + LIMITS_OPEN + removal(held))
    gateway.wanted_copies = WORKERS
    assert plan_and_apply(project).code == 0
    assert gateway.copied[0] >= WORKERS
    assert gateway.under_way["demo-store"][0] == 1
    assert max(gateway.under_way["demo-store"]) > WORKERS // 2


def test_the_budget_bounds_what_goes_out_unproven_between_proofs(
    project: Project, held: Sequence[InstanceAddress], gateway: Gateway
) -> None:
    """Every second deletion is proven; what the others did is not made up for by that."""
    gateway.odd, gateway.strikes = ODD["410"], rf"/{held[0].study_uid}/.*[3579]/metadata$"
    answer = plan_and_apply(project, "--stop-after-failures", "3", "--report", "report.json")
    assert answer.code == 4
    assert report_of(project)["stopped_because"] == "3 deletions could not be proven"
    unproven = [one for one in held if one.instance_uid[-1] in "3579"]
    assert len(set(unproven) - project.content()) < 3 + WORKERS
