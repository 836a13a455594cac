"""What the public functions promise to whoever calls them from a program of their own."""

from __future__ import annotations

import ast
import io
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import pydicom
import pytest

import reconciler
from reconciler.api import showing
from reconciler.emulator import (
    DEMO_STORE,
    EmulatorSettings,
    FaultKind,
    FaultRule,
    Faults,
    running_emulator,
)
from reconciler.errors import (
    BrokenJournal,
    CredentialsError,
    DesiredStateError,
    ExitCode,
    GatesBlocking,
    LockHeld,
    PlanRefused,
    StatementError,
    UsageError,
)
from reconciler.journal.places.locks import hold_locks
from reconciler.model.gate import Gate, GateName
from reconciler.model.lock import Holder
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import PartOf
from reconciler.model.problem import Problem, Source

from ..cli.conftest import LIMITS_OPEN, REASON, head, removal
from ..selecting.conftest import Made
from .conftest import LEFT, REMOVED, Site, fill

PACKAGE = Path(reconciler.__file__).parent
COMMAND_ONLY = {"archived.py", "restoring.py", "syslog.py"}
"""What they do no public function does."""
REFERENCE = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.md"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Site]:
    """Another project with a store of its own."""
    with running_emulator(EmulatorSettings(tmp_path / "other-store")) as emulator:
        site = Site(tmp_path / "other", emulator)
        fill(site)
        yield site


class Recording(reconciler.Listener):
    """Keeps what it hears, with the threads that said it."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: set[str] = set()
        self.outcomes: list[Outcome] = []

    def note(self, text: str, *, is_last: bool = False) -> None:
        self.notes.append(text)

    def progress(self, step: str, done: int, total: int | None) -> None:
        self.steps.add(step)

    def result(self, result: object) -> None:
        self.outcomes.append(result.outcome)  # type: ignore[attr-defined]


def apply(site: Site, saved: reconciler.Plan, **others: object) -> reconciler.Applied:
    given = {"digest": saved.digest} | others
    return reconciler.apply(saved, site.project, site.service, **given)  # type: ignore[arg-type]


class Environment(dict[str, str]):
    """Notes which variables are read, and who reads them."""

    def __init__(self) -> None:
        super().__init__(os.environ)
        self.read: list[str] = []

    def _note(self, name: object) -> None:
        frame = sys._getframe(2)
        while frame is not None and "reconciler" not in frame.f_code.co_filename:
            frame = frame.f_back  # type: ignore[assignment]  # the outermost has none
        self.read.append(f"{name} in {frame.f_code.co_name if frame else '?'}")

    def __getitem__(self, name: str) -> str:
        self._note(name)
        return super().__getitem__(name)

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self._note(name)
        return super().get(name, default)  # type: ignore[call-overload]

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._note("all")
        return super().__iter__()


def test_it_prints_nothing_reads_no_variable_and_handles_no_signal(
    site: Site, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole way, from the files to the record, with hostile variables."""
    apply(site, site.plan())  # what libraries read when they are loaded is not asked here
    fill(replace(site, folder=site.folder.parent / "again"), stored=False)
    again = replace(site, folder=site.folder.parent / "again")
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    for name in ("RECONCILER_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:9/nowhere")
    environment = Environment()
    monkeypatch.setattr(os, "environ", environment)

    saved = again.plan()
    applied = apply(again, saved)
    list(reconciler.read_record(again.project))
    reconciler.resolve(root=again.folder, service=again.service)
    reconciler.show(saved, format="html")

    assert applied.report.is_success
    assert environment.read == []
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers
    assert capfd.readouterr() == ("", "")


def test_two_threads_plan_and_apply_on_two_stores(site: Site, other: Site) -> None:
    def work(one: Site) -> reconciler.Applied:
        assert threading.current_thread() is not threading.main_thread()
        return apply(one, one.plan())

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, (site, other)))
    assert [one.report.counts[Outcome.DELETED] for one in done] == [2, 2]
    assert site.content() == other.content() == {LEFT}


def test_a_listener_hears_of_every_step_and_outcome(site: Site) -> None:
    heard = Recording()
    project = reconciler.Project.open(site.folder, listener=heard)
    desired = reconciler.load(project=project, listener=heard)
    saved = reconciler.plan(desired, project, site.service, listener=heard)
    reconciler.apply(saved, project, site.service, digest=saved.digest, listener=heard)
    assert {"reading files", "looking at demo-store", "deleting"} <= heard.steps
    assert heard.outcomes == [Outcome.DELETED] * 2
    assert sum(one.startswith("journal head ") for one in heard.notes) == 1


# The guards of the command


def test_the_digest_has_to_be_given(site: Site) -> None:
    saved = site.plan()
    with pytest.raises(TypeError, match="digest"):
        reconciler.apply(saved, site.project, site.service)  # type: ignore[call-arg]


def test_another_digest_is_refused(site: Site) -> None:
    saved = site.plan()
    with pytest.raises(PlanRefused, match="expected was sha256:0"):
        apply(site, saved, digest="sha256:0")
    assert not site.deletes()
    apply(site, saved)
    with pytest.raises(PlanRefused, match="expected was sha256:0"):
        apply(site, saved, digest="sha256:0")


def test_a_plan_that_was_changed_in_memory_is_refused(site: Site) -> None:
    """Under the digest that was reviewed, another plan."""
    reviewed = site.plan()
    text = head() + REASON + LIMITS_OPEN + removal([*REMOVED, LEFT])
    (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    changed = replace(site.plan(), digest=reviewed.digest)
    with pytest.raises(PlanRefused, match="was changed"):
        apply(site, changed)
    assert not site.deletes()


def test_a_shard_by_itself_is_refused(site: Site) -> None:
    """The gates of a part let more pass than those of the whole."""
    saved = replace(site.plan(), part_of=PartOf("plan", 1))
    with pytest.raises(PlanRefused, match="this is shard 1 of plan plan"):
        apply(site, saved)
    assert not site.deletes()


def test_an_expired_plan_is_refused(site: Site) -> None:
    saved = replace(site.plan(), expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(PlanRefused, match="expired"):
        apply(site, saved)
    assert not site.deletes()


def test_what_the_files_keep_by_now_is_not_deleted(site: Site) -> None:
    saved = site.plan()
    kept = head() + removal(REMOVED[:1], key="keep")
    (site.folder / "specs" / "hold.yaml").write_text(kept, encoding="utf-8")
    with pytest.raises(PlanRefused, match=r"specs/hold\.yaml"):
        apply(site, saved)
    assert not site.deletes()


def test_a_record_that_is_only_read_decides_nothing(site: Site) -> None:
    """It may have come with a checkout, so that nobody here wrote it."""
    saved = site.plan()
    project = reconciler.Project.open(site.folder, only_reads=True)
    with pytest.raises(UsageError, match="to read its record alone"):
        reconciler.apply(saved, project, site.service, digest=saved.digest)
    with pytest.raises(UsageError, match="to read its record alone"):
        reconciler.plan(reconciler.load(project=project), project, site.service)
    assert list(reconciler.read_record(project)) == []
    assert not site.deletes()


def test_a_limit_is_one(site: Site) -> None:
    text = head() + REASON + "limits: {maxDeletions: 1}\n" + removal(REMOVED)
    (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(GatesBlocking):
        apply(site, site.plan())
    assert not site.deletes()


def test_a_lock_is_one(site: Site) -> None:
    saved = site.plan()
    stores = [one.store for one in saved.plan.stores]
    holder = Holder("r1", "ada", "h", 7)
    with (
        hold_locks(site.folder / ".reconciler", stores, holder=holder, since="noon"),
        pytest.raises(LockHeld),
    ):
        apply(site, saved)
    assert not site.deletes()


def test_a_plan_is_applied_once(site: Site) -> None:
    saved = site.plan()
    first = apply(site, saved)
    again = apply(site, saved)
    assert (first.is_earlier, again.is_earlier) == (False, True)
    assert site.deletes() == 2


def test_an_instance_that_fails_is_in_the_report(site: Site) -> None:
    saved = site.plan()
    rule = FaultRule(FaultKind.STATUS, "DELETE", status=403)
    site.emulator.set_faults(Faults((rule,)))
    applied = apply(site, saved)
    assert applied.exit_code == ExitCode.INCOMPLETE
    assert {one.outcome for one in applied.report.unproven} == {Outcome.FAILED}


def test_what_is_interrupted_goes_on_when_it_is_applied_again(site: Site) -> None:
    """The caller stops it at its first outcome; the second call does what is left."""
    saved, stop = site.plan(), reconciler.Stop()

    class Impatient(reconciler.Listener):
        def result(self, result: object) -> None:
            stop.interrupt("enough")

    service = replace(site.service, parallelism=1)
    project = site.project
    stopped = reconciler.apply(
        saved, project, service, digest=saved.digest, stop=stop, listener=Impatient()
    )
    assert (stopped.report.state, stopped.report.stopped_because) == (
        RunState.INTERRUPTED,
        "enough",
    )
    assert site.deletes() == 1
    assert apply(site, saved).report.is_success
    assert site.deletes() == 2
    assert site.content() == {LEFT}


def test_no_credentials_are_sought_unless_they_are_asked_for(site: Site) -> None:
    project = site.project
    desired = reconciler.load(project=project)
    with pytest.raises(CredentialsError, match="no credentials are given"):
        reconciler.plan(desired, project, reconciler.Service())
    service = replace(site.service, credentials=("anna", "secret"))
    with pytest.raises(UsageError, match="credentials are not those of Google"):
        reconciler.plan(desired, project, service)


# What callers mix up


def test_an_argument_of_a_wrong_type_is_named(site: Site, tmp_path: Path) -> None:
    project, service = site.project, site.service
    desired, saved = reconciler.load(project=project), site.plan()
    wrong: dict[str, Callable[..., object]] = {
        "project": lambda: reconciler.load(project="."),  # type: ignore[arg-type]
        "desired": lambda: reconciler.plan(project, desired, service),  # type: ignore[arg-type]
        "service": lambda: reconciler.plan(desired, project, "http://host"),  # type: ignore[arg-type]
        "max_age": lambda: reconciler.plan(desired, project, service, max_age="24h"),  # type: ignore[arg-type]
        "listener": lambda: reconciler.plan(desired, project, service, listener=print),  # type: ignore[arg-type]
        "plan": lambda: reconciler.apply("plan.json", project, service, digest=""),  # type: ignore[arg-type]
        "digest": lambda: apply(site, saved, digest=None),
        "stop": lambda: apply(site, saved, stop=False),
        "paths": lambda: reconciler.load("specs/", project=project),
    }
    for name, call in wrong.items():
        with pytest.raises(TypeError, match=f"^{name} must be "):
            call()
    with pytest.raises(TypeError, match=r"^paths must be a list of paths: \['selectors'\]"):
        reconciler.resolve(Path("selectors"), root=site.folder, service=service)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^project must be what reconciler\.Project\.open"):
        next(reconciler.read_record(tmp_path))  # type: ignore[arg-type]
    assert not site.deletes()


def test_credentials_may_be_named_by_a_text(site: Site) -> None:
    desired = reconciler.load(project=site.project)
    service = replace(site.service, endpoint=None, credentials="absent.json")
    with pytest.raises(CredentialsError, match=r"absent\.json.*No such file"):
        reconciler.plan(desired, site.project, service)


def test_a_traceback_shows_the_problems_and_hints(site: Site) -> None:
    saved = site.plan()
    (site.folder / "specs" / "b.yaml").write_text(head() + "remov: []\n", encoding="utf-8")
    with pytest.raises(DesiredStateError) as raised:
        reconciler.load(project=site.project)
    shown = "".join(traceback.format_exception_only(raised.value))
    assert "specs/b.yaml:7:1: 'remov' is not a key of the file\n  hint: did you mean" in shown
    with pytest.raises(UsageError) as refused:
        reconciler.show(saved, format="pdf")
    assert refused.value.__notes__ == [f"hint: {refused.value.hint}"]


def test_a_project_is_shown_by_its_places(site: Site) -> None:
    state = site.folder / ".reconciler"
    assert repr(site.project) == f"Project({str(site.folder)!r}, state={str(state)!r})"


def test_every_error_can_be_pickled(site: Site) -> None:
    """A pool of processes hands on what its workers raise, or breaks."""
    address = site.plan().plan.stores[0].store
    gate = Gate(GateName.MISPLACED, address, 1, 0, "look", ())
    problems = [Problem(Source("specs/a.yaml", 1), "rule", "wrong")]
    made = [
        UsageError("no", hint="yes"),
        DesiredStateError(problems),
        StatementError(problems),
        BrokenJournal("a:1", "odd", hint="look"),
        GatesBlocking([gate]),
    ]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))


def test_a_hint_that_names_an_option_names_the_argument_too() -> None:
    arguments = {
        "--state": "state=",
        "--root": "Project.open",
        "--endpoint": "endpoint=",
        "--patient-key": "patient_key=",
        "--require-clean": "require_clean=",
    }
    seen: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        if not any(one in text for one in arguments):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.keyword) or node.arg != "hint":
                continue
            named = {one for one in arguments if one in ast.unparse(node)}
            lacking = {one for one in named if arguments[one] not in ast.unparse(node)}
            seen |= named
            room = path.relative_to(PACKAGE).parts[0]
            assert not lacking or room == "cli" or path.name in COMMAND_ONLY, (path, lacking)
    assert seen == arguments.keys()


# What is public


def test_the_errors_are_at_hand_without_a_further_import() -> None:
    code = "import reconciler; print(reconciler.errors.PlanRefused.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "PlanRefused\n"


def test_what_a_worker_is_sent_can_be_pickled(site: Site) -> None:
    service = replace(site.service, credentials=("anna", "secret"))
    assert pickle.loads(pickle.dumps(service)) == service
    assert "secret" not in repr(service)
    saved = site.plan()
    assert pickle.loads(pickle.dumps(saved)).digest == saved.digest


def test_a_notebook_has_the_page_in_a_frame_of_its_own_and_no_page_of_a_huge_plan(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = site.plan()
    monkeypatch.setattr(showing, "_LARGEST_PAGE", 2)
    frame = saved._repr_html_()
    assert frame.startswith('<iframe title="Plan" sandbox="allow-scripts" srcdoc="&lt;!')
    assert escape(reconciler.show(saved, format="html")) in frame
    monkeypatch.setattr(showing, "_LARGEST_PAGE", 1)
    assert saved._repr_html_() == f"<pre>{escape(reconciler.show(saved, format='markdown'))}</pre>"
    assert repr(saved) == f"<Plan {saved.digest}>"


def test_importing_it_imports_nothing_of_it() -> None:
    code = (
        "import sys, reconciler;"
        " found = [one for one in sys.modules if one.startswith('reconciler.')];"
        " assert not found, found;"
        " assert set(dir(reconciler)) == set(reconciler.__all__);"
        " [getattr(reconciler, one) for one in reconciler.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        reconciler.nothing  # noqa: B018 - whether it is there


def test_many_threads_may_use_it_first() -> None:
    code = (
        "import reconciler; from concurrent.futures import ThreadPoolExecutor;"
        " names = sorted(reconciler.__all__) * 2; pool = ThreadPoolExecutor(len(names));"
        " print(len({id(one) for one in pool.map(lambda name: getattr(reconciler, name), names)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(reconciler.__all__)


def test_the_guide_names_exactly_what_is_public() -> None:
    rows = re.findall(r"^\| `reconciler\.(\w+)` \|", REFERENCE.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(set(reconciler.__all__) - {"__version__"})


CLIENT = """
from pathlib import Path

import reconciler


class Said(reconciler.Listener):
    def note(self, text: str, *, is_last: bool = False) -> None:
        print(text)


def review(plan: reconciler.Plan) -> str:
    return f"{plan.digest} {plan.plan.has_deletions} {reconciler.show(plan, format='text')}"


def run(folder: Path, digest: str, stop: reconciler.Stop) -> bool:
    project = reconciler.Project.open(folder, state="s3://records/prod")
    service = reconciler.Service(endpoint="https://example.org", credentials=("u", "p"))
    try:
        saved = reconciler.read_plan(folder / "plan.json")
        made = reconciler.plan(reconciler.load(project=project), project, service, listener=Said())
        review(made)
        applied = reconciler.apply(saved, project, service, digest=digest, stop=stop)
    except reconciler.ReconcilerError as error:
        print(error, error.hint)
        return False
    for one in reconciler.read_record(project):
        print(one.time.isoformat(), one.outcome.value)
    return applied.report.is_success
"""


@pytest.mark.slow
def test_a_client_passes_mypy_strict(tmp_path: Path) -> None:
    """And one that leaves out the digest does not."""
    (tmp_path / "client.py").write_text(CLIENT, encoding="utf-8")
    careless = CLIENT.replace("digest=digest, ", "")
    (tmp_path / "careless.py").write_text(careless, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "client.py", "careless.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    (error,) = (line for line in done.stdout.splitlines() if ": error: " in line)
    assert error.startswith("careless.py:")
    assert 'Missing named argument "digest"' in error


# Arguments


def test_a_change_of_the_working_directory_is_none_of_the_state(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else the plan could be applied from each folder once more, and its record would be apart."""
    monkeypatch.chdir(site.folder)
    project = reconciler.Project.open(".", state=".reconciler")
    saved = reconciler.plan(reconciler.load(["specs/"], project=project), project, site.service)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    reconciler.apply(saved, project, site.service, digest=saved.digest)
    assert list(elsewhere.iterdir()) == []
    assert len(list(reconciler.read_record(project))) == 2
    assert len(list(reconciler.read_record(site.project))) == 2


def test_what_is_wrong_in_the_files_is_the_message(site: Site) -> None:
    """A notebook shows no more of an exception than that."""
    (site.folder / "specs" / "a.yaml").write_text(head() + "keeps: []\n", encoding="utf-8")
    with pytest.raises(DesiredStateError, match=r"^specs/a\.yaml:\d+:1: 'keeps' is not") as caught:
        reconciler.load(project=site.project)
    assert caught.value.hint == "did you mean keep?"


def test_a_moment_is_a_day_to_resolve(site: Site) -> None:
    """A datetime is a date to Python; a list that says its hour would not be valid."""
    reconciler.resolve(root=site.folder, service=site.service, as_of=datetime(2026, 3, 1, 12, 30))
    assert 'asOf: "2026-03-01"' in (site.folder / "specs/resolved/old.yaml").read_text("utf-8")


def test_what_patients_files_hold_is_neither_warned_of_nor_logged(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller's process has its own warnings and logs, and they may go anywhere."""
    (file,) = Made("1.2.1", patient="PAT-1").files()
    odd = pydicom.dcmread(io.BytesIO(file))
    odd.SpecificCharacterSet = "ISO_IR SMITH"
    odd.save_as(tmp_path / "odd.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        site.emulator.ingest(DEMO_STORE, tmp_path / "odd.dcm")
    text = f"archive: {{path: {tmp_path / 'archive'}}}\nremove: [{{studiesId: 1.2.1}}]\n"
    (site.folder / "specs" / "a.yaml").write_text(head() + REASON + LIMITS_OPEN + text)
    key = reconciler.PatientKey(b"k" * 32)
    caplog.clear()
    caplog.set_level(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        applied = apply(site, site.plan(), patient_key=key)
    assert applied.report.counts[Outcome.DELETED] == 1
    assert caplog.records == []
