"""The attributes (PS3.6) that searches know, by their tags in the DICOM JSON Model."""

from __future__ import annotations

from collections.abc import Mapping

IMAGE_TYPE = "00080008"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
MODALITIES_IN_STUDY = "00080061"
STUDY_RELATED_SERIES = "00201206"
STUDY_RELATED_INSTANCES = "00201208"
SERIES_RELATED_INSTANCES = "00201209"

SEARCHABLE: Mapping[str, str] = {
    "StudyInstanceUID": STUDY_INSTANCE_UID,
    "PatientName": "00100010",
    "PatientID": "00100020",
    "AccessionNumber": "00080050",
    "ReferringPhysicianName": "00080090",
    "StudyDate": "00080020",
    "SeriesInstanceUID": SERIES_INSTANCE_UID,
    "Modality": "00080060",
    "SOPInstanceUID": "00080018",
}
"""What a search may ask for; the first six at every level, the next two below studies."""

STUDY_ROW = (
    "00080005",  # Specific Character Set
    "00080020",  # Study Date
    "00080030",  # Study Time
    "00080050",  # Accession Number
    "00080090",  # Referring Physician's Name
    "00080201",  # Timezone Offset From UTC
    "00100010",  # Patient's Name
    "00100020",  # Patient ID
    "00100030",  # Patient's Birth Date
    "00100040",  # Patient's Sex
    STUDY_INSTANCE_UID,
    "00200010",  # Study ID
)
SERIES_ROW = (
    "00080005",  # Specific Character Set
    "00080060",  # Modality
    "00080201",  # Timezone Offset From UTC
    "0008103E",  # Series Description
    STUDY_INSTANCE_UID,
    SERIES_INSTANCE_UID,
    "00200011",  # Series Number
    "00400244",  # Performed Procedure Step Start Date
    "00400245",  # Performed Procedure Step Start Time
)
INSTANCE_ROW = (
    "00080005",  # Specific Character Set
    "00080016",  # SOP Class UID
    "00080018",  # SOP Instance UID
    "00080201",  # Timezone Offset From UTC
    "00200013",  # Instance Number
    "00280008",  # Number of Frames
    "00280010",  # Rows
    "00280011",  # Columns
    "00280100",  # Bits Allocated
)
"""The attributes of a search result unless others are asked for (PS3.18 section 10.6.3.3)."""
