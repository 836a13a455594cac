"""What the runs of a state folder say together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import BrokenJournal, JournalError
from reconciler.journal.catalogue import Catalogue
from reconciler.journal.ending import add_run
from reconciler.journal.folder import is_run_name
from reconciler.journal.history import History
from reconciler.journal.latest import links_of_run
from reconciler.journal.places.copying import copy_state
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import (
    Archived,
    AskedFor,
    Intent,
    Restored,
    RestoreStarted,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.journal.state import RUNS
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, Provider, StoreAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.past import PutBack, Removed
from reconciler.model.problem import Source
from reconciler.model.reply import ReplyKind
from reconciler.model.service import store_at

from .by_hand import file_of, head_of, log_of, replace_in, rewrite
from .places import bucket_state
from .runs import END

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
ORTHANC = StoreAddress("clinic", "here", "pacs", "orthanc", Provider.ORTHANC)
OTHER = StoreAddress("imaging-prod", "europe-west4", "radiology", "teaching")
A, B, C = (InstanceAddress("1.2", "1.2.3", f"1.2.3.{end}") for end in (1, 2, 3))


def intent(instance, attempt=1, store=0):
    return Intent(NOON, store, instance, attempt)


def result(instance, kind, attempt=1):
    return Result(NOON, 0, instance, attempt, kind, None)


def verified(instance, outcome, store=0):
    return Verified(NOON, store, instance, Presence.UNKNOWN, outcome)


def tried(instance, outcome, store=0):
    """An attempt and its proof."""
    kind = ReplyKind.ACCEPTED if outcome.is_gone else ReplyKind.UNCLEAR
    told = Result(NOON, store, instance, 1, kind, None)
    return intent(instance, store=store), told, verified(instance, outcome, store)


def settled(run, instance, outcome, store=STORE):
    return Settled(NOON, run, store, instance, Presence.UNKNOWN, outcome)


def restored(run, instance, outcome=Outcome.IDENTICAL):
    return Restored(NOON, 0, instance, run, outcome, Source("specs/a.yaml", 7), REASON)


ENDPOINT = "https://example.org"
REASON = Reason(ReasonCode.QUALITY_CONTROL_INTENT)


@pytest.fixture(params=["disk", "bucket", "index"], autouse=True)
def is_disk(request, monkeypatch, tmp_path_factory):
    """Every history here is read from the folder it lies in, and from a copy of it in a bucket.

    It is also read by the index: as if each of its runs were over when it is read.
    """
    read = History.read

    def read_by_index(state, *on_progress):
        add_all(state)
        return read(state, *on_progress)

    def read_copy(state, *on_progress):
        if not state.exists:
            return read(state, *on_progress)
        bucket = bucket_state(tmp_path_factory.mktemp("bucket"))
        copy_state(state, bucket)
        return read(bucket, *on_progress)

    ways = {"bucket": read_copy, "index": read_by_index, "disk": read}
    monkeypatch.setattr(History, "read", ways[request.param])
    return request.param != "bucket"


def skip_by_index(request):
    if request.node.callspec.params["is_disk"] == "index":
        pytest.skip("what is in the log is over")


def add_all(state):
    """Add what is in no log to it, in the order of the runs."""
    catalogue = Catalogue.read(state)
    for name in catalogue.in_order():
        if name not in catalogue.logged:
            add_run(state, catalogue.file(name))


@pytest.fixture
def record(tmp_path):
    """Record a run of some plan; a minute passes from run to run unless told otherwise."""
    minutes = iter(range(1_000))

    def record(
        run,
        *records,
        plan="plan-1",
        minute=None,
        stores=(STORE, OTHER),
        endpoint=ENDPOINT,
        restores=(),
        folder=tmp_path,
    ):
        earlier = History.read(DiskState(folder)).of_plan(plan)
        time = NOON + timedelta(minutes=next(minutes) if minute is None else minute)
        links = links_of_run(DiskState(folder))
        if restores:
            first = RestoreStarted(
                run=run,
                time=time,
                tool_version="1.0",
                restores=restores,
                endpoint=endpoint,
                stores=stores,
                planned=3,
                **links,
            )
        else:
            resumes = earlier.runs if earlier else ()
            first = RunStarted(
                run=run,
                time=time,
                tool_version="1.0",
                plan_id=plan,
                digest="sha256:0",
                endpoint=endpoint,
                stores=stores,
                planned=3,
                resumes=resumes,
                **links,
            )
        with RunJournal.create(DiskState(folder), first) as journal:
            for item in records:
                journal.append(item)
            return journal.finish() if records and isinstance(records[-1], RunEnded) else None

    return record


def names(folder):
    return [one.run.name for one in History.read(DiskState(folder)).runs]


def gone(folder, store=STORE, endpoint=ENDPOINT):
    """By whom each instance was removed, of those that are gone by their last word."""
    words = last_words(folder, store, endpoint)
    return {instance: word.run for instance, word in words.items() if isinstance(word, Removed)}


def last_words(folder, store=STORE, endpoint=ENDPOINT):
    asked = [(store, instance) for instance in (A, B, C)]
    found = History.read(DiskState(folder)).last_words(asked, endpoint)
    return {instance: word for (_, instance), word in found.items()}


def is_gone(folder, store=STORE, endpoint=ENDPOINT):
    past = History.read(DiskState(folder)).of(store, endpoint)
    return {instance for instance in (A, B, C) if past.is_gone(instance)}


def known(folder):
    past = History.read(DiskState(folder)).of(STORE, ENDPOINT)
    for instance in filter(lambda one: past.knows(*one), (A, B, C)):
        assert past.knows(instance.study_uid)
        assert past.knows(*instance.series)
    return {instance for instance in (A, B, C) if past.knows(*instance)}


def last_word(folder, instance, endpoint=ENDPOINT):
    return last_words(folder, endpoint=endpoint).get(instance)


def open_attempts(folder, store=STORE):
    return [
        (one.run.name, one.instance, one.replies)
        for one in History.read(DiskState(folder)).open_attempts(store, ENDPOINT)
    ]


def test_a_folder_that_does_not_exist_has_no_history(tmp_path):
    history = History.read(DiskState(tmp_path / "none"))

    assert history.runs == []
    assert not history.of(STORE, ENDPOINT).is_gone(A)
    assert history.last_words([(STORE, A)], ENDPOINT) == {}
    assert history.open_attempts(STORE, ENDPOINT) == ()
    assert history.of_plan("plan-1") is None


# -- the order of runs -----------------------------------------------------------------------


def test_the_runs_are_chained_by_the_head_of_the_latest(tmp_path, record):
    record("b", END)
    head = record("a", END)

    assert (
        links_of_run(DiskState(tmp_path))["previous_head"]
        == head
        == head_of(tmp_path / "runs" / "a.jsonl")
    )
    assert links_of_run(DiskState(tmp_path))["after"] == ("a",)
    assert names(tmp_path) == ["b", "a"]


def test_a_clock_that_stepped_back_does_not_change_the_order_of_runs(tmp_path, record):
    record("first", *tried(A, Outcome.DELETED), minute=60)
    record("second", restores=("first",), minute=0)
    record("third", *tried(A, Outcome.DELETED), minute=-60, plan="plan-2")

    assert names(tmp_path) == ["first", "second", "third"]
    assert gone(tmp_path) == {A: "third"}


@pytest.mark.parametrize(
    "between",
    [{"stores": (OTHER,)}, {"endpoint": "https://other.example:8443", "stores": (ORTHANC,)}],
)
def test_a_run_on_another_store_or_endpoint_between_cuts_no_link(tmp_path, record, between):
    record("first", *tried(A, Outcome.DELETED), minute=60)
    record("between", minute=30, plan="plan-x", **between)
    record("back", restored("first", A), restores=("first",), minute=0)

    assert names(tmp_path) == ["first", "between", "back"]
    assert isinstance(last_word(tmp_path, A), PutBack)


def test_a_run_that_began_while_another_was_under_way_comes_after_it(tmp_path, record, request):
    """Whatever the other recorded after that; no log has it yet."""
    skip_by_index(request)
    record("first", *tried(A, Outcome.DELETED), minute=60, stores=(STORE,))
    path = tmp_path / "runs" / "first.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    record("second", plan="plan-x", stores=(OTHER,), minute=0)
    path.write_bytes(whole)

    assert names(tmp_path) == ["first", "second"]
    record("third", restored("first", A), restores=("first",), minute=-60)
    assert names(tmp_path) == ["first", "second", "third"]


def test_a_run_comes_after_all_that_were_copied_in_from_another_folder(tmp_path, record):
    other = tmp_path / "other"
    record("mine", *tried(A, Outcome.DELETED), minute=0)
    record("theirs-1", minute=60, folder=other, plan="plan-2")
    record("theirs-2", *tried(A, Outcome.DELETED), minute=90, folder=other, plan="plan-3")
    for path in (other / "runs").glob("*.jsonl"):
        path.rename(tmp_path / "runs" / path.name)
    record("back", restored("theirs-2", A), restores=("theirs-2",), minute=30)

    assert names(tmp_path) == ["mine", "theirs-1", "theirs-2", "back"]
    assert last_word(tmp_path, A).restore == "back"


# -- what moves the past of an instance -------------------------------------------------------


def test_what_is_gone_is_told_with_the_run_that_sent_the_delete(tmp_path, record):
    record("r1", *tried(A, Outcome.DELETED), intent(B))
    record("r2", settled("r1", B, Outcome.DELETED), verified(A, Outcome.ALREADY_ABSENT))
    record("r3", verified(C, Outcome.ALREADY_ABSENT), plan="plan-2")
    assert gone(tmp_path) == {A: "r1", B: "r1"}

    record("r4", *tried(A, Outcome.DELETED), *tried(A, Outcome.DELETED, store=1), plan="plan-3")
    assert gone(tmp_path) == {A: "r4", B: "r1"}
    assert gone(tmp_path, OTHER) == {A: "r4"}


NOT_GONE = [Outcome.FAILED, Outcome.UNCONFIRMED, Outcome.NOT_ATTEMPTED]


@pytest.mark.parametrize("outcome", NOT_GONE)
@pytest.mark.parametrize("is_settled", [False, True])
def test_an_attempt_that_proved_nothing_makes_nothing_forgotten(
    tmp_path, record, outcome, is_settled
):
    record("r1", *tried(A, Outcome.DELETED), *tried(B, Outcome.DELETED))
    record("back", restored("r1", B), restores=("r1",))
    record("r2", intent(A), intent(B), plan="plan-2")
    if is_settled:
        record("r3", *(settled("r2", one, outcome) for one in (A, B)), plan="plan-3")
    else:
        record("r2-again", *tried(A, outcome), *tried(B, outcome), plan="plan-2")

    assert gone(tmp_path) == {A: "r1"}
    assert last_word(tmp_path, B).restore == "back"


def test_a_removal_has_the_place_of_its_attempt_not_of_its_settlement(tmp_path, record):
    record("r1", intent(A))
    record("r2", *tried(A, Outcome.DELETED), plan="plan-2")
    record("r3", settled("r1", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT), plan="plan-3")

    assert last_word(tmp_path, A) == Removed("r2", 1)


def test_what_is_settled_after_a_restore_is_there_no_more_whenever_it_was_tried(tmp_path, record):
    record("r1", *tried(A, Outcome.DELETED))
    record("r2", intent(A), plan="plan-2")
    record("back", restored("r1", A), restores=("r1",))
    record("r3", settled("r2", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT), plan="plan-3")

    assert last_word(tmp_path, A).restore == "back"
    assert not last_word(tmp_path, A).is_there


def test_what_was_found_gone_is_gone_until_it_is_put_back(tmp_path, record):
    """A listing that still shows it is not believed, whoever removed it."""
    record("r1", verified(A, Outcome.ALREADY_ABSENT), *tried(B, Outcome.DELETED))
    assert is_gone(tmp_path) == {A, B}
    record("back", restored("r1", B), restores=("r1",))
    record("r2", *tried(A, Outcome.FAILED), plan="plan-2")
    assert is_gone(tmp_path) == {A}


def test_what_was_restored_and_is_then_found_gone_is_not_there_any_more(tmp_path, record):
    record("r1", *tried(A, Outcome.DELETED))
    record("back", restored("r1", A), restores=("r1",))
    record("r2", verified(A, Outcome.ALREADY_ABSENT), plan="plan-2")

    assert not last_word(tmp_path, A).is_there


@pytest.mark.parametrize("outcome", [one for one in Outcome if not one.is_restored])
def test_a_restore_that_is_not_proven_moves_nothing(tmp_path, record, outcome):
    record("r1", *tried(A, Outcome.DELETED))
    record("back", restored("r1", A, outcome), restores=("r1",))

    assert gone(tmp_path) == {A: "r1"}


def test_a_removal_needs_an_attempt(tmp_path, record):
    record("r1", *[verified(A, Outcome.DELETED)])
    assert last_word(tmp_path, A) is None


def test_an_intent_that_was_taken_back_is_no_attempt(tmp_path, record):
    record("r1", intent(A), verified(A, Outcome.NOT_ATTEMPTED))
    record("r2", verified(A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))

    assert open_attempts(tmp_path) == []
    assert last_word(tmp_path, A) is None


def test_what_an_attempt_did_late_is_its_removal(tmp_path, record):
    """It was still there when the attempt was settled, and gone when the plan went on."""
    record("r1", intent(A))
    record("r2", settled("r1", A, Outcome.FAILED))
    record("r3", verified(A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))

    assert last_word(tmp_path, A) == Removed("r1", 0)


# -- one store, by any name of its endpoint ---------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "other"),
    [
        ("https://healthcare.googleapis.com", "https://europe-west4-healthcare.googleapis.com"),
        ("https://healthcare.googleapis.com", "https://healthcare.private.example:8443"),
        ("http://127.0.0.1:8042", "http://localhost:8042"),
        ("http://127.0.0.1:8042", "http://[::1]:8042"),
        ("http://127.0.0.1", "http://localhost:80"),
        ("https://127.0.0.7", "https://localhost:443"),
    ],
)
def test_a_google_store_has_one_past_by_any_name_of_its_endpoint(tmp_path, record, endpoint, other):
    record("r1", *tried(A, Outcome.DELETED), intent(B), endpoint=endpoint)
    record("r2", settled("r1", B, Outcome.FAILED), endpoint=other, plan="plan-2")

    assert gone(tmp_path, endpoint=other) == {A: "r1"}
    assert open_attempts(tmp_path) == []


@pytest.mark.parametrize(
    ("endpoint", "other", "provider"),
    [
        ("http://127.0.0.1:8042", "http://127.0.0.1:8043", Provider.GOOGLE),
        ("http://127.0.0.1:8042", "https://healthcare.googleapis.com", Provider.GOOGLE),
        ("https://orthanc.example", "https://other.example", Provider.ORTHANC),
    ],
)
def test_what_is_another_store_has_a_past_of_its_own(tmp_path, record, endpoint, other, provider):
    store = replace(STORE, provider=provider)
    record("r1", *tried(A, Outcome.DELETED), endpoint=endpoint, stores=(store,))

    assert gone(tmp_path, store, other) == {}
    assert History.read(DiskState(tmp_path)).stores == {store_at(endpoint, store)}


# -- what is open, and plans ------------------------------------------------------------------


def test_an_intent_stays_open_until_its_run_verifies_it(tmp_path, record):
    record(
        "r1",
        intent(A),
        result(A, ReplyKind.UNCLEAR),
        intent(B),
        intent(A, 2),
        intent(C),
        result(C, ReplyKind.ACCEPTED),
        verified(C, Outcome.DELETED),
    )

    assert open_attempts(tmp_path) == [
        ("r1", A, (ReplyKind.UNCLEAR, None)),
        ("r1", B, (None,)),
    ]
    assert open_attempts(tmp_path, OTHER) == []


def test_what_another_run_verifies_stays_open_until_it_is_settled(tmp_path, record):
    record("r1", intent(A))
    record("r2", intent(A), verified(A, Outcome.DELETED), plan="plan-2")
    assert [run for run, _, _ in open_attempts(tmp_path)] == ["r1"]

    record("r3", settled("r1", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT, store=OTHER))
    assert [run for run, _, _ in open_attempts(tmp_path)] == ["r1"]

    record("r4", settled("r1", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))
    assert open_attempts(tmp_path) == []


def test_what_a_run_was_to_delete_is_known(tmp_path, record):
    record("r1", intent(A), *tried(B, Outcome.FAILED))
    record("r2", verified(C, Outcome.ALREADY_ABSENT), plan="plan-2")

    assert known(tmp_path) == {A, B, C}


def test_the_history_of_a_plan_adds_up_over_its_runs(tmp_path, record):
    ended = RunEnded(NOON, RunState.INTERRUPTED, {}, 130)
    record("r1", *tried(A, Outcome.FAILED), *tried(B, Outcome.DELETED), intent(C), ended)
    record("x1", *tried(C, Outcome.FAILED), plan="plan-x")
    record("r2", *tried(A, Outcome.DELETED))
    plan = History.read(DiskState(tmp_path)).of_plan("plan-1")

    assert plan.runs == ("r1", "r2")
    assert plan.ended.state is RunState.INTERRUPTED
    assert not plan.is_over
    assert plan.outcomes == {(STORE, A): Outcome.DELETED, (STORE, B): Outcome.DELETED}


def test_of_a_plan_that_is_over_only_what_is_left_is_kept(tmp_path, record):
    ended = RunEnded(NOON, RunState.COMPLETED, {}, 4)
    record("r1", *tried(A, Outcome.FAILED), *tried(B, Outcome.DELETED), ended)
    plan = History.read(DiskState(tmp_path)).of_plan("plan-1")

    assert plan.is_over
    assert plan.outcomes == {(STORE, A): Outcome.FAILED}


def test_what_the_same_plan_proved_later_is_open_no_more(tmp_path, record):
    record("r1", intent(A))
    record("r2", intent(A), verified(A, Outcome.DELETED))
    record("r3", settled("r1", A, Outcome.FAILED), plan="plan-2")

    assert open_attempts(tmp_path) == []
    assert gone(tmp_path) == {A: "r2"}
    assert History.read(DiskState(tmp_path)).of_plan("plan-1").outcomes == {
        (STORE, A): Outcome.DELETED
    }


def test_what_another_plan_settles_counts_for_the_plan_that_left_it_open(tmp_path, record):
    record("r1", intent(A))
    record("x1", settled("r1", A, Outcome.DELETED), plan="plan-x")
    history = History.read(DiskState(tmp_path))

    assert history.of_plan("plan-1").outcomes == {(STORE, A): Outcome.DELETED}
    assert history.of_plan("plan-x").outcomes == {}


def test_a_run_that_never_started_is_no_run(tmp_path, record):
    head = record("r1", END)
    (tmp_path / "runs" / "empty.jsonl").touch()
    (tmp_path / "runs" / "torn.jsonl").write_bytes(b'{"type":"segment","number":0,"prev')
    (tmp_path / "runs" / "header.jsonl").write_bytes(file_of([]))
    (tmp_path / "runs" / "first.jsonl").write_bytes(file_of([b'{"type":"run_sta']))

    assert names(tmp_path) == ["r1"]
    assert links_of_run(DiskState(tmp_path))["previous_head"] == head
    record("r2", END)
    assert names(tmp_path) == ["r1", "r2"]
    assert [entry["run"] for entry in log_of(tmp_path / "runs")] == ["r1", "r2"]


def test_other_files_in_the_folder_are_none_of_ours(tmp_path, record):
    record("r1")
    (tmp_path / "runs" / "notes.txt").write_text("hello\nworld\n")

    assert len(History.read(DiskState(tmp_path)).runs) == 1


@pytest.mark.parametrize("content", ["hello\nworld\n", '{"type":"note"}\n'])
def test_an_unrecognised_run_file_stops_since_it_may_hide_an_open_intent(
    tmp_path, record, content, is_disk, request
):
    skip_by_index(request)
    record("r1")
    (tmp_path / "runs" / "r2.jsonl").write_text(content)

    with pytest.raises(JournalError, match=r"r2\.jsonl:1: " if is_disk else "r2/00000000: "):
        History.read(DiskState(tmp_path))


@pytest.mark.parametrize("name", ["r1-copy", "r1 (copy)"])
def test_a_copy_of_a_run_under_another_name_stops(tmp_path, record, is_disk, name):
    if not (is_disk or is_run_name(name)):
        pytest.skip("in a bucket this is no run")
    record("r1", *tried(A, Outcome.DELETED))
    runs = tmp_path / "runs"
    (runs / f"{name}.jsonl").write_bytes((runs / "r1.jsonl").read_bytes())

    with pytest.raises(JournalError, match="another run, 'r1'"):
        History.read(DiskState(tmp_path))


def test_runs_that_each_claim_to_be_the_later_one_stop(tmp_path):
    for run, other in (("r1", "r2"), ("r2", "r1")):
        first = RunStarted(
            run=run,
            time=NOON,
            tool_version="1.0",
            plan_id="p",
            digest="",
            endpoint="",
            stores=(STORE,),
            planned=1,
            resumes=(other,),
        )
        RunJournal.create(DiskState(tmp_path), first).close()

    with pytest.raises(JournalError, match="contradicts itself"):
        History.read(DiskState(tmp_path))


def test_a_folder_of_runs_that_cannot_be_listed_stops(tmp_path):
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(JournalError, match="runs/log cannot be used: Not a directory"):
        History.read(DiskState(tmp_path))
    with pytest.raises(JournalError, match=r"the journal .*/runs cannot be read: Not a directory"):
        list(DiskState(tmp_path).run_files(RUNS))


def test_instances_share_the_uids_they_have_in_common(tmp_path, record):
    record("r1", intent(A))
    record("r2", intent(B), plan="plan-2")
    (_, first, _), (_, second, _) = open_attempts(tmp_path)

    assert first.study_uid is second.study_uid
    assert first.series_uid is second.series_uid


def test_the_reading_of_a_history_tells_how_far_it_is(tmp_path, record):
    record("run-1", intent(A))
    record("run-2", intent(B))
    size = sum(path.stat().st_size for path in (tmp_path / "runs").glob("*.jsonl"))
    told = []
    assert (
        len(History.read(DiskState(tmp_path), lambda done, total: told.append((done, total))).runs)
        == 2
    )
    assert told[-1] == (size, size)


def test_an_attempt_that_was_clearly_refused_removes_nothing(tmp_path, record):
    refused = Result(NOON, 0, A, 1, ReplyKind.REFUSED, 403)
    record("r1", intent(A), refused, verified(A, Outcome.FAILED))
    record("r2", verified(A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))

    assert last_word(tmp_path, A) is None


@pytest.mark.parametrize("is_intended", [False, True])
def test_what_was_only_prepared_is_known(tmp_path, record, is_intended):
    copy = Archived(NOON, 0, A, "/a", "data/a.dcm", "0" * 64, 1, Source("specs/a.yaml", 7), REASON)
    intended = [intent(A), verified(A, Outcome.NOT_ATTEMPTED)] if is_intended else []
    record("r1", copy, *intended)

    assert known(tmp_path) == {A}
    assert last_word(tmp_path, A) is None


def test_the_failed_attempts_of_a_plan_are_told_with_their_replies(tmp_path, record):
    record("r1", *tried(A, Outcome.FAILED))
    record("x1", *tried(A, Outcome.FAILED), plan="plan-x")
    plan = History.read(DiskState(tmp_path)).of_plan("plan-1")

    assert {key: [one.replies for one in some] for key, some in plan.failed.items()} == {
        (STORE, A): [(ReplyKind.UNCLEAR,)]
    }


# -- attempts of several runs of one plan ----------------------------------------------------


UNCLEAR = (intent(A), result(A, ReplyKind.UNCLEAR), verified(A, Outcome.UNCONFIRMED))


def test_what_another_plan_saw_absent_leaves_the_attempt_of_the_first_open(tmp_path, record):
    record("a", *UNCLEAR)
    absent = verified(A, Outcome.ALREADY_ABSENT)
    record("b", intent(A), result(A, ReplyKind.NOT_FOUND), absent, plan="plan-2")

    failed = History.read(DiskState(tmp_path)).of_plan("plan-1").failed
    assert {key: [one.run.name for one in some] for key, some in failed.items()} == {
        (STORE, A): ["a"]
    }

    record("c", verified(A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))
    assert gone(tmp_path) == {A: "a"}


@pytest.mark.parametrize(
    "kind",
    [ReplyKind.NOT_FOUND, ReplyKind.REFUSED, ReplyKind.UNAUTHENTICATED, ReplyKind.THROTTLED],
)
def test_a_later_clear_refusal_is_not_what_removed_the_instance(tmp_path, record, kind):
    record("a", *UNCLEAR)
    record("b", intent(A), result(A, kind), verified(A, Outcome.UNCONFIRMED))
    record("c", verified(A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))

    assert gone(tmp_path) == {A: "a"}


def test_what_a_later_run_removed_is_not_tried_in_vain(tmp_path, record):
    record("a", *UNCLEAR)
    record("b", *tried(A, Outcome.DELETED))

    assert History.read(DiskState(tmp_path)).of_plan("plan-1").failed == {}


def test_a_run_may_be_settled_again_once_its_instance_is_gone(tmp_path, record):
    record("a", intent(A), result(A, ReplyKind.UNCLEAR))
    again = (intent(A), result(A, ReplyKind.UNCLEAR), verified(A, Outcome.FAILED))
    record("b", settled("a", A, Outcome.FAILED), *again)
    record("c", settled("a", A, Outcome.ABSENT_AFTER_AMBIGUOUS_ATTEMPT))

    assert gone(tmp_path) == {A: "a"}


def test_a_restore_counts_for_a_run_only_where_something_of_it_was_restored(tmp_path, record):
    record("a", *tried(A, Outcome.DELETED))
    record("b", *tried(B, Outcome.DELETED))
    record("r", restored("b", B), restores=("a", "b"))

    history = History.read(DiskState(tmp_path))
    assert (history.restores_of("a"), history.restores_of("b")) == ((), ("r",))


def test_how_often_the_runs_are_gone_through_does_not_depend_on_how_many_there_are(
    tmp_path, record
):
    for number in range(6):
        record(f"a{number}", plan=f"plan-{number}")
        record(f"b{number}", plan=f"plan-{number}")
    record("r", restored("b1", A), restores=("a1", "b1"))
    record("s", restored("a2", A), restores=("a2",))
    history = History.read(DiskState(tmp_path))
    times = []

    class Counted(list):
        def __iter__(self):
            times.append(1)
            return super().__iter__()

    history.runs = Counted(history.runs)
    assert [read.run.name for read in history.unfinished_applies(NOON)] == ["b0", "b3", "b4", "b5"]
    assert len(times) == 1


def test_runs_of_another_folder_take_their_places_by_their_time(tmp_path, record):
    head = record("b", END, minute=0)
    elsewhere = tmp_path / "other"
    record("a", minute=5, folder=elsewhere)
    (elsewhere / "runs" / "a.jsonl").rename(tmp_path / "runs" / "a.jsonl")

    links = links_of_run(DiskState(tmp_path))
    assert (links["after"], links["previous_head"]) == (("b", "a"), head)


@pytest.mark.parametrize(
    ("records", "has_begun"),
    [
        ((), False),
        ((AskedFor(NOON, "1.2.3.1"),), False),
        ((AskedFor(NOON, "1.2.3.1"), AskedFor(NOON, "1.2.3.2"), intent(A)), True),
        ((END,), True),
    ],
)
def test_what_a_restore_was_asked_for_is_known_once_it_has_begun(
    tmp_path, record, records, has_begun
):
    record("a")
    record("r", *records, restores=("a",))
    _, read = History.read(DiskState(tmp_path)).runs
    assert read.only == tuple(one.instance_uid for one in records if isinstance(one, AskedFor))
    assert read.has_begun is has_begun


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes().replace(b'"removed"', b'"absent"')),
        lambda path: replace_in(path, b'"1.2.3.1"', b'"1.2.3.9"'),
        lambda path: rewrite(path, lambda some: [[line for lines in some for line in lines][:-1]]),
        lambda path: rewrite(path, lambda some: [[line for lines in some for line in lines][:1]]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
    ],
    ids=["as it was", "rewritten", "end cut", "all but the first cut", "emptied", "torn"],
)
@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_run_that_is_not_as_the_log_has_it_is_no_history(
    tmp_path, record, request, change, is_indexed
):
    """It may hide deletions, or that they are proven, wherever in the file it was changed.

    With an index it is read where it is asked about.
    """
    is_disk = request.getfixturevalue("is_disk")
    record("r1", *tried(A, Outcome.DELETED), END)
    record("r2", *tried(B, Outcome.DELETED))
    change(tmp_path / "runs" / "r1.jsonl")
    if is_indexed:
        assert is_gone(tmp_path) >= {A}
    else:
        for path in (tmp_path / "runs" / "index").iterdir():
            path.unlink()
    if request.node.callspec.id.endswith("as it was"):
        assert gone(tmp_path) == {A: "r1", B: "r2"}
        return
    if request.node.callspec.id.endswith("emptied") and not is_disk:
        assert gone(tmp_path) == {B: "r2"}  # of a run without a byte a bucket has no object
        return
    with pytest.raises(BrokenJournal, match=r"r1\.jsonl: " if is_disk else "runs/r1: ") as caught:
        gone(tmp_path)
    assert "restore" in caught.value.hint


def test_a_log_that_cannot_be_read_is_no_history(tmp_path, record):
    record("r1", *tried(A, Outcome.DELETED), END)
    (tmp_path / "runs" / "log" / "00000001.json").write_bytes(b"{}")
    with pytest.raises(BrokenJournal, match="no entry of the log"):
        History.read(DiskState(tmp_path))
