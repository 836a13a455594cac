"""Independent clients drive the emulator: what they rely on is not what we believe."""

from __future__ import annotations

import json

import pytest
from dicomweb_client import DICOMwebClient
from google.auth.credentials import AnonymousCredentials
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR
from googleapiclient.errors import HttpError
from pydicom import dcmread

from reconciler.emulator import ALL_PERMISSIONS, DEMO_STORE


@pytest.fixture
def dicomweb(site):
    return DICOMwebClient(url=site.web(), session=site.session)


def test_dicomweb_client_searches_retrieves_stores_and_deletes(site, dicomweb, ct_path):
    study, series, instance = site.ct
    assert len(dicomweb.search_for_studies()) == 1
    assert len(dicomweb.search_for_series(study)) == 1
    (row,) = dicomweb.search_for_instances(fields=["StudyInstanceUID", "SeriesInstanceUID"])
    assert row["0020000D"]["Value"] == [study]
    assert dicomweb.search_for_instances(search_filters={"PatientID": "nobody"}) == []
    assert dicomweb.retrieve_instance(study, series, instance).SOPInstanceUID == instance
    assert len(dicomweb.retrieve_series(study, series)) == 1
    metadata = dicomweb.retrieve_instance_metadata(study, series, instance)
    assert metadata["00080018"]["Value"] == [instance]
    dicomweb.store_instances([dcmread(ct_path.parent / "MR_small.dcm")])
    assert len(site.emulator.instances(DEMO_STORE)) == 2
    dicomweb.delete_instance(study, series, instance)
    assert site.ct not in site.emulator.instances(DEMO_STORE)


def test_dicomweb_client_deletes_a_whole_study_for_a_uid_of_dots(site, dicomweb):
    """The bug that the emulator must make visible."""
    site.emulator.ingest_synthetic(DEMO_STORE, site.ct.series, ["1.2.3", "1.2.4"])
    dicomweb.delete_instance(site.ct.study_uid, site.ct.series_uid, "../../..")
    assert site.emulator.instances(DEMO_STORE) == set()


@pytest.fixture
def stores(site):
    with open(f"{DISCOVERY_DOC_DIR}/healthcare.v1.json", encoding="utf-8") as file:  # noqa: PTH123
        document = json.load(file)
    service = build_from_document(
        document,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": site.emulator.url},
    )
    yield service.projects().locations().datasets().dicomStores()
    service.close()


def test_google_api_python_client_reads_the_store(site, stores):
    name = str(DEMO_STORE)
    assert stores.get(name=name).execute() == {"name": name}
    assert stores.getDICOMStoreMetrics(name=name).execute()["instanceCount"] == "1"
    asked = {"permissions": sorted(ALL_PERMISSIONS)}
    assert stores.testIamPermissions(resource=name, body=asked).execute() == asked
    resource = f"{name}/dicomWeb{site.ct}"
    info = stores.dicomWeb().studies().series().instances().getStorageInfo(resource=resource)
    assert info.execute()["blobStorageInfo"]["sizeBytes"] == str(len(site.ct_bytes))


def test_google_api_python_client_retrieves_and_deletes(site, stores):
    parent = str(DEMO_STORE)
    path = str(site.ct).removeprefix("/")
    instances = stores.studies().series().instances()
    request = instances.retrieveInstance(parent=parent, dicomWebPath=path)
    request.postproc = lambda response, content: (response, content)
    request.headers["accept"] = "application/dicom; transfer-syntax=*"
    response, content = request.execute()
    assert response["content-type"].startswith("application/dicom")
    assert content == site.ct_bytes
    found = stores.searchForInstances(parent=parent, dicomWebPath="instances").execute()
    assert len(found) == 1
    assert instances.delete(parent=parent, dicomWebPath=path).execute() == {}
    with pytest.raises(HttpError, match="404"):
        instances.delete(parent=parent, dicomWebPath=path).execute()


def test_google_api_python_client_sees_the_operation_of_a_study_delete(site, stores):
    path = f"studies/{site.ct.study_uid}"
    operation = stores.studies().delete(parent=str(DEMO_STORE), dicomWebPath=path).execute()
    assert "/operations/" in operation["name"]
    assert site.emulator.instances(DEMO_STORE) == set()
