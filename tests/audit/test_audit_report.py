"""What a report says of several runs, plans and stores: every count by every question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from reconciler.audit.report import make_report, selected_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.journal.places.disk import DiskState
from reconciler.journal.read_only import (
    GateSeen,
    KeptSeen,
    NothingDone,
    PlanEnded,
    PlanMade,
    QueryEnded,
    QueryStarted,
    ReappearedSeen,
    Retrieved,
)
from reconciler.journal.records import LeftDangling, Record, RunEnded, Settled
from reconciler.model.address import Provider
from reconciler.model.audit import AuditReport, RemovalCounts, Selection
from reconciler.model.desired import Hold, InputFile, InputRole, Reason, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import Why
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester

from .records import MINUTE, NOON, STORE, attempt, emptied, instance, started, write, write_restore

SAFETY = Reason(ReasonCode.REJECTED_FOR_PATIENT_SAFETY_REASONS, None, "QA-7")
OTHER = replace(STORE, dicom_store_id="other")
EXPIRED = "113039 Data Retention Policy Expired"
UNSAFE = "113037 Rejected for Patient Safety Reasons"
FILES = (InputFile("specs/a.yaml", "0" * 64, InputRole.SELECTED),)


def report_of(state: Path, **selected: object) -> AuditReport:
    selection = Selection(**selected)  # type: ignore[arg-type]
    return make_report(Snapshot.take(DiskState(state)), selection, made=NOON, tool_version="1.0")


def ended(counts: Mapping[Outcome, int], state: RunState = RunState.COMPLETED) -> RunEnded:
    return RunEnded(NOON, state, {one: counts.get(one, 0) for one in Outcome}, 0)


def plan_made(run: str, time: datetime, plan_id: str = "plan-1") -> PlanMade:
    people = Provenance("planner@example.com", Requester("github", "carol"), FILES)
    return PlanMade(
        run=run,
        time=time,
        tool_version="1.0",
        plan_id=plan_id,
        digest="sha256:0",
        endpoint="https://store.example",
        stores=(STORE, OTHER),
        provenance=people,
    )


def plan_ended(gates: tuple[GateSeen, ...] = (), **counts: int) -> PlanEnded:
    return PlanEnded(NOON, {why: counts.get(why.value, 0) for why in Why}, gates)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two applies of one plan, the second a resume, and one of another by someone else.

    Run a deletes 1, fails on 2 and dies over 3; run b settles 3 and deletes 2. Run c, a month
    later, deletes for another reason in another store, and one of them was absent already.
    """
    run_a = [*attempt(instance(1)), *attempt(instance(2), Outcome.FAILED), *attempt(instance(3))]
    write(tmp_path, started("a"), *run_a[:-1])
    settled = Settled(NOON + MINUTE, "a", STORE, instance(3), Presence.ABSENT, Outcome.DELETED)
    second = replace(started("b", resumes=["a"]), time=NOON + MINUTE)
    again = attempt(instance(2), time=NOON + MINUTE)
    write(tmp_path, second, settled, *again, ended({Outcome.DELETED: 3}))
    april = NOON.replace(month=4)
    third = replace(
        started("c"),
        plan_id="plan-2",
        digest="sha256:2",
        time=april,
        stores=(OTHER,),
        provenance=Provenance("other@example.com"),
    )
    run_c = [
        *attempt(instance(4, study=2), time=april, reason=SAFETY),
        *attempt(instance(5, study=2), Outcome.ALREADY_ABSENT, time=april, reason=SAFETY),
        *attempt(instance(6, study=2), Outcome.UNCONFIRMED, time=april, reason=SAFETY),
    ]
    counts = {Outcome.DELETED: 1, Outcome.ALREADY_ABSENT: 1, Outcome.UNCONFIRMED: 1}
    write(tmp_path, third, *run_c, ended({**counts, Outcome.NOT_ATTEMPTED: 7}, RunState.STOPPED))
    return tmp_path


def test_every_deletion_counts_once_where_it_belongs(state: Path) -> None:
    report = report_of(state)

    assert {one: n for one, n in report.outcomes.items() if n} == {
        Outcome.DELETED: 4,
        Outcome.ALREADY_ABSENT: 1,
        Outcome.FAILED: 1,
        Outcome.UNCONFIRMED: 1,
    }
    assert report.removed == RemovalCounts(4, series=2, studies=2)
    assert (report.runs, len(report.changes)) == (3, 3)
    assert report.by_reason == {EXPIRED: 3, UNSAFE: 1}
    assert report.by_store == {str(STORE): 3, str(OTHER): 1}
    assert report.by_month == {"2026-03": 3, "2026-04": 1}
    assert report.by_actor == {"robot@example.com": 3, "other@example.com": 1}
    assert (report.first, report.last) == (NOON, NOON.replace(month=4))


def test_what_a_later_run_made_good_is_unproven_no_more(state: Path) -> None:
    report = report_of(state)

    assert report.proven_later == 1
    assert [one.instance for one in report.unproven] == [instance(6, study=2)]


def test_how_each_run_ended_is_told(state: Path) -> None:
    first, second, third = report_of(state).changes

    assert (first.run, first.state, first.counts, first.planned) == ("a", None, None, 2)
    assert (second.state, second.counts["deleted"]) == (RunState.COMPLETED, 3)
    assert (third.state, third.counts["not_attempted"]) == (RunState.STOPPED, 7)
    assert third.head


@pytest.mark.parametrize(
    ("selected", "removed", "runs"),
    [
        ({"since": NOON.replace(month=4)}, 1, ["c"]),
        ({"until": NOON + MINUTE}, 1, ["a"]),
        ({"since": NOON + MINUTE, "until": NOON.replace(month=4)}, 2, ["a", "b"]),
        ({"reasons": frozenset({"113037"})}, 1, ["c"]),
        ({"studies": frozenset({"1.2.1"})}, 3, ["a", "b"]),
        ({"runs": frozenset({"b"})}, 2, ["a", "b"]),
        ({"studies": frozenset({"1.9"})}, 0, []),
    ],
)
def test_a_part_names_the_runs_of_its_deletions_and_no_others(
    state: Path, selected: dict[str, object], removed: int, runs: list[str]
) -> None:
    report = report_of(state, **selected)

    assert report.removed.instances == removed
    assert [one.run for one in report.changes] == runs
    assert report.runs == len(runs)
    assert (report.first is None) == (not runs)
    assert report.coverage == ()


def test_what_was_restored_is_told_with_the_deletion_and_by_its_reason(state: Path) -> None:
    write_restore(state, "r", "a", instance(1), NOON + 2 * MINUTE)

    report = report_of(state)
    assert (report.removed.instances, report.restored_since) == (4, 1)
    assert report.restored[Outcome.IDENTICAL] == 1
    (back,) = report.put_back
    assert (back.run, back.archived_by, back.instance) == ("r", "a", instance(1))
    deletions = selected_deletions(Snapshot.take(DiskState(state)), Selection())
    assert [one.restored_by for one in deletions if one.instance == instance(1)] == ["r"]
    assert report_of(state, reasons=frozenset({"113037"})).put_back == ()
    assert report_of(state, studies=frozenset({"1.2.2"})).put_back == ()
    assert [one.run for one in report_of(state, runs=frozenset({"r"})).changes] == ["r"]


def test_coverage_is_what_the_latest_plan_of_the_files_asked_for(state: Path) -> None:
    write(state, plan_made("p", NOON, "plan-0"), plan_ended(listed=9, kept=1))
    write(state, plan_made("q", NOON + MINUTE), plan_ended(listed=4, kept=5, already_absent=1))

    (coverage,) = report_of(state).coverage

    assert (coverage.run, coverage.files) == ("q", ("specs/a.yaml",))
    assert (coverage.asked, coverage.gone, coverage.proven) == (10, 3, 9)


def test_what_was_never_seen_is_asked_for_and_not_proven(state: Path) -> None:
    write(state, plan_made("q", NOON, "plan-9"), plan_ended(already_absent=2, never_seen=3))

    (coverage,) = report_of(state).coverage

    assert (coverage.asked, coverage.proven) == (5, 2)


def test_what_is_kept_was_seen_last_when_it_was_there(state: Path) -> None:
    def kept(line: int, hold: str, instances: int, missing: int = 0) -> Record:
        source = Source("specs/a.yaml", line)
        return KeptSeen(NOON, 0, "1.2.7", "1.2.7.1", instances, source, Hold(hold), missing)

    early = [kept(3, "Case A", 2), kept(5, "Case B", 1), kept(7, "Case B", 4)]
    write(state, plan_made("p", NOON), *early, plan_ended())
    later = replace(kept(4, "Case A", 0, missing=2), time=NOON + MINUTE)
    write(state, plan_made("q", NOON + MINUTE), later, plan_ended())

    case_a, case_b = report_of(state).kept

    assert (case_a.hold, case_a.instances, case_a.missing) == (Hold("Case A"), 0, 2)
    assert (case_a.seen, case_a.time, case_a.source.line) == (NOON, NOON + MINUTE, 4)
    assert case_a.is_current
    assert (case_b.hold, case_b.instances, case_b.source.line) == (Hold("Case B"), 5, 5)
    assert not case_b.is_current
    assert report_of(state, studies=frozenset({"1.2.1"})).kept == ()
    assert report_of(state, reasons=frozenset({"113039"})).kept == ()


def test_a_keep_that_never_was_there_was_never_seen(state: Path) -> None:
    source = Source("specs/a.yaml", 3)
    missing = KeptSeen(NOON, 0, "1.2.7", None, 0, source, None, 1)
    write(state, plan_made("p", NOON), missing, plan_ended())

    (kept,) = report_of(state).kept
    assert kept.seen is None


def test_what_an_applied_plan_left_dangling_is_told_once_with_who_approved_it(state: Path) -> None:
    kept = LeftDangling(NOON, 0, instance(1, 5), 2, 1, Source("specs/a.yaml", 3))
    loose = LeftDangling(NOON, 0, instance(2, 6), 1, 0)
    people = Requester("github", "alice", approvers=("bob",))
    write(state, started("x", requester=people), emptied(1), kept, loose, *attempt(instance(9)))
    write(state, started("y", resumes=["x"]), kept, loose, *attempt(instance(8)), kept)

    first, second = report_of(state).left_dangling

    assert (first.run, first.instance, first.kept_by) == ("x", instance(1, 5), kept.kept_by)
    assert (first.instances, first.series, first.store) == (2, 1, STORE)
    assert first.provenance.requester == people
    assert (second.instance, second.kept_by) == (instance(2, 6), None)
    assert report_of(state, studies=frozenset({"1.2.6"})).left_dangling == (second,)
    assert [one.run for one in report_of(state, runs=frozenset({"y"})).left_dangling] == ["y", "y"]
    assert report_of(state, reasons=frozenset({"113039"})).left_dangling == ()


def test_gates_of_plans_that_were_to_be_applied_are_told_with_who_asked(state: Path) -> None:
    gates = (
        GateSeen(GateName.MAX_DELETIONS, 1, 300, 100),
        GateSeen(GateName.MAX_STUDY_PERCENT, 0, 80, 50, ("1.2.1",)),
        GateSeen(GateName.INCOMPLETE, 0, 0, 0),
    )
    write(state, plan_made("p", NOON, "x"), plan_ended(gates))
    write(state, plan_made("q", NOON, "a plan that nobody asked to apply"), plan_ended(gates))
    people = Provenance("robot@example.com", Requester("github", "alice"))
    for run, code in (("n", 3), ("o", 0)):
        done = NothingDone(
            run=run,
            time=NOON,
            tool_version="1.0",
            command="apply",
            plan_id="x",
            digest="sha256:1",
            endpoint="",
            stores=(),
            exit_code=code,
            detail="expired",
            provenance=people,
        )
        write(state, done)

    report = report_of(state)

    assert [(one.gate, one.store, one.actual) for one in report.refusals] == [
        (GateName.MAX_DELETIONS, OTHER, 300),
        (GateName.MAX_STUDY_PERCENT, STORE, 80),
    ]
    assert report.refusals[0].provenance.requester == Requester("github", "carol")
    (refused,) = report.refused_applies
    assert (refused.run, refused.why, refused.provenance) == ("n", "expired", people)
    of_study = report_of(state, studies=frozenset({"1.2.1"}))
    assert [one.studies for one in of_study.refusals] == [("1.2.1",)]
    assert of_study.refused_applies == ()
    assert report_of(state, until=NOON).refusals == ()


def test_what_reappeared_is_reported_once_by_instance(state: Path) -> None:
    reappeared = ReappearedSeen(NOON, 0, instance(1), "a", SAFETY.code, restored=False)
    write(state, plan_made("p", NOON), reappeared, plan_ended())
    later = replace(reappeared, time=NOON + MINUTE)
    write(state, plan_made("q", NOON + MINUTE), later, plan_ended())

    (back,) = report_of(state).reappeared
    assert (back.instance, back.removed_by, back.time) == (instance(1), "a", NOON)
    assert report_of(state, reasons=frozenset({"113039"})).reappeared == ()


def test_whose_images_were_read_is_told(state: Path) -> None:
    people = Provenance("viewer@example.com")
    first = QueryStarted(
        run="v",
        time=NOON,
        tool_version="1.0",
        endpoint="https://x",
        stores=(STORE,),
        provenance=people,
    )
    read = [Retrieved(NOON, 0, instance(1)), Retrieved(NOON, 0, instance(2), "HTTP 404")]
    write(state, first, *read, QueryEnded(NOON, 1, 1))

    (told,) = report_of(state).images_read
    assert (told.run, told.instances, told.problems) == ("v", 1, 1)
    assert told.provenance == people


def test_a_run_that_is_not_there_is_said_to_be_missing(state: Path) -> None:
    chained = replace(started("d"), plan_id="plan-3", previous_head="ab" * 32)
    write(state, chained, *attempt(instance(9)))

    (problem,) = report_of(state).problems
    assert "it began after a run that is missing" in problem


def test_the_heads_are_those_of_the_whole_record_whatever_is_selected(state: Path) -> None:
    write(state, plan_made("p", NOON), plan_ended())

    whole, part = report_of(state), report_of(state, runs=frozenset({"a"}))

    assert whole.heads == part.heads
    assert len(whole.heads) == 2
    assert whole.heads[0] == whole.changes[-1].head


def second(run: str, after: str, outcome: Outcome = Outcome.DELETED) -> tuple[Record, ...]:
    """Another plan's run on instance 1."""
    first = replace(started(run), plan_id=f"plan-{run}", after=(after,))
    return first, *attempt(instance(1), outcome, status=200 if outcome.is_gone else 500)


def test_what_two_plans_ask_for_was_removed_once(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    write(tmp_path, *second("b", "a", Outcome.ALREADY_ABSENT))

    report = report_of(tmp_path)
    assert report.removed == RemovalCounts(1, series=1, studies=1)
    assert report.outcomes[Outcome.ALREADY_ABSENT] == 1
    assert sum(report.by_reason.values()) == 1


def test_what_was_stored_again_and_removed_again_is_one_instance_and_two_removals(
    tmp_path: Path,
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    write(tmp_path, *second("b", "a"))

    report = report_of(tmp_path)
    assert report.removed == RemovalCounts(1, series=1, studies=1, again=1)
    assert sum(report.by_reason.values()) == 2


def test_a_late_settlement_is_no_second_removal_and_hides_no_clear_answer(tmp_path: Path) -> None:
    """Run a was killed in its DELETE; b removed the instance; only then a was settled."""
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    write(tmp_path, *second("b", "a"))
    unclear = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT
    settled = Settled(NOON, "a", STORE, instance(1), Presence.ABSENT, unclear)
    write(tmp_path, replace(started("c"), plan_id="plan-c", after=("b",)), settled)

    assert report_of(tmp_path).removed == RemovalCounts(1, series=1, studies=1)


def test_an_attempt_that_nobody_settled_is_not_missing_where_a_later_one_is_proven(
    tmp_path: Path,
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    write(tmp_path, *second("b", "a"))

    report = report_of(tmp_path)
    assert (report.unproven, report.proven_later) == ((), 1)


def test_a_removal_without_a_clear_answer_is_told_apart(tmp_path: Path) -> None:
    unclear = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT
    write(tmp_path, started("a"), *attempt(instance(1), unclear), *attempt(instance(2)))

    assert report_of(tmp_path).removed == RemovalCounts(2, series=1, studies=1, unclear=1)


def test_coverage_counts_an_instance_once_however_often_its_plan_removed_it(
    tmp_path: Path,
) -> None:
    write(tmp_path, plan_made("p", NOON), plan_ended(listed=2))
    write(tmp_path, started("a"), *attempt(instance(1)))
    again = replace(started("b", resumes=["a"]), after=("a",))
    write(tmp_path, again, *attempt(instance(1)), *attempt(instance(2), Outcome.FAILED))

    (coverage,) = report_of(tmp_path).coverage
    assert (coverage.asked, coverage.gone, coverage.proven) == (2, 1, 1)


def test_what_two_services_hold_under_one_label_is_not_one_thing(tmp_path: Path) -> None:
    orthanc = replace(STORE, provider=Provider.ORTHANC)
    for run, host in (("a", "one"), ("b", "two")):
        first = replace(
            started(run),
            endpoint=f"https://{host}.example.org",
            stores=(orthanc,),
            plan_id=f"plan-{host}",
        )
        write(tmp_path, first, *attempt(instance(1)))

    removed = report_of(tmp_path).removed
    assert (removed.instances, removed.series, removed.studies) == (2, 2, 2)
