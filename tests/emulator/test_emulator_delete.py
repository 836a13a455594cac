from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.model.address import SeriesAddress


@pytest.fixture
def site(site):
    """The site with two more series in the study of the CT image and a study beside it."""
    study = site.ct.study_uid
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.1"])
    site.emulator.ingest_synthetic(DEMO_STORE, SeriesAddress(study, "1.2"), ["1.2.1", "1.2.2"])
    site.emulator.ingest_synthetic(DEMO_STORE, SeriesAddress("9.9", "9.9.1"), ["9.9.1.1"])
    return site


def send(site, method, path):
    """A request whose path no client library has touched."""
    address = urlsplit(site.emulator.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_deleting_an_instance_answers_an_empty_object_and_removes_just_it(site, tmp_path):
    before = site.emulator.instances(DEMO_STORE)
    answer = site.delete(site.ct)
    assert (answer.status_code, answer.json()) == (200, {})
    assert site.emulator.instances(DEMO_STORE) == before - {site.ct}
    assert site.get(site.ct).status_code == 404
    assert not list((tmp_path / "data").rglob(f"{site.ct.instance_uid}.dcm"))
    assert len(list((tmp_path / "data" / "files").rglob("*.dcm"))) == len(before) - 1


def test_deleting_an_instance_again_is_404(site):
    site.delete(site.ct)
    answer = site.delete(site.ct)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == 404


def test_the_last_instance_takes_series_and_study_with_it(site):
    assert site.delete("/studies/9.9/series/9.9.1/instances/9.9.1.1").status_code == 200
    assert site.get("/studies/9.9/metadata").status_code == 404
    assert site.get("/studies?StudyInstanceUID=9.9").status_code == 204


@pytest.mark.parametrize("level", ["series", "study"])
def test_deleting_a_series_or_study_names_an_operation_and_removes_all_of_it(site, level):
    paths = {"series": site.ct.series, "study": f"/studies/{site.ct.study_uid}"}
    gone = {
        instance
        for instance in site.emulator.instances(DEMO_STORE)
        if instance.series == site.ct.series or (level == "study" and "9.9" not in instance)
    }
    left = site.emulator.instances(DEMO_STORE) - gone
    operation = site.delete(paths[level]).json()["name"]
    assert operation.startswith(str(DEMO_STORE).partition("/dicomStores")[0] + "/operations/")
    answer = site.session.get(f"{site.emulator.url}/v1/{operation}").json()
    assert (answer["name"], answer["done"]) == (operation, True)
    assert site.emulator.instances(DEMO_STORE) == left
    assert site.session.get(f"{site.emulator.url}/v1/{operation}0").status_code == 404


def test_a_path_that_a_client_collapses_is_a_series_delete(site):
    """``requests`` collapses dot segments: this is why clients need a guard."""
    answer = site.delete(f"{site.ct.series}/instances/..")
    collapsed = site.emulator.requests()[-1].path.partition("/dicomWeb")[2]
    assert collapsed == f"{site.ct.series}/"
    assert "/operations/" in answer.json()["name"]
    left = {instance.series for instance in site.emulator.instances(DEMO_STORE)}
    assert len(left) == 2
    assert site.ct.series not in left


@pytest.mark.parametrize("last", ["..", "%2e%2e", "%2E%2E%2F%2E%2E", ".", ""])
def test_a_path_with_dot_segments_is_taken_as_received_and_deletes_nothing(site, last):
    before = site.emulator.instances(DEMO_STORE)
    path = f"/v1/{DEMO_STORE}/dicomWeb{site.ct.series}/instances/{last}"
    assert send(site, "DELETE", path) in {400, 405}
    assert site.emulator.instances(DEMO_STORE) == before


def test_percent_encoded_digits_are_decoded(site):
    path = f"/v1/{DEMO_STORE}/dicomWeb{site.ct}".replace("studies/1", "studies/%31")
    assert send(site, "DELETE", path) == 200
    assert site.ct not in site.emulator.instances(DEMO_STORE)


@pytest.mark.parametrize("path", ["/studies", "/series", "/instances", "/studies/9.9/series"])
def test_nothing_else_can_be_deleted(site, path):
    before = site.emulator.instances(DEMO_STORE)
    assert site.delete(path).status_code in {404, 405}
    assert site.delete(f"{site.ct}/metadata").status_code == 405
    assert site.emulator.instances(DEMO_STORE) == before
