"""How fast the desired state of many instances is loaded, and in how much memory.

    python benchmarks/load.py [--count N …] [--runs N] [--results FILE]

Writes desired-state files of N instances into a temporary folder: nested (lists of instances in a
series), flat (one entry an instance) and as a CSV inventory. Each is loaded by
`load_desired_state`, with all its checks, and by PyYAML's `CSafeLoader` with plain `jsonschema` on
the published schema, which checks less; and read by the floor: libyaml's events alone, which
build nothing, and for CSV `csv.reader` alone. Every run is a fresh process and they take turns;
imports are not timed; medians of CPU seconds (all work in one thread) and of the peak memory of
the process are shown. Ratios carry over to other machines, seconds do not.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rig.measuring import KIB_PER_MIB, write_flat, write_inventory, write_nested
from rig.memory_store import Layout
from rig.results import Table, write_results

LAYOUTS = {"nested": write_nested, "flat": write_flat, "inventory": write_inventory}
AIMS = {"nested": 4, "flat": 8}
PER_SERIES, SERIES_PER_STUDY = 500, 4


class Cost(NamedTuple):
    """What one run cost."""

    seconds: float
    mebibytes: float


def load_with_reconciler(file: Path) -> float:
    from reconciler.desired.load import load_desired_state  # noqa: PLC0415 - only this process pays

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


def read_events(file: Path) -> float:
    import yaml  # noqa: PLC0415 - only this process pays

    start = time.process_time()
    with file.open("rb") as stream:
        next_event = yaml.CLoader(stream).get_event
        while next_event() is not None:
            pass
    return time.process_time() - start


def read_csv(file: Path) -> float:
    start = time.process_time()
    with file.with_name("instances.csv").open(newline="") as stream:
        for _ in csv.reader(stream):
            pass
    return time.process_time() - start


LOADERS: dict[str, Callable[[Path], float]] = {
    "reconciler": load_with_reconciler,
    "pyyaml": load_with_pyyaml,
    "events": read_events,
    "csv": read_csv,
}
RIVALS = {
    "nested": ("reconciler", "pyyaml", "events"),
    "flat": ("reconciler", "pyyaml", "events"),
    "inventory": ("reconciler", "csv"),
}
"""What loads each layout; only `reconciler` reads inventories. The last one is the floor."""


def measure(loader: str, file: Path) -> Cost:
    """One run in a fresh process."""
    command = [sys.executable, __file__, "--child", loader, str(file)]
    return Cost(*json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def run_child(loader: str, file: Path) -> None:
    seconds = LOADERS[loader](file)
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB]))


def row(layout: str, file: Path, count: int, runs: int) -> list[str]:
    """A row of the table."""
    costs: dict[str, list[Cost]] = {loader: [] for loader in RIVALS[layout]}
    for _ in range(runs):
        for loader, done in costs.items():
            done.append(measure(loader, file))
    seconds = {name: median(cost.seconds for cost in done) for name, done in costs.items()}
    memory = {name: median(cost.mebibytes for cost in done) for name, done in costs.items()}
    ours, floor = seconds["reconciler"], seconds[RIVALS[layout][-1]]
    cells = [layout, f"{count:,}", f"{ours:.2f} s, {memory['reconciler']:.0f} MiB"]
    if "pyyaml" in seconds:
        cells.append(f"{seconds['pyyaml']:.2f} s, {memory['pyyaml']:.0f} MiB")
        cells.append(f"{seconds['pyyaml'] / ours:.1f} (aim {AIMS[layout]})")
        cells.append(f"{memory['reconciler'] / memory['pyyaml']:.2f}")
    else:
        cells += [""] * 3
    return [*cells, f"{floor:.2f} s", f"{ours / floor:.1f} (aim 4)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=5, help="processes for each measurement")
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    parser.add_argument("--child", nargs=2, metavar=("LOADER", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child[0], Path(options.child[1]))
        return
    heads = ["layout", "instances", "reconciler", "CSafeLoader + jsonschema", "times faster"]
    heads += ["share of memory", "floor", "times the floor"]
    table = Table("load", f"Load and validate, median of {options.runs} runs", heads)
    for count in options.count:
        with tempfile.TemporaryDirectory() as temporary:
            for layout, write in LAYOUTS.items():
                file = write(Path(temporary), Layout(count, PER_SERIES, SERIES_PER_STUDY))
                table.add(row(layout, file, count, options.runs))
    write_results(table, options.results)


if __name__ == "__main__":
    main()
