"""Frames, rendered frames and bulk data, of the real files that pydicom ships."""

from __future__ import annotations

import io
from email.parser import BytesParser
from email.policy import HTTP

import numpy as np
import pytest
import requests
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import DataElement, Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless, generate_uid

from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE, EmulatorSettings

OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = f"{OCTETS}; transfer-syntax=*"
NATIVE = "1.2.840.10008.1.2.1"
J2K = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture(scope="module")
def real(launch, tmp_path_factory, ct_path):
    """A site, and a function that stores one of pydicom's files in it and gives both."""
    with launch(EmulatorSettings(tmp_path_factory.mktemp("real"))) as site:
        stored = {}

        def store(name):
            path = ct_path.parent / name
            if name not in stored:
                dataset = dcmread(path)
                dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
                dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
                file = io.BytesIO()
                dataset.save_as(file)
                stored[name] = site.emulator.ingest(DEMO_STORE, file.getvalue())
            return stored[name], dcmread(path)

        yield site, store


def parts(answer):
    """The content types and contents of a multipart body, as the email package reads them."""
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + answer.content)
    return [
        (
            (part.get_content_type(), part.get_param("transfer-syntax")),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


def ask(site, path, accept=None):
    return site.get(path, headers={"Accept": accept})


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "rtdose.dcm",
        "MR_small_implicit.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "liver_1frame.dcm",
        "image_dfl.dcm",
    ],
)
@pytest.mark.parametrize("accept", [None, OCTETS, AS_STORED, f"{OCTETS}; transfer-syntax={NATIVE}"])
def test_native_frames_are_the_bytes_of_the_file(real, name, accept):
    site, store = real
    instance, dataset = store(name)
    count = int(dataset.get("NumberOfFrames", 1))
    size = len(dataset.PixelData) // count
    numbers = [count, 1, 1] if count > 1 else [1]
    found = parts(ask(site, f"{instance}/frames/{','.join(map(str, numbers))}", accept))
    assert [data for _, data in found] == [
        dataset.PixelData[size * (number - 1) : size * number] for number in numbers
    ]
    syntax = dataset.file_meta.TransferSyntaxUID if accept == AS_STORED else NATIVE
    assert {kind for kind, _ in found} == {("application/octet-stream", syntax)}


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("SC_rgb_rle_2frame.dcm", "image/dicom-rle"),
        ("examples_jpeg2k.dcm", "image/jp2"),
        ("examples_ybr_color.dcm", "image/jpeg"),
        ("SC_rgb_dcmtk_+eb+cr.dcm", "image/jpeg"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/jls"),
    ],
)
def test_encapsulated_frames_come_as_stored_where_that_is_asked_for(real, name, media_type):
    site, store = real
    instance, dataset = store(name)
    count = int(dataset.get("NumberOfFrames", 1))
    syntax = dataset.file_meta.TransferSyntaxUID
    fragments = list(generate_frames(dataset.PixelData, number_of_frames=count))
    listed = ",".join(str(number) for number in range(1, count + 1))
    exact = f'multipart/related; type="{media_type}"; transfer-syntax={syntax}'
    for accept, kind in {AS_STORED: "application/octet-stream", exact: media_type}.items():
        found = parts(ask(site, f"{instance}/frames/{listed}", accept))
        assert [data for _, data in found] == fragments
        assert {one for one, _ in found} == {(kind, syntax)}


@pytest.mark.parametrize("name", ["SC_rgb_rle_2frame.dcm", "examples_jpeg2k.dcm", "rtdose_rle.dcm"])
def test_encapsulated_frames_are_decoded_unless_something_else_is_asked_for(real, name):
    site, store = real
    instance, dataset = store(name)
    pixels = dataset.pixel_array if "jpeg2k" not in name else None
    count = int(dataset.get("NumberOfFrames", 1))
    found = parts(ask(site, f"{instance}/frames/{count},1"))
    assert {kind for kind, _ in found} == {("application/octet-stream", NATIVE)}
    assert [len(data) for _, data in found] == [
        dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    ] * 2
    if pixels is not None:
        frames = pixels if count > 1 else pixels[np.newaxis]
        assert [data for _, data in found] == [frames[-1].tobytes(), frames[0].tobytes()]


def two_frames(ct_path, edge):
    """An RLE image of two frames, of which the second is cut off."""
    dataset = dcmread(ct_path.parent / "SC_rgb_rle_2frame.dcm")
    pixels = np.random.default_rng(1).integers(0, 256, (2, edge, edge, 3), np.uint8)
    dataset.Rows = dataset.Columns = edge
    dataset.compress(RLELossless, pixels)
    first, second = generate_frames(dataset.PixelData, number_of_frames=2)
    dataset.PixelData = encapsulate([first, second[:200]])
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue(), pixels[0].tobytes()


def test_a_small_answer_with_a_frame_that_cannot_be_decoded_is_an_error(site, ct_path):
    file, first = two_frames(ct_path, 64)
    instance = site.emulator.ingest(DEMO_STORE, file)
    assert [data for _, data in parts(ask(site, f"{instance}/frames/1"))] == [first]
    assert ask(site, f"{instance}/frames/1,2").status_code == 406
    assert ask(site, f"{instance}/frames/2").status_code == 406


def test_a_large_one_breaks_off_where_the_frame_would_come(site, ct_path):
    file, first = two_frames(ct_path, 400)
    instance = site.emulator.ingest(DEMO_STORE, file)
    assert [data for _, data in parts(ask(site, f"{instance}/frames/1"))] == [first]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        ask(site, f"{instance}/frames/1,2")


def test_what_the_embedded_store_has_no_decoder_for_is_an_error(real):
    site, store = real
    instance, _ = store("SC_rgb_jpeg_gdcm.dcm")
    answer = ask(site, f"{instance}/frames/1")
    assert answer.status_code == 406
    assert "cannot decode" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("big", "little"),
    [("MR_small_bigendian.dcm", "MR_small.dcm"), ("rtdose_expb.dcm", "rtdose.dcm")],
)
def test_frames_of_big_endian_are_given_in_little_endian(real, big, little):
    site, store = real
    instance, dataset = store(big)
    _, same = store(little)
    numbers = ",".join(str(number + 1) for number in range(int(same.get("NumberOfFrames", 1))))
    frames = [data for _, data in parts(ask(site, f"{instance}/frames/{numbers}"))]
    assert b"".join(frames) == same.PixelData
    stored = [data for _, data in parts(ask(site, f"{instance}/frames/{numbers}", AS_STORED))]
    assert b"".join(stored) == dataset.PixelData


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ("1", 200),
        ("2,1", 200),
        ("1%2C2", 200),
        ("0", 400),
        ("3", 400),
        ("1,3", 400),
        ("-1", 400),
        ("1,", 400),
        ("", 404),
        ("one", 400),
        ("%D9%A1", 400),
        ("9" * 5000, 400),
        ("1/2", 404),
    ],
)
def test_frame_numbers_out_of_range_are_refused(real, frames, status):
    site, store = real
    instance, _ = store("SC_rgb_rle_2frame.dcm")
    assert ask(site, f"{instance}/frames/{frames}").status_code == status


@pytest.mark.parametrize(
    "accept",
    [
        "application/octet-stream",
        "application/dicom",
        "image/jpeg",
        'multipart/related; type="application/dicom"',
        'multipart/related; type="image/jpeg"',
        'multipart/related; type="image/dicom-rle"',
        f'multipart/related; type="image/jp2"; transfer-syntax={J2K}',
        f'multipart/related; type="image/jpeg"; transfer-syntax={RLE}',
        f"{OCTETS}; transfer-syntax={RLE}",
        f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2",
        f"{AS_STORED}; q=0",
    ],
)
def test_frames_in_other_forms_are_406(real, accept):
    site, store = real
    instance, _ = store("SC_rgb_rle_2frame.dcm")
    assert ask(site, f"{instance}/frames/1", accept).status_code == 406


def test_what_the_service_does_not_transcode_comes_as_stored_only(real):
    """MPEG-4 is not in its list."""
    site, store = real
    _, dataset = store("SC_rgb_rle_2frame.dcm")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.4"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    file = io.BytesIO()
    dataset.save_as(file)
    instance = site.emulator.ingest(DEMO_STORE, file.getvalue())
    assert ask(site, f"{instance}/frames/1").status_code == 406
    assert ask(site, f"{instance}/frames/1", AS_STORED).status_code == 200
    assert ask(site, f"{instance}/rendered").status_code == 400


def test_what_has_no_pixel_data_has_no_frames(real):
    site, store = real
    instance, _ = store("reportsi.dcm")
    for path in ("frames/1", "rendered", "frames/1/rendered"):
        assert ask(site, f"{instance}/{path}").status_code == 400
    assert ask(site, f"{instance._replace(instance_uid='1.2')}/frames/1").status_code == 404


def test_a_frame_is_rendered(real):
    site, store = real
    instance, dataset = store("SC_rgb_rle_2frame.dcm")
    for number, frame in enumerate(dataset.pixel_array, start=1):
        answer = ask(site, f"{instance}/frames/{number}/rendered", "image/png")
        assert answer.headers["Content-Type"] == "image/png"
        assert (np.asarray(Image.open(io.BytesIO(answer.content))) == frame).all()
    for path, status in {"frames/3/rendered": 400, "frames/1,2/rendered": 400}.items():
        assert ask(site, f"{instance}/{path}").status_code == status
    assert ask(site, f"{instance}/frames/1/rendered", "image/gif").status_code == 406
    assert ask(site, f"{instance}/frames/1/rendered").headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("viewport", "region"),
    [
        ("64,64", np.s_[:, :]),
        ("64,64,64,32,32,32", np.s_[32:64, 64:96]),
        ("32,32,64,32,-32,32", np.s_[32:64, 95:63:-1]),
        ("32,32,64,32,32,-32", np.s_[63:31:-1, 64:96]),
    ],
)
def test_a_viewport_shows_a_region_scaled(real, viewport, region):
    site, store = real
    instance, _ = store("CT_small.dcm")
    whole = np.asarray(
        Image.open(io.BytesIO(ask(site, f"{instance}/rendered", "image/png").content))
    )
    answer = ask(site, f"{instance}/rendered?viewport={viewport}", "image/png")
    shown = Image.open(io.BytesIO(answer.content))
    assert shown.size == tuple(map(int, viewport.split(",")[:2]))
    assert (
        np.asarray(shown) == np.asarray(Image.fromarray(whole[region]).resize(shown.size))
    ).all()


@pytest.mark.parametrize(
    "query",
    [
        "viewport=",
        "viewport=64",
        "viewport=0,64",
        "viewport=64,64,0,0",
        "viewport=64,64,128,0,1,1",
        "viewport=64,64,0,0,0,1",
        "viewport=20000,1",
        "window=40,400,linear",
        "annotation=patient",
        "quality=50",
    ],
)
def test_no_parameter_but_a_viewport_is_taken(real, query):
    site, store = real
    instance, _ = store("CT_small.dcm")
    assert ask(site, f"{instance}/rendered?{query}").status_code == 400
    assert ask(site, f"{instance}/rendered?alt=json").status_code == 200


def bulk_data(metadata):
    """Every URI of the metadata, with the tags and items that lead to it."""
    for tag, attribute in metadata.items():
        if "BulkDataURI" in attribute:
            yield (tag,), attribute["BulkDataURI"]
        for number, item in enumerate(
            attribute.get("Value", []) if attribute["vr"] == "SQ" else []
        ):
            for place, uri in bulk_data(item):
                yield (tag, number, *place), uri


def value_at(dataset, place):
    *way, tag = place
    for sequence, number in zip(way[::2], way[1::2], strict=True):
        dataset = dataset[int(sequence, 16)].value[number]
    return dataset[int(tag, 16)].value


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("CT_small.dcm", 4),
        ("waveform_ecg.dcm", 9),
        ("image_dfl.dcm", 1),
        ("rtdose.dcm", 1),
        ("examples_palette.dcm", 4),
        ("test-SR.dcm", 0),
    ],
)
def test_bulk_data_are_served_where_the_metadata_point(real, name, count):
    site, store = real
    instance, dataset = store(name)
    (metadata,) = site.get(f"{instance}/metadata").json()
    found = dict(bulk_data(metadata))
    assert len(found) == count
    for place, uri in found.items():
        for accept in (None, "application/octet-stream; transfer-syntax=*", AS_STORED):
            answer = site.session.get(uri, headers={"Accept": accept}, timeout=5)
            is_single = accept is not None and accept.startswith("application")
            (data,) = [answer.content] if is_single else [data for _, data in parts(answer)]
            assert data == value_at(dataset, place), (place, accept)


def test_encapsulated_pixel_data_are_served_uncompressed(real):
    site, store = real
    instance, dataset = store("SC_rgb_rle_2frame.dcm")
    (metadata,) = site.get(f"{instance}/metadata").json()
    answer = site.session.get(
        metadata["7FE00010"]["BulkDataURI"], headers={"Accept": "application/octet-stream"}
    )
    assert answer.content == dataset.pixel_array.tobytes()


@pytest.mark.parametrize(
    ("vr", "value", "is_bulk"),
    [
        ("OB", b"\1\2", True),
        ("OB", b"", False),
        ("UN", b"\1\2", True),
        ("OW", b"\1\2", True),
        ("OF", bytes(2048), False),
        ("OF", bytes(2052), True),
        ("OD", bytes(2056), True),
        ("OV", bytes(2048), False),
        ("FD", [1.5] * 512, False),
        ("FD", [1.5] * 513, True),
        ("US", [1] * 513, True),
        ("DS", ["1"] * 600, False),
    ],
)
def test_bulk_data_are_what_the_service_defines(site, ct_path, vr, value, is_bulk):
    dataset = dcmread(ct_path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    item = Dataset()
    for one in (dataset, item):
        one.private_block(0x0099, "RECONCILER TEST", create=True).add_new(0x01, vr, value)
    dataset.add(DataElement(0x00081140, "SQ", [Dataset(), item]))
    file = io.BytesIO()
    dataset.save_as(file)
    instance = site.emulator.ingest(DEMO_STORE, file.getvalue())
    (metadata,) = site.get(f"{instance}/metadata").json()
    again = dcmread(io.BytesIO(file.getvalue()))
    places = {place: uri for place, uri in bulk_data(metadata) if place[-1] == "00991001"}
    expected = {("00991001",), ("00081140", 1, "00991001")} if is_bulk else set()
    assert set(places) == expected
    for place, uri in places.items():
        answer = site.session.get(uri, headers={"Accept": "application/octet-stream"})
        *_, tag = place
        source = again if len(place) == 1 else again[0x00081140].value[1]
        assert answer.content == source.get_item(int(tag, 16)).value


@pytest.mark.parametrize(
    ("below", "status"),
    [
        ("bulkdata/7FE0/0010", 200),
        ("bulkdata/7fe0/0010", 404),
        ("bulkdata/7FE00010", 404),
        ("bulkdata/0010/0010", 404),
        ("bulkdata/7FE0/0010/0/7FE0/0010", 404),
        ("bulkdata/x", 404),
        ("bulkdata/", 404),
        ("bulkdata", 404),
    ],
)
def test_only_what_the_metadata_point_at_is_served(site, below, status):
    assert site.get(f"{site.ct}/{below}").status_code == status


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom",
        "image/jpeg",
        f"application/octet-stream; transfer-syntax={NATIVE}",
        f"{OCTETS}; transfer-syntax={NATIVE}",
        'multipart/related; type="image/jpeg"',
    ],
)
def test_bulk_data_in_other_forms_are_406(site, accept):
    assert ask(site, f"{site.ct}/bulkdata/7FE0/0010", accept).status_code == 406


def test_a_large_sequence_is_left_out_of_metadata(site, ct_path):
    dataset = dcmread(ct_path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    item = Dataset()
    item.TextValue = "x" * 1000
    dataset.ReferencedImageSequence = [item] * 1100
    dataset.ReferencedStudySequence = [item] * 100
    file = io.BytesIO()
    dataset.save_as(file)
    instance = site.emulator.ingest(DEMO_STORE, file.getvalue())
    (metadata,) = site.get(f"{instance}/metadata").json()
    assert "00081140" not in metadata
    assert len(metadata["00081110"]["Value"]) == 100


@pytest.mark.slow
def test_every_real_file_is_answered_or_refused(site):
    """Files that break the standard are among them."""
    site.delete(site.ct)
    for instance in store_real_files(site.emulator, DEMO_STORE).values():
        (metadata,) = site.get(f"{instance}/metadata").json()
        for uri in dict(bulk_data(metadata)).values():
            assert site.session.get(uri, timeout=5).status_code in {200, 400, 406}, uri
        for path in ("frames/1", "rendered", "frames/1/rendered"):
            for accept in (None, AS_STORED, "image/png"):
                assert ask(site, f"{instance}/{path}", accept).status_code in {200, 400, 406}


def test_dicomweb_client_retrieves_frames_rendered_images_and_bulk_data(real):
    site, store = real
    client = DICOMwebClient(url=site.web(), session=site.session)
    instance, dataset = store("CT_small.dcm")
    (frame,) = client.retrieve_instance_frames(*instance, [1])
    assert frame == dataset.PixelData
    metadata = client.retrieve_instance_metadata(*instance)
    (pixels,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert pixels == dataset.PixelData
    image = client.retrieve_instance_rendered(*instance, media_types=("image/png",))
    assert Image.open(io.BytesIO(image)).size == (dataset.Columns, dataset.Rows)
    framed = client.retrieve_instance_frames_rendered(*instance, [1], media_types=("image/png",))
    assert framed == image
    found = client.search_for_studies(search_filters={"PatientName": "ct1"}, fuzzymatching=True)
    assert len(found) == 1
