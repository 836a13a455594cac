"""`audit export --format csv`: what is on record, all of it, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.cli.main import run as type_command
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import Intent, Result, Settled
from reconciler.model.audit import Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.provenance import Provenance
from reconciler.model.reply import ReplyKind
from reconciler.reporting.export.deletions_csv import COLUMNS
from reconciler.reporting.export.shown import as_csv_cell

from ..journal.by_hand import lines_of, replace_in, rewrite
from .records import MINUTE, NOON, STORE, attempt, emptied, instance, started, write, write_restore


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two runs: one of them has a failure, and an attempt without proof."""
    write(
        tmp_path,
        started("a"),
        *attempt(instance(1)),
        *attempt(instance(2), Outcome.FAILED, status=403),
        *attempt(instance(3))[:1],
    )
    write(tmp_path, started("b"), *attempt(instance(4), time=NOON + MINUTE))
    return tmp_path


def export(state: Path, *arguments: str, code: int = 0) -> list[dict[str, str]]:
    out = state / "out.csv"
    given = ["audit", "export", "--format", "csv", "--out", str(out), "--state", str(state)]
    assert type_command([*given, *arguments]) == code
    return list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))


def test_every_deletion_is_a_row_with_its_reason_and_its_people(state: Path) -> None:
    rows = export(state)

    assert [row["outcome"] for row in rows] == ["deleted", "failed", "deleted", "unconfirmed"]
    assert tuple(rows[0]) == COLUMNS
    first = rows[0]
    assert (first["time"], first["run"]) == ("2026-03-01T12:00:00.000Z", "a")
    assert first["store"] == str(STORE)
    assert first["instancesId"] == instance(1).instance_uid
    assert (first["reason_code"], first["ticket"]) == ("113039", "RET-1")
    assert (first["actor"], first["requester"]) == ("robot@example.com", "alice")
    assert (first["http_status"], first["request_id"]) == ("200", "r-1.2.1.3.1")
    assert rows[1]["http_status"] == "403"


def test_an_attempt_without_proof_is_unconfirmed_and_never_left_out(state: Path) -> None:
    (row,) = [row for row in export(state) if row["outcome"] == "unconfirmed"]

    assert row["instancesId"] == instance(3).instance_uid
    assert row["detail"] == "no proof is on record after the last attempt"


def test_runs_and_times_select(state: Path) -> None:
    assert {row["run"] for row in export(state, "--run", "b")} == {"b"}
    assert {row["run"] for row in export(state, "--since", "2026-03-01T12:01")} == {"b"}
    assert {row["run"] for row in export(state, "--until", "2026-03-01T13:01+01:00")} == {"a"}
    assert export(state, "--since", "2026-03-02") == []


def test_a_run_or_time_that_is_none_is_an_error(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["audit", "export", "--format", "csv", "--state", str(state)]

    assert type_command([*given, "--run", "c"]) == 1
    assert "there is no run 'c'" in capsys.readouterr().err
    assert type_command([*given, "--since", "yesterday"]) == 1
    assert "no day or time" in capsys.readouterr().err


def test_a_broken_run_is_told_and_the_rest_is_exported(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = state / "runs" / "a.jsonl"
    rewrite(path, lambda some: [[line] for lines in some for line in lines])
    path.write_bytes(path.read_bytes().replace(b'"status":403', b'"status":200'))

    rows = export(state, code=3)

    assert "the chain is broken" in capsys.readouterr().err
    assert [(row["run"], row["outcome"]) for row in rows] == [
        ("a", "deleted"),
        ("b", "deleted"),
        ("a", "unconfirmed"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: replace_in(path, b'"status":403', b'"status":200'),
        lambda path: rewrite(path, lambda some: [[line for lines in some for line in lines][:-1]]),
        lambda path: rewrite(path, lambda some: [*some, some[-1][-1:]]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["rewritten", "cut", "lengthened", "emptied"],
)
def test_a_run_that_is_not_as_the_log_has_it_is_told_and_the_rest_is_exported(
    state: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None]
) -> None:
    change(state / "runs" / "a.jsonl")

    rows = export(state, code=3)

    assert "a.jsonl" in capsys.readouterr().err
    assert ("b", "deleted") in [(row["run"], row["outcome"]) for row in rows]


def test_what_a_later_run_settled_names_the_earlier_one(state: Path) -> None:
    closed = Settled(NOON, "a", STORE, instance(3), Presence.ABSENT, Outcome.DELETED)
    write(state, started("c", resumes=["a"]), closed)

    (row,) = export(state, "--run", "c")
    assert (row["outcome"], row["run"], row["settled_by"]) == ("deleted", "a", "c")
    assert (row["attempts"], row["ticket"], row["source"]) == ("1", "RET-1", "specs/a.yaml:7")

    rows = [one for one in export(state) if one["instancesId"] == instance(3).instance_uid]
    assert rows == [row]
    assert row in export(state, "--run", "a")


@pytest.mark.parametrize(("deletions", "is_emptied"), [(2, True), (3, False)])
def test_a_study_is_emptied_by_the_run_that_proves_its_last_deletion(
    tmp_path: Path, deletions: int, *, is_emptied: bool
) -> None:
    write(tmp_path, started("a"), emptied(deletions), *attempt(instance(1)))
    write(tmp_path, started("b", ["a"]), emptied(deletions), *attempt(instance(2)))

    assert [one.empties_study for one in deletions_of(tmp_path)] == [False, is_emptied]


def deletions_of(state: Path) -> list[RecordedDeletion]:
    return list(recorded_deletions(Snapshot.take(DiskState(state)), Selection(), pytest.fail))


def test_a_failure_that_is_last_empties_no_study(tmp_path: Path) -> None:
    failed = attempt(instance(2), Outcome.FAILED)
    write(tmp_path, started("a"), emptied(2), *attempt(instance(1)), *failed)

    assert [one.empties_study for one in deletions_of(tmp_path)] == [False, False]


@pytest.mark.parametrize(("minutes", "is_emptied"), [(1, False), (5, True)])
def test_a_study_of_which_something_was_put_back_meanwhile_is_not_emptied(
    tmp_path: Path, minutes: int, *, is_emptied: bool
) -> None:
    write(tmp_path, started("a"), emptied(2), *attempt(instance(1)))
    write_restore(tmp_path, "b", "a", instance(1), NOON + minutes * MINUTE)
    last = attempt(instance(2), time=NOON + 3 * MINUTE)
    third = replace(started("c", ["a"]), time=NOON + 3 * MINUTE)
    write(tmp_path, third, emptied(2), *last)

    found = {one.instance: one for one in deletions_of(tmp_path)}

    assert found[instance(1)].restored_by == "b"
    assert found[instance(2)].restored_by is None
    assert found[instance(2)].empties_study is is_emptied


def test_a_run_is_read_before_the_one_that_settles_it_whatever_their_names(tmp_path: Path) -> None:
    write(tmp_path, started("z"), *attempt(instance(1))[:2])
    closed = Settled(NOON, "z", STORE, instance(1), Presence.ABSENT, Outcome.DELETED)
    settler = replace(started("b"), after=("z",), provenance=Provenance("bob"))
    write(tmp_path, settler, closed)

    (one,) = deletions_of(tmp_path)

    assert (one.outcome, one.run.run, one.settled_by) == (Outcome.DELETED, "z", "b")
    assert (one.actor, one.status) == ("robot@example.com", 200)
    assert one.reason is not None


def test_the_answers_of_all_attempts_are_evidence(tmp_path: Path) -> None:
    first, answer, proof = attempt(instance(1), status=404)
    assert isinstance(answer, Result)
    lost = replace(answer, kind=ReplyKind.UNCLEAR, status=503, request_id="r-0")
    again = Intent(NOON, 0, instance(1), 2)
    write(tmp_path, started("a"), first, lost, again, replace(answer, attempt=2), proof)

    (one,) = deletions_of(tmp_path)
    assert [(answer.status, answer.request_id) for answer in one.answers] == [
        (503, "r-0"),
        (404, "r-1.2.1.3.1"),
    ]
    (row,) = export(tmp_path)
    assert (row["http_status"], row["earlier_answers"]) == ("404", "503 r-0")


def test_a_run_that_goes_on_while_it_is_read_adds_nothing(state: Path) -> None:
    snapshot = Snapshot.take(DiskState(state))
    path = state / "runs" / "b.jsonl"
    path.write_bytes(path.read_bytes() + b'{"half": a line')
    write(state, started("c"), *attempt(instance(9)))

    found = list(recorded_deletions(snapshot, Selection(), pytest.fail))

    assert len(found) == 4


def test_of_a_broken_restore_it_is_said_that_something_is_missing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_restore(state, "r", "a", instance(1), NOON)
    path = state / "runs" / "r.jsonl"
    path.write_bytes(path.read_bytes().replace(b"identical", b"conflict "))
    path.write_bytes(path.read_bytes() + b"{}\n{}\n")

    assert len(export(state, code=3)) == 4
    assert "r.jsonl" in capsys.readouterr().err


def test_an_apply_behind_the_first_line_of_a_restore_is_never_passed_over(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_restore(state, "r", "a", instance(1), NOON)
    first = lines_of(state / "runs" / "r.jsonl")[0].replace(b'"run":"r"', b'"run":"a"')
    path = state / "runs" / "a.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], first, *lines[2:]]))

    export(state, code=3)
    assert "a.jsonl" in capsys.readouterr().err


def test_text_of_others_cannot_become_a_formula_or_a_second_row(tmp_path: Path) -> None:
    hostile = Reason(ReasonCode.QUALITY_CONTROL_INTENT, '=1+1,"\n<b>\x1b\u202e', "@SUM(A1)")
    write(tmp_path, started("a"), *attempt(instance(1), reason=hostile))

    (row,) = export(tmp_path)

    assert row["reason_text"] == "'=1+1,\"\\n<b>\\x1b\\u202e"
    assert row["ticket"] == "'@SUM(A1)"


@given(st.text())
def test_no_cell_begins_as_a_formula_or_holds_a_control_character(text: str) -> None:
    cell, _ = next(csv.reader([f"{as_csv_cell(text)},"]))

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20"))
    assert cell.isprintable()


def test_a_run_that_is_in_the_log_and_gone_is_told(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(state, replace(started("c"), plan_id="plan-2"), *attempt(instance(7)))
    assert len(export(state)) == 5
    (state / "runs" / "b.jsonl").unlink()

    assert len(export(state, code=1)) == 4
    assert "the record of run b is in the log, and is missing" in capsys.readouterr().err


def test_an_entry_of_the_log_that_is_none_is_told_and_the_rest_is_there(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be that of a run that is missing."""
    write(state, replace(started("c"), plan_id="plan-2"), *attempt(instance(7)))
    (state / "runs" / "log" / "00000002.json").write_bytes(b"{}")

    assert len(export(state, code=3)) == 5
    assert "runs/log/00000002.json: it is no entry of the log" in capsys.readouterr().err


def test_a_resumed_attempt_is_one_deletion_with_the_evidence_of_both_runs(tmp_path: Path) -> None:
    first, answer, _ = attempt(instance(1), status=503)
    assert isinstance(answer, Result)
    write(tmp_path, started("a"), first, replace(answer, kind=ReplyKind.UNCLEAR, request_id="r-0"))
    again = attempt(instance(1), Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, status=404)
    write(tmp_path, started("b", resumes=["a"]), *again)
    late = Settled(NOON, "a", STORE, instance(1), Presence.PRESENT, Outcome.FAILED)
    write(tmp_path, replace(started("c"), plan_id="plan-2", time=NOON + MINUTE), late)

    (one,) = deletions_of(tmp_path)

    assert (one.run.run, one.attempts) == ("b", 2)
    assert [answer.status for answer in one.answers] == [503, 404]


def test_what_another_plan_left_open_and_nobody_settled_comes_last(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    other = replace(started("b"), plan_id="plan-2", time=NOON + MINUTE)
    write(tmp_path, other, *attempt(instance(1), time=NOON + MINUTE))

    found = deletions_of(tmp_path)

    assert [(one.run.run, one.outcome) for one in found] == [
        ("b", Outcome.DELETED),
        ("a", Outcome.UNCONFIRMED),
    ]


def test_a_settlement_tells_its_proof_also_after_another_plan_removed_it(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    other = replace(started("b"), plan_id="plan-2", after=("a",))
    write(tmp_path, other, *attempt(instance(1), time=NOON + MINUTE))
    late = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT
    settled = Settled(NOON, "a", STORE, instance(1), Presence.ABSENT, late)
    write(tmp_path, replace(started("c"), plan_id="plan-3", after=("b",)), settled)

    assert [(one.run.run, one.outcome, one.settled_by) for one in deletions_of(tmp_path)] == [
        ("b", Outcome.DELETED, None),
        ("a", late, "c"),
    ]


def test_two_services_that_use_one_name_are_two_stores(tmp_path: Path) -> None:
    """An emulator on this machine is none of Google's, whose resource names are global."""
    write(tmp_path, started("a"), *attempt(instance(1)))
    elsewhere = replace(started("b"), endpoint="http://127.0.0.1:8042", plan_id="plan-2")
    write(tmp_path, elsewhere, *attempt(instance(1)))
    write_restore(tmp_path, "c", "a", instance(1), NOON + MINUTE)

    assert {one.run.run: one.restored_by for one in deletions_of(tmp_path)} == {
        "a": "c",
        "b": None,
    }


def test_an_instance_was_restored_by_the_run_after_it_whatever_the_clock_says(
    tmp_path: Path,
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    write_restore(tmp_path, "b", "a", instance(1), NOON - MINUTE)

    assert [one.restored_by for one in deletions_of(tmp_path)] == ["b"]


def test_what_was_removed_again_after_it_was_restored_is_restored_only_once(
    tmp_path: Path,
) -> None:
    write(tmp_path, started("a"), *attempt(instance(1)))
    write_restore(tmp_path, "b", "a", instance(1), NOON + MINUTE)
    later = replace(started("c"), plan_id="plan-2", time=NOON + 2 * MINUTE)
    write(tmp_path, later, *attempt(instance(1)))

    assert {one.run.run: one.restored_by for one in deletions_of(tmp_path)} == {
        "a": "b",
        "c": None,
    }


@pytest.mark.parametrize("form", ["dicom", "fhir", "ocsf"])
def test_what_no_delete_of_ours_removed_is_no_delete_event(tmp_path: Path, form: str) -> None:
    """Found gone already, after a DELETE or without one; or kept, since its copy failed."""
    unsent = attempt(instance(2), Outcome.ALREADY_ABSENT)[2]
    kept = attempt(instance(3), Outcome.FAILED)[2]
    late = attempt(instance(1), Outcome.ALREADY_ABSENT, status=404)
    write(tmp_path, started("a"), *late, unsent, kept)
    out = tmp_path / "out"
    given = ["--format", form, "--out", str(out), "--state", str(tmp_path)]

    assert type_command(["audit", "export", *given]) == 0
    assert out.read_text() == ""
    assert [row["outcome"] for row in export(tmp_path)] == [
        "already_absent",
        "already_absent",
        "failed",
    ]


def test_two_proofs_of_one_instance_empty_no_study_of_two(tmp_path: Path) -> None:
    """It was stored again between the two runs of the plan."""
    write(tmp_path, started("a"), emptied(2), *attempt(instance(1)))
    again = replace(started("b", ["a"]), after=("a",))
    write(tmp_path, again, emptied(2), *attempt(instance(1)), *attempt(instance(2), Outcome.FAILED))

    assert not any(one.empties_study for one in deletions_of(tmp_path))


def test_a_proof_has_the_evidence_of_the_attempt_that_it_is_of(tmp_path: Path) -> None:
    """The DELETE had no clear answer; the run that went on sent none, since it was gone."""
    first, answer, proof = attempt(instance(1), status=503)
    unclear = replace(answer, kind=ReplyKind.UNCLEAR, request_id="r-0")
    write(tmp_path, started("a"), first, unclear, replace(proof, outcome=Outcome.UNCONFIRMED))
    late = replace(proof, outcome=Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT)
    write(tmp_path, replace(started("b", resumes=["a"]), after=("a",)), late)

    *_, told = deletions_of(tmp_path)

    assert (told.run.run, told.settled_by) == ("a", "b")
    assert (told.attempts, told.is_removal, told.is_event) == (1, True, True)
    assert [one.status for one in told.answers] == [503]
    assert told.reason is not None


def test_what_was_gone_after_a_restore_is_not_told_as_restored(tmp_path: Path) -> None:
    write(tmp_path, started("a"), *attempt(instance(1))[:1])
    write_restore(tmp_path, "r", "a", instance(1), NOON + MINUTE)
    unclear = Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT
    settled = Settled(NOON, "a", STORE, instance(1), Presence.ABSENT, unclear)
    later = replace(started("b"), plan_id="plan-2", after=("a",), time=NOON + 2 * MINUTE)
    write(tmp_path, later, settled)

    assert [one.restored_by for one in deletions_of(tmp_path)] == [None]
