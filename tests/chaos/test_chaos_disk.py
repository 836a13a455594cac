"""A disk that takes no more: nothing is deleted that cannot be recorded.

Tried out, each of these makes the tests that it concerns fail: a writer of the journal that says
nothing of its failure, a reader that takes a torn last line for an error, and an apply that ends
with the error of the journal instead of its account.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..sampling import some
from .evidence import require_all_done, require_no_harm, runs_of
from .sites import Ended, Site, ended

PLANNED = 60
PAGE = 4096


def require_stopped_by_the_disk(site: Site, done: Ended, state: Path | None = None) -> None:
    """What was deleted is on record; the rest was not attempted, and the end says why."""
    assert done.code == 4, done
    assert "journal" in done.out
    assert "cannot be written" in done.out
    require_no_harm(site, state)
    sent = {one.path for one in site.deletes()}
    assert 0 < len(sent) < PLANNED
    assert f"{PLANNED - len(sent)} not_attempted." in done.out


def limit_file_size(child: subprocess.Popen[str], size: int) -> subprocess.Popen[str]:
    """A file of the process that grows beyond so many bytes fails, as on a full disk.

    The process has just been started and is busy with its imports.
    """
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, size))
    return child


def test_a_journal_that_may_not_grow_stops_the_deleting(site: Site) -> None:
    """The limit strikes in the middle of a line, and every write after it."""
    site.prepare(planned=PLANNED)
    child = limit_file_size(site.start("apply", "plan.json"), 20_000)
    require_stopped_by_the_disk(site, ended(child))
    assert runs_of(site)[-1].ended is None
    site.resume()
    require_all_done(site)


@contextmanager
def small_disk(folder: Path, pages: int) -> Iterator[Path]:
    """A disk of so many pages in memory; skips the test where that may not be mounted."""
    folder.mkdir()
    size = f"size={pages * PAGE}"
    mount = ["mount", "-t", "tmpfs", "-o", size, "reconciler-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip("only root may mount a small disk; the limited file size stands for it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_deleting_and_space_lets_it_go_on(site: Site, tmp_path: Path) -> None:
    site.prepare(planned=PLANNED)
    with small_disk(tmp_path / "disk", pages=256) as disk:
        state = disk / "state"
        state.mkdir()
        ballast = disk / "ballast"
        fill(ballast, leave=8)
        require_stopped_by_the_disk(site, site.apply(state=state), state)
        ballast.unlink()
        site.resume(state=state)
        require_all_done(site, state)


def fill(ballast: Path, *, leave: int) -> None:
    """Take all space of a disk but so many pages."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PAGE))
    os.truncate(ballast, ballast.stat().st_size // PAGE * PAGE - leave * PAGE)


def test_a_disk_that_is_full_from_the_start_lets_nothing_begin(site: Site, tmp_path: Path) -> None:
    site.prepare(planned=4)
    with small_disk(tmp_path / "disk", pages=8) as disk:
        ballast = disk / "ballast"
        fill(ballast, leave=0)
        for arguments in (("plan.json",), ("specs", "--auto-approve")):
            done = site.run("apply", *arguments, state=disk / "state")
            assert done.code == 1, done
            assert "No space left" in done.err
        assert not site.deletes()
        ballast.unlink()
        site.resume(state=disk / "state")
        require_all_done(site, disk / "state")


@pytest.mark.parametrize("arguments", some([["plan.json"], ["specs", "--auto-approve"]]))
def test_a_state_folder_that_cannot_be_made_lets_nothing_begin(
    site: Site, arguments: list[str]
) -> None:
    """A file is in its way: also root cannot write there."""
    site.prepare(planned=4)
    (site.folder / "in-the-way").write_text("a file")
    done = site.run("apply", *arguments, state=site.folder / "in-the-way")
    assert done.code == 3, done
    assert done.err.count("error:") == 1
    assert "in-the-way" in done.err
    assert not site.deletes()


@pytest.mark.parametrize("arguments", some([["plan.json"], ["specs", "--auto-approve"]]))
def test_a_state_folder_that_cannot_be_written_lets_nothing_begin(
    site: Site, tmp_path: Path, arguments: list[str]
) -> None:
    site.prepare(planned=4)
    with small_disk(tmp_path / "disk", pages=8) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = site.run("apply", *arguments, state=disk / "state")
    assert done.code == 1, done
    assert "Read-only file system" in done.err
    assert not site.deletes()


FULL_AT_THE_END = (
    "-c",
    """
import errno
from reconciler.journal.places.disk import DiskSink
write = DiskSink.write
def full(sink, segment, *, is_awaited):
    if b'"type":"run_ended"' in segment:
        raise OSError(errno.ENOSPC, "No space left on device")
    write(sink, segment, is_awaited=is_awaited)
DiskSink.write = full
from reconciler.cli.main import main
main()
""",
)
"""The program, with a disk that has no space for the last record of a run."""


def test_the_account_is_whole_when_only_the_end_cannot_be_recorded(site: Site) -> None:
    """Everything is deleted and proven, but the last record does not fit: that is not success."""
    site.prepare(planned=40)
    done = ended(site.start_apply(program=FULL_AT_THE_END))
    assert done.code == 4, done
    assert "cannot be written: No space left on device" in done.out
    assert site.content() == site.unplanned
    assert runs_of(site)[-1].ended is None
    site.resume()
    require_all_done(site)
