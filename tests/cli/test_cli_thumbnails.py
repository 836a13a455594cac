"""`show --thumbnails`: images of what would be deleted, only where they are asked for."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE
from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults
from reconciler.errors import CredentialsError, LiveError
from reconciler.live.thumbnails import fetch_thumbnails
from reconciler.model.address import InstanceAddress
from reconciler.model.thumbnail import MOST_THUMBNAILS, Thumbnail

from ..journal.by_hand import records_of
from .conftest import LIMITS_OPEN, REASON, Project, removal

PAGE = "--write=html=plan.html"
IMAGE = re.compile(r'<img class="thumbnail" src="data:(image/\w+);base64,([^"]+)" alt="([^"]+)">')


@pytest.fixture
def planned(project: Project) -> Project:
    """A plan that deletes one of pydicom's CT images, of a series with pixels."""
    image = project.emulator.ingest(DEMO_STORE, Path(str(get_testdata_file("CT_small.dcm"))))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal([image]))
    assert project.run("plan", "--out", "plan.json").code == 0
    project.emulator.clear_requests()
    return project


def page(project: Project) -> str:
    return (project.folder / "plan.html").read_text("utf-8")


def rendered(project: Project) -> list[str]:
    return [one.path for one in project.emulator.requests() if one.path.endswith("/rendered")]


def retrieved(project: Project) -> list[dict[str, object]]:
    """The records between the start of the only query and its end."""
    reads = (project.folder / ".reconciler" / "observations").glob("*.jsonl")
    runs = map(records_of, reads)
    ((started, *records, ended),) = [run for run in runs if run[0]["type"] == "query_started"]
    assert (started["type"], ended["type"]) == ("query_started", "query_ended")
    assert {one["type"] for one in records} <= {"retrieved"}
    return records


def test_the_page_shows_an_image_and_says_what_it_holds(planned: Project) -> None:
    answer = planned.run("show", "plan.json", "--thumbnails", PAGE)

    assert answer.code == 0
    assert "warning: the page will hold images of patients" in answer.err
    assert "1 image fetched, 0 missing, 0 series beyond" in answer.err
    ((media_type, data, alt),) = IMAGE.findall(page(planned))
    assert media_type == "image/jpeg"
    assert base64.b64decode(data, validate=True).startswith(b"\xff\xd8\xff")
    assert "rendered by the store" in alt
    assert "<strong>This page holds 1 image of patients.</strong>" in page(planned)
    assert "<title>Patient images: Plan" in page(planned)


def test_it_is_on_record_that_the_image_was_read(planned: Project) -> None:
    planned.run("show", "plan.json", "--thumbnails", PAGE)
    assert len(retrieved(planned)) == 1
    assert planned.run("audit", "verify").code == 0


def test_without_the_flag_nothing_is_asked(planned: Project) -> None:
    assert planned.run("show", "plan.json", PAGE).code == 0
    assert planned.emulator.requests() == []
    assert "<img" not in page(planned)
    assert "patients" not in page(planned)


def test_without_a_page_it_is_of_no_use(planned: Project) -> None:
    answer = planned.run("show", "plan.json", "--thumbnails")
    assert answer.code == 1
    assert "of no use without a page" in answer.err
    assert planned.emulator.requests() == []


def test_a_plan_for_another_endpoint_is_not_followed(
    planned: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_ENDPOINT", "http://127.0.0.1:9")
    answer = planned.run("show", "plan.json", "--thumbnails", PAGE)
    assert answer.code != 0
    assert planned.emulator.requests() == []
    assert not (planned.folder / "plan.html").exists()


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (FaultRule(FaultKind.STATUS, path="/rendered$", status=404), "HTTP 404"),
        (FaultRule(FaultKind.STATUS, path="/rendered$", status=406), "HTTP 406"),
        (FaultRule(FaultKind.HTML, path="/rendered$", status=200), "HTTP 200"),
        (FaultRule(FaultKind.REDIRECT, path="/rendered$", location="http://x"), "HTTP 302"),
    ],
    ids=["404", "406", "html", "redirect"],
)
def test_what_cannot_be_had_leaves_the_reason_in_its_place(
    planned: Project, rule: FaultRule, reason: str
) -> None:
    planned.emulator.set_faults(Faults((rule,)))
    answer = planned.run("show", "plan.json", "--thumbnails", PAGE)
    assert answer.code == 0
    assert f"0 images fetched, 1 missing ({reason}" in answer.err
    assert "<img" not in page(planned)
    assert f"no image: {reason}" in page(planned)


def test_an_image_that_is_too_large_for_a_page_is_left_out(
    planned: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.live.dicomweb.store._MOST_OF_AN_IMAGE", 1_000)
    planned.run("show", "plan.json", "--thumbnails", PAGE)
    assert "no image: too large" in page(planned)
    assert "<img" not in page(planned)


def test_real_files_have_images_and_the_others_a_reason_each(project: Project) -> None:
    stored = store_real_files(project.emulator, DEMO_STORE)
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(list(stored.values())))
    assert project.run("plan", "--out", "plan.json").code == 0
    answer = project.run("show", "plan.json", "--thumbnails", PAGE)
    series = len({one.series for one in stored.values()})
    shown = len(IMAGE.findall(page(project)))
    assert f"{shown} images fetched, {series - shown} missing (HTTP 400: " in answer.err
    assert shown >= 38
    assert page(project).count("no image: HTTP 400") == series - shown


@pytest.mark.parametrize(
    ("first", "asked"),
    [(0, 1), (1, 2), (2, 3), (3, 3)],
    ids=["the first", "the second", "the third", "none of three"],
)
def test_the_next_instances_of_a_series_are_tried(project: Project, first: int, asked: int) -> None:
    """``first`` instances without pixels come before those with them, as reports may."""
    addresses = []
    for number in range(5):
        dataset = dcmread(get_testdata_file("CT_small.dcm"))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        if number < first:
            del dataset.PixelData
        file = io.BytesIO()
        dataset.save_as(file)
        addresses.append(project.emulator.ingest(DEMO_STORE, file.getvalue()))
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(addresses))
    assert project.run("plan", "--out", "plan.json").code == 0
    answer = project.run("show", "plan.json", "--thumbnails", PAGE)
    paths = [f"{one}/rendered" for one in addresses[:asked]]
    assert [one.rpartition("/dicomWeb")[2] for one in rendered(project)] == paths
    assert len(IMAGE.findall(page(project))) == (first < 3)
    assert ("0 missing," if first < 3 else "1 missing (HTTP 400: 1),") in answer.err
    assert len(retrieved(project)) == asked


def test_a_store_that_does_not_answer_is_not_asked_for_the_next_instance() -> None:
    class Store:
        def rendered(self, instance: InstanceAddress) -> Thumbnail:
            raise LiveError("no connection")

    instances = [InstanceAddress("1.2", "1.3", f"1.4.{number}") for number in range(3)]
    (attempts,) = fetch_thumbnails([(Store(), instances)], parallelism=1)  # type: ignore[list-item]  # enough of a store
    assert [one.thumbnail.problem for one in attempts] == ["no connection"]


def test_of_many_series_the_first_are_shown_and_the_rest_is_counted(project: Project) -> None:
    addresses = [one for series in range(201) for one in project.fill(1, series, [1])]
    project.write("a.yaml", REASON + LIMITS_OPEN + removal(addresses))
    project.run("plan", "--out", "plan.json")
    answer = project.run("show", "plan.json", "--thumbnails", PAGE)
    assert len(rendered(project)) == MOST_THUMBNAILS
    assert "1 series beyond the first 200" in answer.err
    assert answer.code == 0


@pytest.mark.parametrize("data", [b"", b"<svg onload='x'>", b"GIF89a", b"\xff\xd8"])
def test_what_is_no_image_of_these_two_kinds_is_none(data: bytes) -> None:
    found = Thumbnail.of(data)
    assert (found.data, found.problem) == (b"", "neither JPEG nor PNG")


def test_what_was_read_before_the_credentials_ended_is_still_on_record() -> None:
    class Store:
        def rendered(self, instance: InstanceAddress) -> Thumbnail:
            if instance.instance_uid == "1.4.0":
                raise CredentialsError("no longer accepted")
            return Thumbnail("image/jpeg", b"\xff\xd8\xff")

    wanted = [(Store(), [InstanceAddress("1.2", "1.3", f"1.4.{number}")]) for number in range(3)]
    fetched = fetch_thumbnails(wanted, parallelism=1)  # type: ignore[arg-type]  # enough of a store
    found = [[one.thumbnail.problem for one in next(fetched)] for _ in wanted]
    assert found == [["no longer accepted"], [""], [""]]
    with pytest.raises(CredentialsError):
        next(fetched)


def test_the_page_with_images_is_for_its_owner(planned: Project) -> None:
    planned.run("show", "plan.json", "--thumbnails", PAGE)
    assert (planned.folder / "plan.html").stat().st_mode & 0o777 == 0o600
