from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults, NotDicomError

AS_STORED = "application/dicom; transfer-syntax=*"
MULTIPART = 'multipart/related; type="application/dicom"'
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def parts(answer):
    """The contents of the parts; the body has no preamble (RFC 2046 section 5.1.1)."""
    delimiter = b"--" + answer.headers["Content-Type"].partition("boundary=")[2].encode()
    preamble, *found, end = answer.content.split(delimiter)
    assert (preamble, end) == (b"", b"--\r\n")
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in found]


def test_an_instance_comes_as_it_is_stored_in_a_single_part(site):
    answer = site.get(site.ct, headers={"Accept": AS_STORED})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == (
        f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    )
    assert answer.headers["Content-Length"] == str(len(site.ct_bytes))
    assert answer.content == site.ct_bytes


@pytest.mark.parametrize("accept", [None, "*/*", MULTIPART, f"{MULTIPART}, application/dicom"])
def test_multipart_is_the_default(site, accept):
    answer = site.get(site.ct, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith('multipart/related; type="application/dicom"')
    assert parts(answer) == [site.ct_bytes]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom", 200),
        (f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}", 200),
        (f"application/dicom; transfer-syntax={JPEG_2000}", 406),
        (f"{MULTIPART}; transfer-syntax={JPEG_2000}", 406),
        (f"application/dicom; transfer-syntax={JPEG_2000}, {AS_STORED}", 200),
        (f"{AS_STORED}; q=0", 406),
        (f"{AS_STORED}; q=0, {MULTIPART}; q=0.1", 200),
        ('multipart/related; type="application/octet-stream"', 406),
        ("text/html", 406),
        ("application/json", 406),
    ],
)
def test_nothing_is_transcoded(site, accept, status):
    assert site.get(site.ct, headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_RLE.dcm", "image_dfl.dcm"])
def test_without_a_transfer_syntax_the_default_is_explicit_little_endian(site, ct_path, name):
    """The service would transcode, which not every transfer syntax allows."""
    site.delete(site.ct)
    source = ct_path.parent / name
    instance = site.emulator.ingest(DEMO_STORE, source)
    for accept in (None, "*/*", MULTIPART, "application/dicom"):
        answer = site.get(instance, headers={"Accept": accept})
        assert answer.status_code == 406
        assert "transfer-syntax=*" in answer.json()["error"]["message"]
    stored = dcmread(source, stop_before_pixels=True).file_meta.TransferSyntaxUID
    for accept in (AS_STORED, f"application/dicom; transfer-syntax={stored}"):
        assert site.get(instance, headers={"Accept": accept}).content == source.read_bytes()


def test_series_and_study_come_as_multipart_of_all_their_instances(site):
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3", "1.2.4"])
    for path in (site.ct.series, f"/studies/{site.ct.study_uid}"):
        found = {dcmread(io.BytesIO(part)).SOPInstanceUID for part in parts(site.get(path))}
        assert found == {"1.2.3", "1.2.4", site.ct.instance_uid}
        assert site.get(path, headers={"Accept": AS_STORED}).status_code == 406


def test_an_instance_larger_than_a_chunk_arrives_whole(site):
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3"], edge=1024)
    answer = site.get(site.ct._replace(instance_uid="1.2.3"), headers={"Accept": AS_STORED})
    assert len(answer.content) == int(answer.headers["Content-Length"]) > 2 * 1024 * 1024
    assert dcmread(io.BytesIO(answer.content)).pixel_array.shape == (1024, 1024)


def test_a_right_instance_under_a_wrong_series_or_study_is_404(site):
    for wrong in (site.ct._replace(series_uid="1.2"), site.ct._replace(study_uid="1.2")):
        for path in (wrong, f"{wrong}/metadata", f"{wrong}:getStorageInfo", wrong.series):
            assert site.get(path).status_code == 404


@pytest.mark.parametrize("uid", ["1.2a", "1..2", "1" * 65, "%D9%A1.2", "1.2%0A", "..%2F.."])
def test_an_invalid_uid_is_400(site, uid):
    assert site.get(f"/studies/{uid}").status_code == 400


def test_metadata_is_dicom_json_without_bulk_data(site):
    answer = site.get(f"{site.ct}/metadata")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    (metadata,) = answer.json()
    assert metadata["00080018"]["Value"] == [site.ct.instance_uid]
    assert metadata["7FE00010"]["BulkDataURI"] == site.web(f"{site.ct}/bulkdata/7FE0/0010")
    assert "InlineBinary" not in metadata["7FE00010"]
    assert Dataset.from_json(metadata, lambda *_: b"").PatientID
    assert list(metadata) == sorted(metadata)


def test_metadata_of_series_and_study_lists_all_instances(site):
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3"])
    for path in (f"{site.ct.series}/metadata", f"/studies/{site.ct.study_uid}/metadata"):
        found = {dataset["00080018"]["Value"][0] for dataset in site.get(path).json()}
        assert found == {"1.2.3", site.ct.instance_uid}


def test_text_is_compressed_when_asked_for_and_images_are_not(site):
    compressed = site.get(f"{site.ct}/metadata", headers={"Accept-Encoding": "gzip"})
    plain = site.get(f"{site.ct}/metadata", headers={"Accept-Encoding": "identity"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert "Content-Encoding" not in site.get(site.ct).headers


def test_storage_info_tells_the_size_and_nothing_about_the_patient(site):
    answer = site.get(f"{site.ct}:getStorageInfo?alt=json")
    info = answer.json()
    assert info["blobStorageInfo"] == {
        "sizeBytes": str(len(site.ct_bytes)),
        "storageClass": "STANDARD",
    }
    assert info["referencedResource"] == f"{DEMO_STORE}/dicomWeb{site.ct}"
    assert str(dcmread(io.BytesIO(site.ct_bytes)).PatientName) not in json.dumps(info)


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "SC_rgb_rle.dcm", "image_dfl.dcm", "examples_palette.dcm", "rtdose.dcm"],
)
def test_an_instance_is_rendered_as_a_real_image(site, ct_path, name):
    site.delete(site.ct)
    instance = site.emulator.ingest(DEMO_STORE, ct_path.parent / name)
    dataset = dcmread(ct_path.parent / name)
    for accept, form in {"*/*": "jpeg", "image/jpeg": "jpeg", "image/png": "png"}.items():
        answer = site.get(f"{instance}/rendered", headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == f"image/{form}"
        image = Image.open(io.BytesIO(answer.content))
        assert (image.format, image.size) == (form.upper(), (dataset.Columns, dataset.Rows))


def test_what_cannot_be_rendered_is_an_error(site, ct_path):
    report = site.emulator.ingest(DEMO_STORE, ct_path.parent / "reportsi.dcm")
    answer = site.get(f"{report}/rendered")
    assert answer.status_code in {400, 406}
    assert "code" in answer.json()["error"]
    assert site.get(f"{site.ct}/rendered", headers={"Accept": "text/html"}).status_code == 406


def test_only_dicom_files_are_ingested_and_nothing_is_left_of_others(site, tmp_path):
    with pytest.raises(NotDicomError):
        site.emulator.ingest(DEMO_STORE, b"no DICOM")
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


def test_retrieving_while_deleting_gives_all_or_404(site):
    site.emulator.set_faults(Faults((FaultRule(FaultKind.LATENCY, seconds=0.01, method="GET"),)))
    answer = site.get(site.ct, headers={"Accept": AS_STORED}, stream=True)
    assert site.delete(site.ct).status_code == 200
    assert answer.content == site.ct_bytes
    assert site.get(site.ct).status_code == 404
