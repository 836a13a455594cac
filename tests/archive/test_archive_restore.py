"""What is archived comes back byte for byte, whatever kind of DICOM file it is."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from jsonschema import Draft202012Validator
from pydicom import dcmread

from reconciler.applying.fingerprint import take_fingerprint
from reconciler.emulator import (
    ALL_PERMISSIONS,
    DEMO_STORE,
    EmulatorSettings,
    FaultKind,
    FaultRule,
    Faults,
    running_emulator,
)
from reconciler.journal.history import History
from reconciler.journal.places.disk import DiskState
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.past import PutBack
from reconciler.model.problem import Source

from .conftest import HEAD, OPEN, REASON, Site, removal

RETRIEVE = r"/instances/[0-9.]+$"
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "report.schema.json").read_text("utf-8")
)


def read_report(name: str) -> Any:
    """The report, checked against the schema that is its contract."""
    report = json.loads(Path(name).read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(report)
    return report


def archive_all(site: Site, addresses: list[InstanceAddress]) -> str:
    site.ask_removal(addresses)
    site.plan()
    answer = site.apply()
    assert answer.code == 0, answer.out + answer.err
    return str(site.report()["run"])


def test_real_files_come_back_byte_for_byte(site: Site, real: list[InstanceAddress]) -> None:
    before = site.hashes()
    assert len(before) == len(real) > 60
    run = archive_all(site, real)
    assert site.content() == set()
    assert site.validate_bags() == len(real)

    syntaxes = {
        dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
        for file in site.archive.rglob("*.dcm")
    }
    assert {"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2"} <= syntaxes
    assert any(syntax.is_compressed for syntax in syntaxes - {"1.2.840.10008.1.2.1.99"})

    restored = site.run("restore", run, "--report", "restored.json")
    assert restored.code == 0, restored.out
    assert restored.last_line == (
        f"Restore: {len(real)} archived: {len(real)} identical, 0 same_dataset, 0 conflict,"
        " 0 failed, 0 unconfirmed, 0 not_attempted."
    )
    assert site.hashes() == before
    report = read_report("restored.json")
    assert report["counts"]["identical"] == report["planned"] == len(real)


def test_a_bag_has_the_layout_that_any_tool_knows(site: Site) -> None:
    (one, *_) = site.fill(3)
    run = archive_all(site, [one])
    bag = site.archive / run
    assert sorted(path.name for path in bag.iterdir()) == [
        "bag-info.txt",
        "bagit.txt",
        "data",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
    ]
    payload = f"data/studies/{one[0]}/series/{one[1]}/instances/{one[2]}.dcm"
    digest = hashlib.sha256((bag / payload).read_bytes()).hexdigest()
    assert (bag / "manifest-sha256.txt").read_text() == f"{digest}  {payload}\n"
    info = dict(line.split(": ", 1) for line in (bag / "bag-info.txt").read_text().splitlines())
    assert info["External-Identifier"] == run
    assert info["Internal-Sender-Identifier"] == site.report()["digest"]
    assert info["Payload-Oxum"] == f"{(bag / payload).stat().st_size}.1"
    assert (bag / payload).stat().st_mode & 0o077 == 0, "patient data is for its owner only"


def test_an_instance_is_on_record_before_its_delete(site: Site) -> None:
    (one, *_) = site.fill(2)
    run = archive_all(site, [one])
    types = [record["type"] for record in site.records(run)]
    assert types == ["run_started", "archived", "intent", "result", "verified", "run_ended"]
    archived = site.records(run)[1]
    assert archived["reason"] == {"code": "113037", "ticket": "QA-7"}
    assert archived["source"]["path"] == "specs/a.yaml"
    methods = [(one.method, one.path.rpartition("/")[2]) for one in site.emulator.requests()]
    uid = one.instance_uid
    assert methods.index(("GET", uid)) < methods.index(("DELETE", uid))


def test_the_plan_says_where_it_archives(site: Site) -> None:
    site.ask_removal(site.fill(3)[:1])
    planned = site.run("plan", "--write", "markdown=plan.md", "--write", "json=plan.json")
    assert f"archived under {site.archive} first" in " ".join(planned.out.split())
    assert "archived under" in Path("plan.md").read_text()
    plan = json.loads(Path("plan.json").read_text())["plan"]
    (group,) = plan["stores"][0]["studies"][0]["series"][0]["deletions"]
    assert group["archive"] == str(site.archive)
    assert site.run("show", "plan.json").out == planned.out


def test_an_entry_may_be_erased_without_a_copy(site: Site) -> None:
    kept, erased, *_ = site.fill(5)
    site.write(
        "a.yaml",
        REASON
        + OPEN
        + f"archive: {{path: {site.archive}}}\n"
        + removal([kept])
        + f"  - studiesId: {erased[0]}\n    seriesId: {erased[1]}\n    archive: none\n"
        + f"    instancesId: [{erased[2]}]\n",
    )
    site.plan()
    assert site.apply().code == 0
    assert site.content().isdisjoint({kept, erased})
    assert [path.stem for path in site.archive.rglob("*.dcm")] == [kept.instance_uid]
    assert site.validate_bags() == 1
    answer = site.run("restore", str(site.report()["run"]), "--only", erased.instance_uid)
    assert answer.code == 1
    assert "did not archive" in answer.err


def test_two_stores_with_one_address_make_one_bag(site: Site) -> None:
    other = StoreAddress("demo-project", "europe-west4", "demo-dataset", "other-store")
    site.emulator.add_store(other)
    (one, *_) = site.fill(2)
    site.emulator.ingest_synthetic(other, one.series, [one.instance_uid, f"{one[2]}.9"], edge=8)
    site.ask_removal([one])
    body = (site.folder / "specs/a.yaml").read_text()
    (site.folder / "specs/b.yaml").write_text(body.replace("demo-store", "other-store"))
    before = site.hashes()
    site.plan()
    assert site.apply().code == 0
    assert site.validate_bags() == 2
    assert site.run("restore", str(site.report()["run"])).code == 0
    assert site.hashes() == before
    assert one in site.emulator.instances(other)
    assert one in site.content()


def test_restore_of_some_and_a_dry_run(site: Site) -> None:
    one, two, *_ = site.fill(4)
    run = archive_all(site, [one, two])
    site.emulator.clear_requests()
    dry = site.run("restore", run, "--dry-run")
    assert dry.code == 0
    assert dry.last_line == (
        "Restore: 2 archived: 2 to restore, 0 restored already, 0 removed again."
    )
    assert one.instance_uid in dry.out
    assert site.emulator.requests() == []

    some = site.run("restore", run, "--only", one.instance_uid)
    assert some.code == 0
    assert one in site.content()
    assert two not in site.content()
    rest = site.run("restore", run)
    assert rest.code == 0
    assert "2 identical" in rest.last_line
    stored = [one for one in site.emulator.requests() if one.path.endswith("/studies")]
    assert len(stored) == 2, "what is back is not stored again"


def test_restoring_again_sends_nothing_and_says_the_same(site: Site) -> None:
    run = archive_all(site, site.fill(4)[:2])
    first = site.run("restore", run)
    site.emulator.clear_requests()
    again = site.run("restore", run)
    assert (again.code, again.last_line) == (0, first.last_line)
    assert site.emulator.requests() == []


def test_409_leads_to_the_comparison(site: Site) -> None:
    one, two, three, *_ = site.fill(6)
    files = {a: next(site.store_folder.rglob(f"{a[2]}.dcm")) for a in (one, two, three)}
    original = {address: path.read_bytes() for address, path in files.items()}
    run = archive_all(site, [one, two, three])
    site.emulator.ingest(DEMO_STORE, original[one])
    site.emulator.ingest(DEMO_STORE, b"x" * 128 + original[two][128:])  # another preamble
    changed = bytearray(original[three])
    changed[-1] ^= 0xFF  # another pixel
    site.emulator.ingest(DEMO_STORE, bytes(changed))

    answer = site.run("restore", run, "--report", "restored.json")
    assert answer.code == 4
    report = read_report("restored.json")
    outcomes = report["counts"]
    assert (outcomes["identical"], outcomes["same_dataset"], outcomes["conflict"]) == (1, 1, 1)
    assert sum(outcomes.values()) == report["planned"] == 3
    assert [one["instancesId"] for one in report["unproven"]] == [three.instance_uid]
    assert site.hashes()[three] != site.hashes()[one]
    found = next(site.store_folder.rglob(f"{three[2]}.dcm")).read_bytes()
    assert found == bytes(changed), "a conflict is never overwritten"


def test_another_transfer_syntax_makes_another_dataset() -> None:
    """Equal bytes mean something else under another transfer syntax."""
    data = data_file("CT_small.dcm")
    (place,) = [m.start() for m in re.finditer(rb"1\.2\.840\.10008\.1\.2\.1\0", data)]
    other = data[:place] + b"1.2.840.10008.1.2.4\0" + data[place + 20 :]
    original, found = take_fingerprint([data]), take_fingerprint([other])
    assert original.dataset_sha256 == found.dataset_sha256
    assert not original.has_same_dataset(found)


def data_file(name: str) -> bytes:
    return (Path(pydicom.data.__file__).parent / "test_files" / name).read_bytes()


@pytest.mark.parametrize(
    ("rule", "line", "code"),
    [
        (FaultRule(FaultKind.STATUS, "POST", r"/studies$", status=503, times=1), "1 identical", 0),
        (
            FaultRule(
                FaultKind.STATUS, "POST", r"/studies$", status=503, times=1, after_effect=True
            ),
            "1 identical",
            0,
        ),
        (
            FaultRule(FaultKind.RESET, "POST", r"/studies$", times=1, after_effect=True),
            "1 identical",
            0,
        ),
        (FaultRule(FaultKind.STATUS, "POST", r"/studies$", status=400), "1 failed", 4),
        (FaultRule(FaultKind.HTML, "POST", r"/studies$", status=200), "1 failed", 4),
        (
            FaultRule(FaultKind.HTML, "GET", r"/instances/[0-9.]+(/metadata)?$", status=200),
            "1 unconfirmed",
            4,
        ),
        (FaultRule(FaultKind.TRUNCATE, "GET", RETRIEVE, times=2), "1 identical", 0),
        (FaultRule(FaultKind.TRUNCATE, "GET", RETRIEVE), "1 unconfirmed", 4),
    ],
)
def test_the_outcome_says_what_was_proven(
    site: Site, rule: FaultRule, line: str, code: int
) -> None:
    (one,) = addresses = site.fill(2)[:1]
    run = archive_all(site, addresses)
    site.emulator.set_faults(Faults((rule,)))
    answer = site.run("restore", run)
    assert (answer.code, line in answer.last_line) == (code, True), answer.out
    # What is not back can be found, and if the store does not take it there is another way.
    assert (str(site.archive / run / f"data{one}.dcm") in answer.out) is (code != 0)
    assert ("store it by other means" in answer.out) is ("failed" in line)


def test_a_damaged_archive_is_not_restored(site: Site) -> None:
    one, two, *_ = site.fill(3)
    run = archive_all(site, [one, two])
    file = site.archive / run / f"data{one}.dcm"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    answer = site.run("restore", run)
    assert answer.code == 4
    assert "1 identical" in answer.last_line
    assert "sha256 differs" in answer.out
    assert one not in site.content()


def test_an_archive_that_was_moved_is_found_by_the_option(site: Site) -> None:
    one, *_ = site.fill(2)
    run = archive_all(site, [one])
    moved = site.archive.rename(site.archive.with_name("elsewhere"))
    dry = site.run("restore", run, "--dry-run")
    assert dry.code == 4
    assert "--archive" in dry.err
    assert site.run("restore", run).code == 4
    assert site.run("restore", run, "--archive", moved).code == 0
    assert one in site.content()


def test_what_another_run_removed_since_is_not_put_back(site: Site) -> None:
    one, two, *_ = site.fill(4)
    first = archive_all(site, [one, two])
    assert site.run("restore", first).code == 0
    # An erasure request: another file, another reason, no archive.
    (site.folder / "specs/a.yaml").write_text(
        HEAD + 'reason: {code: "113039", ticket: GDPR-1}\n' + OPEN + removal([one])
    )
    site.plan()
    assert site.apply().code == 0
    again = site.run("restore", first)
    assert again.code == 4
    assert "removed it later" in again.out
    assert site.content().isdisjoint({one})
    assert two in site.content()


def test_the_history_knows_what_was_restored_and_why_it_had_been_removed(site: Site) -> None:
    one, two, *_ = site.fill(4)
    run = archive_all(site, [one, two])
    state = site.folder / ".reconciler"
    past = History.read(DiskState(state)).of(DEMO_STORE, site.emulator.url)
    assert past.is_gone(one)
    assert past.is_gone(two)
    site.run("restore", run, "--only", one.instance_uid)
    history = History.read(DiskState(state))
    past = history.of(DEMO_STORE, site.emulator.url)
    assert not past.is_gone(one)
    assert past.is_gone(two)
    asked = [(DEMO_STORE, one), (DEMO_STORE, two)]
    removal_of = history.last_words(asked, site.emulator.url)[DEMO_STORE, one]
    assert isinstance(removal_of, PutBack)
    assert removal_of.run == run
    text = (site.folder / "specs/a.yaml").read_text().splitlines()
    line = next(i for i, words in enumerate(text, 1) if words.endswith(one.instance_uid))
    assert removal_of.source == Source("specs/a.yaml", line)
    assert removal_of.reason.ticket == "QA-7"


def test_a_restored_instance_stays_until_the_file_changes(site: Site) -> None:
    one, *_ = site.fill(4)
    run = archive_all(site, [one])
    site.run("restore", run)
    planned = site.run("plan")
    assert planned.code == 3
    assert "BLOCKING  What to remove was restored on purpose" in planned.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["20260101T000000Z-00000000"], "there is no run"),
        (["../../etc/passwd"], "there is no run"),
        ([], "missing argument"),
    ],
)
def test_a_run_that_is_none(site: Site, arguments: list[str], said: str) -> None:
    answer = site.run("restore", *arguments)
    assert answer.code == 1
    assert said in answer.err


def test_a_run_that_died_before_its_first_record_archived_nothing(site: Site) -> None:
    folder = site.folder / ".reconciler" / "runs"
    folder.mkdir(parents=True)
    (folder / "20260101T000000Z-00000000.jsonl").touch()
    answer = site.run("restore", "20260101T000000Z-00000000")
    assert (answer.code, "never started, so it archived nothing" in answer.err) == (1, True)


def test_what_a_resumed_run_archived_is_missed_when_its_record_is_gone(site: Site) -> None:
    """What is on record is put back, and nobody takes it for all that was archived."""
    one, two, *_ = site.fill(4)
    site.ask_removal([one, two])
    site.plan()
    retrieve = FaultRule(FaultKind.STATUS, "GET", f"/instances/{two.instance_uid}$", status=406)
    site.emulator.set_faults(Faults((retrieve,)))
    stopped = site.apply("--parallelism", "1", "--stop-after-failures", "1")
    assert stopped.code == 4
    site.emulator.set_faults(Faults())
    assert site.apply().code == 0
    first, last = site.runs()
    (site.folder / ".reconciler" / "runs" / f"{first}.jsonl").unlink()

    answer = site.run("restore", last)
    assert f"note: run {first} is not on record here" in answer.err
    assert "1 archived: 1 identical" in answer.last_line
    assert two in site.content()
    assert one not in site.content()


def test_a_run_without_an_archive_and_a_restore_cannot_be_restored(site: Site) -> None:
    one, two, *_ = site.fill(4)
    site.ask_removal([one], archive="archive: none\n")
    site.plan()
    site.apply()
    answer = site.run("restore", site.report()["run"])
    assert (answer.code, "archived nothing" in answer.err) == (1, True)
    site.ask_removal([two])
    site.plan()
    site.apply()
    site.run("restore", site.report()["run"])
    answer = site.run("restore", site.runs()[-1])
    assert (answer.code, "is itself a restore" in answer.err) == (1, True)


def test_restore_needs_the_permission_to_store(site: Site, tmp_path: Path) -> None:
    one, *_ = site.fill(2)
    run = archive_all(site, [one])
    site.emulator.clear_requests()
    port = int(site.emulator.url.rpartition(":")[2])
    allowed = ALL_PERMISSIONS - {"healthcare.dicomStores.dicomWebWrite"}
    site.stop_emulator()
    settings = EmulatorSettings(tmp_path / "store", port=port, permissions=allowed)
    with running_emulator(settings) as emulator:
        answer = site.run("restore", run)
        assert answer.code == 1
        assert "dicomWebWrite" in answer.err
        assert not [r for r in emulator.requests() if r.path.endswith("/studies")]
