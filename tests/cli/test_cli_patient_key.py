"""`apply --patient-key`: whose each instance is goes on record, as a pseudonym."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import PatientKey

from ..journal.by_hand import records_of
from .conftest import LIMITS_OPEN, REASON, Project, removal

SECRET = "0123456789abcdef" * 4
PSEUDONYM = PatientKey(bytes.fromhex(SECRET)).pseudonym("SYNTHETIC")
METADATA = r"/studies/(?!2\.25\.).*/metadata$"
"""Of what the store holds: apply asks first for an instance that nobody has, by new UIDs."""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "patient.key"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture
def planned(project: Project) -> list[InstanceAddress]:
    """A plan that deletes ten instances of each of two studies."""
    instances = [one for study in (1, 2) for one in project.fill(study, 1, range(10))]
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(instances))
    assert project.run("plan", "--out", "plan.json").code == 0
    project.emulator.clear_requests()
    return instances


def journal(project: Project) -> list[dict[str, Any]]:
    runs = sorted((project.folder / ".reconciler" / "runs").glob("*.jsonl"))
    return [record for run in runs for record in records_of(run)]


def patients(project: Project) -> dict[str, str | None]:
    """The pseudonym on record of each instance."""
    return {
        one["instancesId"]: one["patient"]["pseudonym"]
        for one in journal(project)
        if "patient" in one
    }


def test_each_instance_is_read_and_on_record_before_its_delete(
    project: Project, planned: list[InstanceAddress], key: Path
) -> None:
    assert project.run("apply", "plan.json", "--patient-key", key).code == 0

    assert patients(project) == {one.instance_uid: PSEUDONYM for one in planned}
    intents = [one for one in journal(project) if one["type"] == "intent"]
    assert len(intents) == len(planned)
    assert all("patient" in one for one in intents)
    for instance in planned:
        sent = [one for one in project.emulator.requests() if str(instance) in one.path]
        assert [one.method for one in sent] == ["GET", "DELETE", "GET"]
        assert sent[0].path.endswith("/metadata")


def test_the_variable_names_the_file_too(
    project: Project,
    planned: list[InstanceAddress],
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECONCILER_PATIENT_KEY", str(key))
    project.run("apply", "plan.json")
    assert len(patients(project)) == len(planned)


def test_without_a_key_nothing_is_read_and_nothing_on_record(
    project: Project, planned: list[InstanceAddress]
) -> None:
    project.run("apply", "plan.json")
    assert patients(project) == {}


def test_what_cannot_be_read_is_not_deleted(
    project: Project, planned: list[InstanceAddress], key: Path
) -> None:
    before = project.content()
    project.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, "GET", METADATA, status=403),)))
    answer = project.run("apply", "plan.json", "--patient-key", key, "--report", "report.json")

    assert answer.code == 4
    assert project.deletes() == []
    assert project.content() == before
    report = json.loads((project.folder / "report.json").read_text())
    assert "its Patient ID could not be read" in report["unproven"][0]["detail"]


def test_only_the_instance_that_cannot_be_read_stays(
    project: Project, planned: list[InstanceAddress], key: Path
) -> None:
    rule = FaultRule(FaultKind.STATUS, "GET", METADATA, status=403, times=1)
    project.emulator.set_faults(Faults((rule,)))
    answer = project.run("apply", "plan.json", "--patient-key", key, "--parallelism", "1")

    assert answer.code == 4
    assert answer.last_line.startswith("Apply: 20 planned: 19 deleted")
    assert len(patients(project)) == len(planned) - 1


def test_an_instance_that_is_gone_already_needs_no_patient(
    project: Project, planned: list[InstanceAddress], key: Path
) -> None:
    for one in planned[:10]:  # the whole first study
        url = f"{project.emulator.url}/v1/{project.store}/dicomWeb{one}"
        requests.delete(url, timeout=10).raise_for_status()
    answer = project.run("apply", "plan.json", "--patient-key", key)

    assert answer.code == 0
    assert "10 deleted, 10 already_absent" in answer.last_line


@pytest.mark.parametrize("text", ["", "not a key", "ab" * 31])
def test_a_file_without_a_key_ends_it_before_anything_is_asked(
    project: Project, planned: list[InstanceAddress], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "bad.key"
    file.write_text(text)
    answer = project.run("apply", "plan.json", "--patient-key", file)

    assert answer.code == 1
    assert "holds no key of 64 hexadecimal digits" in answer.err
    assert "openssl rand -hex 32" in answer.err
    assert project.emulator.requests() == []
    assert project.run("apply", "plan.json", "--patient-key", "nowhere").code == 1


def test_exports_have_the_pseudonym_where_they_know_no_id(
    project: Project, planned: list[InstanceAddress], key: Path, tmp_path: Path
) -> None:
    project.run("apply", "plan.json", "--patient-key", key)
    known = tmp_path / "patients.csv"
    known.write_text(f"studiesId,PatientID\n{planned[0].study_uid},SENTINEL\n")

    dicom = project.run("audit", "export", "--format", "dicom", "--patients", known)
    fhir = project.run("audit", "export", "--format", "fhir")
    rows = list(csv.DictReader(io.StringIO(project.run("audit", "export", "--format", "csv").out)))

    # The study whose deletions end first comes first; of two that many workers delete, either.
    assert {planned[0].study_uid in line: PSEUDONYM in line for line in dicom.out.splitlines()} == {
        True: False,
        False: True,
    }
    assert "note: the patient of 1 study is written as its pseudonym" in dicom.err
    people = [
        entity["what"]["identifier"]["value"]
        for line in fhir.out.splitlines()
        for entity in json.loads(line)["entity"]
        if entity["type"]["code"] == "1"
    ]
    assert people == [PSEUDONYM] * len(planned)
    assert {row["patient"] for row in rows} == {PSEUDONYM}


def test_after_an_operation_nothing_more_leaves_however_many_wait_for_a_patient(
    project: Project, key: Path
) -> None:
    first, second = project.fill(1, 1, range(1)), project.fill(2, 1, range(40))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([*first, *second]))
    project.run("plan", "--out", "plan.json")
    study = second[0].study_uid
    reading = rf"{study}/series/[0-9.]+/instances/[0-9.]+/metadata$"
    rules = (
        FaultRule(FaultKind.LATENCY, "GET", reading, seconds=1.5),
        FaultRule(FaultKind.OPERATION, "DELETE", f"studies/{first[0].study_uid}/"),
    )
    project.emulator.set_faults(Faults(rules))

    answer = project.run("apply", "plan.json", "--patient-key", key, "--report", "report.json")

    assert answer.code == 4
    assert len(project.deletes()) == 1
    report = json.loads((project.folder / "report.json").read_text())
    assert report["state"] == "aborted"
    assert report["counts"]["not_attempted"] == 40
    assert report["planned"] == 41


def test_a_caller_who_is_no_longer_accepted_stops_the_run_and_the_plan_goes_on_later(
    project: Project, planned: list[InstanceAddress], key: Path
) -> None:
    store = f"{project.store}$"
    preflights = FaultRule(FaultKind.STATUS, "GET", store, status=403)
    reading = FaultRule(FaultKind.STATUS, "GET", METADATA, status=403)
    slow = FaultRule(FaultKind.LATENCY, "GET", METADATA, seconds=1.0)
    project.emulator.set_faults(Faults((slow, reading)))
    change = threading.Timer(
        0.7, project.emulator.set_faults, [Faults((slow, reading, preflights))]
    )
    change.start()

    assert project.run("apply", "plan.json", "--patient-key", key).code == 4
    change.join()
    assert project.deletes() == []
    project.emulator.set_faults(Faults())
    again = project.run("apply", "plan.json", "--patient-key", key)
    assert again.last_line.startswith("Apply: 20 planned: 20 deleted")


def stored_for(project: Project, patient_id: str, instance: InstanceAddress, file: Path) -> None:
    """Put an instance of this patient into the store."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = instance
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID = patient_id
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(file, enforce_file_format=True)
    project.emulator.ingest(project.store, file)


def test_in_a_study_of_two_patients_each_instance_has_its_own_pseudonym(
    project: Project, key: Path, tmp_path: Path
) -> None:
    mine, other = (InstanceAddress("1.2.9", "1.2.9.1", f"1.2.9.1.{end}") for end in (1, 2))
    stored_for(project, "SYNTHETIC", mine, tmp_path / "mine.dcm")
    stored_for(project, "ANOTHER", other, tmp_path / "other.dcm")
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([mine, other]))
    project.run("plan", "--out", "plan.json")
    assert project.run("apply", "plan.json", "--patient-key", key).code == 0

    found = patients(project)
    assert found[mine.instance_uid] == PSEUDONYM
    assert found[other.instance_uid] not in {None, PSEUDONYM}
    rows = list(csv.DictReader(io.StringIO(project.run("audit", "export", "--format", "csv").out)))
    assert {row["instancesId"]: row["patient"] for row in rows} == found


def test_where_a_copy_is_archived_the_patient_is_read_from_it(
    project: Project, key: Path, tmp_path: Path
) -> None:
    """An id beyond ASCII is what the store says: a file may leave its encoding open."""
    plain, beyond = (InstanceAddress("1.2.9", "1.2.9.1", f"1.2.9.1.{end}") for end in (1, 2))
    stored_for(project, "SYNTHETIC", plain, tmp_path / "plain.dcm")
    stored_for(project, "J\u00f6RG", beyond, tmp_path / "beyond.dcm")
    archive = f"archive: {{path: {tmp_path / 'archive'}}}\n"
    project.write("a.yaml", REASON + LIMITS_OPEN + archive + removal([plain, beyond]))
    project.run("plan", "--out", "plan.json")
    project.emulator.clear_requests()
    assert project.run("apply", "plan.json", "--patient-key", key).code == 0

    found = patients(project)
    assert found[plain.instance_uid] == PSEUDONYM
    assert found[beyond.instance_uid] not in {None, PSEUDONYM}
    paths = [one.path for one in project.emulator.requests() if one.path.endswith("/metadata")]
    assert [path.count(plain.instance_uid) for path in paths].count(1) == 1  # the proof alone
    assert [path.count(beyond.instance_uid) for path in paths].count(1) == 2


def test_a_list_by_study_does_not_speak_for_a_study_of_two_patients(
    project: Project, key: Path, tmp_path: Path
) -> None:
    mine, other = (InstanceAddress("1.2.9", "1.2.9.1", f"1.2.9.1.{end}") for end in (1, 2))
    stored_for(project, "SYNTHETIC", mine, tmp_path / "mine.dcm")
    stored_for(project, "ANOTHER", other, tmp_path / "other.dcm")
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([mine, other]))
    project.run("plan", "--out", "plan.json")
    assert project.run("apply", "plan.json", "--patient-key", key).code == 0
    listed = tmp_path / "patients.csv"
    listed.write_text("studiesId,PatientID\n1.2.9,LISTED\n")

    answer = project.run("audit", "export", "--format", "fhir", "--patients", listed)

    assert "LISTED" not in answer.out
    assert "the record names more than one patient in 1 study" in answer.err
    assert PSEUDONYM in answer.out
