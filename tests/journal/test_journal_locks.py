"""Two runs never work on one store from one state folder; a dead run holds nothing."""

import json
import signal
import subprocess
import sys

import pytest

from reconciler.errors import ExitCode, JournalError, LockHeld
from reconciler.journal.places.locks import hold_locks
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder

ARCHIVE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
TEACHING = StoreAddress("imaging-prod", "europe-west4", "radiology", "teaching")
SINCE = "2026-03-01T12:00:00Z"
R1, R2 = (Holder(run, "ada", "h", 7) for run in ("r1", "r2"))

HOLD_FOR_EVER = """
import sys, time
from pathlib import Path
from reconciler.journal.places.locks import hold_locks
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder

store = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
with hold_locks(Path(sys.argv[1]), [store], holder=Holder("r1", "ada", "h", 7), since="noon"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_process(tmp_path):
    command = [sys.executable, "-c", HOLD_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def hold(folder, store=ARCHIVE):
    return hold_locks(folder, [store], holder=R2, since=SINCE)


def test_a_second_process_is_told_who_holds_the_lock_and_since_when(tmp_path, other_process):
    with pytest.raises(LockHeld) as caught, hold(tmp_path):
        pytest.fail("two runs hold one lock")

    assert str(caught.value) == (
        f"another run works on {ARCHIVE}: ada on h, process 7, run r1, since noon"
    )
    assert caught.value.exit_code is ExitCode.LOCKED


def test_another_store_or_another_folder_is_free(tmp_path, other_process):
    with hold(tmp_path, TEACHING), hold(tmp_path / "other"):
        pass


def test_kill_9_releases_the_lock_and_its_holder_is_forgotten(tmp_path, other_process):
    """Tried: with a lock that is the existence of a file the second run stays out."""
    other_process.send_signal(signal.SIGKILL)
    other_process.wait(10)

    with hold(tmp_path), pytest.raises(LockHeld, match=f"run r2, since {SINCE}"), hold(tmp_path):
        pytest.fail("two runs hold one lock")


def test_a_lock_is_free_again_after_its_block_however_that_ends(tmp_path):
    with pytest.raises(KeyboardInterrupt), hold(tmp_path):
        raise KeyboardInterrupt
    with hold(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', None])
def test_a_holder_that_cannot_be_read_is_no_reason_to_fail_otherwise(tmp_path, text):
    with hold(tmp_path):
        [holder] = (tmp_path / "locks").glob("*.holder")
        if text is None:
            holder.unlink()
        else:
            holder.write_text(text)
        with pytest.raises(LockHeld, match="does not say who"), hold(tmp_path):
            pytest.fail("two runs hold one lock")


def test_several_locks_are_held_together(tmp_path):
    with hold_locks(tmp_path, [TEACHING, ARCHIVE, TEACHING], holder=R1, since=SINCE):
        for store in (ARCHIVE, TEACHING):
            with pytest.raises(LockHeld), hold(tmp_path, store):
                pytest.fail("two runs hold one lock")
    with hold(tmp_path, ARCHIVE), hold(tmp_path, TEACHING):
        pass


def test_locks_are_taken_in_sorted_order_and_given_back_if_one_is_held(tmp_path):
    """Sorted, so that two runs over the same stores cannot each hold what the other wants."""
    with (
        hold(tmp_path, ARCHIVE),
        pytest.raises(LockHeld, match="/archive: "),
        hold_locks(tmp_path, [TEACHING, ARCHIVE], holder=R1, since=SINCE),
    ):
        pytest.fail("two runs hold one lock")
    holders = [json.loads(path.read_text())["holder"] for path in tmp_path.rglob("*.holder")]
    assert [holder["run"] for holder in holders] == ["r2"]
    with (
        hold(tmp_path, TEACHING),
        pytest.raises(LockHeld, match="/teaching: "),
        hold_locks(tmp_path, [TEACHING, ARCHIVE], holder=R1, since=SINCE),
    ):
        pytest.fail("two runs hold one lock")
    with hold(tmp_path, ARCHIVE):
        pass


def test_stores_whose_names_read_alike_have_locks_of_their_own(tmp_path):
    alike = [StoreAddress("p", "l", "d", "a" * 100), StoreAddress("p", "l", "d", "a" * 101)]
    with hold(tmp_path, alike[0]), hold(tmp_path, alike[1]):
        pass


def test_the_name_of_a_lock_cannot_lead_out_of_the_folder(tmp_path):
    with hold(tmp_path, StoreAddress("..", "..", "..", "../../x")):
        pass
    assert {path.parent for path in tmp_path.rglob("*.*")} == {tmp_path / "locks"}


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "locks").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be taken"), hold(tmp_path):
        pytest.fail("held without a lock")
