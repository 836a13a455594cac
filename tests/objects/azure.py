"""Azurite, Microsoft's emulator of Azure Blob Storage, from npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from filelock import FileLock

VERSION = "3.36.0"
ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"a key of the tests, and of nobody else").decode()
SECONDS_TO_START = 60.0
FOLDER = Path(sys.prefix) / "node"
MAIN = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def installed() -> Path:
    """Its program; npm installs it beside the other tools of the tests, once."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        missing = "npm is missing, and so is Azurite: script/bootstrap test"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    FOLDER.mkdir(exist_ok=True)
    with FileLock(FOLDER / "azurite.lock"):
        if not MAIN.exists():
            options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")
            command = [npm, "install", *options, "--prefix", FOLDER, f"azurite@{VERSION}"]
            subprocess.run(command, check=True, capture_output=True)
    return MAIN


@contextmanager
def running_azurite() -> Iterator[str]:
    """The address of its account."""
    program = installed()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--disableTelemetry")
    memory = ("--inMemoryPersistence", "--skipApiVersionCheck", "--silent")
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with subprocess.Popen(
        ["node", str(program), *options, *memory],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}/{ACCOUNT}"
            await_answer(url, process)
            yield url
        finally:
            process.kill()


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(requests.ConnectionError):
            requests.get(url, timeout=5)
            return
        time.sleep(0.05)
    pytest.fail("Azurite did not start")


def signature(text: str) -> str:
    digest = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def signed_access() -> str:
    """A shared access signature for all of the account's blobs."""
    fields = {"sp": "rwlac", "ss": "b", "srt": "sco", "st": "", "se": "2099-01-01T00:00:00Z"}
    fields |= {"sip": "", "spr": "https,http", "sv": "2021-08-06", "ses": ""}
    signed = "\n".join([ACCOUNT, *fields.values(), ""])
    query = {name: value for name, value in fields.items() if value}
    return urlencode({**query, "sig": signature(signed)})


def make_container(url: str, name: str) -> None:
    """Signed by hand: obstore makes no containers."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    signed = "\n".join(
        [
            *["PUT", *[""] * 11],
            f"x-ms-date:{date}",
            f"x-ms-version:{version}",
            f"/{ACCOUNT}/{ACCOUNT}/{name}",
            "restype:container",
        ]
    )
    answer = requests.put(
        f"{url}/{name}?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": version,
            "Content-Length": "0",
            "Authorization": f"SharedKey {ACCOUNT}:{signature(signed)}",
        },
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
