"""The Orthancs that the tests run: the one installed, Debian 12's in CI, and Debian 13's.

Debian 13's packages are fetched by apt from this machine's own sources with the suite changed,
unpacked into a folder of the user's cache with all the libraries that they need, and started by
their own loader. Nothing is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest
from filelock import FileLock

SUITE = "trixie"
PACKAGES = ("orthanc", "orthanc-dicomweb")
PLUGIN = Path("usr/share/orthanc/plugins/libOrthancDicomWeb.so")
DICTIONARIES = Path("usr/share/dcmtk")
SOURCES = Path("/etc/apt")


@dataclass(frozen=True)
class Release:
    """How an Orthanc is started, less its configuration file, and where its plugin is."""

    command: tuple[str, ...]
    plugin: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def leave_out(missing: str) -> NoReturn:
    """Skip what needs an Orthanc that is not there, though never in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def installed() -> Release:
    binary = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    plugin = "/" / PLUGIN
    if binary is None or not plugin.exists():
        leave_out("Debian's packages orthanc and orthanc-dicomweb are not installed")
    return Release((binary,), plugin)


def debian_13() -> Release:
    root = _cache() / f"debian-{SUITE}-{platform.machine()}"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            _fetch(root)
    (loader,) = root.glob("usr/lib/*/ld-linux*.so.*")
    dictionaries = (root / DICTIONARIES / name for name in ("dicom.dic", "private.dic"))
    return Release(
        (
            str(loader),
            "--inhibit-cache",
            "--library-path",
            str(loader.parent),
            str(root / "usr/sbin/Orthanc"),
        ),
        root / PLUGIN,
        {"DCMDICTPATH": ":".join(map(str, dictionaries))},
    )


RELEASES: Mapping[str, Callable[[], Release]] = {"installed": installed, "debian13": debian_13}


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reconciler-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetch(root: Path) -> None:
    """Fill the folder, or leave none behind."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        leave_out("there is no apt-get to fetch Debian 13's Orthanc with")
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    with TemporaryDirectory(dir=root.parent) as made:
        folder = Path(made)
        if not codename or not _write_sources(folder, codename):
            leave_out("there are no apt sources of this release to fetch Debian 13's Orthanc from")
        # A source of somebody else's may have no such suite: what can be fetched decides.
        _apt(folder, "update")
        if _apt(folder, "install", "--download-only", "--yes", *PACKAGES) != 0:
            leave_out("apt-get could not fetch Debian 13's Orthanc")
        for package in sorted((folder / "cache/archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
        (folder / "root").rename(root)


def _write_sources(folder: Path, codename: str) -> bool:
    """This machine's sources, with the suites of the other release; whether there are any."""
    sources = folder / "sources"
    sources.mkdir()
    given = [SOURCES / "sources.list", *(SOURCES / "sources.list.d").glob("*")]
    for path in given:
        if path.suffix in {".list", ".sources"} and path.is_file():
            text = re.sub(rf"\b{codename}\b", SUITE, path.read_text())
            (sources / path.name).write_text(text)
    return any(sources.iterdir())


def _apt(folder: Path, *arguments: str) -> int:
    """Run apt-get as if nothing were installed, with lists and cache below the folder."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "state/status").touch()
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "sources",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "",  # the folder is only this user's
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    configuration = folder / "apt.conf"
    configuration.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    return subprocess.run(
        ["apt-get", "-qq", *arguments],
        env={**os.environ, "APT_CONFIG": str(configuration)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    ).returncode
