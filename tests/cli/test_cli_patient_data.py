"""No command lets a patient attribute out, but into the DICOM files that it stores or archives."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

import pydicom
import pytest

from reconciler.cli.commands.audit_export import FORMATS
from reconciler.cli.commands.audit_report import AUDIT_FORMS
from reconciler.journal.folder import runs_folder
from reconciler.model.address import InstanceAddress

from .conftest import LIMITS_OPEN, Project, removal

SENTINELS = {
    "PatientName": "SENTINELNAME^XQZ",
    "PatientID": "SENTINELID9173",
    "PatientBirthDate": "18990417",
    "AccessionNumber": "SENTINELACC55",
    "ReferringPhysicianName": "SENTINELREF^XQZ",
    "StudyDescription": "SENTINELSTUDY",
}
NEEDLES = (b"SENTINEL", b"18990417")
NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "test-SR.dcm", "rtplan.dcm")


@pytest.fixture
def stored(project: Project, tmp_path: Path) -> list[InstanceAddress]:
    """Real files that carry sentinels, in the store."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with resources.as_file(resources.files("pydicom.data") / "test_files") as folder:
        for name in NAMES:
            dataset = pydicom.dcmread(folder / name)
            for keyword, value in SENTINELS.items():
                setattr(dataset, keyword, value)
            dataset.save_as(copies / name)
            project.emulator.ingest(project.store, copies / name)
    assert all(NEEDLES[0] in copy.read_bytes() for copy in copies.iterdir())
    return sorted(project.content())


def test_no_command_lets_a_patient_attribute_out(
    project: Project, stored: list[InstanceAddress], tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    reason = 'reason: {code: "113037", ticket: QA-7}\n' + f"archive: {{path: {archive}}}\n"
    project.write(
        "a.yaml", reason + LIMITS_OPEN + removal(stored[:3]) + removal(stored[3:], key="keep")
    )
    store = project.store
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    streams = []

    def typed(*arguments: str | Path, code: int = 0) -> None:
        answer = project.run(*arguments)
        assert answer.code == code, answer.err
        streams.append((answer.out + answer.err).encode())

    typed("validate")
    typed("fmt", "--check", code=3)
    typed("plan", "--out", "plan.json", "--write", "markdown=plan.md", "--write", "json=again.json")
    forms = ("html", "sarif", "junit", "codequality", "terraform")
    written = [part for one in forms for part in ("--write", f"{one}=plan.{one}")]
    typed("show", "plan.json", *written)
    typed("plan", "--probe", "retrieve", "--events", "events.jsonl", "--format", "html")
    typed("filter-file", "plan.json", "--out", "filter.txt")
    typed("import", str(store), "--out", "imported.yaml")
    where = " AND ".join(f"{name}='{value}'" for name, value in store.as_parameters().items())
    for one in stored[:2]:
        names = " AND ".join(f"{name}='{value}'" for name, value in one.as_parameters().items())
        columns = "presence, sizeBytes, sopClassUid, transferSyntaxUid, contentType"
        sql = f"SELECT {columns} FROM google.healthcare.instances WHERE {where} AND {names}"
        typed("query", sql, "--format", "json")
        data = f"SELECT data FROM google.healthcare.instances WHERE {where} AND {names}"
        typed("query", data, "--output", tmp_path / "dicom")
    typed("apply", "plan.json", "--report", "report.json")
    (run,) = (path.stem for path in runs_folder(project.folder / ".reconciler").iterdir())
    typed("restore", run, "--dry-run")
    typed("restore", run, "--report", "restored.json")
    typed("plan", code=3)
    typed("audit", "verify")
    typed("audit", "sign", "--key", key, "--out", "head.json")
    for form in FORMATS:
        typed("audit", "export", "--format", form)
    for form in AUDIT_FORMS:
        typed("audit", "report", "--format", form)

    files = [path for path in project.folder.rglob("*") if path.is_file()]
    files += [path for path in archive.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert len(files) > 12
    for needle in NEEDLES:
        assert [path for path in files if needle in path.read_bytes()] == []
        assert [stream for stream in streams if needle in stream] == []
    assert any(NEEDLES[0] in path.read_bytes() for path in archive.rglob("*.dcm"))
