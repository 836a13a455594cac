"""A million studies take 400 MB at most, and a tenth more requests than they fill pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from ..serving import QuietHandler, serving_http
from .conftest import REMOVE, Project

STUDIES = 100_000
MILLION = 400
"""Megabytes for a million studies, each of a patient of its own."""
ALONE = 95
"""Megabytes of a run that finds nothing, at most; pydicom and numpy are a third of them."""

MEASURED = """
import sys
from pathlib import Path
from reconciler.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(Path("/proc/self/status").read_text(), file=sys.stderr)
"""
"""The most memory of this process alone: what wait4 says of it includes that of its parent."""

pytestmark = pytest.mark.slow


class Vast(QuietHandler):
    """A store of so many studies with one series each; rows are made as they are asked for."""

    asked: list[str]

    def do_GET(self) -> None:  # noqa: N802 - its name in http.server
        url = urlsplit(self.path)
        self.asked.append(self.path)
        query = parse_qs(url.query)
        if "limit" not in query:
            self.answer({})
            return
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        row = study if url.path.endswith("/studies") else series
        self.answer([row(number) for number in range(offset, min(offset + limit, STUDIES))])

    def do_POST(self) -> None:  # noqa: N802 - its name in http.server
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"permissions": ["healthcare.dicomStores.dicomWebRead"]})

    def answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def uid(number: int) -> str:
    return f"1.2.826.0.1.3680043.8.498.{10**26 + number * 7919}.{number}"


def study(number: int) -> dict[str, object]:
    day = f"{1995 + number % 30}{1 + number % 12:02}{1 + number % 28:02}"
    return {
        "00080020": {"vr": "DA", "Value": [day]},
        "00080050": {"vr": "SH", "Value": [f"A{number}"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": f"Somebody^{number}"}]},
        "00100020": {"vr": "LO", "Value": [f"P{number}"]},
        "0020000D": {"vr": "UI", "Value": [uid(number)]},
    }


def series(number: int) -> dict[str, object]:
    return {
        "00080060": {"vr": "CS", "Value": ["US" if number % 3 else "MG"]},
        "0020000D": {"vr": "UI", "Value": [uid(number)]},
        "0020000E": {"vr": "UI", "Value": [f"{uid(number)}.1"]},
    }


def test_memory_and_requests_grow_with_the_studies_and_no_faster(project: Project) -> None:
    project.write(
        "us.yaml",
        "{level: study, studyDate: {olderThan: 10y}, modalities: {only: [US]},"
        " lastStudyOfPatient: {olderThan: 8y}}",
        REMOVE,
    )
    handler = type("Handler", (Vast,), {"asked": []})
    with serving_http(handler) as url:
        command = [sys.executable, "-c", MEASURED, "resolve", "--endpoint", url]
        command += ["--as-of", "2025-06-01"]
        done = subprocess.run(
            command, cwd=project.folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert re.search(f"of {STUDIES:,} studies in the store", done.stdout)
    listed = project.listed("us")
    assert len(listed) > STUDIES / 3
    assert listed == sorted(listed)
    (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", done.stderr, re.MULTILINE)
    assert int(peak) / 1024 <= ALONE + (MILLION - ALONE) * STUDIES / 1_000_000
    for level in ("studies", "series"):
        pages = [path for path in handler.asked if f"/{level}?" in path]
        assert len(pages) <= STUDIES / 5_000 * 1.1 + 2
