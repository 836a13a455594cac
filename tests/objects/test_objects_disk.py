"""Objects on a disk: what is on it, in which order, and what is not followed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import StateError
from reconciler.objects.disk import Disk

UNWRITTEN = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
KILLED = """
import os, sys
from pathlib import Path
from reconciler.objects.disk import Disk
def stay(*args, **named):
    print("ready", flush=True)
    sys.stdin.read()
os.link = stay
Disk(Path(sys.argv[1])).create("a/b", b"of a process that is killed")
"""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_object_is_a_file_for_its_owner_only(disk: Disk, tmp_path: Path) -> None:
    assert disk.create("runs/1/00000000", b"data")
    assert files(tmp_path) == ["runs/1/00000000"]
    path = tmp_path / "runs/1/00000000"
    assert (path.read_bytes(), path.stat().st_nlink) == (b"data", 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_on_disk_before_it_has_its_name_and_the_name_before_the_answer(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []

    def noted(name: str) -> Any:
        real = getattr(os, name)

        def step(what: Any, *args: Any, **named: Any) -> Any:
            is_file = isinstance(what, int) and not Path(f"/proc/self/fd/{what}").is_dir()
            steps.append(f"{name} file" if is_file else name)
            return real(what, *args, **named)

        return step

    for name in ("fsync", "link", "mkdir"):
        monkeypatch.setattr(os, name, noted(name))
    disk.create("a/b", b"data")
    assert steps == ["mkdir", "fsync", "fsync file", "link", "fsync"]
    steps.clear()
    disk.create("a/b", b"of another")
    assert steps[-1] == "fsync", "what one was refused by must not vanish"


def test_a_link_that_was_made_and_is_said_to_exist(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a network file system that repeats a request whose answer was lost."""
    real = os.link

    def link(*args: Any, **named: Any) -> None:
        real(*args, **named)
        raise FileExistsError(errno.EEXIST, "it exists")

    monkeypatch.setattr(os, "link", link)
    assert disk.create("a/b", b"mine")
    assert not disk.create("a/b", b"of another")


@pytest.mark.parametrize("function", ["link", "fsync", "mkdir"])
def test_what_fails_leaves_no_object(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def fail(*args: Any, **named: Any) -> None:
        raise UNWRITTEN

    with monkeypatch.context() as patched:
        patched.setattr(os, function, fail)
        with pytest.raises(StateError, match="No space left"):
            disk.create("a/b", b"data")
    assert files(tmp_path) == []
    assert disk.read("a/b") is None
    assert disk.create("a/b", b"data")


def test_a_file_system_without_hard_links(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*args: Any, **named: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StateError, match="cannot be used: Operation not permitted") as caught:
        disk.create("a/b", b"data")
    assert "hard links" in str(caught.value.hint)


def test_a_process_that_was_killed_leaves_no_object(disk: Disk, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert [name.startswith("a/.new-") for name in files(tmp_path)] == [True]
    assert list(disk.names("")) == []
    assert disk.read("a/b") is None
    assert disk.create("a/b", b"data")


def test_what_a_process_of_the_same_number_left_is_in_nobody_s_way(
    disk: Disk, tmp_path: Path
) -> None:
    disk.create("a/b", b"data")
    for number in range(3):
        (tmp_path / "a" / f".new-{os.getpid()}-{threading.get_ident()}-{number}").touch()
    assert disk.create("a/c", b"data")
    assert list(disk.names("a")) == ["a/b", "a/c"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "missing")
    for ask in (
        lambda: disk.create("a", b""),
        lambda: disk.read("a"),
        lambda: list(disk.names("")),
    ):
        with pytest.raises(StateError, match=r"missing.* cannot be used: No such file"):
            ask()
    with pytest.raises(StateError, match=r"missing cannot be used: No such file"):
        disk.create("locks/a", b"")  # the folder to create is named, not the one below it
    assert list(tmp_path.iterdir()) == []


def test_no_link_is_followed(disk: Disk, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"not an object")
    (tmp_path / "folder").symlink_to(elsewhere)
    (tmp_path / "file").symlink_to(elsewhere / "file")
    (tmp_path / "dangling").symlink_to(elsewhere / "none")
    for name in ("folder/file", "file", "dangling"):
        with pytest.raises(StateError, match="cannot be used"):
            disk.read(name)
        with pytest.raises(StateError, match="cannot be used"):
            disk.create(name, b"data")
    with pytest.raises(StateError, match="cannot be used"):
        list(disk.names("folder"))
    assert list(disk.names("")) == ["dangling", "file", "folder"]
    assert files(elsewhere) == ["file"]


def test_what_is_no_file_is_no_object(disk: Disk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        start = time.monotonic()
        with pytest.raises(StateError, match="cannot be used"):
            disk.read(name)
        with pytest.raises(StateError, match="cannot be used"):
            disk.create(name, b"data")
        assert time.monotonic() - start < 5
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be used"):
        disk.read("file/below")


def test_no_descriptor_is_left_open(disk: Disk, tmp_path: Path) -> None:
    def count() -> int:
        return len([*Path("/proc/self/fd").iterdir()])

    (tmp_path / "link").symlink_to(tmp_path)
    before = count()
    for name in ("a/b/c", "a/b/d", "link/a"):
        for ask in (disk.create, lambda name, _: disk.read(name)):
            try:
                ask(name, b"data")
            except StateError:
                assert name == "link/a"
    disk.read("none/of/these")
    next(disk.names(""))
    assert count() == before
