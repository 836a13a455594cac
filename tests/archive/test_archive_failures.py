"""Whatever goes wrong while an instance is archived, it is not deleted, and the run says why."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import requests

from reconciler.applying import archive as archive_module
from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress

from ..chaos.test_chaos_disk import fill, small_disk
from ..journal.by_hand import records_of
from .conftest import Site, Through
from .proxy import Reply

RETRIEVE = r"/instances/[0-9.]+$"


def refused(site: Site, instances: list[InstanceAddress], said: str) -> None:
    """Apply; all of them are accounted for as failed, nothing was sent, no file stays behind."""
    before = site.content()
    site.emulator.clear_requests()
    answer = site.apply()
    assert answer.code == 4, answer.out
    report = site.report()
    assert report["counts"]["failed"] == report["planned"] == len(instances)
    assert said in report["unproven"][0]["detail"]
    assert report["unproven"][0]["detail"].startswith("not deleted, since it could not be archived")
    assert site.deletes() == []
    assert site.content() == before
    assert not [path for path in site.archive.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FaultRule(FaultKind.TRUNCATE, "GET", RETRIEVE, body_bytes=300), "broke"),
        (FaultRule(FaultKind.HTML, "GET", RETRIEVE, status=200), "HTTP 200 with HTML"),
        (FaultRule(FaultKind.STATUS, "GET", RETRIEVE, status=403), "HTTP 403"),
        (FaultRule(FaultKind.STATUS, "GET", RETRIEVE, status=406), "HTTP 406"),
        (FaultRule(FaultKind.REDIRECT, "GET", RETRIEVE, location="/elsewhere"), "redirect"),
    ],
)
def test_an_answer_that_is_not_the_instance(site: Site, rule: FaultRule, said: str) -> None:
    one, *_ = site.fill(3)
    site.ask_removal([one])
    site.plan()
    site.emulator.set_faults(Faults((rule,)))
    refused(site, [one], said)


def test_a_body_that_breaks_off_is_retrieved_again(site: Site) -> None:
    one, *_ = site.fill(3)
    site.ask_removal([one])
    site.plan()
    rule = FaultRule(FaultKind.TRUNCATE, "GET", RETRIEVE, times=2)
    site.emulator.set_faults(Faults((rule,)))
    assert site.apply().code == 0
    assert site.validate_bags() == 1


def stored_file(site: Site, instance: InstanceAddress) -> Path:
    return next((site.store_folder / "files").rglob(f"{instance.instance_uid}.dcm"))


def test_another_instance_under_this_address(site: Site) -> None:
    one, two, *_ = site.fill(3)
    site.ask_removal([one])
    site.plan()
    shutil.copyfile(stored_file(site, two), stored_file(site, one))
    refused(site, [one], "the store sent")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"\0" * len(data), "no preamble"),
        (lambda data: data[:132] + b"\0" * (len(data) - 132), "transfer syntax"),
        (lambda data: data.replace(b"\x08\0\x18\0UI", b"\x08\0\x17\0UI", 1), "no SOP Instance UID"),
    ],
)
def test_bytes_that_are_no_dicom_file(site: Site, damage, said: str) -> None:
    one, *_ = site.fill(3)
    site.ask_removal([one])
    site.plan()
    file = stored_file(site, one)
    file.write_bytes(damage(file.read_bytes()))
    refused(site, [one], said)


def test_what_is_read_back_differently(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk lies: what it took is not what it gives."""
    one, *_ = site.fill(3)
    site.ask_removal([one])
    site.plan()
    write = archive_module._write

    def corrupting(descriptor: int, chunk: bytes) -> None:
        write(descriptor, chunk[:-1] + bytes([chunk[-1] ^ 1]))

    monkeypatch.setattr(archive_module, "_write", corrupting)
    refused(site, [one], "read back")


def test_a_place_that_cannot_be_written(site: Site) -> None:
    one, *_ = site.fill(3)
    site.archive.write_text("a file where the folder should be")
    site.ask_removal([one])
    site.plan()
    before = site.content()
    answer = site.apply()
    assert answer.code == 4
    assert "cannot be written" in site.report()["unproven"][0]["detail"]
    assert (site.deletes(), site.content()) == ([], before)


def test_what_somebody_puts_into_the_bag_is_not_overwritten(site: Site, through: Through) -> None:
    """It has the instance's own name by the time that the copy is whole."""
    one, *_ = site.fill(3)
    site.ask_removal([one])
    placed: list[Path] = []

    def place(path: str, reply: Reply) -> Reply:
        if re.search(RETRIEVE, path):
            (bag,) = site.archive.iterdir()
            for name in (f"data{one}.dcm", f"data/{DEMO_STORE}{one}.dcm"):
                placed.append(bag / name)
                placed[-1].parent.mkdir(parents=True, exist_ok=True)
                placed[-1].write_text("somebody's", encoding="utf-8")
        return reply

    through(place)
    site.plan()
    answer = site.apply()
    assert answer.code == 4
    assert "is there already" in site.report()["unproven"][0]["detail"]
    assert site.deletes() == []
    theirs = [path for path in site.archive.rglob("*.dcm") if path.read_text() == "somebody's"]
    assert len(placed) == len(theirs) == 2


def test_a_full_disk_stops_the_run(site: Site) -> None:
    """A limit on the size of files in the child; the journal stays below it."""
    instances = site.fill(12, edge=400)
    site.ask_removal(instances[:10])
    site.plan()
    child = site.spawn(
        "apply",
        "plan.json",
        "--report",
        "report.json",
        "--stop-after-failures",
        "3",
        "--parallelism",
        "1",
        file_limit=100_000,
    )
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 4, out
    report = site.report()
    assert (report["counts"]["failed"], report["counts"]["not_attempted"]) == (3, 7)
    assert sum(report["counts"].values()) == report["planned"] == 10
    assert "File too large" in report["unproven"][0]["detail"]
    assert "could not be proven" in report["stopped_because"]
    assert len(site.content()) == 12
    assert site.deletes() == []
    # With room again, the same plan goes on.
    assert site.apply().code == 0
    assert site.content() == set(instances[10:])
    assert site.validate_bags() == 10


def test_without_space_for_the_record_nothing_archived_is_deleted(
    site: Site, tmp_path: Path
) -> None:
    """There is space for the copies, and soon none to say where they are."""
    planned = site.fill(24)
    site.ask_removal(planned)
    site.plan()
    with small_disk(tmp_path / "disk", pages=64) as disk:
        state = disk / "state"
        state.mkdir()
        fill(disk / "ballast", leave=8)
        answer = site.apply("--state", str(state))
        assert answer.code == 4, answer
        assert "cannot be written: No space left" in answer.out
        (run,) = (state / "runs").glob("*.jsonl")
        recorded = records_of(run)
    sent = {path.rpartition("/")[2] for path in site.deletes()}
    archived, intended = (
        {one["instancesId"] for one in recorded if one["type"] == kind}
        for kind in ("archived", "intent")
    )
    assert sent <= intended <= archived
    assert len(sent) < len(planned)
    assert len(site.content()) == len(planned) - len(sent)


def test_without_space_for_the_record_nothing_more_is_put_back(site: Site, tmp_path: Path) -> None:
    archived = site.fill(24)
    site.ask_removal(archived)
    site.plan()
    with small_disk(tmp_path / "disk", pages=256) as disk:
        state = ("--state", str(disk / "state"))
        assert site.apply(*state).code == 0
        run = site.report()["run"]
        fill(disk / "ballast", leave=2)
        site.emulator.clear_requests()
        stopped = site.run("restore", run, "--parallelism", "2", *state)
        assert stopped.code == 4, stopped
        assert "cannot be written: No space left" in stopped.out
        asked = [one for one in site.emulator.requests() if one.method == "POST"]
        assert len(site.content()) <= len(asked) < len(archived)
        (disk / "ballast").unlink()
        assert site.run("restore", run, *state).code == 0
    assert site.content() == set(archived)


def test_an_instance_that_is_gone_already_needs_no_archive(site: Site) -> None:
    one, two, *_ = site.fill(4)
    site.ask_removal([one, two])
    site.plan()
    requests.delete(f"{site.emulator.url}/v1/{DEMO_STORE}/dicomWeb{one}", timeout=5)
    assert site.apply().code == 0
    outcomes = site.report()["counts"]
    assert (outcomes["deleted"], outcomes["already_absent"]) == (1, 1)
    assert site.validate_bags() == 1


@pytest.mark.parametrize("folder", ["inside", ".reconciler/archive", ""])
def test_an_archive_in_the_project_is_refused(site: Site, folder: str) -> None:
    one, *_ = site.fill(2)
    site.ask_removal([one], archive=f"archive: {{path: {site.folder / folder}}}\n")
    answer = site.run("plan")
    assert answer.code == 1
    assert "archive-in-project" in answer.err or "inside the project" in answer.err


def test_an_archive_in_the_state_folder_is_refused(site: Site, tmp_path: Path) -> None:
    one, *_ = site.fill(3)
    state = tmp_path / "state"
    (tmp_path / "link").symlink_to(state)
    for place in (state / "archive", tmp_path / "link" / "archive"):
        site.ask_removal([one], archive=f"archive: {{path: {place}}}\n")
        refusal = site.run("plan", "--state", state)
        assert (refusal.code, "state folder" in refusal.err) == (1, True)
        assert site.run("plan", "--out", "plan.json").code == 0
        refusal = site.run("apply", "plan.json", "--state", state)
        assert (refusal.code, "state folder" in refusal.err) == (1, True)
    assert site.deletes() == []
