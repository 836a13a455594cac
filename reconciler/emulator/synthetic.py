"""Makes many small valid instances quickly, for benchmarks and tests.

One file is written by pydicom; the others are copies of it in which the SOP Instance UID is
replaced, in the file and in what the store keeps about it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from reconciler.emulator.storage.parsing import ParsedInstance, Rows, parse_file
from reconciler.model.address import StoreAddress

_PLACEHOLDER = "2.25.999999999999999999999999999999999999999"
"""Even in length, so that it stands in the file as it is."""
_GROUP_LENGTH = slice(140, 144)
"""The value of (0002,0000): after preamble, prefix and its own header (PS3.10 section 7.1)."""


@dataclass(frozen=True, slots=True)
class Template:
    """A file with the placeholder as its SOP Instance UID, and what a store keeps about it."""

    file: bytes
    parsed: ParsedInstance

    def arrival(self, uid: str, path: Path) -> tuple[Path, ParsedInstance]:
        """Write the file with another SOP Instance UID to a path, ready for the store."""
        old = _element(_PLACEHOLDER.encode())
        new = _element(uid.encode() + b"\0" * (len(uid) % 2))
        file = bytearray(self.file.replace(old, new))
        (length,) = struct.unpack("<L", file[_GROUP_LENGTH])
        file[_GROUP_LENGTH] = struct.pack("<L", length + len(new) - len(old))
        path.write_bytes(file)
        return path, replace(
            self.parsed,
            address=self.parsed.address._replace(instance_uid=uid),
            size=len(file),
            metadata=self.parsed.metadata.replace(_PLACEHOLDER, uid),
            rows=Rows(*(row.replace(_PLACEHOLDER, uid) for row in self.parsed.rows)),
        )


def _element(value: bytes) -> bytes:
    """VR, length and value of a UID in Explicit VR Little Endian (PS3.5 section 7.1.2)."""
    return b"UI" + struct.pack("<H", len(value)) + value


def template(
    store: StoreAddress, study_uid: str, series_uid: str, edge: int, scratch: Path
) -> Template:
    """A template for a series of images of ``edge`` by ``edge`` pixels of 16 bits.

    ``scratch`` is a path for a file that is removed again.
    """
    _dataset(study_uid, series_uid, edge).save_as(scratch, enforce_file_format=True)
    made = Template(scratch.read_bytes(), parse_file(scratch, store))
    scratch.unlink()
    return made


def _dataset(study_uid: str, series_uid: str, edge: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = _PLACEHOLDER
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Modality = "OT"
    dataset.PatientName = "Synthetic^Instance"
    dataset.PatientID = "SYNTHETIC"
    dataset.StudyDate = "20200101"
    dataset.StudyTime = "120000"
    dataset.AccessionNumber = "SYNTHETIC"
    dataset.ReferringPhysicianName = ""
    dataset.InstanceNumber = 1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = edge
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelData = bytes(2 * edge * edge)
    dataset["PixelData"].VR = "OW"
    return dataset
