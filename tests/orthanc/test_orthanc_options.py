"""The same workflow with options that change answers, and behind gateways that take paths away."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconciler.model.address import InstanceAddress

from ..answer import Answer
from ..archive.proxy import Change, Reply, proxy_of
from .conftest import (
    OPEN,
    PASSWORD,
    REASON,
    USER,
    Server,
    Site,
    make_site,
    remove,
    running_orthanc,
    small_file,
)
from .releases import Release

FULL = {"StudiesMetadata": "Full", "SeriesMetadata": "Full"}
MAIN_TAGS = {"StudiesMetadata": "MainDicomTags", "SeriesMetadata": "MainDicomTags"}
EXTRAPOLATED = {"StudiesMetadata": "Extrapolate", "SeriesMetadata": "Extrapolate"}
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "described": {"DicomWeb": FULL},
    "undescribed": {"HttpDescribeErrors": False, "DicomWeb": MAIN_TAGS},
    "password": {
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "HttpDescribeErrors": False,
        "CheckRevisions": True,
        "KeepAlive": False,
    },
    "compressed": {
        "StorageCompression": True,
        "HttpCompressionEnabled": True,
        "RestApiWriteToFileSystemEnabled": True,
        "DicomWeb": EXTRAPOLATED,
    },
}
STUDY = [InstanceAddress("1.2", "1.2.1", f"1.2.1.{number}") for number in range(6)]
NEVER_THERE = InstanceAddress("1.2", "1.2.1", "1.2.1.99")
IN_NO_STUDY = InstanceAddress("1.9", "1.9.1", "1.9.1.1")
NOTHING_KNOWN = re.compile("0 to delete, 0 already absent, 0 kept, 0 missing, [34] unknown")


@pytest.fixture(scope="module", params=OPTIONS)
def running(
    request: pytest.FixtureRequest, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    options = OPTIONS[request.param]
    auth = (USER, PASSWORD) if "RegisteredUsers" in options else None
    with running_orthanc(release, tmp_path_factory.mktemp("options"), **options) as url:
        yield Server(url, auth)


@pytest.fixture
def optioned(
    running: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    running.clear()
    for address in STUDY:
        assert running.put(small_file(address))
    if running.auth is not None:
        monkeypatch.setenv("RECONCILER_ORTHANC_USERNAME", USER)
        monkeypatch.setenv("RECONCILER_ORTHANC_PASSWORD", PASSWORD)
    return make_site(tmp_path, running, monkeypatch, capsys)


def test_what_is_absent_is_understood_and_what_is_deleted_is_proven_and_restored(
    optioned: Site,
) -> None:
    site, before = optioned, optioned.server.content()
    limits = OPEN.replace("}", ", maxNeverSeen: 3}")
    whole = "  - {studiesId: 1.8}\n"
    keep = "keep: [{studiesId: 1.2, seriesId: 1.2.1, instancesId: [1.2.1.5]}]\n"
    named = [*STUDY[:4], NEVER_THERE, IN_NO_STUDY]
    site.write(
        REASON + limits + f"archive: {{path: {site.archive}}}\n" + remove(*named) + whole + keep
    )
    planned = "Plan: 4 to delete, 0 already absent, 1 kept, 0 missing, 0 unknown, 3 never seen"
    assert planned in site.plan("--probe", "retrieve").out
    assert planned in site.plan().out
    site.server.drop(STUDY[0])

    assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    outcomes = site.report()["counts"]
    assert (outcomes["deleted"], outcomes["already_absent"]) == (3, 1)
    assert set(site.server.content()) == {STUDY[4], STUDY[5]}
    assert "0 to delete, 4 already absent, 1 kept, 0 missing, 0 unknown, 3 never seen" in (
        site.plan().out
    )

    answer = site.run("restore", site.report()["run"])
    assert (answer.code, "3 identical" in answer.out) == (0, True)
    del before[STUDY[0]]
    assert site.server.content() == before


def test_a_read_only_orthanc_is_planned_and_not_changed(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running_orthanc(release, tmp_path) as url:
        assert Server(url).put(small_file(STUDY[0]))
    with running_orthanc(release, tmp_path, ReadOnly=True) as url:
        site = make_site(tmp_path, Server(url), monkeypatch, capsys)
        if not site.server.ask("GET", "/system").json().get("ReadOnly"):
            pytest.skip("this release has no option ReadOnly")
        limits = OPEN.replace("}", ", maxNeverSeen: 1}")
        site.write(REASON + limits + remove(STUDY[0], STUDY[1]))
        planned = "1 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown, 1 never seen"
        assert planned in site.plan().out
        answer = site.run("apply", "plan.json")
        assert (answer.code, site.server.count()) == (1, 1)
        assert "is set to be read only" in answer.err


FILTER = "function ReceivedInstanceFilter(dicom, origin)\n  return false\nend\n"


def test_a_file_that_orthanc_no_longer_takes_is_named_with_the_way_out(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A script of Orthanc's refuses what arrives; once it is gone the same command goes on."""
    script = tmp_path / "filter.lua"
    script.write_text(FILTER)
    with running_orthanc(release, tmp_path) as url:
        site = make_site(tmp_path, Server(url), monkeypatch, capsys)
        for address in STUDY[:3]:
            site.server.put(small_file(address))
        before = site.server.content()
        site.write(REASON + OPEN + f"archive: {{path: {site.archive}}}\n" + remove(*STUDY[:2]))
        site.plan()
        assert site.run("apply", "plan.json", "--report", "report.json").code == 0
    run = site.report()["run"]

    with running_orthanc(release, tmp_path, url, LuaScripts=[str(script)]):
        answer = site.run("restore", run, "--report", "restored.json")
        assert (answer.code, site.server.count()) == (4, 1)
    assert "2 failed" in answer.out
    left = json.loads(Path("restored.json").read_text())["unproven"]
    for address, one in zip(STUDY[:2], left, strict=True):
        file = site.archive / run / f"data{address}.dcm"
        assert f"\n  {file}\n" in answer.out
        assert (one["file"], file.is_file()) == (str(file), True)
    assert (
        "store: refused (HTTP 200 with application/json, FilteredOut); retrieve: absent; the"
        in (answer.out)
    )
    assert "restore again once the store takes it, or store it by other means" in answer.out

    with running_orthanc(release, tmp_path, url):
        assert site.run("restore", run).code == 0
        assert site.server.content() == before


# Behind a gateway


OWN = Reply(404, "text/plain", b'{"HttpStatus": 404, "OrthancStatus": 7}')


@pytest.fixture
def planned_behind(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Change], Answer]:
    """Plans the removal of half a study through a gateway that changes replies."""

    def plan(change: Change) -> Answer:
        for address in STUDY:
            server.put(small_file(address))
        site.write(REASON + OPEN + remove(*STUDY[:3]))
        with proxy_of(server.url, change) as url:
            monkeypatch.setenv("RECONCILER_ORTHANC_ENDPOINT", url)
            return site.run("plan", "--probe", "retrieve")

    return plan


@pytest.mark.parametrize(
    ("taken_away", "reply"),
    [
        (r"/metadata$", OWN),
        (r"/metadata$", Reply(404, "text/plain", b"")),
        (r"/dicom-web/studies/", OWN),
        (r"/dicom-web/", OWN),
        (r"/(dicom-web/studies|tools)/", OWN),
        (r"", OWN),
        (r"", Reply(404, "text/html", b"<html>")),
    ],
)
def test_what_a_gateway_answers_404_for_is_not_absent(
    taken_away: str, reply: Reply, planned_behind: Callable[[Change], Answer]
) -> None:
    def change(line: str, answered: Reply) -> Reply:
        return reply if re.search(taken_away, line) else answered

    answer = planned_behind(change)
    assert answer.code == (1 if re.search(taken_away, "GET /dicom-web/instances") else 3)
    if answer.code == 3:
        assert NOTHING_KNOWN.search(answer.out)


def test_a_lookup_in_another_orthanc_does_not_make_it_absent(
    planned_behind: Callable[[Change], Answer],
) -> None:
    """A gateway takes retrieves away, and sends what is not DICOMweb to an empty Orthanc."""

    def change(line: str, answered: Reply) -> Reply:
        if line.startswith("POST /tools/lookup"):
            return Reply(200, "application/json", b"[]")
        return Reply(404, "", b"") if line.endswith("/metadata") else answered

    answer = planned_behind(change)
    assert answer.code == 3
    assert NOTHING_KNOWN.search(answer.out)
