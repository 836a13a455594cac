"""The action and the example workflows do in a shell what they are for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults

from .conftest import SERIES, Site, plant
from .runner import Job, to_its_end

pytestmark = pytest.mark.slow

MARKER = r"<!-- reconciler plan [0-9a-f]{40} -->"


def test_a_pull_request_is_planned_commented_and_labelled(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    job = site.planned()
    assert not job.failed
    (comment,) = site.world("comments")
    assert re.match(MARKER, comment["body"])
    assert "Plan: 2 to delete" in comment["body"]
    assert site.world("labels") == ["deletes images"]
    plan = json.loads((site.artifacts / "reconciler-plan" / "plan.json").read_text())
    assert plan["digest"] == job.step("plan").outputs["digest"]
    assert "Plan: 2 to delete" in job.summary
    assert site.left() == {0, 1, 2, 3}

    site.remove([9], limits="maxNeverSeen: 1")  # a newer push: nothing to delete
    assert not site.planned().failed
    (comment,) = site.world("comments")
    assert "Plan: 0 to delete" in comment["body"]
    assert site.world("labels") == []


def test_a_first_plan_without_deletions_is_green_where_nobody_made_the_label(site: Site) -> None:
    site.remove([9], limits="maxNeverSeen: 1")
    job = site.planned()
    assert not job.failed, job.step("Label the pull request").out
    assert site.world("labels") == []


def test_a_comment_never_shows_the_plan_of_an_earlier_push(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    site.planned()
    site.remove([0, 1, 2])
    refusal = FaultRule(FaultKind.STATUS, status=403)
    site.emulator.set_faults(Faults(rules=(refusal,)))
    assert site.planned().failed
    (comment,) = site.world("comments")
    assert re.match(MARKER + r"\nNo plan could be made \(exit code 1\)", comment["body"])
    assert site.git("rev-parse", "HEAD") in comment["body"]


def test_a_pull_request_of_a_fork_is_validated_and_never_planned(site: Site) -> None:
    site.remove([0])
    validated = site.run("plan.yml", "validate", fork=True)
    assert validated is not None
    assert not validated[0].failed
    assert site.run("plan.yml", "plan", fork=True) is None


def test_a_pull_request_that_breaks_a_file_fails_on_its_line(site: Site) -> None:
    site.write("remove:\n  - studiesId: ..\n")
    found = site.run("plan.yml", "validate")
    assert found is not None
    job, _ = found
    assert job.failed
    assert job.step("validate").outputs["valid"] == "false"
    assert "::error file=specs/a.yaml,line=9,col=16," in job.step("validate").out
    sarif = json.loads((site.workspace / "reconciler.sarif").read_text())
    assert len(sarif["runs"][0]["results"]) == 1


def test_a_pull_request_that_breaks_a_gate_fails_and_is_shown(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1], limits="maxDeletions: 1, maxStudyPercent: 100")
    job = site.planned()
    assert job.failed
    assert job.step("plan").outputs["exit_code"] == "3"
    assert job.step("plan").outputs["blocking_gates"] == "maxDeletions"
    assert "maxDeletions: 2 of at most 1" in site.world("comments")[0]["body"]
    assert (site.artifacts / "reconciler-plan" / "plan.json").exists()


def test_a_merge_applies_the_reviewed_plan_and_keeps_its_record(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    site.planned()
    site.reviewed()
    job = site.applied()
    assert not job.failed, job.step("apply").out
    assert site.left() == {2, 3}
    report = json.loads((site.artifacts / "reconciler-report" / "report.json").read_text())
    assert report["counts"]["deleted"] == 2
    assert [*site.journals()] == [job.step("apply").outputs["run"]]
    assert {one.name for one in site.artifacts.iterdir()} == {
        "reconciler-plan",
        "reconciler-plan-page",
        "reconciler-report",
    }


def test_who_approved_the_change_and_the_job_is_on_record(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    site.reviewed(
        reviews=[
            site.review("bob"),
            site.review("carol", commit={"oid": "an earlier push"}),
            site.review("dave"),
            site.review("dave", "CHANGES_REQUESTED"),
            site.review("bob", "COMMENTED"),
            site.review("mallory"),
            site.review("a bot", author={"login": "bot", "__typename": "Bot"}),
        ]
    )
    site.know("approvals", [{"user": {"login": "erin"}, "state": "approved"}])

    job = site.applied()

    assert not job.failed, job.step("apply").out
    (journal,) = site.journals().values()
    requester = next(line["provenance"] for line in journal if "provenance" in line)["requester"]
    assert requester["approvers"] == ["bob", "erin"]
    assert requester["change"] == str(site.number)


# The state lies in a bucket that all jobs share


def test_what_a_job_installs_has_what_a_bucket_needs(tools: Path) -> None:
    python = tools / "reconciler" / "bin" / "python"
    subprocess.run([python, "-I", "-c", "import reconciler.objects.bucket"], check=True)


def test_a_plan_creates_only_observations(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    assert not site.planned().failed
    assert [one.name for one in (site.folder / site.bucket).iterdir()] == ["observations"]


def test_a_plan_on_another_machine_knows_what_was_applied(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    site.planned()
    site.reviewed()
    assert not site.applied().failed
    here, there = (site.another(name) for name in ("second", "third"))

    job = here.planned()
    assert not job.failed, job.step("plan").out
    assert "Plan: 0 to delete, 2 already absent, 0 kept, 0 missing, 0 unknown (" in job.summary
    drift = there.run("drift.yml", "drift")
    assert drift is not None
    assert not drift[0].failed
    assert site.world("issues") == []  # one would say that the plan failed, or what is pending

    lost = site.another("fourth", bucket="another bucket").planned()
    assert lost.step("plan").outputs["blocking_gates"] == "maxNeverSeen"


def test_of_two_applies_at_once_one_ends_with_5_and_may_run_again(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    digest = site.planned().step("plan").outputs["digest"]
    site.reviewed()
    other = site.another("second")
    slow = FaultRule(FaultKind.LATENCY, method="DELETE", seconds=15, times=1)
    site.emulator.set_faults(Faults(rules=(slow,)))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(saved, site, digest)
        while not [*(site.folder / site.bucket).glob("stores/*/epochs/*")]:
            assert not first.done(), first.result().step("apply").out
            time.sleep(0.05)
        second = other.applied()
        assert not first.done()
    assert second.step("apply").outputs["exit_code"] == "5"
    assert "another run works on the store" in site.world("comments")[-1]["body"]
    assert not first.result().failed, first.result().step("apply").out

    again = saved(other, digest)
    assert not again.failed, again.step("apply").out
    assert sum(one.method == "DELETE" for one in site.emulator.requests()) == 1
    assert site.left() == {1, 2, 3}


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_no_plan_and_no_apply_goes_without_a_place_for_the_state(site: Site, name: str) -> None:
    site.fill(4)
    site.remove([0])
    needs = {"reviewed": {"outputs": {}}}
    found = site.run(f"{name}.yml", name, needs=needs, given={"state": ""})
    assert found is not None
    assert f"the input state is empty, and {name} needs" in found[0].step("Check the inputs").out
    assert found[0].failed
    assert not [*(site.folder / site.bucket).iterdir()]


def test_a_plan_that_went_stale_between_review_and_merge_is_refused(site: Site) -> None:
    site.fill(4)
    site.remove([0, 1])
    site.planned()
    site.reviewed()
    site.emulator.ingest_synthetic(DEMO_STORE, SERIES, [f"{SERIES.series_uid}.9"])
    job = site.applied()
    assert job.failed
    assert job.step("apply").outputs["exit_code"] == "3"
    assert "expected was sha256:" in job.step("apply").out
    assert site.left() == {0, 1, 2, 3, 9}


def refused(site: Site, words: str) -> None:
    """No plan counts as reviewed, and the job says why."""
    found = site.run("apply.yml", "reviewed")
    assert found is not None
    assert found[0].failed
    assert words in found[0].step("find").out
    assert "digest" not in found[0].step("find").outputs


def test_a_commit_of_no_pull_request_is_not_applied(site: Site) -> None:
    site.remove([0])
    refused(site, "no pull request was merged as")


LATER = "2026-03-01T12:00:01Z"
NO_PLAN = "no plan of pull request 7 had finished when"


@pytest.mark.parametrize(
    "changed",
    [
        {"head_repository": {"full_name": "someone/fork"}},
        {"display_title": "reconciler plan of pull request 8"},
        {"display_title": "reconciler plan of pull request 8", "pull_requests": [{"number": 8}]},
        {"updated_at": LATER},
        {"status": "in_progress"},
        {"head_sha": "0" * 40},
    ],
    ids=["fork", "other", "other by number", "after the approval", "unfinished", "earlier push"],
)
def test_a_plan_that_was_not_reviewed_is_not_applied(site: Site, changed: dict[str, str]) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    site.reviewed(site.plan_run(**changed))
    refused(site, NO_PLAN)
    assert "Nothing was applied: no plan of" in site.world("comments")[-1]["body"]


def test_a_plan_that_was_replaced_after_the_approval_is_not_applied(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    earlier = site.plan_run(id=10, created_at="2026-03-01T09:00:00Z")
    site.reviewed(earlier, site.plan_run(run_attempt=2, updated_at=LATER))
    refused(site, "plan run 11 was run again after the approval")
    site.reviewed(earlier, site.plan_run(run_attempt=2, status="in_progress"))
    refused(site, "plan run 11 was run again after the approval")


def test_the_first_approval_that_counts_decides_which_plan_was_reviewed(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    early = site.review("carol", submittedAt="2026-03-01T10:59:59Z")
    site.reviewed(reviews=[early, site.review("bob")])
    refused(site, NO_PLAN)
    site.reviewed(reviews=[early, site.review("bob"), site.review("carol")])
    assert not site.applied().failed


def test_a_merge_that_nobody_approved_is_not_applied(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    site.reviewed(reviews=[site.review("bob", "CHANGES_REQUESTED"), site.review("mallory")])
    refused(site, "nobody approved")


def test_the_result_is_written_back_to_the_pull_request(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    site.reviewed()
    site.emulator.set_faults(Faults(rules=(FaultRule(FaultKind.STATUS, status=403),)))
    assert site.applied().failed
    result = site.world("comments")[-1]
    assert result["number"] == site.number
    assert "The result is not known (exit code 1): instances may have" in result["body"]
    site.emulator.set_faults(Faults())
    assert not site.applied().failed
    result = site.world("comments")[-1]
    assert "1 planned: 1 deleted" in result["body"]
    assert len(site.world("comments")) == 2  # the plan, and one result


@pytest.mark.parametrize(
    ("given", "code"),
    [(None, "none"), ({"expect-digest": ""}, "3"), ({"report": "/report.json"}, "3")],
    ids=["not installed", "no plan", "a report elsewhere"],
)
def test_an_apply_that_did_not_begin_says_that_nothing_was_applied(
    site: Site, given: dict[str, str] | None, code: str
) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    site.reviewed()

    def start(
        command: list[str], environment: dict[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        if "script/install" in Path(command[-1]).read_text():
            earlier = Path(environment["RUNNER_TEMP"]) / "reconciler-apply.md"
            earlier.write_text("What another apply of this job came to.")
            if given is None:
                return subprocess.CompletedProcess(command, 1, "")
        return to_its_end(command, environment, folder)

    assert site.applied(start=start, given=given).failed
    body = site.world("comments")[-1]["body"]
    assert body.endswith(f"\nNothing was applied (exit code {code}); see run 1.\n")
    assert site.left() == {0, 1, 2, 3}


# What lies in the checkout is the pull request's


def test_nothing_of_the_checkout_is_imported(site: Site) -> None:
    site.fill(4)
    site.environment = plant(site.workspace)
    site.remove([0])
    assert not site.planned().failed
    site.reviewed()
    assert not site.applied().failed
    assert site.left() == {1, 2, 3}
    trace = site.folder / "trace"
    assert not trace.exists(), trace.read_text()


def test_what_is_planted_would_leave_its_trace(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    variables = plant(checkout)
    for environment in (os.environ, os.environ | variables):
        subprocess.run([sys.executable, "-m", "venv"], cwd=checkout, env=environment, check=False)
    assert {"venv", "sitecustomize"} <= {
        Path(line).parent.name for line in (tmp_path / "trace").read_text().splitlines()
    }


@pytest.mark.parametrize("name", ["reconciler.sarif", "plan.json", "out/plan.json"])
def test_a_link_in_the_checkout_leads_no_output_astray(site: Site, name: str) -> None:
    site.fill(4)
    precious = site.folder / "elsewhere" / "plan.json"
    precious.parent.mkdir()
    precious.write_text("precious")
    link = site.workspace / name.partition("/")[0]
    link.symlink_to(precious.parent if "/" in name else precious)
    site.remove([0])
    job = site.run("plan.yml", "plan", given={"plan": name} if "out" in name else {})
    assert job is not None
    assert job[0].failed is ("out" in name)
    assert precious.read_text() == "precious"


# The plan's comment


def test_a_strangers_comment_with_the_marker_is_left_alone(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    (own,) = site.world("comments")
    stranger = {**own, "author": "mallory"}
    site.know("comments", [stranger])
    site.planned()
    site.planned()
    first, second = site.world("comments")
    assert first == stranger
    assert second["author"] == "github-actions[bot]"


def test_plans_of_two_folders_have_a_comment_each(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    other = site.workspace / "other"
    other.mkdir()
    (site.workspace / "specs").rename(other / "specs")
    site.git("add", "--all")
    site.git("commit", "--quiet", "--message", "Move")
    site.planned(working_directory="other")
    site.planned(working_directory="other", paths="specs/a.yaml")
    assert len(site.world("comments")) == 3


def test_the_page_of_the_plan_is_an_artifact(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    site.planned()
    (page,) = (site.artifacts / "reconciler-plan-page").iterdir()
    assert page.read_text().startswith("<!doctype html>")


def saved(site: Site, digest: str) -> Job:
    done = site.run("apply-saved-plan.yml", "apply", dispatch={"plan-run": "11", "digest": digest})
    assert done is not None
    return done[0]


def test_a_saved_plan_of_a_fork_another_digest_or_other_files_is_refused(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    digest = site.planned().step("plan").outputs["digest"]
    site.reviewed(site.plan_run(head_repository={"full_name": "someone/fork"}))
    assert saved(site, digest).step("Check where the plan comes from").outcome == "failure"
    site.reviewed()
    other = saved(site, f"sha256:{'0' * 64}")
    assert other.step("apply").outputs["exit_code"] == "3"
    site.remove([1])  # what was merged is not what was planned
    assert saved(site, digest).step("apply").outputs["exit_code"] == "3"
    assert site.left() == {0, 1, 2, 3}


def test_the_saved_plan_is_applied_once(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    digest = site.planned().step("plan").outputs["digest"]
    site.reviewed()
    for _ in range(2):
        done = site.run(
            "apply-saved-plan.yml", "apply", dispatch={"plan-run": "11", "digest": digest}
        )
        assert done is not None
        assert not done[0].failed, done[0].step("apply").out
    deletes = [one for one in site.emulator.requests() if one.method == "DELETE"]
    assert len(deletes) == 1
    assert site.left() == {1, 2, 3}


class Canceller:
    """Cancels a step as the runner does: SIGINT, after 7.5 s SIGTERM, after 2.5 s more SIGKILL."""

    def __init__(self, site: Site, after_deletes: int, *, at_once: bool = False) -> None:
        self._site = site
        self._at_once = at_once
        self._after = after_deletes
        self.signals: list[signal.Signals] = []
        self.code: int | None = None

    def __call__(
        self, command: list[str], environment: dict[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        is_apply = "reconciler apply" in Path(command[-1]).read_text()
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            if is_apply:
                self._cancel(process)
            out, _ = process.communicate()
        if is_apply:
            self.code = process.returncode
        return subprocess.CompletedProcess(command, process.returncode, out)

    def _cancel(self, process: subprocess.Popen[str]) -> None:
        while self._deletes() < self._after:
            assert process.poll() is None, "it ended before it could be cancelled"
            time.sleep(0.01)
        polite = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5))
        for number, patience in (*(() if self._at_once else polite), (signal.SIGKILL, 9)):
            self.signals.append(number)
            os.kill(process.pid, number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
            return

    def _deletes(self) -> int:
        return sum(one.method == "DELETE" for one in self._site.emulator.requests())


def cancelled_and_rerun(
    site: Site, faults: Faults, *, at_once: bool = False
) -> tuple[Canceller, Job]:
    """Sixty deletions, cancelled after some of them; then the job is run again."""
    site.fill(64)
    site.remove(range(60))
    site.planned()
    site.reviewed()
    site.emulator.set_faults(faults)
    site.emulator.clear_requests()
    canceller = Canceller(site, 4, at_once=at_once)
    first = site.applied(start=canceller)
    assert first.failed
    assert len(site.left()) > 4
    site.emulator.set_faults(Faults())
    return canceller, site.applied()


def test_a_cancel_lets_requests_in_flight_end_and_the_rerun_resumes(site: Site) -> None:
    # One reading at a time would take too long to be cancelled amid it.
    slow = Faults(rules=(FaultRule(FaultKind.LATENCY, seconds=0.3),))
    canceller, again = cancelled_and_rerun(site, slow)
    assert canceller.signals == [signal.SIGINT]
    assert canceller.code == 130
    assert_resumed(site, again)


def test_a_cancel_amid_answers_that_never_come_ends_in_time_and_the_rerun_resumes(
    site: Site,
) -> None:
    hang = FaultRule(FaultKind.HANG, method="DELETE", after_effect=True)
    canceller, again = cancelled_and_rerun(site, Faults(rules=(hang,)))
    assert canceller.signals == [signal.SIGINT]
    assert canceller.code == 130
    assert_resumed(site, again)


def test_an_apply_that_is_killed_leaves_a_journal_that_the_rerun_resumes(site: Site) -> None:
    slow = Faults(rules=(FaultRule(FaultKind.LATENCY, seconds=0.3),))
    canceller, again = cancelled_and_rerun(site, slow, at_once=True)
    assert canceller.signals == [signal.SIGKILL]
    assert canceller.code == -signal.SIGKILL
    assert_resumed(site, again)


def assert_resumed(site: Site, again: Job) -> None:
    """The rerun went on with the reviewed plan, and nothing else is gone."""
    assert not again.failed, again.step("apply").out
    assert "it is resumed" in again.step("apply").out
    assert site.left() == {60, 61, 62, 63}
    report = json.loads((site.artifacts / "reconciler-report" / "report.json").read_text())
    assert report["planned"] == 60
    assert len(report["resumed"]) == 1
    assert report["unproven"] == []


def test_a_drift_opens_one_issue_updates_it_and_closes_it(site: Site) -> None:
    site.fill(4)
    site.remove([0])
    for _ in range(2):
        found = site.run("drift.yml", "drift")
        assert found is not None
        assert not found[0].failed
    (issue,) = site.world("issues")
    assert issue["state"] == "open"
    assert "Plan: 1 to delete" in issue["body"]
    site.remove([9], limits="maxNeverSeen: 1")
    assert site.run("drift.yml", "drift") is not None
    (issue,) = site.world("issues")
    assert issue["state"] == "closed"

    # A list that is not what its selector says.
    site.select()
    found = site.run("drift.yml", "drift")
    assert found is not None
    assert not found[0].failed
    issue = site.world("issues")[-1]
    assert issue["state"] == "open"
    assert "not what their selectors say (`resolve --check`, exit code 2)" in issue["body"]
    assert "specs/resolved/old.yaml differs" in issue["body"]
