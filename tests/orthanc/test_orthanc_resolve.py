"""The same rules list the same in an Orthanc and in the embedded store."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator

from ..answer import typed
from ..selecting.conftest import Made
from ..selecting.conftest import Project as Rules
from .conftest import STORE, Site

RULES = {
    "old": "{level: study, studyDate: {olderThan: 10y}}",
    "us": "{level: study, modalities: {only: [US]}}",
    "no-sr": "{level: series, modalities: {none: [SR]}, studyDate: {before: 2020-01-01}}",
    "last": "{level: study, lastStudyOfPatient: {olderThan: 10y}}",
    "series": "{level: series, modalities: {any: [SR]}}",
}
STUDIES = [
    Made(f"1.2.840.{number}", day, patient, accession, series)
    for number, (day, patient, accession, series) in enumerate(
        itertools.product(
            ("20100101", "20241231", "2010", None),
            ("P1", "P2", None),
            ("A1", None),
            ((("US", 2),), (("US", 1), ("SR", 1)), ((None, 1),)),
        )
    )
] + [Made("1.2.840.900", "20100101", "P9"), Made("1.2.840.901", "20150101", "P9")]


def resolved(rules: Rules, url: str, *options: str) -> dict[str, Any]:
    done = rules.run(
        *("resolve", rules.folder / "selectors", "--root", rules.folder, "--endpoint", url),
        *("--as-of", "2025-06-01", "--format", "json", *options),
    )
    assert done.code == 0, done.err
    facts = ("studies", "series", "instances", "searched", "years", "modalities", "not_judged")
    return {one["selector"]: {fact: one[fact] for fact in facts} for one in done.json["lists"]}


def test_orthanc_and_the_embedded_store_list_the_same(site: Site, tmp_path: Path) -> None:
    with running_emulator(EmulatorSettings(tmp_path / "embedded")) as emulator:
        embedded = Rules(tmp_path / "one", emulator, typed, DEMO_STORE)
        orthanc = Rules(tmp_path / "other", emulator, typed, STORE)
        embedded.put(*STUDIES)
        for study in STUDIES:
            for file in study.files():
                assert site.server.put(file)
        for rules in (embedded, orthanc):
            for name, select in RULES.items():
                rules.write(f"{name}.yaml", select)
        assert resolved(orthanc, site.server.url) == resolved(embedded, emulator.url)
        for name in RULES:
            assert orthanc.listed(name) == embedded.listed(name)
            assert orthanc.listed(name)
