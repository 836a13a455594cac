"""What a store answers of the references of its instances, also where its metadata lack them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from reconciler.emulator import DEMO_STORE
from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults
from reconciler.errors import LiveError
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.live import References, Referrer, UnreportedImage

from ..derived import (
    CT,
    KINDS,
    SOP_CLASSES,
    by_hand,
    derived,
    file_of,
    image,
    images,
    reference,
    references_of,
)

OF = images("1.2.3", "1.2.3.1", 3)
SERIES = SeriesAddress("1.2.9", "1.2.9.2")
ONE = InstanceAddress(*SERIES, "1.2.9.2.1")
PATIENT = "1CT1"


@pytest.fixture
def ingest(emulator):
    def ingest_one(dataset: Dataset) -> InstanceAddress:
        return emulator.ingest(DEMO_STORE, file_of(dataset))

    return ingest_one


def asked(emulator) -> Counter[str]:
    """The requests by the end of their path."""
    return Counter(one.path.rpartition("/")[2] for one in emulator.requests())


@pytest.mark.parametrize("kind", KINDS)
def test_one_request_tells_what_an_object_refers_to(emulator, store, ingest, kind: str) -> None:
    dataset = derived(kind, OF, *ONE)
    assert ingest(dataset) == ONE
    emulator.clear_requests()
    uids = references_of(dataset) - {OF[0].SOPInstanceUID}
    assert store.references(ONE, uids) == References(frozenset(uids))
    assert store.references(ONE, frozenset()) == References()
    assert asked(emulator) == {"metadata": 2}
    assert store.references_of_series(SERIES, uids) == {
        ONE.instance_uid: References(frozenset(uids))
    }


def test_a_listing_says_what_may_refer_to_others(store, ingest) -> None:
    expected = {
        ingest(image("1.2.9", "1.2.9.1", 1)): InstanceAddress,
        ingest(image("1.2.9", "1.2.9.1", 2, "DERIVED", "SECONDARY")): Referrer,
        ingest(by_hand(CT, "1.2.9", "1.2.9.1", "1.2.9.1.3")): UnreportedImage,
        ingest(derived("SEG", OF, *ONE)): Referrer,
        ingest(by_hand("1.3.46.670589.2.5.1.1", "1.2.9", "1.2.9.3", "1.2.9.3.1")): Referrer,
    }
    for rows in (store.list_instances("1.2.9"), store.list_instances("1.2.9", "1.2.9.1")):
        found = {row: type(row) for row in rows}
        assert found.items() <= expected.items()
        assert len(found) > 2


MANY = [f"1.9.{'1' * 50}.{number}" for number in range(1000, 8000)]


def item(**elements: object) -> DicomSequence:
    """A sequence of one item."""
    one = Dataset()
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return DicomSequence([one])


def large(kind: str) -> Dataset:
    """An object whose sequence of references is too large to stand in its metadata."""
    many = DicomSequence(map(reference, MANY))
    report = "1.2.840.10008.5.1.4.1.1.88.22"
    series = item(SeriesInstanceUID="1.9", ReferencedSOPSequence=many)
    match kind:
        case "SR":
            elements = {"ContinuityOfContent": "SEPARATE", "ContentSequence": many}
            return by_hand(report, *ONE, **elements)
        case "container":
            inner = item(ContinuityOfContent="SEPARATE", ContentSequence=many)
            elements = {"ContinuityOfContent": "SEPARATE", "ContentSequence": inner}
            return by_hand(report, *ONE, **elements)
        case "evidence":
            found = item(StudyInstanceUID="1.9", ReferencedSeriesSequence=series)
            return by_hand(report, *ONE, CurrentRequestedProcedureEvidenceSequence=found)
        case "series":
            parts = [series[0], *item(SeriesInstanceUID="1.9", ReferencedSOPSequence=many)]
            found = item(StudyInstanceUID="1.9", ReferencedSeriesSequence=DicomSequence(parts))
            return by_hand(report, *ONE, CurrentRequestedProcedureEvidenceSequence=found)
        case "contours":
            contours = DicomSequence(
                item(ContourImageSequence=DicomSequence([one]))[0] for one in many
            )
            elements = {
                "StructureSetROISequence": item(ROINumber=1),
                "ROIContourSequence": item(ContourSequence=contours),
            }
            return by_hand(SOP_CLASSES["RTSTRUCT"], *ONE, **elements)
    images_of = item(SeriesInstanceUID="1.9", ContourImageSequence=many)
    study = item(ReferencedSOPInstanceUID="1.9", RTReferencedSeriesSequence=images_of)
    frame = item(FrameOfReferenceUID="1.8", RTReferencedStudySequence=study)
    return by_hand(SOP_CLASSES["RTSTRUCT"], *ONE, ReferencedFrameOfReferenceSequence=frame)


SLOW = ("container", "evidence", "series", "contours")


@pytest.mark.parametrize(
    "kind", ["SR", "images", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)]
)
def test_what_metadata_leave_out_is_read_in_the_file(emulator, store, ingest, kind: str) -> None:
    dataset = large(kind)
    ingest(dataset)
    last = MANY[-1]
    emulator.clear_requests()
    assert store.references(ONE, {last}) == References(frozenset({last}))
    assert asked(emulator) == {"metadata": 1, ONE.instance_uid: 1}
    assert store.references_of_series(SERIES, {last}) == {}


def test_pixels_of_what_is_read_so_do_not_arrive(store, ingest) -> None:
    dataset = by_hand("1.2.840.10008.5.1.4.1.1.66.4", *ONE)
    dataset.SharedFunctionalGroupsSequence = DicomSequence([Dataset()])
    dataset.SourceImageSequence = DicomSequence([reference("1.9.1")])
    dataset.Rows = dataset.Columns = 2048
    dataset.BitsAllocated = 8
    dataset.PixelData = bytes(2048 * 2048)
    dataset["PixelData"].VR = "OB"
    ingest(dataset)
    assert store.references(ONE, {"1.9.1"}) == References(frozenset({"1.9.1"}))


@pytest.mark.parametrize("status", [403, 404, 500])
def test_what_cannot_be_read_is_said(emulator, store, ingest, status: int) -> None:
    ingest(derived("SEG", OF, *ONE))
    rule = FaultRule(FaultKind.STATUS, path="/metadata", status=status)
    emulator.set_faults(Faults(rules=(rule,)))
    with pytest.raises(LiveError, match=str(status)):
        store.references(ONE, {"1.9"})
    with pytest.raises(LiveError, match=str(status)):
        store.references_of_series(SERIES, {"1.9"})


def dataset_json(uid: str = ONE.instance_uid, **elements: object) -> dict[str, object]:
    named = zip(("0020000D", "0020000E", "00080018"), (*SERIES, uid), strict=True)
    addresses = {tag: {"vr": "UI", "Value": [value]} for tag, value in named}
    return {**addresses, "00100020": {"vr": "LO", "Value": [PATIENT]}, **elements}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [dataset_json("1.2.9.2.2")],
        [dataset_json(), dataset_json()],
        [{}],
        {"0020000D": {}},
        [dataset_json(), PATIENT],
    ],
)
def test_metadata_of_something_else_are_no_answer(scripted, connect, rows: object) -> None:
    path = f"/v1/{DEMO_STORE}/dicomWeb{ONE}/metadata"
    body = json.dumps(rows).encode()
    headers = {"Content-Type": "application/dicom+json"}
    scripted.replies["GET", path] = (200, headers, body)
    with pytest.raises(LiveError) as raised:
        connect(scripted.url).store(DEMO_STORE).references(ONE, {"1.9"})
    assert PATIENT not in str(raised.value)


def test_what_stands_twice_in_a_series_is_no_part_of_its_answer(scripted, connect) -> None:
    """As of an address that two patients share: one may refer to what the other does not."""
    rows = [dataset_json("1.2.9.2.2"), dataset_json(), dataset_json()]
    path = f"/v1/{DEMO_STORE}/dicomWeb/studies/1.2.9/series/1.2.9.2/metadata"
    headers = {"Content-Type": "application/dicom+json"}
    scripted.replies["GET", path] = (200, headers, json.dumps(rows).encode())
    found = connect(scripted.url).store(DEMO_STORE).references_of_series(SERIES, {"1.9"})
    assert found.keys() == {"1.2.9.2.2"}


def test_a_body_that_breaks_off_is_no_answer(scripted, connect) -> None:
    path = f"/v1/{DEMO_STORE}/dicomWeb{ONE}/metadata"
    body = json.dumps([dataset_json()]).encode()
    headers = {"Content-Type": "application/dicom+json", "Content-Length": str(len(body) + 9)}
    scripted.replies["GET", path] = (200, headers, body)
    with pytest.raises(LiveError):
        connect(scripted.url).store(DEMO_STORE).references(ONE, {"1.9"})


def test_a_file_that_is_damaged_is_not_read(scripted, connect) -> None:
    web = f"/v1/{DEMO_STORE}/dicomWeb{ONE}"
    left_out = dataset_json(**{"0040A730": {"vr": "SQ", "BulkDataURI": "x"}})
    headers = {"Content-Type": "application/dicom+json"}
    scripted.replies["GET", f"{web}/metadata"] = (200, headers, json.dumps([left_out]).encode())
    whole = file_of(derived("SR", OF, *ONE))
    other = file_of(derived("SR", OF, *ONE._replace(instance_uid="1.2.9.2.2")))
    for data in (whole[:-20], other, b"no DICOM"):
        scripted.replies["GET", web] = (200, {"Content-Type": "application/dicom"}, data)
        with pytest.raises(LiveError):
            connect(scripted.url).store(DEMO_STORE).references(ONE, {"1.9"})
    scripted.replies["GET", web] = (200, {"Content-Type": "application/dicom"}, whole)
    uid = str(OF[1].SOPInstanceUID)
    found = connect(scripted.url).store(DEMO_STORE).references(ONE, {uid})
    assert found == References(frozenset({uid}))
