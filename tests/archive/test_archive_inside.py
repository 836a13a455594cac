"""What restore sends lies inside the bag that the journal names, and is what it should be."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.address import InstanceAddress

from ..journal.by_hand import rewrite, rewrite_log
from .conftest import Site, Through
from .proxy import Reply


def archive(site: Site, addresses: list[InstanceAddress]) -> str:
    site.ask_removal(addresses)
    site.plan()
    answer = site.apply()
    assert answer.code == 0, answer.out + answer.err
    return str(site.report()["run"])


def refused(site: Site, run: str, said: str, *options: object) -> None:
    """Restore; it failed and says why, also when nothing is asked, and nothing was sent."""
    dry = site.run("restore", run, "--dry-run", *options)
    assert dry.code in {0, 4}, dry.err
    site.emulator.clear_requests()
    answer = site.run("restore", run, *options)
    assert answer.code == 4, answer.out + answer.err
    assert "1 failed" in answer.last_line
    assert said in " ".join(answer.out.split())
    assert not [one for one in site.emulator.requests() if one.path.endswith("/studies")]


def forge(site: Site, run: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what is on record of the archived instance, with a chain and a log that hold."""

    def changed(line: bytes) -> bytes:
        record = json.loads(line)
        if record["type"] == "archived":
            change(record)
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    file = site.folder / ".reconciler" / "runs" / f"{run}.jsonl"
    rewrite(file, lambda segments: [[changed(line) for line in some] for some in segments])
    rewrite_log(file.parent)


def kept(site: Site) -> Path:
    (file,) = site.archive.rglob("*.dcm")
    return file


def move_out(site: Site, path: Path) -> Path:
    """Move a file or folder of the bag away, to where it is still to be read."""
    return Path(shutil.move(path, site.archive.with_name("outside")))


def link_file(site: Site) -> None:
    file = kept(site)
    file.symlink_to(move_out(site, file))


def link_file_inside(site: Site) -> None:
    file = kept(site)
    file.symlink_to(file.rename(file.with_name("other")).name)


def link_folder(site: Site) -> None:
    folder = kept(site).parent
    folder.symlink_to(move_out(site, folder))


def link_data(site: Site) -> None:
    (bag,) = site.archive.iterdir()
    (bag / "data").symlink_to(move_out(site, bag / "data"))


def link_bag(site: Site) -> None:
    (bag,) = site.archive.iterdir()
    bag.symlink_to(move_out(site, bag))


def pipe(site: Site) -> None:
    file = kept(site)
    file.unlink()
    os.mkfifo(file)


def folder_for_file(site: Site) -> None:
    file = kept(site)
    file.unlink()
    file.mkdir()


def loop(site: Site) -> None:
    file = kept(site)
    file.unlink()
    file.symlink_to(file.name)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (link_file, "a link in its path"),
        (link_file_inside, "a link in its path"),
        (link_folder, "a link in its path"),
        (link_data, "a link in its path"),
        (link_bag, "a link in its path"),
        (loop, "a link in its path"),
        (pipe, "no regular file"),
        (folder_for_file, "no regular file"),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_links_and_special_files_are_not_sent(
    site: Site, damage: Callable[[Site], None], said: str, *, moved: bool
) -> None:
    run = archive(site, site.fill(2)[:1])
    damage(site)
    refused(site, run, said, *(("--archive", site.archive) if moved else ()))


PATHS = [
    "../{run}/{path}",
    "data/../{path}",
    "./{path}",
    "{path}/",
    "/{path}",
    "data//{path}",
    "",
    "..",
    "../../outside/{run}/{path}",
    "{archive}/{run}/{path}",
    "data/\0",
    "data/" + "x" * 5000,
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_out_of_the_bag_is_not_followed(site: Site, path: str) -> None:
    """Though the very file that was archived lies there."""
    run = archive(site, site.fill(2)[:1])
    shutil.copytree(site.archive, site.archive.with_name("outside"))

    def change(record: dict[str, Any]) -> None:
        record["path"] = path.format(run=run, path=record["path"], archive=site.archive)

    forge(site, run, change)
    refused(site, run, "the archived file cannot be read")


@pytest.mark.parametrize("folder", ["archive", "../{name}/archive", "", "\0", "/\0"])
def test_an_archive_that_is_no_absolute_path_is_not_looked_for(site: Site, folder: str) -> None:
    run = archive(site, site.fill(2)[:1])
    shutil.copytree(site.archive, site.folder / "archive")
    forge(site, run, lambda record: record.update(archive=folder.format(name=site.folder.name)))
    refused(site, run, "the archived file cannot be read")


def test_a_relative_archive_on_the_command_line_is_the_users(site: Site) -> None:
    run = archive(site, site.fill(2)[:1])
    site.archive.rename(site.folder / "moved")
    assert site.run("restore", run, "--archive", "moved").code == 0


@pytest.mark.parametrize("part", ["studiesId", "seriesId", "instancesId"])
def test_a_file_that_says_another_uid_is_not_sent_though_its_sha256_is_on_record(
    site: Site, part: str
) -> None:
    run = archive(site, site.fill(2)[:1])
    forge(site, run, lambda record: record.update({part: f"{record[part]}.9"}))
    refused(site, run, "says that it is another instance")


def test_the_bytes_of_another_instance_are_not_sent(site: Site) -> None:
    one, two, *_ = site.fill(4)
    run = archive(site, [one, two])
    others: list[dict[str, Any]] = []

    def swap(record: dict[str, Any]) -> None:
        others.append(dict(record))
        record.update({key: others[0][key] for key in ("path", "sha256", "size")})

    forge(site, run, swap)
    site.emulator.clear_requests()
    answer = site.run("restore", run)
    assert (answer.code, "1 identical" in answer.last_line) == (4, True)
    assert "says that it is another instance" in answer.out
    assert len([one for one in site.emulator.requests() if one.path.endswith("/studies")]) == 1


def test_what_is_no_dicom_file_is_not_sent(site: Site) -> None:
    run = archive(site, site.fill(2)[:1])
    kept(site).write_bytes(b"no DICOM")
    sha256 = hashlib.sha256(b"no DICOM").hexdigest()
    forge(site, run, lambda record: record.update(sha256=sha256, bytes=8))
    refused(site, run, "it is no DICOM file")


def test_a_file_that_changes_between_two_attempts_is_not_sent_again(
    site: Site, through: Through
) -> None:
    """The first attempt is answered with 503, though it takes effect."""
    one, *_ = site.fill(2)
    stored: list[str] = []

    def change(request: str, reply: Reply) -> Reply:
        if not request.startswith("POST") or not request.endswith("/studies"):
            return reply
        stored.append(request)
        file = kept(site)
        file.write_bytes(file.read_bytes()[:-1] + b"\xff")
        return Reply(503, "application/json", b"{}")

    through(change)
    before = site.content()
    run = archive(site, [one])
    answer = site.run("restore", run)
    assert (answer.code, len(stored), site.content()) == (0, 1, before)
