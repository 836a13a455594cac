"""`audit verify` finds what was changed or cut, and tells the rest without calling it corrupt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.audit.snapshot import Snapshot
from reconciler.audit.verify import verify
from reconciler.cli.main import run as type_command
from reconciler.journal.latest import links_of_observation, links_of_run
from reconciler.journal.log import RunLog
from reconciler.journal.places.disk import DiskState
from reconciler.journal.segments import line_of
from reconciler.journal.state import RUNS
from reconciler.journal.writer import RunJournal
from reconciler.model.verification import FindingKind, PublishedHead, Verification

from ..journal.by_hand import (
    file_of,
    head_of,
    heads_of,
    lines_of,
    log_files,
    log_of,
    replace_in,
    rewrite,
    rewrite_log,
    sha256,
)
from ..journal.runs import END, NOON, OTHER, PLAN, apply_of, intent, plan_of, write, written

Change = Callable[[Path], object]
FUTURE = file_of([b'{"type":"run_started","format_version":"2.0"}\n'])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A plan, its apply, and a later apply; the head of the last one is in ``head``."""
    return make(tmp_path)


def make(state: Path) -> Path:
    write(state, plan_of("a", **links_of_observation(DiskState(state))), PLAN)
    write(state, apply_of("b", **links_of_run(DiskState(state))), intent(1), intent(2), END)
    last = write(state, apply_of("c", **links_of_run(DiskState(state))), intent(3), intent(4), END)
    (state / "head").write_text(last)
    return state


def head(state: Path) -> str:
    return (state / "head").read_text()


def check(state: Path, **given: object) -> Verification:
    return verify(Snapshot.take(DiskState(state)), **given)  # type: ignore[arg-type]


def kinds(state: Path, **given: object) -> list[FindingKind]:
    return [one.kind for one in check(state, **given).findings]


def file_named(state: Path, run: str) -> Path:
    return state / ("observations" if run == "a" else "runs") / f"{run}.jsonl"


def test_a_journal_as_it_was_written_has_no_findings(state: Path) -> None:
    found = check(state, heads=[head(state)])

    assert (found.runs, found.records, found.findings) == (3, 10, ())
    assert found.published == (PublishedHead(head(state), "c", 2, 3),)


# -- the file of a run -----------------------------------------------------------------------


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_of_a_run_in_the_log_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Also in its last segment, on which no other follows."""
    state = tmp_path_factory.mktemp("state")
    first = apply_of("b")
    with RunJournal.create(DiskState(state), first) as journal:
        journal.append(intent(1))
        journal.append(intent(2))
        journal.commit(END)
        journal.finish()
    path = state / "runs" / "b.jsonl"
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[place] ^ data.draw(st.integers(1, 255))
    path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])

    kinds_found = kinds(state)

    assert FindingKind.BROKEN in kinds_found or FindingKind.UNREADABLE in kinds_found


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("run", "abc")
def test_a_run_in_the_log_that_is_cut_at_any_byte_is_found_broken(
    state: Path, run: str, step: int
) -> None:
    path = file_named(state, run)
    whole = path.read_bytes()
    lines = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    at_lines = {at + beside for at in lines for beside in (-1, 0, 1) if at + beside < len(whole)}
    for end in sorted({*range(0, len(whole), step), *at_lines}):
        path.write_bytes(whole[:end])
        found = check(state)
        assert FindingKind.BROKEN in {one.kind for one in found.findings}
        assert FindingKind.BROKEN in kinds(state, heads=[head(state)])
    path.write_bytes(whole)
    assert kinds(state) == []


def drop(number: int) -> Change:
    return lambda path: rewrite(path, lambda some: [*some[:number], *some[number + 1 :]])


def double(number: int) -> Change:
    return lambda path: rewrite(path, lambda some: [*some[: number + 1], *some[number:]])


def swap(path: Path) -> None:
    rewrite(path, lambda some: [some[0], some[2], some[1], *some[3:]])


def unsalt(path: Path) -> None:
    """With another secret its leaves are others."""
    secret = json.loads(lines_of(path)[0])["secret"].encode()
    replace_in(path, secret, b"00" * 32)


def become_another(path: Path) -> None:
    """A run of the same name that says something else."""
    name = b'"run":"%s"' % path.stem.encode()
    shutil.copy(path.with_name("c.jsonl" if path.stem == "b" else "b.jsonl"), path)
    replace_in(path, b'"run":"c"' if path.stem == "b" else b'"run":"b"', name)
    replace_in(path, b"1.2.3.", b"1.2.4.")


@pytest.mark.parametrize("run", "bc")
@pytest.mark.parametrize(
    "change",
    [
        lambda path: replace_in(path, b'"attempt":', b'"attempt":1'),
        lambda path: replace_in(path, b"https://example.org", b"https://example.com"),
        lambda path: replace_in(path, b'"type"', b' "type"'),
        drop(1),
        drop(2),
        drop(3),
        double(1),
        double(2),
        swap,
        unsalt,
        become_another,
        lambda path: rewrite(path, lambda some: some[:1]),
        lambda path: rewrite(path, lambda some: [*some[:3], [line_of(intent(9))], some[3]]),
        lambda path: rewrite(path, lambda some: [*some, [line_of(intent(9))]]),
        lambda path: rewrite(path, lambda some: [*some[:3], [*some[3], line_of(intent(9))]]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(file_of([])),
    ],
    ids=[
        "changed",
        "first record changed",
        "spaced",
        "one dropped",
        "another dropped",
        "end dropped",
        "one doubled",
        "another doubled",
        "swapped",
        "other secret",
        "another",
        "only the first",
        "one put in",
        "one added",
        "one added in its segment",
        "empty",
        "only a header",
    ],
)
def test_a_run_rewritten_with_a_right_chain_is_found_without_any_head(
    state: Path, run: str, change: Change
) -> None:
    """The log says what its record was."""
    change(file_named(state, run))

    assert FindingKind.BROKEN in kinds(state)
    assert FindingKind.BROKEN in kinds(state, heads=[head(state)])


def test_a_plan_rewritten_is_found_as_an_apply_is(state: Path) -> None:
    replace_in(file_named(state, "a"), b"https://example.org", b"https://example.com")
    assert set(kinds(state)) == {FindingKind.BROKEN}


def test_the_same_records_in_other_segments_are_the_same_record(state: Path) -> None:
    """How they came to disk says nothing."""
    rewrite(file_named(state, "c"), lambda some: [[line for lines in some for line in lines]])
    assert kinds(state, heads=[head(state)]) == []


def test_a_run_that_died_is_lengthened_after_it_is_in_the_log(state: Path) -> None:
    with RunJournal.create(DiskState(state), apply_of("d")) as journal:
        journal.commit(intent(1))
    assert kinds(state) == [FindingKind.UNFINISHED]
    write(state, apply_of("e"), END)
    assert kinds(state) == [FindingKind.UNFINISHED]
    for more in ([intent(2)], [END]):
        whole = file_named(state, "d").read_bytes()
        rewrite(file_named(state, "d"), lambda some, more=more: [*some, [*map(line_of, more)]])
        found = check(state)
        (broken,) = [one for one in found.findings if one.kind is FindingKind.BROKEN]
        assert "records were added" in broken.message
        assert broken.place == str(file_named(state, "d"))
        file_named(state, "d").write_bytes(whole)


def test_an_unfinished_run_that_no_log_has_yet_is_no_corruption(state: Path) -> None:
    """Its end may be cut at any record: nobody knows how far it came."""
    with RunJournal.create(DiskState(state), apply_of("d")) as journal:
        journal.commit(intent(1))
        journal.commit(intent(2))
    whole = file_named(state, "d").read_bytes()
    for end in range(len(whole)):
        file_named(state, "d").write_bytes(whole[:end])
        assert set(kinds(state)) <= {
            FindingKind.UNFINISHED,
            FindingKind.UNSTARTED,
            FindingKind.TORN,
        }


def test_the_first_broken_record_is_named_and_the_other_runs_are_checked(state: Path) -> None:
    path = file_named(state, "b")
    path.write_bytes(path.read_bytes().replace(b"1.2.3.1", b"1.2.3.9"))

    found = check(state)

    (broken,) = [one for one in found.findings if one.kind is FindingKind.BROKEN]
    assert broken.place == f"{path}:5"
    assert "chain is broken" in broken.message
    assert found.records == 8


def test_the_place_of_a_clock_that_went_back_is_its_record(state: Path) -> None:
    late = NOON - timedelta(minutes=1)
    write(state, apply_of("d"), intent(1), intent(2, time=late), END)
    (found,) = check(state).findings
    assert (found.kind, found.place) == (FindingKind.CLOCK, f"{file_named(state, 'd')}:6")


# -- the log ---------------------------------------------------------------------------------


def entry(state: Path, number: int, folder: str = "runs") -> Path:
    return state / folder / "log" / f"{number:08}.json"


def change_entry(path: Path, **members: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | members) + "\n")


@pytest.fixture
def longer(state: Path) -> Path:
    """Besides, two more applies: the log of ``runs/`` has four entries."""
    for run in "de":
        last = write(state, apply_of(run, **links_of_run(DiskState(state))), intent(5), END)
        (state / "head").write_text(last)
    return state


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "members",
    [
        {"number": 9},
        {"previous": None},
        {"previous": "0" * 64},
        {"run": "nobody"},
        {"run": "b"},
        {"run": "c"},
        {"size": 1},
        {"size": 5},
        {"root": "0" * 64},
    ],
    ids=lambda members: "-".join(map(str, *members.items()))[:12],
)
def test_a_changed_entry_is_found(longer: Path, number: int, members: dict[str, object]) -> None:
    path = entry(longer, number)
    if members.items() <= json.loads(path.read_bytes()).items():
        return
    change_entry(path, **members)

    found = {one.kind for one in check(longer).findings}
    if "run" in members and number == 4:  # the last of all: no entry follows on it
        assert found & {FindingKind.BROKEN, FindingKind.MISSING}
    else:
        assert FindingKind.BROKEN in found
    published = {one.kind for one in check(longer, heads=[head(longer)]).findings}
    assert published & {FindingKind.BROKEN, FindingKind.HEAD_MISSING}
    if members != {"number": 9}:
        assert (FindingKind.HEAD_MISSING in published) == (number == 4)


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_of_an_entry_is_found_with_a_published_head(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    state = make(tmp_path_factory.mktemp("state"))
    path = data.draw(st.sampled_from([*log_files(state / "runs"), entry(state, 1, "observations")]))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[place] ^ data.draw(st.integers(1, 255))
    path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])

    found = check(state, heads=[head(state)])
    assert found.count(corruption=True)
    if path == entry(state, 1):
        assert check(state).count(corruption=True)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\0" * 9, b"[" * 10**5])
@pytest.mark.parametrize("number", [1, 2])
def test_what_is_no_entry_is_told_and_the_rest_is_checked(
    state: Path, number: int, data: bytes
) -> None:
    entry(state, number).write_bytes(data)

    found = check(state)
    assert (found.runs, found.records) == (3, 10)
    places = {one.place for one in found.findings if one.kind is FindingKind.BROKEN}
    assert str(entry(state, number)) in places
    for command in (["verify"], ["report"]):
        assert type_command(["audit", *command, "--state", str(state)]) == 3


@pytest.mark.parametrize("number", [2, 3])
def test_an_entry_removed_in_the_middle_is_found_broken(longer: Path, number: int) -> None:
    entry(longer, number).unlink()

    (broken,) = [one for one in check(longer).findings if one.kind is FindingKind.BROKEN]
    assert broken.place == str(entry(longer, number + 1))
    assert "the previous entry is missing" in broken.message


@pytest.mark.parametrize("with_runs", [False, True])
def test_a_log_without_its_beginning_is_told_and_covered_it_is_corrupt(
    longer: Path, *, with_runs: bool
) -> None:
    """A folder may have lost it for good reasons."""
    for number, run in ((1, "b"), (2, "c")):
        entry(longer, number).unlink()
        if with_runs:
            file_named(longer, run).unlink()

    found = check(longer).findings
    kept = set() if with_runs else {FindingKind.UNCOVERED}
    assert {one.kind for one in found} == {FindingKind.MISSING} | kept
    assert str(entry(longer, 3)) in {one.place for one in found}
    covered = set(kinds(longer, heads=[head(longer)]))
    # A run that no entry is left of is covered by nothing, whatever it names.
    assert covered - {FindingKind.MISSING} == {FindingKind.LOST} | kept
    assert FindingKind.MISSING not in covered or not with_runs


@pytest.mark.parametrize("with_runs", [False, True])
@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_log_cut_at_its_end_is_found_only_by_a_published_head(
    longer: Path, left: int, *, with_runs: bool
) -> None:
    for number in range(left + 1, 5):
        entry(longer, number).unlink()
        if with_runs:
            file_named(longer, "bcde"[number - 1]).unlink()

    found = set(kinds(longer))
    # What is still there names the heads that it followed on.
    gap = {FindingKind.MISSING} if left < 3 and not with_runs else set()
    assert found == gap | (set() if with_runs else {FindingKind.UNCOVERED})
    assert FindingKind.HEAD_MISSING in kinds(longer, heads=[head(longer)])


def test_a_cut_log_that_went_on_is_found_by_a_published_head(longer: Path) -> None:
    for number, run in ((3, "d"), (4, "e")):
        entry(longer, number).unlink()
        file_named(longer, run).unlink()
    write(longer, apply_of("f", **links_of_run(DiskState(longer))), END)
    write(longer, apply_of("g", **links_of_run(DiskState(longer))), END)

    assert kinds(longer) == []
    assert kinds(longer, heads=[head(longer)]) == [FindingKind.HEAD_MISSING]


def test_a_whole_history_written_anew_is_found_by_a_published_head(longer: Path) -> None:
    """All hashes are right, and nothing here can tell."""
    published = heads_of(longer / "runs")
    for run in "bcde":

        def forge(some: list[list[bytes]]) -> list[list[bytes]]:
            first = json.loads(some[0][0])
            first.pop("previous_head", None)
            return [[json.dumps(first).encode() + b"\n"], *some[1:]]

        rewrite(file_named(longer, run), forge)
        replace_in(file_named(longer, run), b"1.2.3.", b"1.2.9.")
    rewrite_log(longer / "runs")

    assert kinds(longer) == []
    for one in published:
        assert kinds(longer, heads=[one]) == [FindingKind.HEAD_MISSING]


@pytest.mark.parametrize("run", "bcd")
def test_a_run_and_the_log_written_anew_are_found_by_the_runs_after_it(
    longer: Path, run: str
) -> None:
    """They name a head that the log had."""
    replace_in(file_named(longer, run), b"1.2.3.", b"1.2.9.")
    rewrite_log(longer / "runs")

    assert set(kinds(longer)) == {FindingKind.MISSING}
    assert FindingKind.HEAD_MISSING in kinds(longer, heads=[head(longer)])


def test_entries_that_changed_places_are_found(longer: Path) -> None:
    two, three = entry(longer, 2).read_bytes(), entry(longer, 3).read_bytes()
    entry(longer, 2).write_bytes(three)
    entry(longer, 3).write_bytes(two)
    assert kinds(longer).count(FindingKind.BROKEN) >= 2


def test_an_entry_added_with_the_wrong_number_is_found(state: Path) -> None:
    shutil.copy(entry(state, 2), entry(state, 3))
    assert FindingKind.BROKEN in kinds(state)


# -- what a head covers ----------------------------------------------------------------------


@pytest.mark.parametrize("run", "abc")
def test_a_run_of_the_log_that_is_gone_is_told_and_covered_it_is_corrupt(
    state: Path, run: str
) -> None:
    """The plan lies in the other log: the applies after it name its head."""
    file_named(state, run).unlink()

    found = check(state).findings
    assert {(one.kind, one.place) for one in found} == {(FindingKind.MISSING, run)}
    assert kinds(state, heads=[head(state)]) == [FindingKind.LOST]


def test_a_plan_gone_with_its_log_is_lost_to_a_head_of_the_applies(state: Path) -> None:
    shutil.rmtree(state / "observations")

    assert set(kinds(state)) == {FindingKind.MISSING}
    assert set(kinds(state, heads=[head(state)])) == {FindingKind.LOST}


def test_a_head_of_a_plan_covers_the_applies_before_it(state: Path) -> None:
    plan = write(state, plan_of("p", **links_of_observation(DiskState(state))), PLAN)
    assert check(state, heads=[plan]).published == (PublishedHead(plan, "p", 2, 4),)
    file_named(state, "b").unlink()
    assert kinds(state, heads=[plan]) == [FindingKind.LOST]


def test_a_head_does_not_cover_what_came_after_it(state: Path) -> None:
    first = head_of(file_named(state, "b"))
    file_named(state, "c").unlink()

    found = check(state, heads=[first])

    assert {one.kind for one in found.findings} == {FindingKind.MISSING}
    assert found.published == (PublishedHead(first, "b", 1, 2),)


def test_a_head_holds_also_after_the_log_went_on(state: Path) -> None:
    for run in "de":
        write(state, apply_of(run, **links_of_run(DiskState(state))), END)
    assert check(state, heads=[head(state)]).findings == ()


def test_every_head_of_several_is_answered(state: Path) -> None:
    heads = [*heads_of(state / "observations"), *heads_of(state / "runs")]
    found = check(state, heads=[*heads, "0" * 64])
    assert {(one.head, one.run, one.runs) for one in found.published} == {
        (heads[0], "a", 1),
        (heads[1], "b", 2),
        (heads[2], "c", 3),
    }
    assert [(one.kind, one.place) for one in found.findings] == [
        (FindingKind.HEAD_MISSING, "0" * 64)
    ]


def test_the_hash_of_anything_else_is_no_head(state: Path) -> None:
    """Before, that of a run's last line was one."""
    for path in (file_named(state, "c"), *log_files(state / "runs")):
        for part in path.read_bytes().splitlines():
            other = sha256(part)
            assert FindingKind.HEAD_MISSING in kinds(state, heads=[other])


def test_runs_on_several_stores_at_once_are_no_fork(state: Path) -> None:
    """Each began when the other was not over; the log has both, one after the other."""
    links = links_of_run(DiskState(state))
    one = RunJournal.create(DiskState(state), apply_of("d", **links))
    other = RunJournal.create(DiskState(state), apply_of("e", stores=(OTHER,), **links))
    for journal in (other, one):
        journal.commit(END)
        last = journal.finish()

    assert check(state, heads=[last]).findings == ()
    assert check(state, heads=[last]).published[0].runs == 5


def test_plans_at_the_same_time_are_no_fork(state: Path) -> None:
    links = links_of_observation(DiskState(state))
    for run in "de":
        last = write(state, plan_of(run, **links), PLAN)

    assert check(state, heads=[last]).findings == ()


def test_a_run_that_two_found_left_is_one_run(state: Path) -> None:
    """Both have added it to the log."""
    with RunJournal.create(DiskState(state), apply_of("d")) as journal:
        journal.commit(intent(1))
    write(state, apply_of("e"), END)
    (left,) = [one for one in log_of(state / "runs") if one["run"] == "d"]
    again = RunLog(DiskState(state).objects, RUNS).add("d", left["size"], left["root"])

    found = check(state, heads=[again])
    assert [one.kind for one in found.findings] == [FindingKind.UNFINISHED]
    assert found.published[0].runs == found.runs == 5
    first = head_of_entry(state, left["number"])
    file_named(state, "d").unlink()
    assert FindingKind.LOST in kinds(state, heads=[first])


def head_of_entry(state: Path, number: int) -> str:
    return heads_of(state / "runs")[number - 1]


def test_a_run_that_is_over_and_in_no_log_is_told(state: Path) -> None:
    """Its process died at its end, or it was added since: no head can cover it."""
    file_named(state, "x").write_bytes(written([apply_of("x")], [intent(9)], [END]))

    found = check(state, heads=[head(state)]).findings
    assert [(one.kind, one.place) for one in found] == [
        (FindingKind.UNCOVERED, str(file_named(state, "x")))
    ]


# -- everything else -------------------------------------------------------------------------


def test_a_torn_last_line_an_unrecognised_file_and_a_clock_are_told(state: Path) -> None:
    (state / "runs" / "notes.txt").write_text("x")
    late = NOON - timedelta(minutes=1)
    with RunJournal.create(DiskState(state), apply_of("d")) as journal:
        journal.commit(intent(1, time=late))
        journal.commit(intent(2))
    path = file_named(state, "d")
    path.write_bytes(path.read_bytes()[:-9])

    assert set(kinds(state)) == {
        FindingKind.TORN,
        FindingKind.UNFINISHED,
        FindingKind.UNRECOGNISED,
        FindingKind.CLOCK,
    }


def test_a_journal_of_a_future_version_is_told_and_the_rest_is_checked(state: Path) -> None:
    (state / "runs" / "z.jsonl").write_bytes(FUTURE)

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
            "Verify: 3 runs, 6 records: 1 broken, 0 notes.",
        ),
        (
            lambda state: (state / "runs" / "z.jsonl").write_bytes(FUTURE),
            1,
            "Verify: 4 runs, 10 records: 0 broken, 1 note.",
        ),
    ],
)
def test_the_command_says_it_in_its_last_line_and_its_exit_code(
    state: Path, capsys: pytest.CaptureFixture[str], change: Change, code: int, last: str
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
    arguments = ["verify", "b", "--head", head(state), "--state", str(state)]
    assert type_command(["audit", *arguments]) == 1
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
            lambda runs: replace_in(runs / "b.jsonl", b'"intent"', b'"intention"'),
            FindingKind.BROKEN,
        ),
    ],
    ids=["renamed", "empty", "unknown type"],
)
def test_what_no_reader_takes_is_never_passed_over(
    state: Path, change: Change, kind: FindingKind
) -> None:
    change(state / "runs")

    assert kind in kinds(state)


def test_heads_are_said_with_what_they_cover(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_command(["audit", "verify", "--head", head(state), "--state", str(state)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"Head {head(state)}: entry 2 of the log, run c; it covers 3 of 3 runs."


def test_a_run_in_the_folder_of_the_others_is_found_broken(state: Path) -> None:
    (state / "runs" / "b.jsonl").rename(state / "observations" / "b.jsonl")
    assert FindingKind.BROKEN in kinds(state)
    (state / "observations" / "b.jsonl").rename(state / "runs" / "b.jsonl")
    (state / "observations" / "a.jsonl").rename(state / "runs" / "a.jsonl")
    assert FindingKind.BROKEN in kinds(state)


def test_nothing_may_be_added_after_the_end_of_a_run(state: Path) -> None:
    path = file_named(state, "b")
    rewrite(path, lambda some: [*some, [line_of(intent(9))]])

    found = check(state, heads=[head(state)]).findings
    assert {(one.kind, one.place) for one in found} == {(FindingKind.BROKEN, f"{path}:10")}


@pytest.mark.parametrize("removed", [0, 1, 57, 99])
def test_a_plan_removed_among_many_after_a_clock_in_the_future_is_missed(
    tmp_path: Path, removed: int
) -> None:
    times = [NOON.replace(year=2036), *(NOON for _ in range(100))]
    names = [f"{time:%Y%m%dT%H%M%SZ}-{number:03}" for number, time in enumerate(times)]
    for name, time in zip(names, times, strict=True):
        links = links_of_observation(DiskState(tmp_path))
        last = write(tmp_path, plan_of(name, time=time, **links), PLAN)
    whole = check(tmp_path, heads=[last])
    assert {one.kind for one in whole.findings} <= {FindingKind.CLOCK}
    assert whole.published[0].runs == len(names)

    (tmp_path / "observations" / f"{names[removed]}.jsonl").unlink()

    found = check(tmp_path, heads=[last])
    assert FindingKind.LOST in {one.kind for one in found.findings}
