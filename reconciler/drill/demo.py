"""A story in desired-state files: a retention run, a wrong patient, a litigation hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.address import InstanceAddress, StoreAddress


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the demo as a user would type it, what it shows, and how it must exit."""

    remark: str
    arguments: tuple[str, ...]
    exit_code: int = 0


STEPS = (
    Step("Check the files, without asking the store.", ("validate",)),
    Step(
        "Look at the store, show what would be deleted and why, save the plan. Deletes nothing.",
        ("plan", "--out", "plan.json"),
    ),
    Step(
        "Delete exactly what the reviewed plan says, prove each deletion by a retrieve.",
        ("apply", "plan.json", "--report", "report.json"),
    ),
    Step(
        "Plan again: nothing is pending, so --detailed-exitcode exits with 0 and not 2.",
        ("plan", "--detailed-exitcode"),
    ),
)


def write_specs(
    folder: Path, store: StoreAddress, stored: Mapping[str, InstanceAddress]
) -> tuple[Path, ...]:
    """Write the desired-state files for the real files; the paths that were written."""
    specs = folder / "specs"
    specs.mkdir(parents=True, exist_ok=True)
    texts = {
        "retention.yaml": _retention(stored),
        "wrong-patient.yaml": _wrong_patient(stored),
        "hold.yaml": _hold(stored),
    }
    for name, body in texts.items():
        (specs / name).write_text(_head(store) + body, encoding="utf-8")
    return tuple(specs / name for name in texts)


def _head(store: StoreAddress) -> str:
    parameters = "".join(f"  {name}: {value}\n" for name, value in store.as_parameters().items())
    return f"version: 1\nstore:\n{parameters}"


def _retention(stored: Mapping[str, InstanceAddress]) -> str:
    """Two slices of one CT series, and a whole series beside it."""
    slices = [address for name, address in sorted(stored.items()) if "98892001/CT5N" in name][:2]
    whole = next(address for name, address in sorted(stored.items()) if "98892001/CT2N" in name)
    lines = "".join(f"      - {address.instance_uid}\n" for address in slices)
    return f"""\
reason: {{code: "113039", ticket: RET-1042}}   # Data Retention Policy Expired
limits: {{maxSeriesEmptied: 1}}
remove:
  - studiesId: {slices[0].study_uid}
    seriesId: {slices[0].series_uid}
    instancesId:
{lines}\
  - studiesId: {whole.study_uid}
    seriesId: {whole.series_uid}            # the whole series
"""


def _wrong_patient(stored: Mapping[str, InstanceAddress]) -> str:
    """A whole study, of which a hold keeps one instance; and one that was never there."""
    study = next(address for name, address in sorted(stored.items()) if "TINY_ALPHA" in name)
    report = stored["test_files/test-SR.dcm"]
    return f"""\
reason: {{code: "113037", text: images of another patient, ticket: QA-7}}
limits: {{maxNeverSeen: 1}}
remove:
  - studiesId: {study.study_uid}           # the whole study
  - studiesId: {report.study_uid}
    seriesId: {report.series_uid}
    instancesId: [{report.instance_uid}.1]  # was never stored, which maxNeverSeen lets pass
"""


def _hold(stored: Mapping[str, InstanceAddress]) -> str:
    """One instance of the study that the other file removes, and a whole MR study."""
    instance = next(address for name, address in sorted(stored.items()) if "TINY_ALPHA" in name)
    study = next(address for name, address in sorted(stored.items()) if "98892003/MR700" in name)
    return f"""\
keep:
  - studiesId: {instance.study_uid}
    seriesId: {instance.series_uid}
    instancesId: [{instance.instance_uid}]
    hold: Litigation 2026-17
  - studiesId: {study.study_uid}
"""
