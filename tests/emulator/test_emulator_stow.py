from __future__ import annotations

import pytest

from reconciler.emulator import DEMO_STORE

FAILED = "00081198"
STORED = "00081199"
REASON = "00081197"
DUPLICATE = 0x0111
MISMATCH = 0xA900
NOT_UNDERSTOOD = 0xC000


@pytest.fixture
def mr(ct_path):
    return (ct_path.parent / "MR_small.dcm").read_bytes()


def post(site, *files, path="/studies"):
    parts = [b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + file for file in files]
    body = b"\r\n".join([*parts, b"--cut--\r\n"])
    content_type = 'multipart/related; type="application/dicom"; boundary=cut'
    return site.session.post(site.web(path), data=body, headers={"Content-Type": content_type})


def reasons(answer):
    return [item[REASON]["Value"][0] for item in answer.json()[FAILED]["Value"]]


def test_an_instance_is_stored_byte_for_byte(site, mr):
    answer = post(site, mr)
    assert answer.status_code == 200
    (item,) = answer.json()[STORED]["Value"]
    (stored,) = site.emulator.instances(DEMO_STORE) - {site.ct}
    assert item["00081155"]["Value"] == [stored.instance_uid]
    assert item["00081190"]["Value"][0].endswith(str(stored))
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    assert site.get(stored, headers=accept).content == mr


def test_a_single_part_body_is_taken_too(site, mr):
    headers = {"Content-Type": "application/dicom"}
    assert site.session.post(site.web("/studies"), data=mr, headers=headers).status_code == 200
    assert len(site.emulator.instances(DEMO_STORE)) == 2


@pytest.mark.parametrize("preamble", [b"\r\n", b"to be ignored\r\n"])
def test_a_preamble_is_ignored(site, mr, preamble):
    """RFC 2046 section 5.1.1."""
    body = preamble + b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + mr + b"\r\n--cut--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=cut'}
    assert site.session.post(site.web("/studies"), data=body, headers=headers).status_code == 200
    (stored,) = site.emulator.instances(DEMO_STORE) - {site.ct}
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    assert site.get(stored, headers=accept).content == mr


def test_the_same_instance_again_is_409(site):
    answer = post(site, site.ct_bytes)
    assert answer.status_code == 409
    assert reasons(answer) == [DUPLICATE]


def test_it_may_be_stored_again_after_it_was_deleted(site):
    site.delete(site.ct)
    assert post(site, site.ct_bytes).status_code == 200
    assert site.emulator.instances(DEMO_STORE) == {site.ct}


def test_one_that_fails_does_not_stop_the_others(site, mr, tmp_path):
    answer = post(site, site.ct_bytes, b"not DICOM", mr)
    assert answer.status_code == 202
    assert reasons(answer) == [DUPLICATE, NOT_UNDERSTOOD]
    assert len(answer.json()[STORED]["Value"]) == 1
    assert len(site.emulator.instances(DEMO_STORE)) == 2
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


def test_instances_of_another_study_than_the_path_names_are_not_stored(site, mr):
    answer = post(site, mr, path=f"/studies/{site.ct.study_uid}")
    assert (answer.status_code, reasons(answer)) == (409, [MISMATCH])
    assert site.emulator.instances(DEMO_STORE) == {site.ct}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", 'multipart/related; type="application/dicom"; boundary=cut', 400),
        (b"--other\r\n\r\n", 'multipart/related; type="application/dicom"; boundary=cut', 400),
        (b"x", "multipart/related", 400),
        (b"{}", "application/json", 415),
    ],
)
def test_a_body_that_is_no_multipart_is_refused(site, body, content_type, status):
    headers = {"Content-Type": content_type}
    answer = site.session.post(site.web("/studies"), data=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == status


def test_a_large_instance_is_stored_from_a_stream(site):
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3"], edge=2048)
    large = site.ct._replace(instance_uid="1.2.3")
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    content = site.get(large, headers=accept).content
    site.delete(large)
    assert post(site, content).status_code == 200
    assert site.get(large, headers=accept).content == content
