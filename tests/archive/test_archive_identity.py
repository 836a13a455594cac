"""Whose a DICOM file is, by its beginning, as pydicom says it when it reads the whole."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from reconciler.dicom_file import HEAD, NotDicomFileError, instance_uid_of


def test_real_files_are_whose_pydicom_says() -> None:
    compared = 0
    with resources.as_file(resources.files("pydicom.data")) as folder:
        for path in sorted(Path(folder).rglob("*.dcm")):
            try:
                uid = pydicom.dcmread(path, stop_before_pixels=True).get("SOPInstanceUID")
                own = instance_uid_of(path.read_bytes()[:HEAD])
            except (NotDicomFileError, pydicom.errors.InvalidDicomError, OSError):
                continue
            assert own == str(uid), path.name
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_every_syntax_and_a_sequence_before_the_uid(
    syntax: pydicom.uid.UID, *, nested: bool
) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3.4"
    if nested:
        inner = Dataset()
        inner.SOPInstanceUID = "9.9.9"
        dataset.LanguageCodeSequence = [inner]
        dataset["LanguageCodeSequence"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    assert instance_uid_of(buffer.getvalue()) == "1.2.3.4"
