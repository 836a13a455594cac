"""A project with selectors/, the store behind it, and studies with attributes of all kinds."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import StoreAddress

from ..answer import Answer, typist

KEY = "ab" * 32
REMOVE = '{remove: {reason: {code: "113039", ticket: RET-7}}}'
KEEP = "{keep: {hold: Teaching}}"


@dataclass(frozen=True)
class Made:
    """A study to store; each series is a modality and a number of instances. None is left out."""

    uid: str
    date: str | None = "20100101"
    patient: str | None = "PAT-1"
    accession: str | None = None
    series: tuple[tuple[str | None, int], ...] = (("US", 1),)

    def files(self) -> Iterator[bytes]:
        for number, (modality, count) in enumerate(self.series, start=1):
            for instance in range(1, count + 1):
                yield dicom_file(self, f"{self.uid}.{number}", instance, modality)


def dicom_file(study: Made, series: str, instance: int, modality: str | None) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study.uid, series
    dataset.SOPInstanceUID = f"{series}.{instance}"
    said = {
        "StudyDate": study.date,
        "PatientID": study.patient,
        "AccessionNumber": study.accession,
        "Modality": modality,
    }
    for keyword, value in said.items():
        if value is not None:
            setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass
class Project:
    """A folder with ``selectors/``, and a way to type commands in it."""

    folder: Path
    emulator: Emulator
    type_command: Callable[..., Answer]
    store: StoreAddress = DEMO_STORE
    stored: list[Made] = field(default_factory=list)

    def put(self, *studies: Made) -> None:
        for study in studies:
            for file in study.files():
                self.emulator.ingest(self.store, file)

    def write(self, name: str, select: str, then: str = REMOVE, exceptions: str = "") -> Path:
        """Write a selector; the texts are YAML in flow style."""
        parameters = ", ".join(f"{key}: {v}" for key, v in self.store.as_parameters().items())
        path = self.folder / "selectors" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"version: 1\nstore: {{{parameters}}}\nselect: {select}\n"
        text += f"except: {exceptions}\n" if exceptions else ""
        path.write_text(text + f"then: {then}\n", encoding="utf-8")
        return path

    def run(self, *arguments: str | Path) -> Answer:
        return self.type_command(*map(str, arguments))

    def listed(self, name: str) -> list[str]:
        """The rows of the list that a selector of this stem became."""
        text = (self.folder / "specs" / "resolved" / f"{name}.csv").read_text("utf-8")
        return text.splitlines()[1:]

    def pinned(self, name: str) -> str:
        return (self.folder / "specs" / "resolved" / f"{name}.yaml").read_text("utf-8")

    def searches(self) -> list[str]:
        """The requests that searched, with their queries."""
        return [one.path for one in self.emulator.requests() if "limit=" in one.path]


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Project]:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    key = tmp_path / "patient.key"
    key.write_text(KEY)
    key.chmod(0o600)
    monkeypatch.chdir(folder)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "RECONCILER_STATE", "RECONCILER_PATIENT_KEY"):
        monkeypatch.delenv(name, raising=False)
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        monkeypatch.setenv("RECONCILER_ENDPOINT", emulator.url)
        yield Project(folder, emulator, typist(capsys))
