"""What a store says of studies, series and files besides whether they are there."""

from __future__ import annotations

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.errors import LiveError
from reconciler.model.address import InstanceAddress
from reconciler.model.live import FileMeta, SeriesListing, StorageInfo

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"
MISSING = InstanceAddress("9.9", "9.9", "9.9")


def test_studies_and_series_are_listed_page_by_page(emulator, connect, put) -> None:
    for study in range(3):
        for series in range(study + 1):
            put(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.1")
    store = connect(emulator.url, page_size=2).store(DEMO_STORE)
    assert sorted(store.list_studies()) == ["1.0", "1.1", "1.2"]
    assert sorted(store.list_series("1.2"), key=str) == [
        SeriesListing(f"1.2.{n}", None, 1) for n in range(3)
    ]
    assert list(store.list_series("9.9")) == []


def test_what_is_no_modality_is_not_passed_on(scripted, connect) -> None:
    row = (
        b'[{"0020000E": {"vr": "UI", "Value": ["1.2"]},'
        b' "00080060": {"vr": "CS", "Value": ["Doe^Jane"]},'
        b' "00201209": {"vr": "IS", "Value": ["12"]}}]'
    )
    path = f"/v1/{DEMO_STORE}/dicomWeb/studies/1/series"
    query = "includefield=00080060,00201209&limit=5000&offset=0"
    scripted.replies["GET", f"{path}?{query}"] = (
        200,
        {"Content-Type": "application/dicom+json"},
        row,
    )
    scripted.replies["GET", f"{path}?{query[:-1]}1"] = (204, {}, b"")
    store = connect(scripted.url).store(DEMO_STORE)
    assert list(store.list_series("1")) == [SeriesListing("1.2", None, 12)]


def test_the_storage_of_an_instance_is_told_without_its_bytes(emulator, store, put) -> None:
    address = put("1.2", "1.2.1", "1.2.1.1", size=100_000)
    told = store.storage(address)
    assert isinstance(told, StorageInfo)
    assert told.storage_class == "STANDARD"
    assert 100_000 < told.size_bytes < 101_000
    with pytest.raises(LiveError):
        store.storage(MISSING)


def test_the_file_meta_is_read_and_nothing_after_it(emulator, store, put) -> None:
    address = put("1.2", "1.2.1", "1.2.1.1", size=1000)
    assert store.file_meta(address) == FileMeta(SECONDARY_CAPTURE, EXPLICIT)
    with pytest.raises(LiveError):
        store.file_meta(MISSING)


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule(FaultKind.STATUS, "GET", status=403),
        FaultRule(FaultKind.HTML, "GET", status=200),
        FaultRule(FaultKind.TRUNCATE, "GET", body_bytes=100),
    ],
)
def test_a_fault_is_an_error_for_each_of_them(emulator, store, put, rule) -> None:
    address = put("1.2", "1.2.1", "1.2.1.1", size=1000)
    emulator.set_faults(Faults((rule,)))
    for ask in (store.storage, store.file_meta):
        with pytest.raises(LiveError) as caught:
            ask(address)
        assert "Doe" not in str(caught.value)
