"""One odd row does not stop the rest: malformed UIDs, and studies that two patients share."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from reconciler.model.address import InstanceAddress

from .conftest import OPEN, REASON, STORE, Server, Site, gone, remove, small_file

GOOD = [InstanceAddress("1.2.5", "1.2.5.1", f"1.2.5.1.{n}") for n in range(4)]

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")


def odd_file(study: str, series: str, instance: str) -> bytes:
    """A file that Orthanc takes, though a UID of it is malformed."""
    dataset = pydicom.dcmread(io.BytesIO(small_file(InstanceAddress("1.2", "1.2.1", "1.2.1.1"))))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.SOPInstanceUID = instance
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def odd(server: Server) -> list[str]:
    """Four well-formed instances, and beside them four rows that cannot be addressed."""
    for address in GOOD:
        assert server.put(small_file(address))
    for uids in (
        ("1.2.5", "1.2.5.1", "1.2.5.abc"),
        ("1.2.5", "1.2.5.1", "1." + "2" * 70),
        ("1.2.5", "1.2.5.ser", "1.2.5.2.1"),
        ("1.2.stu", "1.2.6.1", "1.2.6.1.1"),
    ):
        assert server.put(odd_file(*uids))
    return [
        'malformed SOPInstanceUID "1.2.5.abc"',
        f'malformed SOPInstanceUID "1.{"2" * 62}"…',
        'malformed SeriesInstanceUID "1.2.5.ser"',
        'malformed StudyInstanceUID "1.2.stu"',
    ]


def test_an_import_lists_the_rest_and_names_what_it_leaves_out(site: Site, odd: list[str]) -> None:
    answer = site.run("import", STORE, "--out", "specs/keep.yaml")
    assert answer.code == 0, answer.err
    for name in odd:
        assert name in answer.err
    text = (site.folder / "specs/keep.yaml").read_text()
    assert all(f"- {address.instance_uid}\n" in text for address in GOOD)
    assert "Left out, since a UID is missing or malformed: 4 rows." in text
    assert not any(uid in text for uid in ("1.2.5.abc", "1.2.5.ser", "1.2.stu", "2" * 60))
    assert site.run("fmt", "--check").code == 0
    plan = site.plan("--detailed-exitcode")
    assert "Plan: 0 to delete, 0 already absent, 4 kept" in plan.out


def test_the_limits_of_an_import_do_not_count_what_an_odd_row_keeps_from_being_emptied(
    site: Site, odd: list[str]
) -> None:
    removal = ("--remove", "--reason", "113037")
    assert site.run("import", STORE, *removal, "--out", "specs/remove.yaml").code == 0
    text = (site.folder / "specs/remove.yaml").read_text()
    limits = "  maxDeletions: 4\n  maxStudiesEmptied: 0\n  maxSeriesEmptied: 0\n"
    assert f"limits:\n{limits}  maxStudyPercent: 100\nremove:\n" in text
    plan = site.plan()
    assert (plan.code, "Plan: 4 to delete" in plan.out) == (0, True), plan.out
    assert odd


def test_what_is_named_beside_an_odd_row_is_deleted_and_it_stays(
    site: Site, server: Server, odd: list[str]
) -> None:
    before = server.content()
    site.write(REASON + OPEN + remove(*GOOD))
    answer = site.plan()
    said = " ".join(answer.out.split())
    assert "deletes 4 of 4 instances, 3 more rows cannot be addressed" in said
    assert "goes whole" not in said
    assert "1 whole" not in said
    assert site.run("show", "plan.json").code == 0
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, *GOOD)
    assert len(odd) == server.count()
    assert "4 already absent" in site.plan().out


def test_a_share_of_a_study_is_one_of_what_can_be_addressed(site: Site, odd: list[str]) -> None:
    assert odd
    site.write(REASON + OPEN.replace("Percent: 100", "Percent: 50") + remove(*GOOD[:3]))
    assert "maxStudyPercent: 75 of at most 50" in " ".join(site.plan(code=3).out.split())


@pytest.mark.parametrize("scope", ["", ", seriesId: 1.2.5.1"])
def test_a_whole_with_an_odd_row_is_not_removed_and_the_plan_says_why(
    site: Site, server: Server, odd: list[str], scope: str
) -> None:
    before = server.content()
    site.write(REASON + OPEN + f"remove: [{{studiesId: 1.2.5{scope}}}]\n")
    answer = site.plan(code=3)
    assert "blocking gates: incomplete" in answer.err
    said = " ".join(answer.out.split())
    assert "cannot be removed as a whole" in said
    assert odd[0] in said
    assert site.run("apply", "plan.json").code == 3
    assert server.content() == before


def test_a_removed_series_beside_an_odd_one_goes_whole(
    site: Site, server: Server, odd: list[str]
) -> None:
    assert odd
    other = InstanceAddress("1.2.5", "1.2.5.9", "1.2.5.9.1")
    server.put(small_file(other))
    before = server.content()
    site.write(REASON + OPEN + "remove: [{studiesId: 1.2.5, seriesId: 1.2.5.9}]\n")
    site.plan()
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, other)


def test_a_kept_series_spares_its_odd_rows_from_a_removed_study(site: Site, server: Server) -> None:
    for address in GOOD:
        server.put(small_file(address))
    other = InstanceAddress("1.2.5", "1.2.5.9", "1.2.5.9.1")
    server.put(small_file(other))
    server.put(odd_file("1.2.5", "1.2.5.1", "1.2.5.abc"))
    before = server.content()
    kept = "keep: [{studiesId: 1.2.5, seriesId: 1.2.5.1}]\n"
    site.write(REASON + OPEN + "remove: [{studiesId: 1.2.5}]\n" + kept)
    assert "Plan: 1 to delete, 0 already absent, 4 kept" in site.plan().out
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, other)


def test_a_kept_whole_of_odd_rows_alone_is_there(site: Site, server: Server) -> None:
    server.put(odd_file("1.2.5", "1.2.5.1", "1.2.5.abc"))
    site.write("keep: [{studiesId: 1.2.5}]\n")
    assert "0 missing" in site.plan("--detailed-exitcode").out


def test_a_select_names_what_it_cannot_show(site: Site, odd: list[str]) -> None:
    site.write(REASON + OPEN + "remove: []\n")
    table = "FROM google.healthcare.instances WHERE projectsId = 'clinic'"
    labels = "locationsId = 'room-7' AND datasetsId = 'radiology' AND dicomStoresId = 'mini-pacs'"
    statement = f"SELECT instancesId {table} AND {labels} AND studiesId = '1.2.5'"
    answer = site.run("query", statement, "--format", "jsonl")
    assert len(answer.out.splitlines()) == len(GOOD)
    assert all(name in answer.err for name in odd[:3])


# A study that two patients share


def test_a_study_of_two_patients_is_imported_whole_with_a_note(site: Site, server: Server) -> None:
    twice, *rest = GOOD
    server.put(small_file(twice, patient="A"))
    for address in GOOD:
        server.put(small_file(address, patient="B"))
    for studies in ((), ("--study", "1.2.5")):
        answer = site.run("import", STORE, *studies)
        assert answer.code == 0, answer.err
        assert all(f"- {address.instance_uid}\n" in answer.out for address in GOOD)
        assert "StudyInstanceUID 1.2.5: several patients share it" in answer.err
        assert f"SOPInstanceUID {twice.instance_uid}: several patients share it" in answer.err
        assert "Left out" not in answer.out
    site.run("import", STORE, "--out", "specs/keep.yaml")
    assert "Plan: 0 to delete, 0 already absent, 4 kept" in site.plan("--detailed-exitcode").out
    assert rest


def test_of_a_study_of_two_patients_all_but_the_shared_address_is_deleted(
    site: Site, server: Server
) -> None:
    twice, *rest = GOOD
    server.put(small_file(twice, patient="A"))
    for address in GOOD:
        server.put(small_file(address, patient="B"))
    before = server.content()
    site.write(REASON + OPEN + remove(*rest))
    site.plan()
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, *rest)
    for body in (remove(twice), "remove: [{studiesId: 1.2.5}]\n"):
        site.write(REASON + OPEN + body)
        assert "several patients share this address" in " ".join(site.plan(code=3).out.split())
    assert server.count() == 2


def test_excluded_studies_are_not_asked_for(site: Site, server: Server) -> None:
    for study in ("1.2", "1.3", "1.4"):
        server.put(small_file(InstanceAddress(study, f"{study}.1", f"{study}.1.1")))
    excluded = ("--exclude-study", "1.2", "--exclude-study", "1.4")
    answer = site.run("import", STORE, *excluded)
    assert answer.code == 0, answer.err
    assert "1 instance in 1 series of 1 study" in answer.err
    assert "1.3.1.1" in answer.out
    assert site.run("import", STORE, "--exclude-study", "1.9").code == 1
