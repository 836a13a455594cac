"""What dangles in an Orthanc is what dangles in the embedded store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..derived import KINDS, derived, file_of, image, images, reference
from ..limits import wide_open_line
from .conftest import REASON, Server, Site, make_site, running_orthanc
from .releases import Release

OF = images("1.2.3", "1.2.3.1", 3)
REMOVE = (
    REASON + wide_open_line("maxDangling") + "remove:\n  - {studiesId: 1.2.3, seriesId: 1.2.3.1}\n"
)
KEEP = "keep:\n  - studiesId: 1.2.9\n"


def dangling(site: Site) -> dict[str, list[str]]:
    """What each instance refers to, by its SOP Instance UID."""
    (store,) = json.loads((site.folder / "plan.json").read_text())["plan"]["stores"]
    return {
        one["instancesId"]: [uid for part in one["refers_to"] for uid in part["first"]]
        for one in store["dangling"]
    }


@pytest.fixture
def filled(server: Server) -> list[str]:
    """Three images, and one object of each kind in another study that refers to them."""
    for one in OF:
        assert server.put(file_of(one))
    uids = []
    for number, kind in enumerate(KINDS, 1):
        uids.append(f"1.2.9.{number}.1")
        assert server.put(file_of(derived(kind, OF, "1.2.9", f"1.2.9.{number}", uids[-1])))
    return uids


def test_every_kind_of_object_counts(site: Site, server: Server, filled: list[str]) -> None:
    site.write(REMOVE + KEEP)
    planned = site.plan(code=3)
    assert f"(maxDangling: {len(KINDS)} of at most 0" in planned.out
    expected = [str(one.SOPInstanceUID) for one in OF]
    assert dangling(site) == dict.fromkeys(filled, expected)
    assert f"{len(KINDS)} metadata" in planned.err
    site.write(REMOVE.replace("limits: {", f"limits: {{maxDangling: {len(KINDS)}, ") + KEEP)
    site.plan()
    assert site.run("apply", "plan.json").code == 0
    assert server.count() == len(KINDS)


def test_derived_images_are_those_of_the_listing(site: Site, server: Server) -> None:
    for one in OF:
        assert server.put(file_of(one))
    for number, kind in enumerate(("DERIVED", "ORIGINAL"), 1):
        other = image("1.2.3", "1.2.3.2", number, kind, "SECONDARY")
        other.SourceImageSequence = [reference(OF[0].SOPInstanceUID)]
        assert server.put(file_of(other))
    site.write(REMOVE)
    planned = site.plan()
    assert dangling(site) == {"1.2.3.2.1": [OF[0].SOPInstanceUID]}
    assert "1 metadata" in planned.err
    assert "Not looked at" not in planned.out


def test_a_large_sequence_stands_in_the_metadata(site: Site, server: Server) -> None:
    for one in OF:
        assert server.put(file_of(one))
    other = image("1.2.9", "1.2.9.1", 1, "DERIVED", "SECONDARY")
    many = [reference(f"1.9.{'1' * 50}.{number}") for number in range(7000)]
    other.SourceImageSequence = [*many, reference(OF[2].SOPInstanceUID)]
    assert server.put(file_of(other))
    site.write(REMOVE + KEEP)
    planned = site.plan(code=3)
    assert dangling(site) == {"1.2.9.1.1": [OF[2].SOPInstanceUID]}
    assert "1 metadata" in planned.err


def test_a_value_that_is_elsewhere_is_read_in_the_file(site: Site, server: Server) -> None:
    for one in OF:
        assert server.put(file_of(one))
    other = derived("SR", OF, "1.2.9", "1.2.9.1", "1.2.9.1.1")
    block = other.private_block(0x0009, "NOBODY", create=True)
    block.add_new(0x01, "UN", bytes(5000))
    assert server.put(file_of(other))
    site.write(REMOVE + KEEP)
    planned = site.plan(code=3)
    assert dangling(site) == {"1.2.9.1.1": [str(one.SOPInstanceUID) for one in OF]}
    assert "1 metadata" in planned.err
    assert "1 retrieve" in planned.err


@pytest.mark.parametrize("mode", ["MainDicomTags", "Extrapolate"])
def test_metadata_of_series_that_are_cut_down_hide_nothing(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mode: str,
) -> None:
    with running_orthanc(release, tmp_path, DicomWeb={"SeriesMetadata": mode}) as url:
        server = Server(url)
        site = make_site(tmp_path, server, monkeypatch, capsys)
        for one in OF:
            assert server.put(file_of(one))
        for number in range(1, 13):
            other = image("1.2.3", "1.2.3.2", number, "DERIVED", "SECONDARY")
            other.SourceImageSequence = [reference(OF[number % 3].SOPInstanceUID)]
            assert server.put(file_of(other))
        site.write(REMOVE + "keep:\n  - {studiesId: 1.2.3, seriesId: 1.2.3.2}\n")
        site.plan(code=3)
        assert len(dangling(site)) == 12
