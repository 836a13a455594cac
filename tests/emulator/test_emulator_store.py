from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from reconciler.emulator import (
    DEMO_STORE,
    EmulatorSettings,
    ErrorShape,
    Faults,
    running_emulator,
)
from reconciler.model.address import SeriesAddress

OTHER = replace(DEMO_STORE, dicom_store_id="other")
READ = "healthcare.dicomStores.dicomWebRead"
DELETE = "healthcare.dicomStores.dicomWebDelete"


def test_a_store_answers_its_name_also_with_alt_json(site):
    answer = site.session.get(site.url("?alt=json"))
    assert (answer.status_code, answer.json()) == (200, {"name": str(DEMO_STORE)})


@pytest.mark.parametrize(
    ("store", "status"),
    [(OTHER, 404), (replace(DEMO_STORE, dataset_id="nowhere"), 403)],
)
def test_a_missing_store_is_404_and_a_missing_dataset_403(site, store, status):
    for path in ("", f"/dicomWeb{site.ct}", "/dicomWeb/studies", ":getDICOMStoreMetrics"):
        answer = site.session.get(site.url(path, store))
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == status


def test_permissions_are_tested_and_needed(start):
    site = start(permissions=frozenset({READ}))
    asked = {"permissions": [DELETE, READ]}
    assert site.session.post(site.url(":testIamPermissions"), json=asked).json() == {
        "permissions": [READ]
    }
    assert site.get(site.ct).status_code == 200
    assert site.delete(site.ct).status_code == 403
    assert site.emulator.instances(DEMO_STORE) == {site.ct}


def test_permissions_on_a_missing_store_are_an_empty_set_not_an_error(site):
    answer = site.session.post(site.url(":testIamPermissions", OTHER), json={"permissions": [READ]})
    assert (answer.status_code, answer.json()) == (200, {})


def sizes(site, addresses):
    """The sums over instances, as their own storage info has them."""
    infos = [site.get(f"{one}:getStorageInfo").json() for one in addresses]
    return {
        name: str(sum(int(info[kind]["sizeBytes"]) for info in infos))
        for name, kind in {
            "blobStorageSizeBytes": "blobStorageInfo",
            "structuredStorageSizeBytes": "structuredStorageInfo",
        }.items()
    }


def test_metrics_count_what_a_store_a_study_and_a_series_hold(site):
    other = site.ct.series._replace(series_uid="1.2.3")
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3.1", "1.2.3.2"])
    site.emulator.ingest_synthetic(DEMO_STORE, other, ["1.2.3.3"])
    site.emulator.ingest_synthetic(DEMO_STORE, SeriesAddress("1.4", "1.4.5"), ["1.4.5.6"])
    everything = site.emulator.instances(DEMO_STORE)
    study = [one for one in everything if one.study_uid == site.ct.study_uid]
    series = [one for one in study if one.series == site.ct.series]
    name = f"{DEMO_STORE}/dicomWeb/studies/{site.ct.study_uid}"
    assert site.session.get(site.url(":getDICOMStoreMetrics")).json() == {
        "name": str(DEMO_STORE),
        "studyCount": "2",
        "seriesCount": "3",
        "instanceCount": "5",
    } | sizes(site, everything)
    assert site.get(f"/studies/{site.ct.study_uid}:getStudyMetrics").json() == {
        "study": name,
        "seriesCount": "2",
        "instanceCount": "4",
    } | sizes(site, study)
    assert site.get(f"{site.ct.series}:getSeriesMetrics").json() == {
        "series": f"{name}/series/{site.ct.series_uid}",
        "instanceCount": "3",
    } | sizes(site, series)


def test_metrics_of_what_is_gone_are_404(site):
    site.emulator.set_faults(Faults(search_lag=30))
    site.delete(site.ct)
    for path in (
        f"/studies/{site.ct.study_uid}:getStudyMetrics",
        f"{site.ct.series}:getSeriesMetrics",
    ):
        assert site.get(path).status_code == 404
    assert site.session.get(site.url(":getDICOMStoreMetrics")).json()["instanceCount"] == "0"


def test_stores_are_created_listed_and_apart_from_each_other(site):
    collection = site.url().rpartition("/")[0]
    created = site.session.post(f"{collection}?dicomStoreId=other", json={})
    assert created.json() == {"name": str(OTHER)}
    assert site.session.post(f"{collection}?dicomStoreId=other", json={}).status_code == 409
    names = [store["name"] for store in site.session.get(collection).json()["dicomStores"]]
    assert names == [str(DEMO_STORE), str(OTHER)]
    assert site.session.get(site.web(site.ct, OTHER)).status_code == 404
    assert site.session.get(site.web("/instances", OTHER)).status_code == 204


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b"])
def test_a_store_of_an_impossible_name_is_not_created(site, name):
    collection = site.url().rpartition("/")[0]
    assert site.session.post(collection, params={"dicomStoreId": name}).status_code == 400


@pytest.mark.parametrize("shape", ErrorShape)
def test_errors_come_in_each_shape_that_occurs(start, shape):
    site = start(error_shape=shape)
    answer = site.session.get(site.url(store=OTHER))
    error = {"code": 404, "message": f"DICOM store '{OTHER}' was not found.", "status": "NOT_FOUND"}
    expected = {
        ErrorShape.OBJECT: {"error": error},
        ErrorShape.ARRAY: [{"error": error}],
        ErrorShape.STRING: error["message"],
    }
    assert (answer.status_code, answer.json()) == (404, expected[shape])


def test_what_is_not_served_is_404_and_another_verb_405(site):
    assert site.session.get(f"{site.emulator.url}/").status_code == 404
    assert site.session.get(site.url("/fhir")).status_code == 404
    assert site.session.put(site.web(site.ct)).status_code == 405
    assert site.session.delete(site.url()).status_code == 405


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_it_listens_on_loopback_only(tmp_path, host):
    with pytest.raises(ValueError, match="loopback only"):
        EmulatorSettings(tmp_path, host=host)


def test_the_folder_holds_the_store_beyond_a_restart(tmp_path, ct_path):
    settings = EmulatorSettings(tmp_path / "data")
    with running_emulator(settings) as emulator:
        ct = emulator.ingest(DEMO_STORE, ct_path)
    with running_emulator(settings) as emulator:
        assert emulator.instances(DEMO_STORE) == {ct}
        answer = requests.get(
            f"{emulator.url}/v1/{DEMO_STORE}/dicomWeb{ct}",
            headers={"Accept": "application/dicom; transfer-syntax=*"},
        )
    assert answer.content == ct_path.read_bytes()


def test_a_taken_port_is_an_oserror(site, tmp_path):
    port = int(site.emulator.url.rpartition(":")[2])
    taken = EmulatorSettings(tmp_path / "second", port=port)
    with pytest.raises(OSError, match=r"(?i)address already in use"), running_emulator(taken):
        pass
