"""A list that is bound to content: what it says, what is refused, what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import requests

from reconciler.desired import parts
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.patient import Attribute, PatientKey

from ..journal.by_hand import records_of
from ..waiting import wait_until
from .conftest import KEY, Made, Project, dicom_file

OLD = "{level: study, studyDate: {before: 2016-01-01}}"
OLD_SERIES = OLD.replace("study,", "series,")
LISTED = "specs/resolved/rule"
ALL = "patient, studyDate, modality"
MINE = PatientKey.parse(KEY)
WHY = "what its list is bound to has changed since it was resolved"


def remove(bind: str, archive: Path | None = None) -> str:
    kept = f", archive: {{path: {archive}}}" if archive else ""
    return f'{{remove: {{reason: {{code: "113039"}}, bind: [{bind}]{kept}}}}}'


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Path]:
    return "--patient-key", tmp_path / "patient.key"


@pytest.fixture
def bound(project: Project, key: tuple[str, Path]) -> Callable[..., None]:
    """Resolves and plans two studies of 12 instances each, in two series."""

    def made(bind: str, select: str = OLD, archive: Path | None = None) -> None:
        both = (("US", 6), ("MG", 6))
        project.put(Made("1.2.1", series=both), Made("1.2.2", patient="PAT-2", series=both))
        project.write("rule.yaml", select, remove(bind, archive))
        assert project.run("resolve", *key).code == 0
        assert project.run("plan", f"{LISTED}.yaml", "--out", "plan.json").code == 0
        project.emulator.clear_requests()

    return made


def correct(project: Project, now: Made, series: str, instance: int, modality: str | None) -> None:
    """Put something else into the place of an instance."""
    uid = f"{series}.{instance}"
    path = f"studies/{now.uid}/series/{series}/instances/{uid}"
    url = f"{project.emulator.url}/v1/{project.store}/dicomWeb/{path}"
    assert requests.delete(url, timeout=10).status_code == 200
    project.emulator.ingest(project.store, dicom_file(now, series, instance, modality))
    project.emulator.clear_requests()


def sent(project: Project, what: str) -> list[str]:
    return [one.path for one in project.emulator.requests() if one.method == what]


def test_the_list_says_what_each_was_and_its_file_what_that_is(
    project: Project, bound: Callable[..., None]
) -> None:
    assert MINE is not None
    bound("studyDate, patient")
    assert project.listed("rule") == [
        f"1.2.{n},"
        + MINE.seen(
            {Attribute.PATIENT: MINE.pseudonym(f"PAT-{n}"), Attribute.STUDY_DATE: "20100101"},
            (Attribute.PATIENT, Attribute.STUDY_DATE),
        )
        for n in (1, 2)
    ]
    said = (
        f"    bind:\n      to:\n        - patient\n        - studyDate\n      key: {MINE.check}\n"
    )
    assert said in project.pinned("rule")


def test_seen_is_a_hash_of_the_names_and_the_values() -> None:
    assert MINE is not None
    both = (Attribute.STUDY_DATE, Attribute.MODALITY)
    seen = {
        MINE.seen({both[0]: first, both[1]: second}, to)
        for first, second in ((None, "A"), ("A", None), ("A", "A"), ("A", ""), ('A", "', None))
        for to in (both, both[:1], both[1:])
    }
    assert len(seen) == 5 + 3 + 3
    assert MINE.seen(dict.fromkeys(both, "A"), both[::-1]) in seen
    assert MINE.seen({}, both) is None
    assert MINE.pseudonym("A").removeprefix("hmac-sha256:") not in seen
    assert PatientKey(b"k" * 32).seen(dict.fromkeys(both, "A"), both) not in seen


def test_the_plan_says_to_what_it_is_bound(project: Project, bound: Callable[..., None]) -> None:
    bound("patient, studyDate")
    words = "bound to patient and studyDate: what has changed since it was resolved"
    for form in ("text", "markdown", "html"):
        assert words in " ".join(project.run("show", "plan.json", "--format", form).out.split())
    (group,) = json.loads((project.folder / "plan.json").read_text())["plan"]["stores"][0][
        "studies"
    ][0]["series"][0]["deletions"]
    assert group["bound"]["to"] == ["patient", "studyDate"]
    assert group["bound"]["seen"] == project.listed("rule")[0].partition(",")[2]


@pytest.mark.parametrize("given", [None, "cd" * 32])
def test_without_its_key_a_bound_plan_is_refused(
    project: Project, bound: Callable[..., None], tmp_path: Path, given: str | None
) -> None:
    bound("patient")
    other = tmp_path / "other.key"
    other.write_text(given or "")
    other.chmod(0o600)
    options = ("--patient-key", other) if given else ()
    saved = project.run("apply", "plan.json", *options)
    assert saved.code == 3
    assert "by another key" in saved.err if given else "no key is given" in saved.err
    assert "hint: give the key that the lists were resolved with" in saved.err
    assert project.emulator.requests() == []
    made = project.run("apply", f"{LISTED}.yaml", "--auto-approve", *options)
    assert made.code == 3
    assert sent(project, "DELETE") == []


def test_a_bound_plan_in_shards_wants_its_key_and_leaves_what_was_corrected(
    project: Project,
    bound: Callable[..., None],
    key: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "HEAVIEST", 1)
    bound("patient")
    planned = project.run("plan", f"{LISTED}.yaml", "--shard-size", "12", "--out", "plan")
    assert (planned.code, len(list((project.folder / "plan/shards").iterdir()))) == (0, 2)
    project.emulator.clear_requests()
    refused = project.run("apply", "plan/plan.json")
    assert (refused.code, "no key is given" in refused.err) == (3, True)
    assert project.emulator.requests() == []
    for instance in range(1, 7):
        correct(project, Made("1.2.2", patient="PAT-9"), "1.2.2.1", instance, "US")
    done = project.run("apply", "plan/plan.json", *key)
    assert (done.code, "18 deleted" in done.last_line) == (4, True), done.err
    assert "0 failed, 0 unconfirmed, 6 not_attempted" in done.last_line


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_study_corrected_to_another_patient_stays(
    project: Project,
    bound: Callable[..., None],
    key: tuple[str, Path],
    tmp_path: Path,
    is_archived: bool,
) -> None:
    bound("patient", archive=tmp_path / "archive" if is_archived else None)
    for series, modality in (("1.2.1.1", "US"), ("1.2.1.2", "MG")):
        for instance in range(1, 7):
            now = Made("1.2.1", patient="PAT-9")
            correct(project, now, series, instance, modality)
    done = project.run("apply", "plan.json", *key, "--report", "report.json")

    # More than the failures after which a run stops: what has changed is none.
    assert done.code == 4
    assert "12 deleted" in done.last_line
    assert "0 failed, 0 unconfirmed, 12 not_attempted" in done.last_line
    left = project.emulator.instances(project.store)
    assert {one.study_uid for one in left} == {"1.2.1"}
    assert not [path for path in sent(project, "DELETE") if "/1.2.1/" in path]
    report = json.loads((project.folder / "report.json").read_text())
    assert len(report["unproven"]) == 12
    assert all(WHY in one["detail"] for one in report["unproven"])
    (run,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    on_record = [one for one in records_of(run) if WHY in one.get("detail", "")]
    assert len(on_record) == 12
    assert all(one["source"]["path"] == f"{LISTED}.csv" for one in on_record)
    written = [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert [one for one in written if b"PAT-" in one or b"20100101" in one] == []
    asked = [one for one in sent(project, "GET") if "/1.2.1/" in one]
    assert sum(one.endswith("/metadata") for one in asked) == (0 if is_archived else 12)
    again = project.run("apply", "plan.json", *key)
    assert (again.code, sent(project, "DELETE")[12:]) == (4, [])
    assert project.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("now", "modality"),
    [
        (Made("1.2.1", patient="PAT-2"), "US"),
        (Made("1.2.1", patient=None), "US"),
        (Made("1.2.1", date="20100102"), "US"),
        (Made("1.2.1", date=None), "US"),
        (Made("1.2.1"), "MG"),
        (Made("1.2.1"), None),
        (Made("1.2.1"), "US\\MG"),
    ],
)
@pytest.mark.parametrize("is_archived", [False, True])
def test_the_one_instance_that_has_changed_stays(  # noqa: PLR0917 - fixtures and parameters
    project: Project,
    bound: Callable[..., None],
    key: tuple[str, Path],
    tmp_path: Path,
    now: Made,
    modality: str | None,
    is_archived: bool,
) -> None:
    bound(ALL, OLD_SERIES, tmp_path / "archive" if is_archived else None)
    correct(project, now, "1.2.1.1", 2, modality)
    done = project.run("apply", "plan.json", *key)
    assert done.code == 4
    assert "23 deleted" in done.last_line
    (left,) = project.emulator.instances(project.store)
    assert left.instance_uid == "1.2.1.1.2"


def test_what_cannot_be_read_stays(
    project: Project, bound: Callable[..., None], key: tuple[str, Path]
) -> None:
    bound("studyDate")
    lost = FaultRule(FaultKind.STATUS, "GET", r"1\.2\.1\.1\.2/metadata$", status=403)
    project.emulator.set_faults(Faults((lost,)))
    assert project.run("apply", "plan.json", *key).code == 4
    (left,) = project.emulator.instances(project.store)
    assert left.instance_uid == "1.2.1.1.2"


def test_a_list_that_is_bound_needs_a_key(project: Project) -> None:
    project.write("rule.yaml", OLD, remove("patient"))
    done = project.run("resolve")
    assert done.code == 1
    assert "selectors/rule.yaml binds its list, and no key is given" in done.err


def test_a_changed_study_shows_in_the_next_resolve(
    project: Project, bound: Callable[..., None], key: tuple[str, Path]
) -> None:
    bound("patient")
    before = project.listed("rule")[1]
    for one in project.emulator.instances(project.store):
        if one.study_uid == "1.2.2":
            url = f"{project.emulator.url}/v1/{project.store}/dicomWeb{one}"
            assert requests.delete(url, timeout=10).status_code == 200
    project.put(Made("1.2.2", patient="PAT-9"))
    assert project.run("resolve", *key, "--check").code == 2
    shown = project.run("resolve", *key, "--diff").out.splitlines()
    assert f"-{before}" in shown
    assert any(line.startswith("+1.2.2,") for line in shown)
    assert any("1 row added, 1 removed" in line for line in shown)


def test_what_cannot_be_bound_is_not_listed(project: Project, key: tuple[str, Path]) -> None:
    project.put(Made("1.2.1", series=(("US\\MG", 1), ("US", 1))), Made("1.2.2"))
    project.write("rule.yaml", OLD_SERIES, remove("modality"))
    done = project.run("resolve", *key)
    assert done.code == 0
    assert "    1.2.1: bind\n" in done.out
    uids = [row.split(",")[:2] for row in project.listed("rule")]
    assert uids == [["1.2.1", "1.2.1.2"], ["1.2.2", "1.2.2.1"]]


def test_a_list_and_its_file_agree_on_whether_it_is_bound(
    project: Project, bound: Callable[..., None]
) -> None:
    bound("patient")
    file = project.folder / f"{LISTED}.yaml"
    text = file.read_text()
    start, end = text.index("    bind:"), text.index("    reason:")
    file.write_text(text[:start] + text[end:])
    done = project.run("plan", f"{LISTED}.yaml")
    assert done.code == 1
    assert f"{LISTED}.csv has a column seen" in done.err
    assert "exactly where this has the column" in done.err
    file.write_text(text)
    rows = project.folder / f"{LISTED}.csv"
    rows.write_text("studiesId\n1.2.1\n1.2.2\n")
    done = project.run("plan", f"{LISTED}.yaml")
    assert f"{LISTED}.csv has no column seen" in done.err
    rows.write_text("studiesId,seen\n1.2.1,SMITH\n1.2.2,\n1.2.3\n")
    done = project.run("plan", f"{LISTED}.yaml")
    assert f"{LISTED}.csv:2:7: this is not what resolve writes" in done.err
    assert f"{LISTED}.csv:3:7: seen is empty" in done.err
    assert f"{LISTED}.csv:4:1: the row has 1 cell; it needs 2" in done.err
    assert "SMITH" not in done.err
    rows.write_text("studiesId,seriesId,instancesId,seen\n")
    assert f"{LISTED}.csv:1" in project.run("plan", f"{LISTED}.yaml").err


def test_of_two_lists_the_one_that_is_bound_counts(
    project: Project, bound: Callable[..., None], key: tuple[str, Path]
) -> None:
    bound("patient")
    parameters = ", ".join(f"{name}: {v}" for name, v in project.store.as_parameters().items())
    (project.folder / "specs" / "a.yaml").write_text(
        f"version: 1\nstore: {{{parameters}}}\nreason: {{code: '113039'}}\n"
        "remove:\n  - studiesId: 1.2.1\n"
    )
    correct(project, Made("1.2.1", patient="PAT-9"), "1.2.1.1", 1, "US")
    assert project.run("plan", "specs", "--out", "both.json").code == 0
    assert project.run("apply", "both.json", *key).code == 4
    (left,) = project.emulator.instances(project.store)
    assert left.instance_uid == "1.2.1.1.1"


def test_what_changes_between_two_attempts_stays(
    project: Project,
    bound: Callable[..., None],
    key: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is corrected after the first attempt, which had no effect."""
    monkeypatch.setattr("reconciler.api.running.VERIFY_SECONDS", 0.2)
    bound("patient")
    rule = FaultRule(FaultKind.STATUS, "DELETE", status=503, times=1, retry_after=2)
    project.emulator.set_faults(Faults((rule,)))
    corrected: list[str] = []

    def correct_it() -> None:
        wait_until(lambda: sent(project, "DELETE"))
        study, series, instance = sent(project, "DELETE")[0].split("/")[-5::2]
        number = int(instance.rpartition(".")[2])
        correct(project, Made(study, patient="PAT-9"), series, number, "US")
        corrected.append(instance)

    corrector = Thread(target=correct_it)
    corrector.start()
    done = project.run("apply", "plan.json", *key)
    corrector.join()
    assert done.code == 4
    assert [one.instance_uid for one in project.emulator.instances(project.store)] == corrected
