"""Memory stays flat however large an instance is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
import requests
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from reconciler.emulator import DEMO_STORE
from reconciler.live.http.file_body import MultipartFile
from reconciler.model.address import InstanceAddress

from .conftest import HEAD, OPEN, REASON, ROOT, removal

MEGABYTE = 1024 * 1024
LARGE = 300 * MEGABYTE
MOST = 200 * MEGABYTE
ADDRESS = InstanceAddress(f"{ROOT}.2", f"{ROOT}.2.1", f"{ROOT}.2.1.1")
COMMAND = """
import sys
from pathlib import Path
from reconciler.cli.main import run
code = run(sys.argv[1:])
status = Path("/proc/self/status").read_text()
(peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
print("peak", int(peak) * 1024)
sys.exit(code)
"""

PARAMETERS = DEMO_STORE.as_parameters() | ADDRESS.as_parameters()
SELECT = "SELECT data FROM google.healthcare.instances WHERE " + " AND ".join(
    f"{name} = '{value}'" for name, value in PARAMETERS.items()
)


def write_large(file: Path) -> str:
    """Write an instance of 300 MB, a piece at a time; its sha256."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = ADDRESS
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    with file.open("ab") as stream:
        stream.write(b"\xe0\x7f\x10\x00OW\0\0" + LARGE.to_bytes(4, "little"))
        for _ in range(LARGE // MEGABYTE):
            stream.write(os.urandom(MEGABYTE))
    return sha256_of(file)


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def emulator_process(data: Path) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "emulator", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_query_archive_and_restore_of_a_large_instance_stay_under_200_mb(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    archive = f"archive: {{path: {tmp_path}/archive}}\n"
    (project / "specs/a.yaml").write_text(HEAD + REASON + OPEN + archive + removal([ADDRESS]))
    expected = write_large(tmp_path / "large.dcm")

    answers: list[str] = []
    with emulator_process(tmp_path / "store") as url:

        def peak_of(*arguments: str) -> int:
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, *arguments, "--endpoint", url, "--root", "."],
                cwd=project,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stdout[:2000] + done.stderr
            answers.append(done.stdout.rpartition("peak ")[0])
            return int(done.stdout.rpartition("peak ")[2])

        studies = f"{url}/v1/{DEMO_STORE}/dicomWeb/studies"
        with (tmp_path / "large.dcm").open("rb") as file:
            body = MultipartFile(file)
            headers = {"Content-Type": body.content_type}
            assert requests.post(studies, data=body, headers=headers, timeout=60).status_code == 200
        assert peak_of("query", SELECT, "--output", "images", "--format", "jsonl") < MOST
        assert sha256_of(next((project / "images").rglob("*.dcm"))) == expected
        assert peak_of("query", SELECT, "--format", "jsonl") < MOST
        data = b64decode(json.loads(answers.pop())["data"])
        assert hashlib.sha256(data).hexdigest() == expected
        peak_of("plan", "--out", "plan.json")
        assert peak_of("apply", "plan.json") < MOST
        (run,) = (path.stem for path in (project / ".reconciler" / "runs").glob("*.jsonl"))
        (kept,) = (tmp_path / "archive").rglob("*.dcm")
        assert sha256_of(kept) == expected
        assert peak_of("restore", run) < MOST
    (stored,) = (tmp_path / "store" / "files").rglob("*.dcm")
    assert sha256_of(stored) == expected
