"""import and query against a real Orthanc: the same words, the provider found by the specs."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from reconciler.model.address import InstanceAddress

from .conftest import HEAD, OPEN, REASON, STORE, Server, Site, small_file

Real = dict[InstanceAddress, str]
LABELS = " AND ".join(
    f"{name} = '{value}'" for name, value in STORE.as_parameters().items() if name != "provider"
)
TABLE = "google.healthcare.instances"


def where(address: InstanceAddress) -> str:
    uids = " AND ".join(f"{name} = '{uid}'" for name, uid in address.as_parameters().items())
    return f"FROM {TABLE} WHERE {LABELS} AND {uids}"


@pytest.mark.slow
def test_import_lists_what_is_there_and_a_plan_finds_it_kept(site: Site, real: Real) -> None:
    answer = site.run("import", STORE, "--out", "specs/keep.yaml")
    assert answer.code == 0, answer.err
    assert site.run("fmt", "--check").code == 0
    plan = site.plan("--detailed-exitcode")
    assert f"Plan: 0 to delete, 0 already absent, {len(real)} kept" in plan.out


def test_select_finds_orthanc_by_the_labels(site: Site, real: Real) -> None:
    site.write(REASON + OPEN + "remove: []\n")
    address, digest = next(iter(real.items()))
    columns = "contentType, data, presence, sizeBytes, storageClass, sopClassUid"
    answer = site.run("query", f"SELECT {columns} {where(address)}", "--format", "jsonl")
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)
    assert hashlib.sha256(base64.b64decode(row["data"])).hexdigest() == digest
    assert row["sizeBytes"] == len(base64.b64decode(row["data"]))
    assert (row["contentType"], row["presence"], row["storageClass"]) == (
        "application/dicom",
        "present",
        None,
    )
    missing = where(address._replace(instance_uid="1.2.3"))
    answer = site.run("query", f"SELECT presence {missing}", "--format", "jsonl")
    assert (answer.code, json.loads(answer.out)) == (0, {"presence": "absent"})


def test_delete_becomes_a_plan_that_is_applied_and_proven(site: Site, server: Server) -> None:
    addresses = [InstanceAddress("1.2", "1.2.1", f"1.2.1.{n}") for n in range(4)]
    for address in addresses:
        server.put(small_file(address))
    site.write("keep: [{studiesId: 1.2, seriesId: 1.2.1, instancesId: 1.2.1.3}]\n")
    given = ["--reason", "113001", "--apply", "--auto-approve"]
    assert site.run("query", f"DELETE {where(addresses[0])}", *given).code == 0
    kept = site.run("query", f"DELETE {where(addresses[3])}", *given)
    assert kept.code == 1
    assert "specs/a.yaml:8" in kept.err
    assert set(server.content()) == set(addresses[1:])


def test_without_specs_the_labels_are_googles(site: Site) -> None:
    assert HEAD
    answer = site.run("query", f"SELECT presence {where(InstanceAddress('1', '2', '3'))}")
    assert answer.code == 1
    assert "credentials" in answer.err.lower()
