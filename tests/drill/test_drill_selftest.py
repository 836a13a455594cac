"""`reconciler selftest` says held where a promise holds, and broken where it does not.

That it can fail is tried out with programs in which one protection is taken out before the
command runs, in the very processes that the selftest starts (`BREAKAGES`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli import environment
from reconciler.cli.commands import selftest as command
from reconciler.cli.main import group, run
from reconciler.drill import promises, record_promises
from reconciler.drill.selftest import PROMISES, PromiseResult, selftest
from reconciler.drill.trial import BrokenPromiseError, Program, Trials
from reconciler.emulator import EmulatorSettings, running_emulator

from ..sampling import some

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_ENDPOINT", "RECONCILER_STATE"}
}


@pytest.mark.slow
def test_every_promise_is_held_and_counted(tmp_path: Path) -> None:
    """One line each on stdout, nothing on stderr, and no folder is left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "selftest"],
        env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        f"held    {promise}" for promise, _ in PROMISES
    ]
    assert all(re.search(r"\([1-9][0-9,]* .*\)$", line) for line in lines)
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Callable[[str], Trials]]:
    """Trials in which the program runs these lines of Python before the command."""
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:

        def broken_by(lines: str) -> Trials:
            script = tmp_path / "broken.py"
            script.write_text(f"{lines}\nfrom reconciler.cli import main\nmain()\n")
            return Trials(tmp_path, emulator, Program((sys.executable, str(script)), ENVIRONMENT))

        yield broken_by


PLAN_MAY_CHANGE_THINGS = """
from functools import partial
from reconciler.api import planning, service
really_look, really_set = planning.refresh, service.ConnectionSettings
def look_and_delete(desired, store, *given, **named):
    live = really_look(desired, store, *given, **named)
    entry = desired.removes.entries[0]
    series = next(iter(live.instances))
    store.delete(next(iter(store.list_instances(*series))))
    return live
planning.refresh = look_and_delete
service.ConnectionSettings = lambda *given, **named: really_set(
    *given, **{**named, "read_only": False})
"""
ANY_404_IS_ABSENT = """
from reconciler.live.dicomweb import probe_reply
from reconciler.model.live import Observation, Presence
really_observe = probe_reply.observe
def observe(answer, *rest):
    return Observation(Presence.ABSENT) if answer.status == 404 else really_observe(answer, *rest)
probe_reply.observe = observe
"""
NO_LISTING_IS_ASKED = """
from reconciler.live.providers.google.store import HealthcareStore
HealthcareStore.confirmed = lambda store, instance, seen, **named: seen
"""
AN_INCOMPLETE_PLAN_PASSES = """
from reconciler.planning import gates
from reconciler.api import preconditions
from reconciler.cli.runs import plan_and_apply
preconditions.require_passed_gates = plan_and_apply.require_passed_gates = lambda gates: None
from reconciler.applying import apply
apply.require_passed_gates = lambda gates: None
"""
NOTHING_IS_NEVER_SEEN = """
from reconciler.api import planning
planning.mark_never_seen = lambda plan, known: plan
"""
NOTHING_IS_KNOWN = """
from reconciler.journal.history import StoreHistory
StoreHistory.knows = lambda self, *uids: False
"""
REMOVE_WINS = """
from reconciler.api import preconditions
from reconciler.planning.series import JudgedInstance
JudgedInstance.ruling = property(lambda self: self.remove or self.keep)
preconditions.require_nothing_kept = lambda saved, keeps: None
"""
NO_INTENTS = """
from reconciler.journal.records import Intent
from reconciler.journal.writer import RunJournal
really_commit = RunJournal.commit
def commit(journal, record):
    if not isinstance(record, Intent):
        really_commit(journal, record)
RunJournal.commit = commit
"""
NOTHING_IS_TAKEN_OVER = """
from reconciler.applying.progress import PlanProgress
PlanProgress.of = classmethod(lambda cls, *arguments: cls())
"""
RESTORE_CHANGES_A_BYTE = """
import tempfile
from reconciler.applying import restoration
from reconciler.applying.outcome import Comparison
from reconciler.live.providers.google.store import HealthcareStore
really_store = HealthcareStore.store
def store(self, file):
    file.seek(0)
    changed = bytearray(file.read())
    changed[0] ^= 1
    with tempfile.TemporaryFile() as other:
        other.write(changed)
        other.flush()
        return really_store(self, other)
HealthcareStore.store = store
restoration._compared = lambda original, found: Comparison.IDENTICAL
"""

NO_LAST_WORD = """
from reconciler.journal.history import History
History.last_words = lambda self, instances, endpoint: {}
"""
ANY_STATE_IS_BELIEVED = """
from reconciler.api import project
project.require_own_state = lambda *given, **named: None
"""
WHAT_IS_THERE_IS_ALL = """
from reconciler.checkout import Checkout
Checkout.inspect = lambda *given: None
"""

BREAKAGES = [
    (promises.plan_deletes_nothing, PLAN_MAY_CHANGE_THINGS, "would have changed the store"),
    (promises.unknown_blocks, ANY_404_IS_ABSENT, "2 of 7 strange answers"),
    (promises.unknown_blocks, AN_INCOMPLETE_PLAN_PASSES, "`apply` exited with 0"),
    (
        promises.gateway_404_is_no_absence,
        NO_LISTING_IS_ASKED,
        "4 instances are called gone",
    ),
    (promises.wrong_uid_is_no_success, NOTHING_IS_NEVER_SEEN, "`plan` exited with 0"),
    (promises.wrong_uid_is_no_success, NOTHING_IS_KNOWN, "`plan` exited with 3"),
    (promises.kept_survives_every_fault, REMOVE_WINS, "gone, but not to be removed: 4 instances"),
    (promises.kill_9_resumes, NO_INTENTS, "the journal does not know of"),
    (promises.kill_9_resumes, NOTHING_IS_TAKEN_OVER, "for someone else's"),
    (promises.restore_gives_identical_bytes, RESTORE_CHANGES_A_BYTE, "same bytes: 40 instances"),
    (
        record_promises.later_removal_stands,
        NO_LAST_WORD,
        "0 of its instances are reported as removed",
    ),
    (
        record_promises.committed_record_is_not_believed,
        ANY_STATE_IS_BELIEVED,
        "`apply` exited with 0",
    ),
    (record_promises.hidden_hold_is_refused, WHAT_IS_THERE_IS_ALL, "`plan` exited with 0"),
]


@pytest.mark.parametrize(("keep", "breakage", "seen"), some(BREAKAGES))
def test_a_promise_that_does_not_hold_is_seen(
    trials: Callable[[str], Trials], keep: Callable[[Trials], str], breakage: str, seen: str
) -> None:
    """Each breakage takes out one protection; without it the same promise is held."""
    with pytest.raises(BrokenPromiseError, match=re.escape(seen)):
        keep(trials(breakage))


def test_a_broken_promise_is_told_and_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those after it are tried all the same, and the folder is left to be looked at."""

    def told(folder: Path, program: Program) -> Iterator[PromiseResult]:
        yield PromiseResult("this one", held=True, detail="7 times")
        yield PromiseResult("that one", held=False, detail="2 instances are gone")
        yield PromiseResult("another", held=True, detail="1 time")

    monkeypatch.setattr(command, "selftest", told)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run(["selftest"]) == 3
    out, err = capsys.readouterr()
    assert out == (
        "held    this one (7 times)\n"
        "broken  that one: 2 instances are gone\n"
        "held    another (1 time)\n"
    )
    (left,) = tmp_path.iterdir()
    assert str(left) in err


@pytest.fixture
def _options_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option that a variable can set, set to what ends a run before its time."""
    context = click.Context(group)
    commands = [group.get_command(context, name) for name in group.list_commands(context)]
    variables = {one.envvar for each in commands if each for one in each.params if one.envvar}
    assert len(variables) > 7
    for name in variables:
        monkeypatch.setenv(str(name), "1")
    monkeypatch.setenv("RECONCILER_PROBE", "retrieve")
    monkeypatch.setenv("RECONCILER_MAX_AGE", "1s")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("RECONCILER_ENDPOINT", "https://example.org")
    monkeypatch.setenv("RECONCILER_ORTHANC_USERNAME", "ada")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "none.json")


@pytest.mark.usefixtures("_options_by_variable")
def test_what_is_tried_out_does_not_see_the_users_own_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def told(folder: Path, program: Program) -> Iterator[PromiseResult]:
        seen.append(program.environment)
        return iter(())

    monkeypatch.setattr(command, "selftest", told)
    assert run(["selftest"]) == 0
    ours = re.compile("RECONCILER_|GITHUB_ACTIONS|GOOGLE_")
    assert not list(filter(ours.match, seen[0]))
    credentials = {"RECONCILER_ORTHANC_USERNAME", "GOOGLE_APPLICATION_CREDENTIALS"}
    assert {*filter(ours.match, environment.of_a_trial(own_store=True))} == credentials
    assert run(["demo", "--dir", str(tmp_path / "demo")]) == 0, capfd.readouterr().err


def test_a_program_that_does_not_start_breaks_every_promise(tmp_path: Path) -> None:
    program = Program((sys.executable, "-c", "raise SystemExit('error: no such thing')"), {})
    verdicts = list(selftest(tmp_path, program))
    assert [verdict.promise for verdict in verdicts] == [promise for promise, _ in PROMISES]
    assert not any(verdict.held for verdict in verdicts)
