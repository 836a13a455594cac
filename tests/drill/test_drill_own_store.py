"""``reconciler selftest --store`` leaves the store as it found it, or names what it left."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.api import machine
from reconciler.cli import environment
from reconciler.cli.runs.own_store import OwnStore, try_own_store
from reconciler.drill.own_store import remains
from reconciler.drill.own_store.visit import MOST_REQUESTS
from reconciler.drill.trial import Program
from reconciler.emulator import (
    ALL_PERMISSIONS,
    DELETION,
    DEMO_STORE,
    Emulator,
    EmulatorSettings,
    ErrorShape,
    FaultKind,
    FaultRule,
    Faults,
    Permission,
    running_emulator,
)
from reconciler.errors import Refused
from reconciler.model.address import InstanceAddress, SeriesAddress

from ..answer import Answer, typist
from ..sampling import some

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE"}
}
NOT_OURS = InstanceAddress("1.2.3", "1.2.3.1", "1.2.3.1.1")
STORING = r"dicomWeb/studies$"
METADATA = r"/instances/[0-9.]+/metadata$"
GATEWAY = (
    '{"message": "no route for demo-store of demo-project",'
    ' "host": "gw-7.example.org", "user": "reader@example.org", "demo-store": "eyJhbGciOi.J9"}'
)


def named(answer: Answer) -> set[str]:
    """The studies that it says may be left."""
    return set(re.findall(r"study (2\.25\.[0-9]+)", answer.err.partition("left in the store,")[2]))


def removal(answer: Answer) -> list[str]:
    """The command that it names to remove what is left, without the question."""
    command = re.findall(r"(?:hint: remove it|remove them) with: (.*)$", answer.err, re.MULTILINE)
    return [*shlex.split(command[-1])[1:], "--auto-approve"]


@dataclass(frozen=True)
class Desk:
    """A store with something in it that is not the selftest's, and a place to type commands."""

    emulator: Emulator
    folder: Path
    type_here: Callable[..., Answer]
    """In this process, which is quick and for what runs no commands."""

    def content(self) -> set[InstanceAddress]:
        return self.emulator.instances(DEMO_STORE)

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            env=ENVIRONMENT
            | {"RECONCILER_ENDPOINT": self.emulator.url, "TMPDIR": str(self.folder)},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type(self, *arguments: str) -> Answer:
        return ended(self.start(*arguments))

    def selftest(self) -> Answer:
        return self.type(*SELFTEST)

    def sent(self, method: str, path: str = "") -> int:
        """How many requests of a kind came."""
        found = self.emulator.requests()
        return sum(one.method == method and re.search(path, one.path) is not None for one in found)

    def when(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.01)


SELFTEST = ("selftest", "--store", str(DEMO_STORE), "--auto-approve")


def ended(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=240)
    return Answer(process.returncode, out, err)


@pytest.fixture
def make_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Desk]]:
    """Makes a desk whose emulator has these settings."""
    running = []

    def make(**settings: object) -> Desk:
        context = running_emulator(EmulatorSettings(tmp_path / "store", **settings))  # type: ignore[arg-type]  # settings by name
        running.append(context)
        emulator = context.__enter__()
        series = SeriesAddress(*NOT_OURS[:2])
        emulator.ingest_synthetic(DEMO_STORE, series, [NOT_OURS.instance_uid])
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setenv("RECONCILER_ENDPOINT", emulator.url)
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        return Desk(emulator, folder, typist(capsys))

    yield make
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def test_a_store_is_left_as_it_was_and_its_facts_are_told(desk: Desk) -> None:
    answer = desk.selftest()
    assert answer.code == 0, answer.err
    assert desk.content() == {NOT_OURS}
    assert not list(desk.folder.iterdir())
    requests = desk.emulator.requests()
    assert 100 < len(requests) <= MOST_REQUESTS
    assert f"at most {MOST_REQUESTS} requests" in answer.err
    studies = re.findall(r"^  study (2\.25\.[0-9]+)$", answer.err, re.MULTILINE)
    assert len(studies) == 2
    changes = [one for one in requests if one.changed and one.method == DELETION]
    assert len(changes) == 11
    assert all(any(f"/studies/{uid}/" in one.path for uid in studies) for one in changes)
    assert not any("1.2.3" in one.path for one in requests)
    told = json.loads(answer.out)
    assert (told["provider"], told["version"], told["complete"]) == ("google", "v1", True)
    facts = told["facts"]
    missing = facts["metadata of a missing instance"]
    assert missing["body"]["error"]["status"] == "NOT_FOUND"
    assert facts["metadata of an instance under another study"]["status"] == 404
    assert facts["search, the page after it"]["rows"] == 1
    assert facts["search, limit 50001"]["status"] == 400
    assert facts["counts"]["stored"] == facts["counts"]["said"]
    assert facts["store again"] == {"status": 409, "taken for": "already_exists"}
    assert facts["restored"] == {"identical": 5, "same_dataset": 0}
    assert facts["search lag after deleting, in seconds"] < 10
    for name in (*DEMO_STORE.as_parameters().values(), "127.0.0", "2.25.", "SYNTHETIC"):
        assert name not in answer.out


@pytest.mark.slow
def test_a_store_that_refuses_deletions_is_named_and_the_command_empties_it(desk: Desk) -> None:
    desk.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, DELETION, status=403),)))
    answer = desk.selftest()
    assert answer.code == 4
    left = desk.content() - {NOT_OURS}
    assert len(left) == 6
    assert named(answer) == {one.study_uid for one in left}
    assert "6 instances" in answer.err
    assert json.loads(answer.out)["complete"] is False
    desk.emulator.set_faults(Faults())
    removed = desk.type(*removal(answer))
    assert removed.code == 0, removed.err
    assert desk.content() == {NOT_OURS}


@pytest.mark.slow
def test_searches_that_lag_are_waited_for(desk: Desk) -> None:
    desk.emulator.set_faults(Faults(search_lag=4.0))
    answer = desk.selftest()
    assert answer.code == 0, answer.err
    assert desk.content() == {NOT_OURS}
    assert 0 < json.loads(answer.out)["facts"]["search lag after deleting, in seconds"] < 10


def test_where_absence_cannot_be_understood_nothing_is_stored(desk: Desk) -> None:
    """The 404 is told all the same, without the names in it."""
    rule = FaultRule(FaultKind.STATUS, path=METADATA, status=404, body=GATEWAY)
    desk.emulator.set_faults(Faults((rule,)))
    answer = desk.type_here(*SELFTEST)
    assert answer.code == 3
    assert "does not say clearly that an instance is not there" in answer.err
    assert desk.sent("POST", STORING) == 0
    assert json.loads(answer.out)["facts"]["metadata of a missing instance"] == {
        "status": 404,
        "type": "application/json",
        "body": {"message": "no route for … of …", "host": "…", "user": "…", "…": "…"},
    }
    assert not list(desk.folder.iterdir())


@pytest.mark.slow
def test_absence_that_is_not_understood_any_more_is_no_proof(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway comes up amid the first apply; what may be there is named."""
    monkeypatch.setattr(remains, "PROOF_SECONDS", 0.0)
    rule = FaultRule(FaultKind.STATUS, path=METADATA, status=404, body=GATEWAY)

    def break_it() -> None:
        desk.when(lambda: desk.sent(DELETION) > 0)
        desk.emulator.set_faults(Faults((rule,)))

    breaking = threading.Thread(target=break_it)
    breaking.start()
    own = OwnStore(DEMO_STORE, True, environment.Access(desk.emulator.url, 4, None))
    code = try_own_store(own, Program((sys.executable, "-m", "reconciler"), ENVIRONMENT))
    breaking.join()
    answer = Answer(code, *capsys.readouterr())
    assert answer.code == 4
    assert len(named(answer)) == 2
    assert {one.study_uid for one in desk.content() - {NOT_OURS}} <= named(answer)
    desk.emulator.set_faults(Faults())
    assert desk.type(*removal(answer)).code == 0
    assert desk.content() == {NOT_OURS}


MOMENTS: dict[str, Callable[[Desk], bool]] = {
    "storing": lambda desk: desk.sent("POST", STORING) >= 2,
    "deleting": lambda desk: desk.sent(DELETION) >= 1,
    "restoring": lambda desk: desk.sent("POST", STORING) >= 9,
    "removing": lambda desk: desk.sent(DELETION) >= 7,
}
"""What has reached the store then: six are stored, one of them again, five are deleted."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(desk: Desk, moment: str, number: signal.Signals) -> None:
    desk.emulator.set_faults(Faults(latency=0.1))
    process = desk.start(*SELFTEST, "--parallelism", "1")
    desk.when(lambda: MOMENTS[moment](desk))
    process.send_signal(number)
    answer = ended(process)
    # What was being removed when the signal came is all done by then.
    assert answer.code in ({0} if moment == "removing" else {128 + number}), answer.err
    assert answer.err.count("nothing is left in the store") == 1
    assert desk.content() == {NOT_OURS}
    assert not list(desk.folder.iterdir())


@pytest.mark.slow
def test_what_a_kill_leaves_is_removed_by_the_command_that_was_named(desk: Desk) -> None:
    desk.emulator.set_faults(Faults(latency=0.1))
    process = desk.start(*SELFTEST, "--parallelism", "1")
    desk.when(lambda: MOMENTS["storing"](desk))
    process.kill()
    answer = ended(process)
    desk.emulator.set_faults(Faults())
    assert len(desk.content()) > 1
    assert desk.type(*removal(answer)).code == 0
    assert desk.content() == {NOT_OURS}


@pytest.mark.parametrize("lacking", [Permission.WRITE, Permission.DELETE, Permission.READ])
def test_a_caller_who_may_not_is_refused_before_anything_is_stored(
    make_desk: Callable[..., Desk], lacking: Permission
) -> None:
    desk = make_desk(permissions=ALL_PERMISSIONS - {lacking.value})
    answer = desk.type_here(*SELFTEST)
    assert answer.code == 1
    assert f"the caller lacks {lacking.value}" in answer.err
    assert answer.out == ""
    assert desk.sent("POST", STORING) == 0


def test_uids_that_are_there_already_are_left_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = (f"2.25.{number}" for number in range(1, 100))
    monkeypatch.setattr(machine, "new_uid", lambda: next(uids))
    study_and_series = SeriesAddress("2.25.1", "2.25.2")
    desk.emulator.ingest_synthetic(DEMO_STORE, study_and_series, ["2.25.3"])
    before = desk.content()
    own = OwnStore(DEMO_STORE, True, environment.Access(desk.emulator.url, 4, None))
    program = Program((sys.executable, "-m", "reconciler"), ENVIRONMENT)
    with pytest.raises(Refused, match=r"a study 2\.25\.1 already; nothing was stored"):
        try_own_store(own, program)
    assert desk.content() == before
    assert desk.sent("POST", STORING) == 0


REPLIES = {
    "broken off, after it was stored": (
        FaultRule(FaultKind.RESET, "POST", STORING, times=1, after_effect=True),
        0,
    ),
    "a page, after it was stored": (
        FaultRule(FaultKind.HTML, "POST", STORING, times=1, status=200, after_effect=True),
        3,
    ),
    "refused": (FaultRule(FaultKind.STATUS, "POST", STORING, status=403), 3),
    "a page, and perhaps it is stored later": (
        FaultRule(FaultKind.HTML, "POST", STORING, times=1, status=200),
        4,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "code"), REPLIES.values(), ids=REPLIES)
def test_whatever_is_answered_to_storing_nothing_is_left(
    desk: Desk, rule: FaultRule, code: int
) -> None:
    desk.emulator.set_faults(Faults((rule,)))
    answer = desk.selftest()
    assert answer.code == code, answer.err
    assert desk.content() == {NOT_OURS}
    assert bool(named(answer)) is (code == 4)


@pytest.mark.slow
def test_what_is_said_to_be_there_already_is_named_and_not_touched(desk: Desk) -> None:
    """It cannot be told from one that somebody else stored since the UID was found to be new."""
    rule = FaultRule(FaultKind.STATUS, "POST", STORING, times=1, status=409, after_effect=True)
    desk.emulator.set_faults(Faults((rule,)))
    answer = desk.selftest()
    assert answer.code == 4, answer.err
    (left,) = desk.content() - {NOT_OURS}
    assert named(answer) == {left.study_uid}
    assert desk.sent(DELETION) == 0
    assert desk.type(*removal(answer)).code == 0
    assert desk.content() == {NOT_OURS}


@pytest.mark.slow
def test_bare_texts_are_understood_too(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(error_shape=ErrorShape.STRING)
    answer = desk.selftest()
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)["facts"]["metadata of a missing instance"]
    assert told["body"] == "The requested DICOM resource was not found."
    assert desk.content() == {NOT_OURS}


ALSO_OTHERS = f"""
import sys
from pathlib import Path
if sys.argv[1] == "plan":
    specs = Path("specs/selftest.yaml")
    other = "remove:\\n  - studiesId: {NOT_OURS.study_uid}\\n"
    specs.write_text(specs.read_text().replace("remove:\\n", other))
from reconciler.cli import main
main()
"""


@pytest.mark.slow
def test_a_plan_that_names_anything_else_is_not_applied(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program that is run adds an unplanned study to every removal."""
    script = tmp_path / "adding.py"
    script.write_text(ALSO_OTHERS)
    own = OwnStore(DEMO_STORE, True, environment.Access(desk.emulator.url, 4, None))
    assert try_own_store(own, Program((sys.executable, str(script)), ENVIRONMENT)) == 4
    answer = Answer(4, *capsys.readouterr())
    assert "the plan deletes 6 instances, not the 5 that were stored" in answer.err
    assert desk.sent(DELETION) == 0
    assert NOT_OURS in desk.content()
    assert named(answer) == {one.study_uid for one in desk.content()} - {NOT_OURS.study_uid}


def test_nobody_to_ask_and_nothing_is_asked(desk: Desk) -> None:
    answer = desk.type_here("selftest", "--store", str(DEMO_STORE))
    assert answer.code == 3
    assert "cannot ask for a yes" in answer.err
    assert not desk.emulator.requests()


@pytest.mark.parametrize(("typed", "code"), some([(b"no\n", 3), (b"yes\n", 0)]))
def test_only_a_yes_lets_anything_be_stored(desk: Desk, typed: bytes, code: int) -> None:
    terminal, keyboard = pty.openpty()
    process = desk.start("selftest", "--store", str(DEMO_STORE), stdin=keyboard)
    os.write(terminal, typed)
    answer = ended(process)
    os.close(terminal)
    os.close(keyboard)
    assert answer.code == code, answer.err
    assert ("nothing was stored" in answer.err) is (code == 3)
    assert (desk.sent("POST", STORING) == 0) is (code == 3)
    assert desk.content() == {NOT_OURS}


@pytest.mark.slow
def test_ctrl_c_at_the_question_is_no_yes(desk: Desk) -> None:
    terminal, keyboard = pty.openpty()
    process = desk.start("selftest", "--store", str(DEMO_STORE), stdin=keyboard)
    assert process.stderr is not None
    told = ""
    while "Enter a value" not in told:
        told += process.stderr.read(1)
    while process.poll() is None:  # one that comes before it waits for a line is seen by the next
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    assert ended(process).code == 3
    os.close(terminal)
    os.close(keyboard)
    assert desk.sent("POST", STORING) == 0
    assert not list(desk.folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--store", "demo-store"), "'demo-store' is not the address of a DICOM store"),
        (("--auto-approve",), "--auto-approve belongs to --store"),
        (("--endpoint", "http://127.0.0.1:1"), "--endpoint belongs to --store"),
        (("--max-qps", "5"), "--max-qps belongs to --store"),
    ],
)
def test_options_that_make_no_sense(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    answer = desk.type_here("selftest", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err
