"""A command imports what it needs, and none of the packages that only others need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.model.address import SeriesAddress

SAYING = """
import json, sys
from reconciler.cli.main import main
try:
    main()
finally:
    sys.stderr.write("\\nimported " + json.dumps(sorted(sys.modules)))
"""
_NEITHER = {
    *("cryptography", "google.auth", "jinja2", "jsonschema", "numpy", "obstore"),
    *("pydicom", "rich"),
}
"""For signatures, credentials, pages, faults in files, pixels, buckets, DICOM files and terminals,
of which there are none here."""
WITHOUT = {
    "validate one.yaml": _NEITHER,
    "plan one.yaml --out plan.json": _NEITHER,
    "show plan.json": _NEITHER | {"yaml"},
    "apply plan.json": _NEITHER,
}
SPECS = """version: 1
store: {{{store}}}
reason: {{code: "113039"}}
limits: {{maxSeriesEmptied: 1, maxStudiesEmptied: 1, maxStudyPercent: 100}}
remove: [{{studiesId: "1.2", seriesId: "1.2.1", instancesId: "1.2.1.1"}}]
"""


def imported(command: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SAYING, *command.split()],
        cwd=folder,
        env={**os.environ, "RECONCILER_ENDPOINT": (folder / "url").read_text()},
        capture_output=True,
        text=True,
        check=False,
    )
    said, _, modules = done.stderr.rpartition("\nimported ")
    assert done.returncode == 0, said
    return set(json.loads(modules))


@pytest.mark.slow
def test_a_command_imports_what_it_needs(tmp_path: Path) -> None:
    store = ", ".join(f"{name}: {value}" for name, value in DEMO_STORE.as_parameters().items())
    (tmp_path / "one.yaml").write_text(SPECS.format(store=store))
    with running_emulator(EmulatorSettings(tmp_path / "store")) as emulator:
        emulator.ingest_synthetic(DEMO_STORE, SeriesAddress("1.2", "1.2.1"), ["1.2.1.1"])
        (tmp_path / "url").write_text(emulator.url)
        for command, packages in WITHOUT.items():
            assert not packages & imported(command, tmp_path), command
