"""`audit export --archived-patients`: the archived copies say whose images were deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import config, dcmread
from pydicom.data import get_testdata_file

from reconciler.emulator import DEMO_STORE

from .conftest import Site

LONG = "P" * 70
"""Longer than PS3.5 allows, which pydicom warns of in words that hold it."""


@pytest.fixture
def deleted(site: Site, tmp_path: Path) -> Site:
    """A site where a real image was archived and deleted."""
    file = tmp_path / "image.dcm"
    with config.disable_value_validation():
        image = dcmread(str(get_testdata_file("CT_small.dcm")))
        image.PatientID = LONG
        image.save_as(file)
    address = site.emulator.ingest(DEMO_STORE, file)
    site.ask_removal([address])
    site.plan()
    assert site.apply().code == 0
    return site


def patients(site: Site, *arguments: str) -> tuple[list[str], str]:
    answer = site.run("audit", "export", "--format", "fhir", *arguments)
    assert answer.code == 0
    (event,) = [json.loads(line) for line in answer.out.splitlines()]
    found = [one["what"]["identifier"]["value"] for one in event["entity"] if "role" in one]
    return found[1:], answer.err


def test_the_archive_tells_the_patient_only_when_it_is_asked(deleted: Site) -> None:
    assert patients(deleted) == ([], "note: the patient of 1 study is written as unknown\n")
    assert patients(deleted, "--archived-patients") == ([LONG], "")


def test_a_list_counts_before_the_archive(deleted: Site, tmp_path: Path) -> None:
    answer = deleted.run("audit", "export", "--format", "csv")
    study = answer.out.splitlines()[1].split(",")[3]
    listed = tmp_path / "patients.csv"
    listed.write_text(f"studiesId,PatientID\n{study},LISTED\n")
    given = ["--archived-patients", "--patients", str(listed)]
    assert patients(deleted, *given) == (["LISTED"], "")


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_copy_that_is_not_what_was_archived_tells_nothing(deleted: Site, change: str) -> None:
    (copy,) = deleted.archive.rglob("*.dcm")
    if change == "gone":
        copy.unlink()
    else:
        copy.write_bytes(copy.read_bytes().replace(b"PPP", b"QQQ"))
    found, error = patients(deleted, "--archived-patients")
    assert found == []
    assert "the patient of 1 study is written as unknown" in error
    assert "QQQ" not in error


def test_it_is_of_no_use_without_patients(deleted: Site) -> None:
    answer = deleted.run("audit", "export", "--format", "ocsf", "--archived-patients")
    assert answer.code == 1
    assert "--archived-patients is of no use to ocsf" in answer.err
