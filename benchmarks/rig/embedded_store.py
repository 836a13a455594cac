"""The embedded store in a process of its own, filled, for the benchmarks that need its faults."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rig.measuring import RECONCILER

from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.model.address import SeriesAddress

ROOT = "1.2.826.0.1.3680043.10.2"
PER_SERIES = 100


def fill(folder: Path, instances: int) -> dict[SeriesAddress, list[str]]:
    """Store instances in series of a hundred, one study for ten series; all but one in each."""
    uids: dict[SeriesAddress, list[str]] = {}
    for number in range(instances):
        series = number // PER_SERIES
        study = f"{ROOT}.{series // 10}"
        address = SeriesAddress(study, f"{study}.{series}")
        uids.setdefault(address, []).append(f"{study}.{series}.{number}")
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        for series_address, members in uids.items():
            emulator.ingest_synthetic(DEMO_STORE, series_address, members)
    return uids


def write_specs(folder: Path, uids: dict[SeriesAddress, list[str]]) -> None:
    """Ask for the removal of all of them, one by one."""
    lines = ["version: 1", "store:"]
    lines += [f"  {name}: {value}" for name, value in DEMO_STORE.as_parameters().items()]
    lines.append('reason: {code: "113039", ticket: BENCH-1}')
    lines.append(
        "limits: {maxDeletions: 10000000, maxStudiesEmptied: 100000,"
        " maxSeriesEmptied: 100000, maxStudyPercent: 100}"
    )
    lines.append("remove:")
    for series, members in uids.items():
        lines.append(f"  - studiesId: {series.study_uid}")
        lines.append(f"    seriesId: {series.series_uid}")
        lines.append("    instancesId:")
        lines += [f"      - {uid}" for uid in members]
    (folder / "specs").mkdir()
    (folder / "specs" / "bench.yaml").write_text("\n".join(lines) + "\n")


@contextmanager
def emulator_process(folder: Path, latency: float = 0.0) -> Iterator[str]:
    """Serve the store from a process of its own; gives its origin."""
    command = [*RECONCILER, "emulator", "--data", str(folder / "store")]
    with subprocess.Popen(
        [*command, "--latency", str(latency)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def requests_of(url: str) -> list[dict[str, Any]]:
    """The requests that the store received."""
    with urllib.request.urlopen(f"{url}/_emulator/requests") as answer:
        return list(json.load(answer))


def clear_requests(url: str) -> None:
    """Forget the requests so far."""
    request = urllib.request.Request(f"{url}/_emulator/requests", method="DELETE")
    with urllib.request.urlopen(request):
        pass
