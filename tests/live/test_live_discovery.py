"""What is sent is what the provider's own discovery document describes."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.live.http.credentials import SCOPE
from reconciler.model.address import InstanceAddress

INSTANCE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
WEB = "projects.locations.datasets.dicomStores"


@pytest.fixture(scope="module")
def discovery() -> Mapping[str, Any]:
    documents = files("googleapiclient") / "discovery_cache" / "documents"
    return json.loads((documents / "healthcare.v1.json").read_text())


def method(discovery: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    *resources, verb = name.split(".")
    node = discovery
    for resource in resources:
        node = node["resources"][resource]
    return node["methods"][verb]


def expanded(described: Mapping[str, Any], values: Mapping[str, str]) -> str:
    """Fill the template in, every value checked against the document's own pattern."""
    path = described["path"]
    for name, value in values.items():
        assert re.search(described["parameters"][name]["pattern"], value), (name, value)
        path = re.sub(r"\{\+?" + name + r"\}", value, path)
    assert "{" not in path
    return "/" + path


def retrieved(store) -> bytes:
    with store.retrieve(INSTANCE) as body:
        return b"".join(body.chunks)


ASKED = {
    "retrieveInstance": (
        f"{WEB}.studies.series.instances.retrieveInstance",
        f"dicomWeb{INSTANCE}",
        retrieved,
    ),
    "delete": (
        f"{WEB}.studies.series.instances.delete",
        f"dicomWeb{INSTANCE}",
        lambda store: store.delete(INSTANCE),
    ),
    "retrieveMetadata": (
        f"{WEB}.studies.series.instances.retrieveMetadata",
        f"dicomWeb{INSTANCE}/metadata",
        lambda store: store.probe(INSTANCE),
    ),
    "series.retrieveMetadata": (
        f"{WEB}.studies.series.retrieveMetadata",
        "dicomWeb/studies/1.2/series/1.2.1/metadata",
        lambda store: store.probe_study_or_series("1.2", "1.2.1"),
    ),
    "studies.retrieveMetadata": (
        f"{WEB}.studies.retrieveMetadata",
        "dicomWeb/studies/1.2/metadata",
        lambda store: store.probe_study_or_series("1.2", None),
    ),
    "dicomStores.searchForInstances": (
        f"{WEB}.searchForInstances",
        "dicomWeb/instances",
        lambda store: store.find("1.2.1.1"),
    ),
    "studies.searchForInstances": (
        f"{WEB}.studies.searchForInstances",
        "dicomWeb/studies/1.2/instances",
        lambda store: list(store.list_instances("1.2")),
    ),
    "series.searchForInstances": (
        f"{WEB}.studies.series.searchForInstances",
        "dicomWeb/studies/1.2/series/1.2.1/instances",
        lambda store: list(store.list_instances("1.2", "1.2.1")),
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_dicomweb_request_is_the_documents(discovery, emulator, store, put, name) -> None:
    full_name, web_path, ask = ASKED[name]
    put(*INSTANCE)
    ask(store)
    record = emulator.requests()[0]
    described = method(discovery, full_name)
    values = {"parent": str(DEMO_STORE), "dicomWebPath": web_path}
    url = urlsplit(record.path)
    if "dicomWebPath" in described["path"]:
        web_path = web_path.removeprefix("dicomWeb/")
        values["dicomWebPath"] = web_path
    assert (record.method, url.path) == (described["httpMethod"], expanded(described, values))
    assert ("DELETE" if name == "delete" else "GET") == record.method


@pytest.mark.parametrize(("name", "verb"), [("get", "GET"), ("testIamPermissions", "POST")])
def test_the_preflight_is_the_documents(discovery, emulator, store, name, verb) -> None:
    store.preflight(deleting=True)
    described = method(discovery, f"{WEB}.{name}")
    (parameter,) = described["parameterOrder"]
    path = expanded(described, {parameter: str(DEMO_STORE)})
    sent = [(record.method, record.path) for record in emulator.requests()]
    assert described["httpMethod"] == verb
    assert (verb, path) in sent
    assert len(sent) == 2


def test_the_permissions_are_asked_in_the_documents_words(discovery, scripted, connect) -> None:
    path = f"/v1/{DEMO_STORE}"
    body = {
        "permissions": [f"healthcare.dicomStores.dicomWeb{verb}" for verb in ("Read", "Delete")]
    }
    reply = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())
    scripted.replies["GET", path] = (200, {"Content-Type": "application/json"}, b"{}")
    scripted.replies["POST", f"{path}:testIamPermissions"] = reply
    connect(scripted.url).store(DEMO_STORE).preflight(deleting=True)
    sent = json.loads(scripted.seen[-1][3])
    schema = discovery["schemas"]["TestIamPermissionsRequest"]["properties"]
    assert sent.keys() <= schema.keys()
    assert sent == body


def test_search_parameters_are_those_of_dicomweb(emulator, store, put) -> None:
    put(*INSTANCE)
    store.find("1.2.1.1")
    assert [parse_qs(urlsplit(record.path).query) for record in emulator.requests()] == [
        {
            "SOPInstanceUID": ["1.2.1.1"],
            "includefield": ["0020000D,0020000E"],
            "limit": ["50000"],
            "offset": [offset],
        }
        for offset in ("0", "1")  # the page that ends it is empty
    ]


def test_the_scope_is_one_of_the_documents(discovery) -> None:
    assert SCOPE in discovery["auth"]["oauth2"]["scopes"]
