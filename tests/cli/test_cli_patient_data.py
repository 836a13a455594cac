"""No command lets a patient attribute out, but into the DICOM files that it stores or archives."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import click
import pydicom
import pytest

from reconciler.cli.commands.audit_export import FORMATS
from reconciler.cli.commands.audit_report import AUDIT_FORMATS
from reconciler.cli.main import group
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress

from ..journal.by_hand import replace_in, rewrite_log
from .conftest import LIMITS_OPEN, Project, removal

SENTINELS = {
    "PatientName": "SENTINELNAME^XQZ",
    "PatientID": "SENTINELID9173",
    "PatientBirthDate": "18990417",
    "StudyDate": "19010203",
    "AccessionNumber": "SENTINELACC55",
    "ReferringPhysicianName": "SENTINELREF^XQZ",
    "StudyDescription": "SENTINELSTUDY",
}
NEEDLES = (b"SENTINEL", b"18990417", b"19010203", b"1901-02-03")
NAMES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "test-SR.dcm", "rtplan.dcm")
OF_THEIR_OWN_DATA = {"demo", "selftest"}
"""They store files that no test has put sentinels into."""
ELSEWHERE = {"beam"}
"""It needs a package that is not there where these tests run; its tasks are calls of `apply`."""

pytestmark = pytest.mark.slow


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


class Typist:
    """Types commands as a user does, each a process of its own, and keeps what they say."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self.commands: set[str] = set()

    def __call__(self, *arguments: str | Path, code: int = 0, stdin: bytes = b"") -> None:
        typed = [str(one) for one in arguments]
        self.commands.add(" ".join(typed[: 1 + (typed[0] in {"audit", "state"})]))
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *typed],
            cwd=self._project.folder,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr.decode()
        self.out.append(done.stdout)
        self.err.append(done.stderr)


def commands(command: click.Command = group, path: tuple[str, ...] = ()) -> set[str]:
    if not isinstance(command, click.Group):
        return {" ".join(path)}
    context = click.Context(command)
    found: set[str] = set()
    for name in command.list_commands(context):
        member = command.get_command(context, name)
        assert member is not None
        found |= commands(member, (*path, name))
    return found


def test_no_command_lets_a_patient_attribute_out(
    project: Project, stored: list[InstanceAddress], tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    reason = 'reason: {code: "113037", ticket: QA-7}\n' + f"archive: {{path: {archive}}}\n"
    project.write(
        "a.yaml", reason + LIMITS_OPEN + removal(stored[:3]) + removal(stored[3:], key="keep")
    )
    typed = Typist(project)

    look(project, typed, stored, tmp_path / "dicom")
    select(project, typed, stored, tmp_path / "patient.key")
    change(project, typed, stored, tmp_path)
    audit(typed, tmp_path / "key.pem")
    serve_and_import(project, typed, tmp_path)

    assert commands() - typed.commands == OF_THEIR_OWN_DATA | ELSEWHERE
    asked = [one.path.encode() for one in project.emulator.requests()]
    assert len(asked) > 30
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    files += [path for path in archive.rglob("*") if path.is_file() and path.suffix != ".dcm"]
    assert len(files) > 30
    for needle in NEEDLES:
        assert [path for path in files if needle in path.read_bytes()] == []
        assert [said for said in (*typed.out, *typed.err, *asked) if needle in said] == []
    assert any(NEEDLES[0] in path.read_bytes() for path in archive.rglob("*.dcm"))
    images = (tmp_path / "dicom").rglob("*.dcm")
    assert any(NEEDLES[0] in path.read_bytes() for path in images)


def look(project: Project, typed: Typist, stored: list[InstanceAddress], images: Path) -> None:
    """Every command that changes no store, also over answers that break off."""
    typed("validate")
    typed("status", "--holds")
    typed("fmt", "--check", code=3)
    typed("schema", "plan")
    typed("completion", "bash")
    typed("plan", "--out", "plan.json", "--write", "markdown=plan.md", "--write", "json=again.json")
    forms = ("html", "sarif", "junit", "codequality", "terraform")
    written = [part for one in forms for part in ("--write", f"{one}=plan.{one}")]
    typed("show", "plan.json", *written)
    typed("show", "plan.json", "--thumbnails", "--write", "html=images.html")
    typed("plan", "--probe", "retrieve", "--events", "events.jsonl", "--format", "html")
    typed("filter-file", "plan.json", "--out", "filter.txt")
    typed("import", str(project.store), "--out", "imported.yaml")
    import_exported(project, typed, stored[0], images.parent / "exported.csv")
    for one in stored[:2]:
        columns = "presence, sizeBytes, sopClassUid, transferSyntaxUid, contentType"
        for what in (f"SELECT {columns}", "SELECT data"):
            output = ("--output", images) if what == "SELECT data" else ("--format", "json")
            typed("query", f"{what} FROM {where(project, one)}", *output)
    lost = FaultRule(
        FaultKind.TRUNCATE, "GET", rf"{stored[0].instance_uid}(/metadata)?$", body_bytes=700
    )
    project.emulator.set_faults(Faults((lost,)))
    typed("plan", "--probe", "retrieve", code=3)


def import_exported(project: Project, typed: Typist, one: InstanceAddress, file: Path) -> None:
    """A list as a RIS exports it, right, and with its cells in the wrong columns."""
    names = [*SENTINELS, "StudyInstanceUID"]
    for number, wrong in enumerate((False, True)):
        cells = [*SENTINELS.values(), one.study_uid]
        row = [cells[-1], *cells[:-1]] if wrong else cells
        file.write_text(f"{';'.join(names)}\n{';'.join(row)}\n", encoding="utf-8")
        out = ("--out", f"exported-{number}.yaml")
        asked = ("import", str(project.store), "--csv", file, "--column", "StudyInstanceUID", *out)
        typed(*asked, code=int(wrong))


def select(project: Project, typed: Typist, stored: list[InstanceAddress], secret: Path) -> None:
    """Every command that makes lists of what patients have."""
    secret.write_text("ab" * 32)
    secret.chmod(0o600)
    key = ("--patient-key", secret)
    folder = project.folder / "selectors"
    folder.mkdir()
    numbers = b"Report,Number\nSENTINELSTUDY,SENTINELACC55\n"
    for name, options, stdin in (
        ("patients", (), b"SENTINELID9173\n"),
        ("numbers", ("--accessions", "--column", "Number"), numbers),
    ):
        typed("pseudonym", *key, *options, stdin=stdin)
        (folder / f"{name}.keyed").write_bytes(typed.out[-1])
    rule = (
        f"store: {json.dumps(project.store.as_parameters())}\n"
        "select: {level: study, patients: {keyed: patients.keyed},"
        " accessions: {keyed: numbers.keyed},"
        " lastStudyOfPatient: {olderThan: 10y}, studyDate: {olderThan: 10y}}\n"
        "then: {keep: {}}\n"
    )
    (folder / "rule.yaml").write_text(f"version: 1\n{rule}")
    typed("resolve", *key, "--diff")
    typed("resolve", *key)
    resolved = project.folder / "specs" / "resolved"
    assert stored[0].study_uid in (resolved / "rule.csv").read_text()
    typed("resolve", *key, "--check", "--format", "json")
    terms = 'reason: {code: "113037"}, bind: [patient, studyDate]'
    bound = rule.replace("keep: {}", f"remove: {{{terms}}}")
    (folder / "rule.yaml").write_text(f"version: 1\n{bound}")
    typed("resolve", *key, "--diff")
    typed("resolve", *key)
    assert "studiesId,seen" in (resolved / "rule.csv").read_text()
    typed("plan", "specs/resolved", "--out", "bound.json")
    typed("apply", "bound.json", code=3)
    typed("pseudonym", *key, "--column", "Nothing", stdin=numbers, code=1)
    (folder / "patients.keyed").write_text("SENTINELID9173\n")
    typed("resolve", *key, code=1)
    typed("plan", code=1)
    shutil.rmtree(folder)
    shutil.rmtree(resolved)


def where(project: Project, one: InstanceAddress) -> str:
    parameters = project.store.as_parameters() | one.as_parameters()
    conditions = " AND ".join(f"{name}='{value}'" for name, value in parameters.items())
    return f"google.healthcare.instances WHERE {conditions}"


def change(project: Project, typed: Typist, stored: list[InstanceAddress], tmp_path: Path) -> None:
    """Every command that deletes or stores, with whose it is on record."""
    secret = tmp_path / "patient.key"
    secret.write_text("ab" * 32)
    key = ("--patient-key", secret)
    typed("apply", "plan.json", *key, "--stop-after-failures", "1", code=4)
    project.emulator.set_faults(Faults())
    typed("apply", "plan.json", *key, "--report", "report.json", "--events", "apply.jsonl")
    run = max(path.stem for path in (project.folder / ".reconciler" / "runs").glob("*.jsonl"))
    typed("restore", run, "--dry-run")
    typed("restore", run, "--report", "restored.json")
    typed("plan", code=3)
    project.write("a.yaml", removal(stored[3:], key="keep"))
    project.write("b.yaml", LIMITS_OPEN + "remove: []\n")
    why = ("--reason", "113037", "--ticket", "QA-8", "--apply", "--auto-approve")
    typed("query", f"DELETE FROM {where(project, stored[0])}", *why, *key)
    typed("apply", "specs", "--auto-approve")


def audit(typed: Typist, key: Path) -> None:
    """Every form of everything that is made of the record."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", f"{key}.pub"], check=True)
    typed("audit", "verify")
    typed("state", "check")
    typed("state", "copy", ".reconciler", "copied")
    typed("state", "unlock", "projects/p/locations/l/datasets/d/dicomStores/s", code=1)
    typed("audit", "sign", "--key", key, "--out", "head.json")
    typed("audit", "verify", "--signature", "head.json", "--public-key", f"{key}.pub")
    for form in FORMATS:
        typed("audit", "export", "--format", form, "--out", f"export.{form}")
    for form in AUDIT_FORMATS:
        typed("audit", "report", "--format", form, "--write", f"{form}=report.{form}")


def serve_and_import(project: Project, typed: Typist, tmp_path: Path) -> None:
    """The embedded store over a copy of the same files: what it logs and says, and an import."""
    data = tmp_path / "served"
    command = [sys.executable, "-m", "reconciler", "emulator", "--data", str(data)]
    with subprocess.Popen(
        [*command, "--request-log", "requests.jsonl"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as served:
        assert served.stdout is not None
        said = served.stdout.readline()
        url = re.search(rb"http://\S+", said)
        assert url is not None
        for copy in sorted((tmp_path / "copies").iterdir()):
            stow = f"{url[0].decode()}/v1/{project.store}/dicomWeb/studies"
            part = tmp_path / "part"
            head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
            part.write_bytes(head + copy.read_bytes() + b"\r\n--b--")
            kind = 'Content-Type: multipart/related; type="application/dicom"; boundary=b'
            curl = ["curl", "-sf", "-o", os.devnull, "-H", kind, "--data-binary", f"@{part}", stow]
            subprocess.run(curl, check=True)
        typed("import", str(project.store), "--endpoint", url[0].decode(), "--out", "served.yaml")
        served.send_signal(signal.SIGINT)
        out, err = served.communicate()
    typed.out.append(said + out)
    typed.err.append(err)
    typed.commands.add("emulator")


def archive_and_delete(project: Project, instances: list[InstanceAddress], archive: Path) -> Typist:
    project.write(
        "a.yaml",
        f'reason: {{code: "113037"}}\narchive: {{path: {archive}}}\n'
        + LIMITS_OPEN
        + removal(instances),
    )
    typed = Typist(project)
    typed("plan", "--out", "plan.json")
    typed("apply", "plan.json")
    return typed


def test_what_names_patients_names_them_where_it_was_asked_to_and_for_its_owner(
    project: Project, stored: list[InstanceAddress], tmp_path: Path
) -> None:
    typed = archive_and_delete(project, stored[:2], tmp_path / "archive")
    typed("audit", "export", "--format", "fhir", "--archived-patients", "--out", "named.ndjson")

    named = project.folder / "named.ndjson"
    assert named.read_bytes().count(b"SENTINELID9173") == 2
    assert named.stat().st_mode & 0o777 == 0o600
    assert [said for said in (*typed.out, *typed.err) if NEEDLES[0] in said] == []


@pytest.mark.parametrize("damage", ["vr", "nested", "charset"])
def test_a_broken_copy_in_the_archive_is_never_quoted(
    project: Project, stored: list[InstanceAddress], tmp_path: Path, damage: str
) -> None:
    archive = tmp_path / "archive"
    typed = archive_and_delete(project, stored[:1], archive)
    (copy,) = archive.rglob("*.dcm")
    digest = subprocess.run(["sha256sum", copy], capture_output=True, check=True).stdout[:64]
    copy.chmod(0o600)
    copy.write_bytes(damaged(copy.read_bytes(), damage))
    broken = subprocess.run(["sha256sum", copy], capture_output=True, check=True).stdout[:64]
    (journal,) = (project.folder / ".reconciler" / "runs").glob("*.jsonl")
    replace_in(journal, digest, broken)
    rewrite_log(journal.parent)

    typed("audit", "export", "--format", "dicom", "--archived-patients")

    assert [said for said in typed.err if NEEDLES[0] in said or b"Traceback" in said] == []


def damaged(data: bytes, how: str) -> bytes:
    """The file with what makes pydicom raise or warn, in words that hold what it read."""
    at = data.index(b"\x10\x00\x20\x00LO")
    match how:
        case "vr":
            return data[: at + 4] + b"UL" + data[at + 6 :]
        case "charset":
            sets = data.index(b"\x08\x00\x05\x00CS") if b"\x08\x00\x05\x00CS" in data else None
            name = b"\x08\x00\x05\x00CS\x0a\x00SENTINEL^X"
            return data[:at] + data[at:] if sets is None else data[:sets] + name + data[sets + 18 :]
        case _:
            deep = b"\x10\x00\x02\x00SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3_000
            return data[:at] + deep + data[at:]
