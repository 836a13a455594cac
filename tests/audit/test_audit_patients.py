"""Whose a deletion is: by a list of studies, by the archived copy of the instance itself."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pydicom
import pytest

from reconciler.audit.patients import PatientIds, read_patients
from reconciler.errors import UsageError
from reconciler.model.deletion import ArchivedCopy, RecordedDeletion

from .deletions import deletion
from .records import STORE

OTHER = replace(STORE, dicom_store_id="other")


def copy_of(folder: Path, patient_id: str | None) -> ArchivedCopy:
    """A real file whose Patient ID is another."""
    with resources.as_file(resources.files("pydicom.data") / "test_files") as files:
        dataset = pydicom.dcmread(files / "CT_small.dcm")
    if patient_id is None:
        del dataset.PatientID
    else:
        dataset.PatientID = patient_id
    path = folder / f"{patient_id}.dcm"
    dataset.save_as(path)
    return ArchivedCopy(path.parent, path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def archived(folder: Path, patient_id: str | None, uid: str = "1.4") -> RecordedDeletion:
    return replace(deletion(uid), copy=copy_of(folder, patient_id))


def test_a_copy_speaks_for_its_own_instance_only(tmp_path: Path) -> None:
    """The wrong-patient case: images of two patients in one study."""
    ids = PatientIds({}, archived=True)
    one, other = archived(tmp_path, "PAT-1"), archived(tmp_path, "PAT-2", "1.5")

    assert [ids.of(each) for each in (one, other, deletion("1.6"))] == ["PAT-1", "PAT-2", None]
    assert (ids.unknown, ids.pseudonyms) == (1, 0)


def test_a_list_comes_before_the_archive_and_the_archive_only_if_asked(tmp_path: Path) -> None:
    one = archived(tmp_path, "PAT-1")

    assert PatientIds({"1.2": "LISTED"}, archived=True).of(one) == "LISTED"
    assert PatientIds({}, archived=False).of(one) is None


def test_what_is_known_by_no_id_is_counted_by_study(tmp_path: Path) -> None:
    ids = PatientIds({}, archived=True)
    pseudonym = replace(deletion("1.4"), patient="hmac-sha256:0", store=OTHER)

    assert ids.of(pseudonym) == "hmac-sha256:0"
    assert [ids.of(deletion(f"1.4.{number}")) for number in range(3)] == [None] * 3
    assert (ids.unknown, ids.pseudonyms) == (1, 1)


@pytest.mark.parametrize(
    "damage", ["changed", "gone", "a link", "a pipe", "without an id", "several ids"]
)
def test_a_copy_that_does_not_say_it_is_no_reason_to_guess(tmp_path: Path, damage: str) -> None:
    one = archived(tmp_path, None if damage == "without an id" else "PAT-1")
    assert one.copy is not None
    if damage == "changed":
        one.copy.file.write_bytes(one.copy.file.read_bytes() + b"\0")
    elif damage == "gone":
        one.copy.file.unlink()
    elif damage == "a link":
        one.copy.file.symlink_to(one.copy.file.rename(tmp_path / "elsewhere"))
    elif damage == "a pipe":
        one.copy.file.unlink()
        os.mkfifo(one.copy.file)
    elif damage == "several ids":
        one = archived(tmp_path, "A\\B")

    assert PatientIds({}, archived=True).of(one) is None


def test_an_id_that_no_message_has_room_for_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    listed = tmp_path / "patients.csv"
    listed.write_text(f"studiesId,PatientID\n1.2,{'P' * 1_025}\n")

    with pytest.raises(UsageError) as raised:
        read_patients(listed)
    assert "PP" not in str(raised.value)
