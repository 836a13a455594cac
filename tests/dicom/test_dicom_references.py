"""What an object refers to, in its file and in its metadata, against a walk by pydicom alone."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Set
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID_dictionary

from reconciler.dicom.byte_stream import DamagedError
from reconciler.dicom.image_classes import IMAGE_CLASSES
from reconciler.dicom.references import References, references_in
from reconciler.dicom.referrers import Referring, referring
from reconciler.emulator.storage.dicom_json import dataset_to_json, json_text
from reconciler.live.dicomweb.metadata_references import MetadataReferences, read_references
from reconciler.live.http.faults import AttemptError

from ..derived import (
    CT,
    KINDS,
    by_hand,
    derived,
    file_of,
    images,
    reference,
    references_of,
    series_of,
)

OF = images("1.2.3", "1.2.3.1", 3)
UIDS = ("1.2.9", "1.2.9.2", "1.2.9.2.1")


class Everything(frozenset[str]):
    """Every UID that there is, so that nothing that is found is left out."""

    def __contains__(self, uid: object) -> bool:
        return True


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[at : at + size] for at in range(0, len(data), size))


def in_file(data: bytes, among: Set[str] = Everything(), size: int = 1000) -> References:
    return references_in(pieces(data, size), among)[0]


def metadata_of(dataset: Dataset) -> bytes:
    """The metadata as the embedded store answers them."""
    return f"[{json_text(dataset_to_json(dataset, 'http://store/bulkdata'))}]".encode()


def in_metadata(
    data: bytes, among: Set[str] = Everything(), size: int = 1000
) -> MetadataReferences:
    (found,) = read_references(pieces(data, size), among)
    return found


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_is_found_and_none_invented(kind: str, size: int) -> None:
    explicit = file_of(derived(kind, OF, *UIDS))
    read = pydicom.dcmread(BytesIO(explicit))
    expected = references_of(read)
    assert {one.SOPInstanceUID for one in OF} <= expected
    for data in (explicit, file_of(read, implicit=True)):
        found, uids = references_in(pieces(data, size), Everything())
        assert found.instances == expected
        assert found.series == series_of(read)[0]
        assert uids == UIDS
    by_metadata = in_metadata(metadata_of(read), size=size)
    assert by_metadata.references.instances == expected
    assert by_metadata.references.series == series_of(read)[0]
    assert by_metadata.uids == UIDS
    assert by_metadata.is_whole


DAMAGED = {"rtplan_truncated.dcm", "DICOMDIR-nooffset"}
REAL_FILES = sorted(
    path
    for path in map(Path, get_testdata_files())
    if "test_files" in path.parts and path.suffix == ".dcm" and path.name not in DAMAGED
)


def readable(path: Path) -> Dataset | None:
    """The dataset; None for what is no DICOM file, or too broken even for pydicom."""
    try:
        dataset = pydicom.dcmread(path)
        references_of(dataset)
    except Exception:  # noqa: BLE001 - pydicom raises whatever a broken file leads to
        return None
    return dataset if "TransferSyntaxUID" in dataset.file_meta else None


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_in_real_files_nothing_else_is_found_than_by_pydicom(path: Path) -> None:
    dataset = readable(path)
    if dataset is None:
        pytest.skip("pydicom cannot read it")
    expected = references_of(dataset)
    found = in_file(path.read_bytes(), size=4096)
    assert (found.instances, found.series) == (expected, series_of(dataset)[0])
    by_metadata = in_metadata(metadata_of(dataset))
    assert by_metadata.references.instances <= expected
    if by_metadata.is_whole:
        assert by_metadata.references.instances == expected


UID = st.sampled_from([f"1.9.{number}" for number in range(6)])
SEQUENCES = (
    "ReferencedSeriesSequence",
    "ReferencedSOPSequence",
    "ReferencedImageSequence",
    "ContentSequence",
    "SourceImageSequence",
)


@st.composite
def items(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """An item, perhaps with a reference, a series, or items of its own; with other elements."""
    one = Dataset()
    if draw(st.booleans()):
        one.PatientID = draw(st.sampled_from(["{[", '"\\', "1.9.1", "]}", ""]))
    if draw(st.booleans()):
        one.ReferencedSOPInstanceUID = draw(UID)
    if draw(st.booleans()):
        one.SeriesInstanceUID = draw(UID)
    if draw(st.booleans()):
        one.ImagePositionPatient = [1.0, 2.5, -3.0]
    names = draw(st.lists(st.sampled_from(SEQUENCES), unique=True, max_size=2)) if depth else []
    for name in names:
        found = draw(st.lists(items(depth=depth - 1), max_size=2))
        setattr(one, name, DicomSequence(found))
    return one


@given(items(), st.sets(UID), st.integers(1, 40), st.booleans(), st.booleans())
def test_the_references_of_any_tree_are_those_of_its_model(
    top: Dataset, among: set[str], size: int, implicit: bool, undefined: bool
) -> None:
    top.is_undefined_length_sequence_item = undefined
    elements = {element.keyword: element.value for element in top}
    elements.pop("SeriesInstanceUID", None)
    dataset = by_hand(CT, *UIDS, **elements)
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
    read = pydicom.dcmread(BytesIO(file_of(dataset, implicit=implicit)))
    expected = references_of(dataset) & among, series_of(dataset)[0] & among
    found = in_file(file_of(dataset, implicit=implicit), among, size)
    assert (found.instances, found.series) == expected
    by_metadata = in_metadata(metadata_of(read), among, size).references
    assert (by_metadata.instances, by_metadata.series) == expected


def test_a_series_counts_only_where_no_instance_is_named() -> None:
    inner = Dataset()
    inner.ReferencedSOPSequence = DicomSequence([reference("1.9.1")])
    inner.SeriesInstanceUID = "1.9"
    alone = Dataset()
    alone.SeriesInstanceUID = "1.8"
    dataset = by_hand(CT, *UIDS, ReferencedSeriesSequence=DicomSequence([inner, alone]))
    for found in (in_file(file_of(dataset)), in_metadata(metadata_of(dataset)).references):
        assert (found.instances, found.series) == ({"1.9.1"}, {"1.8"})
        assert not found.is_by_frame_alone


def test_what_names_only_a_frame_of_reference_says_so() -> None:
    dataset = by_hand(CT, *UIDS, FrameOfReferenceUID="1.7")
    assert in_file(file_of(dataset)).is_by_frame_alone
    assert in_metadata(metadata_of(dataset)).references.is_by_frame_alone
    dataset.SourceImageSequence = DicomSequence([reference("1.9.1")])
    assert not in_file(file_of(dataset)).is_by_frame_alone


@pytest.mark.parametrize("implicit", [False, True])
def test_a_sequence_of_an_unknown_vr_is_gone_into(implicit: bool) -> None:
    """As other programs pass on what they do not know (PS3.5 section 6.2.2)."""
    plain = Dataset()
    plain.ReferencedImageSequence = DicomSequence([reference("1.9.1")])
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, plain, implicit_vr=implicit, little_endian=True)
    header = 8 if implicit else 12
    dataset = by_hand(CT, *UIDS)
    dataset.add_new(0x00091010, "UN", buffer.getvalue()[header:])
    assert in_file(file_of(dataset)).instances == {"1.9.1"}
    assert not in_metadata(metadata_of(dataset)).is_whole  # it has a URI in place of its value


def test_pixels_are_not_read() -> None:
    def endless(data: bytes) -> Iterator[bytes]:
        yield data
        raise AssertionError("read beyond the beginning of the pixel data")

    dataset = by_hand(CT, *UIDS, SourceImageSequence=DicomSequence([reference("1.9.1")]))
    dataset.Rows = dataset.Columns = 512
    dataset.BitsAllocated = 8
    dataset.PixelData = bytes(512 * 512)
    dataset["PixelData"].VR = "OB"
    data = file_of(dataset)
    assert references_in(endless(data[: 300 * 1024 // 2 + 150_000]), Everything())[0].instances == {
        "1.9.1"
    }


def test_a_file_that_breaks_off_is_damaged() -> None:
    data = file_of(derived("SR", OF, *UIDS))
    with pytest.raises(DamagedError):
        in_file(data[:-30])


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[", b"[1]", b'[{"00081155":{"vr":"UI","Value":["1.2"]}}', b'[{"0008', b"[[]]"],
)
def test_what_is_no_array_of_datasets_is_no_answer(body: bytes) -> None:
    with pytest.raises(AttemptError):
        list(read_references(iter([body]), Everything()))


def test_nesting_without_end_is_no_answer() -> None:
    body = b"[" + b'{"0040A730":{"Value":[' * 100_000
    with pytest.raises(AttemptError):
        list(read_references(pieces(body, 1 << 16), Everything()))


def test_the_order_of_keys_does_not_matter_nor_do_spaces() -> None:
    inner = {"Value": ["1.9.1 "], "vr": "UI"}
    for keys in (("vr", "Value"), ("Value", "vr")):
        sequence = {"vr": "SQ", "Value": [{"00081155": inner}, {}]}
        text = json.dumps([{"00081140": {key: sequence[key] for key in keys}}], indent=1)
        assert in_metadata(text.encode(), size=3).references.instances == {"1.9.1"}


LEFT_OUT = [
    {"00081115": {"vr": "SQ", "BulkDataURI": "x"}},
    {"00091010": {"vr": "UN", "BulkDataURI": "x"}},
    {"00091010": {"vr": "UN", "InlineBinary": "AAAA"}},
    {"00091010": {"BulkDataURI": "x"}},
    {"00081140": {"vr": "SQ", "bulkDataURI": "x"}},
    {"00081140": {"vr": "SQ", "Value": {}}},
    {"00081140": []},
    {"00081115": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "BulkDataURI": "x"}}]}},
    {"52009229": {"vr": "SQ", "Value": [{}]}},
    {"0040A050": {"vr": "CS", "Value": ["SEPARATE"]}},
    {"30060020": {"vr": "SQ", "Value": [{}]}},
    {"300A0070": {"vr": "SQ", "Value": [{}]}},
    {"00700080": {"vr": "CS", "Value": ["A"]}},
]
NOT_LEFT_OUT = [
    {"7FE00010": {"vr": "OW", "BulkDataURI": "x"}},
    {"00091010": {"vr": "OB", "InlineBinary": "AAAA"}},
    {"52009229": {"vr": "SQ"}, "52009230": {"vr": "SQ"}},
    {"300A0070": {"vr": "SQ"}, "300A03A2": {"vr": "SQ"}},
    {"00700080": {"vr": "CS"}, "00081115": {"vr": "SQ"}},
]


@pytest.mark.parametrize(
    ("dataset", "is_whole"),
    [(one, False) for one in LEFT_OUT] + [(one, True) for one in NOT_LEFT_OUT],
)
def test_what_may_hold_a_reference_and_is_left_out_is_noticed(
    dataset: dict[str, object], is_whole: bool
) -> None:
    assert in_metadata(json.dumps([dataset]).encode()).is_whole is is_whole


def test_tens_of_megabytes_are_never_held() -> None:
    numbers = ",".join(map(str, range(100_000)))
    contour = '{"30060050":{"vr":"DS","Value":[%s]},"00081155":{"Value":["1.9.%d"],"vr":"UI"}}'

    def body() -> Iterator[bytes]:
        yield b'[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"Synthetic^Instance"}]},'
        yield b'"00420011":{"vr":"OB","InlineBinary":"'
        yield from (b"A" * (1 << 17) for _ in range(64))
        yield b'"},"30060039":{"vr":"SQ","Value":['
        for number in range(40):
            yield (contour % (numbers, number)).encode() + (b"," if number < 39 else b"")
        yield b"]}}]"

    tracemalloc.start()
    (found,) = read_references(body(), {"1.9.3", "1.9.39"})
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.references.instances == {"1.9.3", "1.9.39"}
    assert highest < 8 * 1024 * 1024  # of 30 MB, with two pieces of 600 kB at a time


@pytest.mark.parametrize(
    ("sop_class", "image_type", "expected"),
    [
        (CT, "ORIGINAL", Referring.NO),
        (CT, "ORIGINAL ", Referring.NO),
        (CT, "DERIVED", Referring.YES),
        (CT, "DERIVED ", Referring.YES),
        (CT, "derived", Referring.YES),
        (CT, "SECONDARY", Referring.YES),
        (CT, "", Referring.UNREPORTED),
        ("1.2.840.10008.5.1.4.1.1.66.4", "DERIVED", Referring.YES),
        ("1.2.840.10008.5.1.4.1.1.30", "", Referring.YES),
        ("1.2.840.10008.5.1.4.1.1.481.2", "", Referring.YES),
        ("1.2.840.10008.5.1.4.1.1.88.59", "", Referring.YES),
        ("1.2.840.10008.5.1.4.1.1.11.1", "", Referring.YES),
        ("1.2.840.10008.5.1.4.1.1.4.2", "ORIGINAL", Referring.NO),
        ("1.2.840.10008.5.1.4.1.1.6.2", "ORIGINAL", Referring.NO),
        ("1.2.840.10008.5.1.4.1.1.77.1.6", "ORIGINAL", Referring.NO),
        ("1.3.46.670589.11.0.0.12.1", "ORIGINAL", Referring.YES),
        ("", "ORIGINAL", Referring.YES),
        ("no UID", "", Referring.YES),
    ],
)
def test_who_may_refer_is_decided_by_class_and_image_type(
    sop_class: str, image_type: str, expected: Referring
) -> None:
    assert referring(sop_class, image_type) is expected


def test_the_classes_of_images_are_those_of_the_standard() -> None:
    """An older pydicom may lack some; two are acquisitions whose names do not say it."""
    named = {uid for uid, (name, *_) in UID_dictionary.items() if "Image Storage" in name}
    known = set(UID_dictionary) & IMAGE_CLASSES
    assert known - named == {"1.2.840.10008.5.1.4.1.1.4.2", "1.2.840.10008.5.1.4.1.1.6.2"}
    assert named <= IMAGE_CLASSES
