"""The note that the record knows an Orthanc at another endpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.runs import other_services
from reconciler.emulator import DEMO_STORE
from reconciler.model.address import Provider
from reconciler.model.service import store_at

ORTHANC = replace(DEMO_STORE, provider=Provider.ORTHANC)
HERE, THERE = "https://here.example.org", "https://there.example.org"


def test_the_record_is_read_for_an_orthanc_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = []

    def known(folder: Path) -> set[object]:
        read.append(folder)
        return {store_at(one, ORTHANC) for one in (HERE, THERE)}

    monkeypatch.setattr(other_services, "known_stores", known)
    other_services.note_other_services([DEMO_STORE], HERE, tmp_path)
    assert not read
    assert not capsys.readouterr().err
    other_services.note_other_services([DEMO_STORE, ORTHANC], HERE, tmp_path)
    assert read == [tmp_path]
    assert f"knows {ORTHANC} at {THERE} too;" in " ".join(capsys.readouterr().err.split())
