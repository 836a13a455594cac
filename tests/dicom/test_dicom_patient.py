"""What a file says of its patient, without a library that could print it."""

from __future__ import annotations

import io
import warnings

import pydicom
import pytest
from pydicom import Dataset, config
from pydicom.charset import python_encoding
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from reconciler.dicom.file_head import HEAD, NotDicomFileError
from reconciler.dicom.patient import Said, patient_id_of, said_of

from .files import Writer, file_of, real_files

PATIENT_ID, STUDY_DATE, MODALITY = 0x00100020, 0x00080020, 0x00080060
SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]

WITHOUT_VRS = ["rtdose_rle.dcm", "rtdose_rle_1frame.dcm"]
"""Files whose elements are all UN: what they say is asked of the store."""


def said_by_pydicom(data: bytes) -> list[str | None]:
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    found = (dataset.get(name) for name in ("PatientID", "StudyDate", "Modality"))
    return [str(one).strip() or None if one is not None else None for one in found]


def test_it_is_what_pydicom_reads_in_real_files() -> None:
    read: list[str] = []
    asked: list[str] = []
    for path, data in real_files():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = said_by_pydicom(data)
        try:
            assert [*said_of(data[:HEAD])] == wanted, path
        except NotDicomFileError:
            if wanted[0] is not None and "".join(one or "" for one in wanted).isascii():
                asked.append(path.name)
        else:
            read.append(path.name)
    assert asked == WITHOUT_VRS
    assert len(read) > 80


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("patient_id", ["PAT-1", " PAT-1 ", "P" * 70])
def test_it_is_read_in_every_encoding(syntax: str, patient_id: str) -> None:
    assert said_of(made(patient_id, syntax)) == Said(patient_id.strip(), "20100101", None)


def made(patient_id: str, syntax: str = ExplicitVRLittleEndian, character_set: str = "") -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.StudyDate, dataset.PatientName = "20100101", "A^B"
    file = io.BytesIO()
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.SpecificCharacterSet = character_set or None
        dataset.PatientID = patient_id
        dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.mark.parametrize("character_set", sorted(filter(None, python_encoding)))
def test_what_a_character_set_says_otherwise_is_not_read(character_set: str) -> None:
    """What is read is that which pydicom decodes, whatever the bytes would mean in ASCII."""
    for text in ("PAT-1", "Ünlü", "Юлия", "山田", "ﾔﾏﾀﾞ", "\x1b$B;3ED\x1b(B"):
        try:
            data = made(text, character_set=character_set)
        except (UnicodeError, ValueError):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = patient_id_of(data)
        try:
            assert said_of(data).patient_id == decoded
        except NotDicomFileError:
            assert text != "PAT-1"


def test_no_warning_quotes_what_is_read() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (made("PAT-1", character_set="ISO_IR SMITH"), made("S" * 80)):
            assert said_of(data)


@pytest.mark.parametrize(
    "elements",
    [
        [(PATIENT_ID, "LO", b"A\\B ")],
        [(PATIENT_ID, "LO", b"")],
        [(PATIENT_ID, "LO", b"  ")],
        [(PATIENT_ID, "UN", b"AB")],
        [(PATIENT_ID, "LO", b"\x1b$BAB")],
        [(PATIENT_ID, "LO", b"A\0B ")],
        [(STUDY_DATE, "DA", b"2010"), (STUDY_DATE, "DA", b"2011"), (PATIENT_ID, "LO", b"A ")],
        [(MODALITY, "LO", b"US"), (PATIENT_ID, "LO", b"A ")],
        [(0x00100010, "PN", b"SMITH ")],
        [(0x0020000D, "UI", b"1.2\0")],
    ],
)  # fmt: skip
def test_what_is_not_plain_is_not_read(elements: list[tuple[int, str, bytes]]) -> None:
    write = Writer()
    dataset = b"".join(write.element(*one) for one in elements)
    with pytest.raises(NotDicomFileError):
        said_of(file_of(dataset))


def test_the_patient_of_an_item_is_another() -> None:
    write = Writer()
    other = write.element(PATIENT_ID, "LO", b"OTHER ")
    item = write.tag(0xFFFEE000, len(other)) + other
    sequence = write.element(0x00081140, "SQ", item)
    mine = write.element(PATIENT_ID, "LO", b"MINE")
    assert said_of(file_of(sequence + mine)).patient_id == "MINE"
