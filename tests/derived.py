"""Objects that refer to images: by highdicom where it makes them, else by hand with pydicom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom import ko, pm, pr, seg, sr
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

REFERENCED = 0x00081155
MAKER = {
    "manufacturer": "Nobody",
    "manufacturer_model_name": "None",
    "software_versions": "1",
    "device_serial_number": "1",
}
SOP_CLASSES = {
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
    "REG": "1.2.840.10008.5.1.4.1.1.66.1",
    "RWV": "1.2.840.10008.5.1.4.1.1.67",
    "DOC": "1.2.840.10008.5.1.4.1.1.104.1",
    "ECG": "1.2.840.10008.5.1.4.1.1.9.1.1",
}
CT = "1.2.840.10008.5.1.4.1.1.2"


@cache
def _ct() -> Dataset:
    path = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(path, str)
    return pydicom.dcmread(path)


def image(study: str, series: str, number: int, *image_type: str) -> Dataset:
    """A CT image of pydicom's under other UIDs."""
    one = deepcopy(_ct())
    one.StudyInstanceUID, one.SeriesInstanceUID = study, series
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    one.ImagePositionPatient = [0.0, 0.0, float(number)]
    one.InstanceNumber = number
    one.ImageType = list(image_type or ("ORIGINAL", "PRIMARY", "AXIAL"))
    return one


def images(study: str, series: str, count: int) -> list[Dataset]:
    return [image(study, series, number) for number in range(1, count + 1)]


def _seg(of: Sequence[Dataset], uids: Mapping[str, object]) -> Dataset:
    shape = (len(of), of[0].Rows, of[0].Columns)
    description = seg.SegmentDescription(
        1, "liver", codes.SCT.Organ, codes.SCT.Liver, seg.SegmentAlgorithmTypeValues.MANUAL
    )
    mask = np.ones(shape, dtype=np.uint8)
    return seg.Segmentation(
        of, mask, seg.SegmentationTypeValues.BINARY, [description], **uids, **MAKER
    )


def _parametric_map(of: Sequence[Dataset], uids: Mapping[str, object]) -> Dataset:
    values = np.ones((len(of), of[0].Rows, of[0].Columns), dtype=np.float32)
    mapping = pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation="none",
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        intercept=0,
        slope=1,
    )
    return pm.ParametricMap(
        of,
        values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        **uids,
        **MAKER,
    )


def _key_objects(of: Sequence[Dataset], uids: Mapping[str, object]) -> Dataset:
    content = ko.KeyObjectSelection(codes.DCM.ForReferringProvider, referenced_objects=of)
    return ko.KeyObjectSelectionDocument(of, content, manufacturer="Nobody", **uids)


def _report(of: Sequence[Dataset], uids: Mapping[str, object]) -> Dataset:
    content = sr.ContainerContentItem(codes.DCM.ImagingMeasurementReport, template_id="1500")
    contains = sr.RelationshipTypeValues.CONTAINS
    content.ContentSequence = sr.ContentSequence(
        [
            sr.ImageContentItem(
                codes.DCM.SourceImage,
                one.SOPClassUID,
                one.SOPInstanceUID,
                relationship_type=contains,
            )
            for one in of
        ]
    )
    return sr.EnhancedSR(of, content, manufacturer="Nobody", **uids)


def _presentation(of: Sequence[Dataset], uids: Mapping[str, object]) -> Dataset:
    return pr.GrayscaleSoftcopyPresentationState(of, content_label="NONE", **uids, **MAKER)


BY_HIGHDICOM: Mapping[str, Callable[[Sequence[Dataset], Mapping[str, object]], Dataset]] = {
    "SEG": _seg,
    "PM": _parametric_map,
    "KO": _key_objects,
    "SR": _report,
    "PR": _presentation,
}


def _items(*items: Dataset) -> DicomSequence:
    return DicomSequence(items)


def _item(**elements: object) -> Dataset:
    one = Dataset()
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return one


def reference(uid: str, sop_class: str = CT) -> Dataset:
    return _item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid)


def _structures(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    """As PS3.3 section A.19 has it: the images stand above the contours, and at each of them."""
    frame = str(of[0].FrameOfReferenceUID)
    series = _item(
        SeriesInstanceUID=of[0].SeriesInstanceUID,
        ContourImageSequence=_items(*(reference(one.SOPInstanceUID) for one in of)),
    )
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=of[0].StudyInstanceUID,
        RTReferencedSeriesSequence=_items(series),
    )
    yield "StructureSetLabel", "none"
    yield (
        "ReferencedFrameOfReferenceSequence",
        _items(_item(FrameOfReferenceUID=frame, RTReferencedStudySequence=_items(study))),
    )
    yield "StructureSetROISequence", _items(_item(ROINumber=1, ReferencedFrameOfReferenceUID=frame))
    contours = [
        _item(
            ContourImageSequence=_items(reference(one.SOPInstanceUID)),
            ContourGeometricType="POINT",
            NumberOfContourPoints=1,
            ContourData=[0.0, 0.0, 1.5],
        )
        for one in of
    ]
    yield (
        "ROIContourSequence",
        _items(_item(ReferencedROINumber=1, ContourSequence=_items(*contours))),
    )


def _plan(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    yield "RTPlanLabel", "none"
    yield "FractionGroupSequence", _items(_item(FractionGroupNumber=1, NumberOfBeams=1))
    beam = _item(
        BeamNumber=1,
        ReferencedReferenceImageSequence=_items(*(reference(one.SOPInstanceUID) for one in of[1:])),
    )
    yield "BeamSequence", _items(beam)
    first = reference(of[0].SOPInstanceUID, SOP_CLASSES["RTSTRUCT"])
    yield "ReferencedStructureSetSequence", _items(first)


def _registration(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    yield "ContentLabel", "NONE"
    yield "FrameOfReferenceUID", of[0].FrameOfReferenceUID
    images_of = _items(*(reference(one.SOPInstanceUID) for one in of))
    yield (
        "RegistrationSequence",
        _items(
            _item(FrameOfReferenceUID=of[0].FrameOfReferenceUID, ReferencedImageSequence=images_of)
        ),
    )


def _real_world(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    yield "ContentLabel", "NONE"
    images_of = _items(*(reference(one.SOPInstanceUID) for one in of))
    yield (
        "ReferencedImageRealWorldValueMappingSequence",
        _items(_item(ReferencedImageSequence=images_of)),
    )


def _document(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    yield "SourceInstanceSequence", _items(*(reference(one.SOPInstanceUID) for one in of))
    yield "EncapsulatedDocument", b"%PDF"


def _waveform(of: Sequence[Dataset]) -> Iterator[tuple[str, object]]:
    yield "ReferencedInstanceSequence", _items(*(reference(one.SOPInstanceUID) for one in of))


BY_HAND: Mapping[str, Callable[[Sequence[Dataset]], Iterator[tuple[str, object]]]] = {
    "RTSTRUCT": _structures,
    "RTPLAN": _plan,
    "REG": _registration,
    "RWV": _real_world,
    "DOC": _document,
    "ECG": _waveform,
}

KINDS = (*BY_HIGHDICOM, *BY_HAND)


def by_hand(sop_class: str, study: str, series: str, uid: str, **elements: object) -> Dataset:
    """An object with these elements."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID = sop_class, uid
    one.StudyInstanceUID, one.SeriesInstanceUID = study, series
    one.Modality, one.PatientID, one.PatientName = "OT", "SYNTHETIC", "Synthetic^Instance"
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return one


def derived(kind: str, of: Sequence[Dataset], study: str, series: str, uid: str) -> Dataset:
    """An object of this kind that refers to these images, at this address."""
    if kind in BY_HAND:
        return by_hand(SOP_CLASSES[kind], study, series, uid, **dict(BY_HAND[kind](of)))
    uids = {
        "series_instance_uid": hd.UID(series),
        "series_number": 7,
        "sop_instance_uid": hd.UID(uid),
        "instance_number": 1,
    }
    one = BY_HIGHDICOM[kind](deepcopy(of), uids)  # they share elements
    one.StudyInstanceUID = study
    return one


def file_of(dataset: Dataset, *, implicit: bool = False) -> bytes:
    """The object as a DICOM file."""
    if implicit:
        dataset = deepcopy(dataset)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def saved(dataset: Dataset, folder: Path) -> Path:
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    path.write_bytes(file_of(dataset))
    return path


def references_of(dataset: Dataset) -> set[str]:
    """Every Referenced SOP Instance UID at any depth, by pydicom alone."""
    found = {
        str(element.value) for element in dataset if element.tag == REFERENCED and element.value
    }
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                found |= references_of(item)
    return found


def series_of(dataset: Dataset, depth: int = 0) -> tuple[set[str], bool]:
    """Each series that an item names which names no instance; and whether there is any."""
    named, below = set(), bool(dataset.get(REFERENCED))
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                inner, names = series_of(item, depth + 1)
                named |= inner
                below |= names
    if depth and not below and dataset.get("SeriesInstanceUID"):
        named.add(str(dataset.SeriesInstanceUID))
    return named, below
