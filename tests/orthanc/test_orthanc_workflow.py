"""validate, plan, apply, archive and restore against a real Orthanc with real files."""

from __future__ import annotations

import json
from pathlib import Path

import bagit
import jsonschema
import pytest
import requests
from pydicom.data import get_testdata_file

from reconciler.model.address import InstanceAddress

from .conftest import (
    HEAD,
    OPEN,
    PASSWORD,
    REASON,
    STORE,
    USER,
    Server,
    Site,
    gone,
    make_site,
    remove,
    running_orthanc,
    small_file,
)
from .releases import Release

Real = dict[InstanceAddress, str]


def require_valid(name: str, value: object) -> None:
    """Hold a written file to its published schema."""
    schema = Path(__file__).parents[2] / "schemas" / f"{name}.schema.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(value)


def test_real_files_are_planned_deleted_and_proven_gone(site: Site, real: Real) -> None:
    assert len(real) > 30
    one, two, *_ = sorted(real)
    site.write(REASON + OPEN + remove(one, two))
    assert site.run("validate").code == 0
    plan = site.plan()
    assert str(STORE) in plan.out
    assert "Plan: 2 to delete, 0 already absent" in plan.out
    assert site.server.content() == real
    assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    report = site.report()
    assert report["counts"]["deleted"] == report["planned"] == 2
    gone(site, real, one, two)
    assert "Plan: 0 to delete, 2 already absent" in site.plan().out
    saved = json.loads((site.folder / "plan.json").read_text())
    assert saved["plan"]["stores"][0]["provider"] == "orthanc"
    for name, value in (("plan", saved), ("report", report)):
        require_valid(name, value)
    for record in site.records():
        require_valid("journal-record", record)


def test_a_whole_study_with_a_kept_series_spares_it(site: Site, server: Server) -> None:
    study = [
        InstanceAddress("1.2", f"1.2.{series}", f"1.2.{series}.{n}")
        for series in (1, 2)
        for n in range(4)
    ]
    for address in study:
        server.put(small_file(address))
    before = server.content()
    site.write(
        REASON + OPEN + "remove: [{studiesId: 1.2}]\nkeep: [{studiesId: 1.2, seriesId: 1.2.2}]\n"
    )
    assert "Plan: 4 to delete, 0 already absent, 4 kept" in site.plan().out
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, *study[:4])


def test_a_search_that_orthanc_cuts_short_decides_nothing(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running_orthanc(release, tmp_path, LimitFindResults=3, LimitFindInstances=3) as url:
        server = Server(url)
        site = make_site(tmp_path, server, monkeypatch, capsys)
        for number in range(8):
            server.put(small_file(InstanceAddress("1.2", "1.2.1", f"1.2.1.{number}")))
        site.write(REASON + OPEN + "remove: [{studiesId: 1.2}]\n")
        answer = site.run("plan", "--out", "plan.json")
        if requests.get(f"{url}/system", timeout=5).json()["Version"] == "1.12.7":
            assert answer.code == 0  # its offsets reach what a page is cut short of
            assert "8 instances of 1 whole study go" in answer.out
            assert site.run("apply", "plan.json").code == 0
            assert not server.content()
            return
        assert answer.code == 3
        assert "the search shows 4 of the 8" in answer.out
        assert site.run("apply", "plan.json").code == 3
        assert len(server.content()) == 8


def test_archived_first_and_restored_as_it_was(site: Site, real: Real) -> None:
    chosen = sorted(real)[:8]
    site.write(REASON + OPEN + f"archive: {{path: {site.archive}}}\n" + remove(*chosen))
    site.plan()
    assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    gone(site, real, *chosen)
    (bag,) = site.archive.iterdir()
    bagit.Bag(str(bag)).validate()
    for record in site.records():
        require_valid("journal-record", record)
        if record["type"] == "archived":
            assert record["reported_size"] == record["size"] > 0
    run = site.report()["run"]
    answer = site.run("restore", run)
    assert answer.code == 0, answer.err
    assert "8 identical, 0 same_dataset, 0 conflict" in answer.out
    assert site.server.content() == real
    assert site.plan(code=3).err.count("restored") >= 1


@pytest.mark.parametrize("name", ["rtdose_rle.dcm", "rtdose_rle_1frame.dcm", "explicit_VR-UN.dcm"])
def test_a_real_file_that_stow_rs_refuses_is_put_back(
    site: Site, server: Server, name: str
) -> None:
    """Orthanc itself takes it; its STOW-RS misses a mandatory tag in it."""
    file = Path(get_testdata_file(name, download=False)).read_bytes()
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--x--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    refused = requests.post(
        f"{server.url}/dicom-web/studies", data=body, headers={"Content-Type": kind}, timeout=30
    )
    assert refused.status_code == 400
    assert server.put(file)
    before = server.content()
    site.write(REASON + OPEN + f"archive: {{path: {site.archive}}}\n" + remove(*before))
    site.plan()
    assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    assert server.content() == {}
    answer = site.run("restore", site.report()["run"])
    assert (answer.code, server.content()) == (0, before), answer.out


@pytest.mark.slow
def test_every_real_file_that_was_archived_is_put_back(site: Site, real: Real) -> None:
    site.write(REASON + OPEN + f"archive: {{path: {site.archive}}}\n" + remove(*real))
    site.plan()
    site.run("apply", "plan.json", "--report", "report.json")
    left = site.server.content()
    assert len(left) < 5 < len(real), "only what cannot be archived stays"
    assert site.report()["counts"]["deleted"] == len(real) - len(left)
    answer = site.run("restore", site.report()["run"])
    assert (answer.code, site.server.content()) == (0, real), answer.out


def test_restoring_what_is_there_already_replaces_nothing(site: Site, server: Server) -> None:
    address = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
    server.put(small_file(address))
    site.write(REASON + OPEN + f"archive: {{path: {site.archive}}}\n" + remove(address))
    site.plan()
    assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    server.put(small_file(address) + b"\xfc\xff\xfc\xffOB\0\0\x02\0\0\0\0\0")
    before = server.content()
    answer = site.run("restore", site.report()["run"])
    assert (answer.code, server.content()) == (4, before)
    assert "1 conflict" in answer.out


def test_a_right_instance_under_a_wrong_series_is_misplaced_and_stays(
    site: Site, server: Server
) -> None:
    server.put(small_file(InstanceAddress("1.2", "1.2.1", "1.2.1.1")))
    before = server.content()
    site.write(REASON + OPEN + remove(InstanceAddress("1.2", "1.2.9", "1.2.1.1")))
    answer = site.plan(code=3)
    assert "blocking gates: misplaced" in answer.err
    assert "series 1.2.1\n" in answer.out
    assert site.run("apply", "plan.json").code == 3
    assert server.content() == before


def test_of_one_uid_at_two_addresses_only_the_named_one_goes(site: Site, server: Server) -> None:
    """Orthanc's lookup gives both; the identifiers differ by patient, study and series."""
    first = InstanceAddress("1.2", "1.2.1", "1.2.9.9")
    second = InstanceAddress("1.3", "1.3.1", "1.2.9.9")
    server.put(small_file(first, patient="A"))
    server.put(small_file(second, patient="B"))
    before = server.content()
    assert len(before) == 2
    site.write(REASON + OPEN + remove(second))
    site.plan()
    assert site.run("apply", "plan.json").code == 0
    gone(site, before, second)


def test_one_address_of_two_patients_is_neither_deleted_nor_taken_for_absent(
    site: Site, server: Server
) -> None:
    """Orthanc's DICOMweb answers 404 for it, in the words that it has for an absent one."""
    address = InstanceAddress("1.2", "1.2.1", "1.2.9.9")
    server.put(small_file(address, patient="A"))
    site.write(REASON + OPEN + remove(address))
    site.plan()
    server.put(small_file(address, patient="B"))
    answer = site.run("apply", "plan.json", "--report", "report.json")
    assert answer.code == 4
    assert "more than one patient; nothing was sent" in answer.out
    assert site.report()["counts"]["failed"] == 1
    assert server.count() == 2
    assert "several patients share this address" in " ".join(site.plan(code=3).out.split())


def test_two_files_one_about_google_are_not_planned_in_one_run(site: Site, server: Server) -> None:
    site.write(REASON + "remove: []\n")
    google = HEAD.replace("  provider: orthanc\n", "").replace("clinic", "other")
    site.write(REASON + "remove: []\n", name="b.yaml", head=google)
    answer = site.run("plan")
    assert answer.code == 1
    assert "specs/b.yaml:2:1: this file is about Google, and specs/a.yaml:2 about" in answer.err
    assert site.run("plan", "specs/a.yaml").code == 0
    assert site.run("validate").code == 0


def test_one_store_with_two_providers_is_refused_also_where_only_keeps_count(site: Site) -> None:
    path = site.write(REASON + "remove: [{studiesId: 1.2}]\n")
    google = HEAD.replace("  provider: orthanc\n", "")
    site.write("keep: [{studiesId: 1.2}]\n", name="b.yaml", head=google)
    answer = site.run("plan", path)
    assert answer.code == 1
    assert "the store is of the provider google here, and of orthanc at specs/a.yaml:2" in (
        answer.err
    )


def test_without_an_endpoint_nothing_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECONCILER_ORTHANC_ENDPOINT")
    monkeypatch.setenv("RECONCILER_ENDPOINT", site.server.url)
    site.write(REASON + "remove: [{studiesId: 1.2}]\n")
    answer = site.run("plan")
    assert answer.code == 1
    assert "RECONCILER_ORTHANC_ENDPOINT" in answer.err


# With a user name and a password


@pytest.fixture(scope="module")
def guarded_url(release: Release, tmp_path_factory: pytest.TempPathFactory):
    users = {USER: PASSWORD}
    folder = tmp_path_factory.mktemp("guarded")
    options = {"AuthenticationEnabled": True, "RegisteredUsers": users}
    with running_orthanc(release, folder, **options) as url:
        yield url


@pytest.fixture
def guarded(
    guarded_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    server = Server(guarded_url, (USER, PASSWORD))
    server.clear()
    server.put(small_file(InstanceAddress("1.2", "1.2.1", "1.2.1.1")))
    site = make_site(tmp_path, server, monkeypatch, capsys)
    site.write(REASON + OPEN + "remove: [{studiesId: 1.2}]\n")
    return site


def sign_in(monkeypatch: pytest.MonkeyPatch, username: str | None, password: str | None) -> None:
    for name, value in (("USERNAME", username), ("PASSWORD", password)):
        if value is None:
            monkeypatch.delenv(f"RECONCILER_ORTHANC_{name}", raising=False)
        else:
            monkeypatch.setenv(f"RECONCILER_ORTHANC_{name}", value)


def test_the_right_password_lets_plan_and_apply_in(
    guarded: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch, USER, PASSWORD)
    guarded.plan()
    assert guarded.run("apply", "plan.json").code == 0
    assert guarded.server.content() == {}


@pytest.mark.parametrize(
    ("username", "password"), [(None, None), (USER, "wrong"), (USER, None), (None, PASSWORD)]
)
def test_anything_else_is_one_clear_message_without_the_password(
    guarded: Site, monkeypatch: pytest.MonkeyPatch, username: str | None, password: str | None
) -> None:
    sign_in(monkeypatch, USER, PASSWORD)
    guarded.plan()
    before = guarded.server.content()
    sign_in(monkeypatch, username, password)
    for command in (["plan"], ["apply", "plan.json"]):
        answer = guarded.run(*command)
        assert answer.code == 1
        assert "password" in answer.err
        assert PASSWORD not in answer.err
        assert "wrong" not in answer.err
        assert "Traceback" not in answer.err
    assert guarded.server.content() == before


@pytest.mark.slow
def test_orthanc_renders_the_images_of_a_page(site: Site, real: Real) -> None:
    site.write(REASON + OPEN + remove(*real))
    site.plan()
    answer = site.run("show", "plan.json", "--thumbnails", "--write", "html=plan.html")
    assert answer.code == 0
    page = (site.folder / "plan.html").read_text("utf-8")
    assert page.count('<img class="thumbnail" src="data:image/jpeg;base64,') > 5
    assert f"{page.count('<img ')} images fetched" in answer.err
    assert site.server.content() == real
