from __future__ import annotations

import io
import time

import pytest
from pydicom import dcmread

from reconciler.emulator import DEMO_STORE, EmulatorSettings, Faults
from reconciler.emulator.resources.search_query import Level, read_query
from reconciler.model.address import SeriesAddress

from ..waiting import wait_until

STUDY_UID = "0020000D"
SERIES_UID = "0020000E"
INSTANCE_UID = "00080018"
MANY = SeriesAddress("1.2", "1.2.3")


@pytest.fixture(scope="module")
def many(launch, tmp_path_factory):
    """A site with a second study: 1,050 instances of one series and one of another."""
    with launch(EmulatorSettings(tmp_path_factory.mktemp("many"))) as site:
        site.emulator.ingest_synthetic(DEMO_STORE, MANY, (f"1.2.3.{n}" for n in range(1050)))
        site.emulator.ingest_synthetic(DEMO_STORE, SeriesAddress("1.2", "1.2.4"), ["1.2.4.1"])
        yield site


def values(answer, tag):
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/dicom+json"
    return [row[tag]["Value"][0] for row in answer.json()]


def test_nothing_found_is_204_with_an_empty_body(site):
    for path in ("/studies?PatientID=nobody", "/studies/1.2/instances", "/series?Modality=XX"):
        answer = site.get(path)
        assert (answer.status_code, answer.content) == (204, b"")


def test_studies_are_listed_with_their_counts(many):
    rows = {row[STUDY_UID]["Value"][0]: row for row in many.get("/studies").json()}
    assert set(rows) == {"1.2", many.ct.study_uid}
    assert rows["1.2"]["00201206"]["Value"] == [2]
    assert rows["1.2"]["00201208"]["Value"] == [1051]
    assert rows["1.2"]["00080061"]["Value"] == ["OT"]


def test_series_are_listed_in_the_store_and_in_a_study(many):
    assert values(many.get("/series"), SERIES_UID) == ["1.2.3", "1.2.4", many.ct.series_uid]
    within = many.get("/studies/1.2/series")
    assert values(within, SERIES_UID) == ["1.2.3", "1.2.4"]
    assert values(within, "00201209") == [1050, 1]


def test_instances_are_listed_at_every_level(many):
    assert len(many.get("/instances?limit=5000").json()) == 1052
    assert len(many.get("/studies/1.2/instances?limit=5000").json()) == 1051
    listed = values(many.get("/studies/1.2/series/1.2.4/instances"), INSTANCE_UID)
    assert listed == ["1.2.4.1"]


def test_an_instance_row_names_its_study_and_series_only_when_asked(site):
    for path in ("/instances", f"/studies/{site.ct.study_uid}/instances"):
        (row,) = site.get(path).json()
        assert not {STUDY_UID, SERIES_UID} & set(row)
        (row,) = site.get(f"{path}?includefield=0020000D,0020000E").json()
        assert row[STUDY_UID]["Value"] == [site.ct.study_uid]
        assert row[SERIES_UID]["Value"] == [site.ct.series_uid]


@pytest.mark.parametrize(
    "asked",
    [
        "includefield=StudyInstanceUID&includefield=SeriesInstanceUID&includefield=Manufacturer",
        "includefield=StudyInstanceUID,SeriesInstanceUID,Manufacturer",
        "includefield=0020000d&includefield=0020000E,00080070",
        "includefield=all",
    ],
)
def test_fields_are_included_by_keyword_and_tag_repeated_and_listed(site, asked):
    (row,) = site.get(f"/instances?{asked}").json()
    assert {STUDY_UID, SERIES_UID, "00080070", "00280010"} <= set(row)


def test_fields_of_studies_and_series_can_be_included(site):
    for path in ("/studies", "/series"):
        (row,) = site.get(f"{path}?includefield=PatientSex,Manufacturer").json()
        assert {"00100040", "00080070"} <= set(row)


def test_pages_cover_everything_once_and_the_last_is_short(many):
    found: list[str] = []
    sizes = []
    while not sizes or sizes[-1] == 1000:
        answer = many.get(f"/studies/1.2/instances?offset={len(found)}")
        found += values(answer, INSTANCE_UID)
        sizes.append(len(answer.json()))
    assert sizes == [1000, 51]
    assert len(set(found)) == 1051
    assert many.get("/studies/1.2/instances?offset=1051").status_code == 204


@pytest.mark.parametrize(
    ("level", "limit"), [(Level.STUDIES, 100), (Level.SERIES, 100), (Level.INSTANCES, 1000)]
)
def test_the_default_limits(level, limit):
    query = read_query(level, {}, [])
    assert (query.limit, query.offset) == (limit, 0)


@pytest.mark.parametrize(
    "query",
    [
        "/studies?limit=5001",
        "/series?limit=5001",
        "/instances?limit=50001",
        "/studies?limit=0",
        "/studies?limit=ten",
        "/studies?offset=-1",
        "/studies?offset=1000001",
        "/studies?PatientSex=F",
        "/studies?00100040=F",
        "/studies?Nonsense=1",
        "/studies?Modality=CT",
        "/studies?SOPInstanceUID=1.2",
        "/series?SOPInstanceUID=1.2",
        "/studies?ModalitiesInStudy=CT",
        "/studies?00080061=CT",
        "/series?PatientBirthDate=19700101",
        "/studies?orderby=StudyDate",
        "/studies?StudyDate=2010",
        "/studies?StudyDate=-",
        "/series?StudyDate=20100101-20101231-",
        "/studies?includefield=Nonsense",
        "/studies?fuzzymatching=yes",
        "/studies/1.2/series?StudyInstanceUID=1.3",
    ],
)
def test_what_cannot_be_searched_is_400(site, query):
    answer = site.get(query)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_each_searchable_attribute_selects_by_keyword_and_tag(many, ct_path):
    ct = dcmread(ct_path)
    wanted = {
        ("StudyInstanceUID", "0020000D"): many.ct.study_uid,
        ("SeriesInstanceUID", "0020000E"): many.ct.series_uid,
        ("SOPInstanceUID", "00080018"): many.ct.instance_uid,
        ("PatientName", "00100010"): ct.PatientName,
        ("PatientID", "00100020"): ct.PatientID,
        ("StudyDate", "00080020"): ct.StudyDate,
        ("Modality", "00080060"): "CT",
    }
    for names, value in wanted.items():
        for name in names:
            answer = many.get("/instances", params={name: str(value)})
            assert values(answer, INSTANCE_UID) == [many.ct.instance_uid], name
    assert len(many.get("/instances?AccessionNumber=SYNTHETIC&limit=5000").json()) == 1051


@pytest.fixture(scope="module")
def named(launch, tmp_path_factory, ct_path):
    """A site with a study of the name Müller^Anna Maria beside the CT image's."""
    dataset = dcmread(ct_path)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Müller^Anna Maria"
    dataset.StudyInstanceUID = "1.2"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = io.BytesIO()
    dataset.save_as(file)
    with launch(EmulatorSettings(tmp_path_factory.mktemp("named"))) as site:
        site.emulator.ingest(DEMO_STORE, file.getvalue())
        yield site


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ("mül", True),
        ("MULLER", True),
        ("Maria", True),
        ("anna^müller", True),
        ("Nobody Mar", True),
        ("üller", False),
        ("ria", False),
        ("Mullerin", False),
        ("", False),
        ("^", False),
    ],
)
def test_fuzzy_matching_compares_the_beginnings_of_words(named, asked, is_found):
    for path in ("/studies", "/series", "/instances"):
        fuzzy = {"PatientName": asked, "fuzzymatching": "true", "includefield": "0020000D"}
        answer = named.get(path, params=fuzzy)
        found = values(answer, STUDY_UID) if answer.status_code == 200 else []
        assert found == (["1.2"] if is_found else []), path
        assert named.get(path, params={"PatientName": asked}).status_code == 204


def test_fuzzy_matching_is_of_names_only(named):
    both = {"fuzzymatching": "true", "PatientID": "1C"}
    assert named.get("/studies", params=both).status_code == 204


def test_several_attributes_must_all_match(many):
    assert many.get("/series?PatientID=SYNTHETIC&Modality=CT").status_code == 204
    assert len(many.get("/series?PatientID=SYNTHETIC&Modality=OT").json()) == 2


def test_single_values_only_but_ranges_of_dates(many):
    assert many.get("/instances?SOPInstanceUID=1.2.3.7").status_code == 200
    assert many.get("/instances?SOPInstanceUID=1.2.3.7,1.2.3.8").status_code == 204
    assert many.get("/instances?PatientID=SYN*").status_code == 204
    for dates, count in {"20200101": 1, "20190101-20201231": 1, "-20201231": 2, "2005-": 1}.items():
        assert len(many.get(f"/studies?StudyDate={dates}").json()) == count, dates


def test_a_deleted_instance_stays_listed_for_the_search_lag_but_is_not_retrieved(site):
    site.emulator.set_faults(Faults(search_lag=30))
    assert site.delete(site.ct).status_code == 200
    assert site.get(site.ct).status_code == 404
    assert site.get(f"{site.ct}/metadata").status_code == 404
    assert site.emulator.instances(DEMO_STORE) == set()
    assert values(site.get("/instances"), INSTANCE_UID) == [site.ct.instance_uid]
    assert values(site.get("/studies"), STUDY_UID) == [site.ct.study_uid]
    site.emulator.set_faults(Faults(search_lag=0.1))
    wait_until(lambda: site.get("/instances").status_code == 204)
    assert site.get("/studies").status_code == 204


def test_what_is_stored_again_during_the_lag_stays(site, ct_path):
    site.emulator.set_faults(Faults(search_lag=30))
    site.delete(site.ct)
    site.emulator.ingest(DEMO_STORE, ct_path)
    site.emulator.set_faults(Faults())
    assert values(site.get("/instances"), INSTANCE_UID) == [site.ct.instance_uid]


def test_a_page_of_a_thousand_rows_is_quick(many):
    began = time.monotonic()
    answer = many.get("/studies/1.2/series/1.2.3/instances?includefield=0020000D,0020000E")
    assert time.monotonic() - began < 1
    assert answer.content.count(b'"0020000D"') == 1000
