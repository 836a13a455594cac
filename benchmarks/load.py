"""How fast the desired state of many instances is loaded, and in how much memory.

    python benchmarks/load.py [--count N] [--runs N]

Writes desired-state files of N instances into a temporary folder: nested (lists of instances in a
series), flat (one entry an instance) and as a CSV inventory. Each is loaded by
`load_desired_state`, with all its checks, and by PyYAML's `CSafeLoader` with plain `jsonschema` on
the published schema, which checks less. Every run is a fresh process and the two take turns;
imports are not timed; medians of CPU seconds (both work in one thread) and of the peak memory of
the process are shown. Ratios carry over to other machines, seconds do not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import NamedTuple

UID_ROOT = "1.2.826.0.1.3680043.10.1000"
INSTANCES_PER_SERIES = 500
SERIES_PER_STUDY = 4
KIB_PER_MIB = 1024

HEAD = """version: 1
store:
  projectsId: imaging-prod
  locationsId: europe-west4
  datasetsId: radiology
  dicomStoresId: archive
reason: {code: "113039", ticket: RET-1042}
remove:
"""


class Cost(NamedTuple):
    """What one run cost."""

    seconds: float
    mebibytes: float


def addresses(count: int) -> Iterator[tuple[str, str, str]]:
    """Study, series and instance UIDs, as a retention export lists them."""
    for number in range(count):
        series_number = number // INSTANCES_PER_SERIES
        study = f"{UID_ROOT}.{series_number // SERIES_PER_STUDY}"
        series = f"{study}.{series_number}"
        yield study, series, f"{series}.{number}"


def write_nested(folder: Path, count: int) -> Path:
    file = folder / "nested.yaml"
    last = ""
    with file.open("w") as out:
        out.write(HEAD)
        for study, series, instance in addresses(count):
            if series != last:
                out.write(f"  - studiesId: {study}\n    seriesId: {series}\n    instancesId:\n")
                last = series
            out.write(f"      - {instance}\n")
    return file


def write_flat(folder: Path, count: int) -> Path:
    file = folder / "flat.yaml"
    with file.open("w") as out:
        out.write(HEAD)
        for study, series, instance in addresses(count):
            out.write(f"  - studiesId: {study}\n    seriesId: {series}\n")
            out.write(f"    instancesId: {instance}\n")
    return file


def write_inventory(folder: Path, count: int) -> Path:
    rows = "".join(f"{','.join(address)}\n" for address in addresses(count))
    data = f"studiesId,seriesId,instancesId\n{rows}".encode()
    (folder / "instances.csv").write_bytes(data)
    pin = f"{{path: instances.csv, sha256: {hashlib.sha256(data).hexdigest()}, count: {count}}}"
    file = folder / "inventory.yaml"
    file.write_text(f"{HEAD}  - inventory: {pin}\n")
    return file


LAYOUTS = {"nested": write_nested, "flat": write_flat, "inventory": write_inventory}


def load_with_reconciler(file: Path) -> float:
    from reconciler.desired import load_desired_state  # noqa: PLC0415 - only this process pays

    start = time.process_time()
    state = load_desired_state([file], root=file.parent)
    seconds = time.process_time() - start
    assert state.stores[0].removes.entries
    return seconds


def load_with_pyyaml(file: Path) -> float:
    import yaml  # noqa: PLC0415 - only this process pays
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only this process pays

    schema = files("reconciler").joinpath("schemas", "desired-state.schema.json").read_text()
    validator = Draft202012Validator(json.loads(schema))
    start = time.process_time()
    document = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    errors = list(validator.iter_errors(document))
    seconds = time.process_time() - start
    assert not errors
    return seconds


LOADERS = {"reconciler": load_with_reconciler, "pyyaml": load_with_pyyaml}


def measure(loader: str, file: Path) -> Cost:
    """One run in a fresh process."""
    command = [sys.executable, __file__, "--child", loader, str(file)]
    return Cost(*json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def medians(costs: list[Cost]) -> Cost:
    return Cost(median(cost.seconds for cost in costs), median(cost.mebibytes for cost in costs))


def run_child(loader: str, file: Path) -> None:
    seconds = LOADERS[loader](file)
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB]))


def row(layout: str, file: Path, runs: int) -> str:
    """A row of the table; only `reconciler` reads inventories."""
    loaders = ["reconciler"] if layout == "inventory" else list(LOADERS)
    costs: dict[str, list[Cost]] = {loader: [] for loader in loaders}
    for _ in range(runs):
        for loader in loaders:
            costs[loader].append(measure(loader, file))
    ours, *others = (medians(costs[loader]) for loader in loaders)
    cells = [layout, f"{ours.seconds:.2f} s, {ours.mebibytes:.0f} MiB"]
    for theirs in others:
        cells.append(f"{theirs.seconds:.2f} s, {theirs.mebibytes:.0f} MiB")
        cells.append(f"{theirs.seconds / ours.seconds:.1f}")
        cells.append(f"{ours.mebibytes / theirs.mebibytes:.2f}")
    return f"| {' | '.join(cells + [''] * (5 - len(cells)))} |"


def compare(count: int, runs: int) -> None:
    print(f"{count:,} instances, median of {runs} runs")
    print()
    print("| layout | reconciler | CSafeLoader + jsonschema | times faster | share of memory |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for layout, write in LAYOUTS.items():
            file = write(Path(temporary), count)
            print(row(layout, file, runs), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100_000, help="instances in each file")
    parser.add_argument("--runs", type=int, default=5, help="processes for each measurement")
    parser.add_argument("--child", nargs=2, metavar=("LOADER", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child(arguments.child[0], Path(arguments.child[1]))
    else:
        compare(arguments.count, arguments.runs)


if __name__ == "__main__":
    main()
