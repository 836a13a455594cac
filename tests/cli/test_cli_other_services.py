"""The note that the record knows an Orthanc at another endpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.api.other_services import note_other_services
from reconciler.cli.options.listening import Console
from reconciler.emulator import DEMO_STORE
from reconciler.model.address import Provider
from reconciler.model.service import store_at

ORTHANC = replace(DEMO_STORE, provider=Provider.ORTHANC)
HERE, THERE = "https://here.example.org", "https://there.example.org"


def test_it_is_said_of_an_orthanc_alone(capsys: pytest.CaptureFixture[str]) -> None:
    known = {store_at(one, store) for one in (HERE, THERE) for store in (DEMO_STORE, ORTHANC)}
    note_other_services([DEMO_STORE], HERE, known, Console())
    assert not capsys.readouterr().err
    note_other_services([DEMO_STORE, ORTHANC], HERE, known, Console())
    assert f"knows {ORTHANC} at {THERE} too;" in " ".join(capsys.readouterr().err.split())
