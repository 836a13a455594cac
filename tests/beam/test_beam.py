"""A plan in shards on the workers of a pipeline: as many processes, one account, and resumes."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam
import pytest

import reconciler
from reconciler import beam
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.journal.places.locks import hold_locks
from reconciler.model.lock import Holder

from ..chaos.sites import Ended, address, wait_until
from ..shards.sharded_site import SECONDS, ShardedSite, running_sharded_site

TWO_PROCESSES = ("--direct_running_mode", "multi_processing", "--direct_num_workers", "2")
RETRIES = ("--runner", "BundleBasedDirectRunner")
"""It repeats a bundle that fails, as Dataflow does; the other runner of the SDK does not."""
ONCE_SLOWLY = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.3)
WORKER = "sdk_worker_main"


@pytest.fixture
def sharded(tmp_path: Path) -> Iterator[ShardedSite]:
    """Four shards, and its state in a bucket: who has claimed a shard is on record there."""
    with running_sharded_site(tmp_path, studies=4, each=6, in_bucket=True) as running:
        yield running


def start(sharded: ShardedSite, *options: str, beam: tuple[str, ...]) -> subprocess.Popen[str]:
    given = ("--parallelism", "2", "--report", "report.json", "--lease", "3", *options)
    return sharded.site.start("beam", "plan/plan.json", "--tasks", "2", *given, "--", *beam)


def ended(child: subprocess.Popen[str]) -> Ended:
    """Wait for the end; the log of a pipeline that failed has tracebacks."""
    out, err = child.communicate(timeout=SECONDS)
    return Ended(child.returncode, out, err)


def run(sharded: ShardedSite, *options: str, beam: tuple[str, ...] = TWO_PROCESSES) -> Ended:
    return ended(start(sharded, *options, beam=beam))


def counters(done: Ended) -> Mapping[str, int]:
    (line,) = re.findall(r"^the tasks: (.*)$", done.err, re.MULTILINE)
    return {name: int(number) for number, name in (one.split() for one in line.split(", "))}


def processes_of_claims(sharded: ShardedSite) -> set[int]:
    assert sharded.bucket is not None
    claims = (sharded.bucket / "claims").glob("*/00000001")
    return {json.loads(one.read_text())["holder"]["process"] for one in claims}


def account(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """All of a report but what names the one run that wrote it."""
    return {key: one for key, one in report.items() if key not in {"run", "started", "ended"}}


def test_two_processes_delete_all_and_the_account_is_that_of_apply(sharded: ShardedSite) -> None:
    child = start(sharded, "--max-qps", "1000", beam=TWO_PROCESSES)
    done = ended(child)
    assert done.code == 0, done
    sharded.require_all_done()
    processes = processes_of_claims(sharded)
    assert len(processes) == 2
    assert child.pid not in processes
    found = counters(done)
    report = sharded.report()
    assert {name: found[name] for name in report["counts"]} == report["counts"]
    sent = [one for one in sharded.site.emulator.requests() if one.method == "DELETE"]
    assert found["requests"] >= len(sent) == 24
    again = sharded.site.here("apply", "plan/plan.json", "--report", "report.json")
    assert again.code == 0
    assert account(sharded.report()) == account(report)


def test_the_rate_is_that_of_all_tasks(sharded: ShardedSite) -> None:
    """No machine is too slow for that: what is held is how fast it may be at most."""
    done = run(sharded, "--max-qps", "20")
    assert done.code == 0, done
    times = sorted(one.time for one in sharded.site.deletes())
    assert times[-1] - times[0] >= 0.8 * (len(times) - 1) / 20


def test_a_bundle_that_is_repeated_resumes(sharded: ShardedSite) -> None:
    """The store fails once, which stops the task; then Beam calls it again."""
    site = sharded.site
    down = FaultRule(FaultKind.STATUS, "DELETE", status=403, times=1)
    site.emulator.set_faults(Faults((site.once_proven(down),)))
    done = run(sharded, "--tasks", "1", "--stop-after-failures", "1", beam=RETRIES)
    assert done.code == 0, done
    assert re.search(r"stopped: 1 deletions? could not be proven", done.err)
    assert sharded.report()["counts"]["deleted"] == 24
    sharded.require_all_done()


def test_a_pipeline_that_fails_is_accounted_for_and_nothing_more_is_deleted(
    sharded: ShardedSite,
) -> None:
    site = sharded.site
    down = FaultRule(FaultKind.STATUS, "DELETE", status=403)
    site.emulator.set_faults(Faults((site.once_proven(down),)))
    done = run(sharded, "--stop-after-failures", "2")
    assert done.code == 4, done
    assert re.search(r"^the pipeline has failed: .*2 deletions could not", done.err, re.MULTILINE)
    report = sharded.report()
    assert (report["state"], report["stopped_because"]) == ("stopped", "the pipeline has failed")
    assert sum(report["counts"].values()) == 24
    assert report["counts"]["deleted"] <= 1
    assert report["counts"]["not_attempted"] > 0
    sharded.require_no_harm()
    site.emulator.set_faults(Faults())
    assert site.here("apply", "plan/plan.json", "--report", "report.json").code == 0
    sharded.require_all_done()


def test_what_is_refused_deletes_nothing_and_has_its_exit_code(sharded: ShardedSite) -> None:
    done = run(sharded, "--expect-digest", "sha256:0", beam=())
    assert done.code == 3, done
    assert "error: the plan" in done.err.rpartition("the pipeline has failed")[2]
    assert not sharded.site.deletes()
    whole = sharded.site.folder / "whole.json"
    sharded.site.plan("--out", str(whole))
    alone = sharded.site.here("beam", str(whole), "--tasks", "2")
    assert (alone.code, "is not a plan in shards" in alone.err) == (1, True)


def workers() -> dict[int, int]:
    """The processes of all pipelines, with their parents."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if any(WORKER.encode() in one for one in words):
            found[int(entry.name)] = parent
    return found


def workers_of(launcher: int) -> set[int]:
    """Python itself, below the shell by which the runner starts it."""
    found = workers()
    shells = {one for one, parent in found.items() if parent == launcher}
    return {one for one, parent in found.items() if parent in shells}


def test_no_guard_is_left_to_beam_which_ignores_what_it_does_not_know(sharded: ShardedSite) -> None:
    for given in (("--expect-digest", "sha256:0"), ("--max-qps=2",)):
        done = sharded.site.here("beam", "plan/plan.json", "--tasks", "2", "--", *given)
        assert (done.code, "stands after --, where Beam ignores it" in done.err) == (1, True), done
    assert beam.is_known("--parallelism")  # Flink's
    assert not sharded.site.deletes()


def test_an_endpoint_with_a_password_goes_to_no_worker(sharded: ShardedSite) -> None:
    password = "https://anna:s3cret@pacs.example"
    done = sharded.site.here("beam", "plan/plan.json", "--tasks", "2", "--endpoint", password)
    assert (done.code, "pipeline" in done.err, "s3cret" in done.err) == (1, False, False), done


def test_an_interrupt_in_a_bundle_of_this_process_ends_the_command(sharded: ShardedSite) -> None:
    sharded.site.emulator.set_faults(Faults((ONCE_SLOWLY,)))
    child = start(sharded, beam=())
    wait_until(lambda: len(sharded.site.deletes()) >= 4, during=child)
    os.kill(child.pid, signal.SIGINT)
    done = ended(child)
    assert done.code == 130, done
    sharded.require_no_harm()


def test_the_plan_may_lie_in_a_bucket(sharded: ShardedSite) -> None:
    url = (sharded.site.folder / "plan" / "plan.json").as_uri()
    given = (url, "--tasks", "2", "--report", "report.json")
    done = ended(sharded.site.start("beam", *given, "--", *TWO_PROCESSES))
    assert done.code == 0, done
    sharded.require_all_done()


@pytest.mark.parametrize("first", [signal.SIGKILL, None])
def test_workers_end_with_their_launcher_and_the_same_command_resumes(
    sharded: ShardedSite, first: signal.Signals | None
) -> None:
    """The runner does not notice when a worker is killed; a SIGINT ends it anyhow."""
    sharded.site.emulator.set_faults(Faults((ONCE_SLOWLY,)))
    child = start(sharded, beam=TWO_PROCESSES)
    wait_until(lambda: len(sharded.site.deletes()) >= 4, during=child, seconds=SECONDS)
    left = workers_of(child.pid)
    assert len(left) == 2
    if first is not None:
        os.kill(min(left), first)
    os.kill(child.pid, signal.SIGINT)
    done = ended(child)
    assert done.code == 130, done
    assert done.err.rstrip().endswith("interrupted"), done
    wait_until(lambda: not left & workers().keys())
    sharded.site.emulator.set_faults(Faults())
    sharded.require_no_harm()
    done = run(sharded)
    assert done.code == 0, done
    sharded.require_all_done()


# What a worker is sent, and what it does about a double


def job(sharded: ShardedSite, **others: Any) -> beam.Job:
    plan = reconciler.read_plan(sharded.site.folder / "plan" / "plan.json")
    assert isinstance(plan, reconciler.PlanInShards)
    service = reconciler.Service(endpoint=sharded.site.emulator.url, max_qps=1000, **others)
    state = sharded.site.environment.get("RECONCILER_STATE", str(sharded.site.state))
    return beam.Job(plan, str(sharded.site.folder), state, service, 2, {"digest": plan.digest})


def test_no_secret_leaves_the_machine(
    sharded: ShardedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def seen(pipeline: apache_beam.Pipeline) -> None:
        class Visitor(apache_beam.pipeline.PipelineVisitor):
            def visit_transform(self, node: Any) -> None:
                function = getattr(node.transform, "fn", None)
                if isinstance(function, beam._Apply):
                    sent.append(pickle.dumps(function))

        pipeline.visit(Visitor())
        sent.append(str(pipeline.options.get_all_options()).encode())
        raise RuntimeError("seen")

    monkeypatch.setattr(apache_beam.Pipeline, "run", seen)
    with_secrets = job(
        sharded, credentials=("anna", "s3cret"), proxies={"https": "http://u:s3cret@proxy"}
    )
    assert beam.run_pipeline(with_secrets, []) == ("seen", {})
    assert any(with_secrets.plan.digest.encode() in one for one in sent)
    assert not any(b"s3cret" in one for one in sent)


def test_a_double_waits_for_the_other_and_finds_what_that_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_sharded_site(tmp_path, studies=2, each=2) as sharded:
        one = job(sharded)
        stores = [store.store for store in one.plan.plan.stores]
        holder = Holder("r1", "ada", "h", 7)
        monkeypatch.setattr(beam, "_PAUSE", 0.01)
        with hold_locks(sharded.site.state, stores, holder=holder, since="noon"):
            monkeypatch.setattr(beam, "_PATIENCE", 0.05)
            with pytest.raises(reconciler.errors.LockHeld):
                one.apply(1, reconciler.Listener())
            monkeypatch.setattr(beam, "_PATIENCE", SECONDS)
            results: list[reconciler.Applied] = []
            double = threading.Thread(
                target=lambda: results.append(one.apply(1, reconciler.Listener()))
            )
            double.start()
            double.join(0.2)
            assert double.is_alive()
        double.join()
        assert [one.exit_code for one in results] == [0]
        assert one.apply(1, reconciler.Listener()).is_earlier


def test_a_task_that_has_applied_a_shard_waits_for_the_next_one(
    sharded: ShardedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is no exception then, but the error of what was applied."""
    monkeypatch.setattr(beam, "_PAUSE", 0.01)
    site = sharded.site
    third = f"{address(3, 1, 1).study_uid}/"
    slowly = FaultRule(FaultKind.LATENCY, "DELETE", path=re.escape(third), seconds=4.0)
    site.emulator.set_faults(Faults((slowly,)))
    one = job(sharded)
    one = replace(one, settings={**one.settings, "lease": 2.0})  # so soon a lock is known as held
    double = threading.Thread(target=lambda: replace(one, tasks=4).apply(3, reconciler.Listener()))
    double.start()
    wait_until(lambda: any(third in sent.path for sent in site.deletes()))
    applied = one.apply(1, reconciler.Listener())
    double.join()
    assert (applied.exit_code, applied.error, applied.report.planned) == (0, None, 12)
    assert len(site.deletes()) == 12


def test_importing_the_package_does_not_import_beam() -> None:
    code = "import reconciler, sys; from reconciler.cli.main import run; run(['--help']);"
    code += " assert 'apache_beam' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_rate_is_divided(sharded: ShardedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[reconciler.Service] = []

    def note_service(_plan: object, _project: object, one: reconciler.Service, **_: object) -> Any:
        given.append(one)
        return SimpleNamespace(error=None)

    monkeypatch.setattr(reconciler, "apply", note_service)
    whole = job(sharded)
    for one in (whole, replace(whole, service=replace(whole.service, max_qps=None))):
        one.apply(1, reconciler.Listener())
    assert [one.max_qps for one in given] == [500, None]
