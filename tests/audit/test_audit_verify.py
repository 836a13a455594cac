"""`audit verify` finds what was changed or cut, and tells the rest without calling it corrupt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.main import run as type_command
from reconciler.journal.chain import body_of, chained, hash_of
from reconciler.journal.latest import links_of_observation
from reconciler.journal.read_only import PlanEnded, PlanMade
from reconciler.journal.records import FirstRecord, Intent, Record, RunEnded, RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import Why
from reconciler.model.verification import FindingKind, PublishedHead, Verification

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("p", "europe-west4", "d", "s")
PLAN = PlanEnded(NOON, dict.fromkeys(Why, 0), ())
END = RunEnded(NOON, RunState.COMPLETED, dict.fromkeys(Outcome, 0), 0)


def intent(number: int, *, time: datetime = NOON) -> Intent:
    return Intent(time, 0, InstanceAddress("1.2", "1.2.3", f"1.2.3.{number}"), 1)


def write(state: Path, first: FirstRecord, *records: Record) -> str:
    """Write a whole run; its head."""
    with RunJournal.create(state, first) as journal:
        for record in records:
            journal.append(record)
    assert journal.head
    return journal.head


def apply_of(name: str, before: str | None = None, observation: str | None = None) -> RunStarted:
    return RunStarted(
        run=name,
        time=NOON,
        tool_version="1.0",
        plan_id="plan-1",
        digest="sha256:0",
        endpoint="https://x",
        stores=(STORE,),
        planned=2,
        previous_head=before,
        previous_observation=observation,
    )


def plan_of(name: str, before: str | None = None, observation: str | None = None) -> PlanMade:
    return PlanMade(
        run=name,
        time=NOON,
        tool_version="1.0",
        plan_id="p",
        digest="sha256:0",
        endpoint="https://x",
        stores=(STORE,),
        previous_head=before,
        previous_observation=observation,
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A plan, its apply, and a later apply; the head of the last one is in ``head``."""
    observation = write(tmp_path, plan_of("a"), PLAN)
    first = write(tmp_path, apply_of("b", observation=observation), intent(1), intent(2), END)
    last = write(tmp_path, apply_of("c", first, observation), intent(3), intent(4), END)
    (tmp_path / "head").write_text(last)
    return tmp_path


def check(state: Path, **given: object) -> Verification:
    return verify(Snapshot.take(state), **given)  # type: ignore[arg-type]


def kinds(state: Path, **given: object) -> list[FindingKind]:
    return [one.kind for one in check(state, **given).findings]


def test_a_journal_as_it_was_written_has_no_findings(state: Path) -> None:
    head = (state / "head").read_text()
    found = check(state, heads=[head])

    assert (found.runs, found.records, found.findings) == (3, 10, ())
    assert found.published == (PublishedHead(head, "c", 3, 3),)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_but_of_a_last_line_is_found_at_its_place(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    state = tmp_path_factory.mktemp("state")
    write(state, apply_of("b"), intent(1), intent(2))
    path = state / "runs" / "b.jsonl"
    written = path.read_bytes()
    end = written.rstrip(b"\n").rindex(b"\n")
    place = data.draw(st.integers(0, end - 1))
    changed = written[place] ^ data.draw(st.integers(1, 127))
    path.write_bytes(written[:place] + bytes([changed]) + written[place + 1 :])

    kinds_found = kinds(state)

    assert FindingKind.BROKEN in kinds_found or FindingKind.UNREADABLE in kinds_found


def test_the_first_broken_record_is_named_and_the_other_runs_are_checked(state: Path) -> None:
    path = state / "runs" / "b.jsonl"
    path.write_bytes(path.read_bytes().replace(b"1.2.3.1", b"1.2.3.9"))

    found = check(state)

    broken = next(one for one in found.findings if one.kind is FindingKind.BROKEN)
    assert broken.place == f"{path}:3"
    assert "chain is broken" in broken.message
    assert found.records == 8


def test_a_cut_end_is_found_only_by_a_published_head(state: Path) -> None:
    path, head = state / "runs" / "c.jsonl", (state / "head").read_text()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    assert kinds(state) == [FindingKind.UNFINISHED]
    assert FindingKind.HEAD_MISSING in kinds(state, heads=[head])


def test_a_run_rewritten_with_a_right_chain_is_found_by_a_published_head(state: Path) -> None:
    rewrite(state / "runs" / "c.jsonl", b"1.2.3.4", b"1.2.3.9")

    assert kinds(state) == []
    assert kinds(state, heads=[(state / "head").read_text()]) == [FindingKind.HEAD_MISSING]


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Change a run, and give it a chain that is right in itself."""
    prev = None
    lines = []
    for seq, line in enumerate(path.read_bytes().splitlines()):
        fields = json.loads(line.replace(old, new))
        del fields["seq"], fields["prev"]
        lines.append(chained(json.dumps(fields).encode(), seq, prev))
        prev = hash_of(lines[-1])
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: (state / "runs" / "b.jsonl").unlink(),
        lambda state: rewrite(state / "runs" / "b.jsonl", b"1.2.3.1", b"1.2.3.9"),
        lambda state: (state / "observations" / "a.jsonl").unlink(),
        lambda state: rewrite(state / "observations" / "a.jsonl", b"https://x", b"https://y"),
    ],
    ids=["removed", "rewritten", "plan removed", "plan rewritten"],
)
def test_a_published_head_covers_the_runs_before_it(state: Path, change) -> None:
    head = (state / "head").read_text()
    change(state)

    assert set(kinds(state)) == {FindingKind.UNKNOWN_PREDECESSOR}
    found = check(state, heads=[head])
    assert {one.kind for one in found.findings} - {FindingKind.UNCOVERED} == {FindingKind.LOST}


def test_a_head_does_not_cover_what_came_after_it(state: Path) -> None:
    first = hash_of((state / "runs" / "b.jsonl").read_bytes().splitlines(keepends=True)[-1])
    rewrite(state / "runs" / "c.jsonl", b"1.2.3.4", b"1.2.3.9")

    found = check(state, heads=[first])

    assert found.findings == ()
    assert found.published == (PublishedHead(first, "b", 3, 2),)


def test_a_head_holds_also_after_its_run_went_on(state: Path) -> None:
    middle = hash_of((state / "runs" / "c.jsonl").read_bytes().splitlines(keepends=True)[1])

    assert kinds(state, heads=[middle]) == []


def test_a_missing_run_is_told_and_is_no_corruption(state: Path) -> None:
    (state / "runs" / "b.jsonl").unlink()

    assert kinds(state) == [FindingKind.UNKNOWN_PREDECESSOR]


def test_plans_at_the_same_time_fork_and_that_is_no_corruption(state: Path) -> None:
    observation = hash_of(
        (state / "observations" / "a.jsonl").read_bytes().splitlines(keepends=True)[-1]
    )
    write(state, plan_of("d", observation=observation), PLAN)
    write(state, plan_of("e", observation=observation), PLAN)

    assert kinds(state) == [FindingKind.FORK]


def test_a_torn_last_line_an_unrecognised_file_and_a_clock_are_told(state: Path) -> None:
    path = state / "runs" / "b.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    (state / "runs" / "notes.txt").write_text("x")
    late = NOON - timedelta(minutes=1)
    write(state, apply_of("d", (state / "head").read_text()), intent(1, time=late))

    found = {one.kind for one in check(state).findings}

    # c named the head that b had before it was torn
    assert found == {
        FindingKind.TORN,
        FindingKind.UNFINISHED,
        FindingKind.UNRECOGNISED,
        FindingKind.CLOCK,
        FindingKind.UNKNOWN_PREDECESSOR,
    }


def test_a_journal_of_a_future_version_is_told_and_the_rest_is_checked(state: Path) -> None:
    line = chained(b'{"type":"run_started","format_version":"2.0"}', 0, None)
    (state / "runs" / "z.jsonl").write_bytes(line)

    found = check(state)

    assert [one.kind for one in found.findings] == [FindingKind.UNREADABLE]
    assert "format '2.0'" in found.findings[0].message
    assert found.records == 10


@pytest.mark.parametrize(
    ("change", "code", "last"),
    [
        (lambda state: None, 0, "Verify: 3 runs, 10 records: 0 broken, 0 notes."),
        (
            lambda state: (state / "runs" / "b.jsonl").write_bytes(b"{}\n{}\n"),
            3,
            "Verify: 3 runs, 6 records: 1 broken, 1 note.",
        ),
        (
            lambda state: (state / "runs" / "z.jsonl").write_bytes(
                chained(b'{"type":"run_started","format_version":"2.0"}', 0, None)
            ),
            1,
            "Verify: 4 runs, 10 records: 0 broken, 1 note.",
        ),
    ],
)
def test_the_command_says_it_in_its_last_line_and_its_exit_code(
    state: Path, capsys: pytest.CaptureFixture[str], change, code: int, last: str
) -> None:
    change(state)

    assert type_command(["audit", "verify", "--state", str(state)]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_run_that_is_not_there_and_a_head_that_is_none_are_errors(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_command(["audit", "verify", "x", "--state", str(state)]) == 1
    assert type_command(["audit", "verify", "--head", "abc", "--state", str(state)]) == 1
    assert "is not a head" in capsys.readouterr().err
    head = (state / "head").read_text()
    assert type_command(["audit", "verify", "b", "--head", head, "--state", str(state)]) == 1
    assert "cannot be used together" in capsys.readouterr().err


def test_a_state_folder_that_is_not_there_is_no_clean_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["verify"], ["report"], ["export", "--format", "csv"]):
        assert type_command(["audit", *command, "--state", str(tmp_path / "x")]) == 1
        assert "there is no state folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda runs: (runs / "b.jsonl").rename(runs / "d.jsonl"), FindingKind.BROKEN),
        (lambda runs: (runs / "b.jsonl").write_bytes(b""), FindingKind.UNSTARTED),
        (
            lambda runs: rewrite(runs / "b.jsonl", b'"intent"', b'"intention"'),
            FindingKind.BROKEN,
        ),
    ],
    ids=["renamed", "empty", "unknown type"],
)
def test_what_no_reader_takes_is_never_passed_over(state: Path, change, kind: FindingKind) -> None:
    change(state / "runs")

    assert kind in kinds(state)


def test_heads_are_said_with_what_they_cover(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = (state / "head").read_text()
    assert type_command(["audit", "verify", "--head", head, "--state", str(state)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"Head {head}: record 4 of run c; it covers 3 of 3 runs."


def test_a_run_in_the_folder_of_the_others_is_found_broken(state: Path) -> None:
    (state / "runs" / "b.jsonl").rename(state / "observations" / "b.jsonl")
    assert FindingKind.BROKEN in kinds(state)
    (state / "observations" / "b.jsonl").rename(state / "runs" / "b.jsonl")
    (state / "observations" / "a.jsonl").rename(state / "runs" / "a.jsonl")
    assert FindingKind.BROKEN in kinds(state)


def test_nothing_may_be_added_after_the_end_of_a_run(state: Path) -> None:
    path = state / "runs" / "b.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, chained(body_of(intent(9)), 4, hash_of(lines[-1]))]))

    found = check(state, heads=[(state / "head").read_text()]).findings
    assert {(one.kind, one.place) for one in found} == {(FindingKind.BROKEN, f"{path}:5")}


def test_a_run_that_follows_on_the_middle_of_another_of_its_store_is_found(state: Path) -> None:
    """Locks keep them apart: either it was added since, or the other one was written on."""
    middle = hash_of((state / "runs" / "b.jsonl").read_bytes().splitlines(keepends=True)[1])
    write(state, apply_of("x", middle), intent(9), END)

    found = check(state, heads=[(state / "head").read_text()])

    assert [one.kind for one in found.findings] == [FindingKind.BROKEN]
    assert "began after line 2" in found.findings[0].message


def test_a_run_that_began_before_and_that_no_head_leads_to_is_told(state: Path) -> None:
    write(state, apply_of("bb"), intent(9), END)

    found = check(state, heads=[(state / "head").read_text()]).findings
    assert FindingKind.UNCOVERED in {one.kind for one in found}


@pytest.mark.parametrize("removed", [0, 1, 57, 99])
def test_a_plan_removed_among_many_after_a_clock_in_the_future_is_missed(
    tmp_path: Path, removed: int
) -> None:
    times = [NOON.replace(year=2036), *(NOON for _ in range(100))]
    names = [f"{time:%Y%m%dT%H%M%SZ}-{number:03}" for number, time in enumerate(times)]
    for name, time in zip(names, times, strict=True):
        first = PlanMade(
            run=name,
            time=time,
            tool_version="1.0",
            plan_id="p",
            digest="sha256:0",
            endpoint="https://x",
            stores=(STORE,),
        )
        head = write(tmp_path, replace(first, **links_of_observation(tmp_path)), PLAN)
    whole = check(tmp_path, heads=[head])
    assert {one.kind for one in whole.findings} <= {FindingKind.CLOCK}
    assert whole.published[0].runs == len(names)

    (tmp_path / "observations" / f"{names[removed]}.jsonl").unlink()

    found = check(tmp_path, heads=[head])
    assert FindingKind.LOST in {one.kind for one in found.findings}
