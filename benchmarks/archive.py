"""What it costs to archive, beside plain `requests` that streams to disk with the same care.

Both retrieve every instance as stored, hash it while it arrives, fsync it, read it back from the
disk, compare, rename it and fsync its folder; the archive also asks for the size that the store
reports, reads the dataset through to its end, and has a journal record on disk for each. Each runs
in a process of its own with as many threads against an embedded store in another process; peak
memory is the process's own (VmHWM). The pairs alternate, and the median of their ratios is
printed.

    python benchmarks/archive.py                                           # a quick look
    python benchmarks/archive.py --instances 5000 --megabytes 1024 --large-megabytes 2048
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pydicom
import requests
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from rig.embedded_store import emulator_process

from reconciler.applying.archive import Archive, BagInfo
from reconciler.emulator import DEMO_STORE
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.http.file_body import MultipartFile
from reconciler.live.workers import run_workers
from reconciler.model.address import InstanceAddress
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.plan import DeletionGroup

ROOT = "1.2.826.0.1.3680043.10.8"
PER_SERIES = 500
MEGABYTE = 1024 * 1024
STUDIES = f"/v1/{DEMO_STORE}/dicomWeb/studies"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=60, help="of all instances together")
    parser.add_argument("--large-megabytes", type=int, default=200, help="of the one large one")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        WAYS[options.way](json.loads(options.task.read_text()))
        return
    print("instances      MB  threads  archive MB/s  plain MB/s  ratio  peak MB  peak MB plain")
    compare(options.instances, options.megabytes, options.parallelism, options.runs)
    compare(1, options.large_megabytes, 1, options.runs)


def compare(instances: int, megabytes: int, parallelism: int, runs: int) -> None:
    """Both ways in turn, and one line about them."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        with emulator_process(folder) as url:
            addresses = fill(folder, url, instances, megabytes * MEGABYTE // instances)
            task = {"url": url, "instances": addresses, "parallelism": parallelism}
            # Each is first as often as second: what the one before wrote is still on its way to
            # the disk.
            turns = [take_turns(folder, task, first=number % len(WAYS)) for number in range(runs)]
            pairs = [[turn[way] for way in WAYS] for turn in turns]
    archive, plain = (median(megabytes / run[0] for run in way) for way in zip(*pairs, strict=True))
    ratio = median(other[0] / own[0] for own, other in pairs)
    peaks = [max(run[1] for run in way) for way in zip(*pairs, strict=True)]
    print(
        f"{instances:9}  {megabytes:6}  {parallelism:7}  {archive:12.0f}  {plain:10.0f}"
        f"  {ratio:5.2f}  {peaks[0]:7.0f}  {peaks[1]:13.0f}"
    )


def take_turns(
    folder: Path, task: dict[str, object], *, first: int
) -> dict[str, tuple[float, float]]:
    """Measure each way once, beginning with the ``first``."""
    ways = [*WAYS][first:] + [*WAYS][:first]
    return {way: measure(folder, way, task) for way in ways}


def measure(folder: Path, way: str, task: dict[str, object]) -> tuple[float, float]:
    """Seconds and peak megabytes of one way, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file = Path(place, "task.json")
        file.write_text(json.dumps({**task, "folder": place}))
        done = subprocess.run(
            [sys.executable, __file__, "--way", way, "--task", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{way} exited with {done.returncode}:\n{done.stderr}")
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def archive_all(task: dict[str, object]) -> None:
    """Keep every instance, as an apply does before its DELETE."""
    folder = Path(str(task["folder"]))
    endpoint = parse_endpoint(str(task["url"]))
    parallelism = int(str(task["parallelism"]))
    settings = ConnectionSettings(endpoint, read_only=True, parallelism=parallelism)
    numbers = itertools.count()

    def now() -> datetime:
        return datetime.now(UTC)

    with Connection(
        settings,
        now=now,
        random_source=random.Random(),
        request_ids=lambda: f"bench-{next(numbers)}",
        stop=threading.Event(),
    ) as connection:
        store = connection.store(DEMO_STORE)
        first = RunStarted(
            run="bench",
            time=now(),
            tool_version="0",
            plan_id="plan",
            digest="sha256:0",
            endpoint=endpoint.origin,
            stores=(DEMO_STORE,),
            planned=1,
        )
        with RunJournal.create(DiskState(folder / "state"), first) as journal:
            archive = Archive("bench", journal, now=now)
            reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)

            def keep(instance: InstanceAddress) -> None:
                group = DeletionGroup(
                    "a.yaml",
                    reason,
                    expanded=False,
                    instances={instance.instance_uid: 1},
                    archive=str(folder / "archive"),
                )
                archive.keep(store, 0, instance, group)

            started = time.perf_counter()
            run_workers(instances_of(task), keep, parallelism=parallelism)
            archive.finish(BagInfo("sha256:0", "bench"))
            say(time.perf_counter() - started)


def stream_all(task: dict[str, object]) -> None:
    """The same by plain `requests`."""
    folder = Path(str(task["folder"]))
    parallelism = int(str(task["parallelism"]))
    session = requests.Session()
    session.trust_env = False
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=parallelism)
    session.mount("http://", adapter)
    web = str(task["url"]) + STUDIES.removesuffix("/studies")

    def keep(instance: InstanceAddress) -> None:
        place = folder / f"plain{instance}.dcm"
        place.parent.mkdir(parents=True, exist_ok=True)
        headers = {"Accept": "application/dicom; transfer-syntax=*"}
        with (
            session.get(f"{web}{instance}", headers=headers, stream=True) as answer,
            place.with_suffix(".part").open("wb+", buffering=0) as file,
        ):
            answer.raise_for_status()
            digest = hashlib.sha256()
            for chunk in answer.iter_content(MEGABYTE):
                digest.update(chunk)
                file.write(chunk)
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            again = hashlib.sha256()
            while chunk := file.read(MEGABYTE):
                again.update(chunk)
        if digest.digest() != again.digest():
            raise SystemExit("the disk lies")
        place.with_suffix(".part").rename(place)
        descriptor = os.open(place.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    started = time.perf_counter()
    run_workers(instances_of(task), keep, parallelism=parallelism)
    say(time.perf_counter() - started)


WAYS: dict[str, Callable[[dict[str, object]], None]] = {
    "archive": archive_all,
    "plain": stream_all,
}


def say(seconds: float) -> None:
    """Print seconds and the process's own peak of resident memory in MB."""
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(f"{seconds} {int(peak) / 1024}")


def instances_of(task: dict[str, object]) -> Iterator[InstanceAddress]:
    listed = task["instances"]
    assert isinstance(listed, list)
    return (InstanceAddress(*uids) for uids in listed)


def fill(folder: Path, url: str, count: int, size: int) -> list[InstanceAddress]:
    """Store so many instances of so many bytes."""
    addresses = []
    for number in range(count):
        series = f"{ROOT}.1.{number // PER_SERIES}"
        address = InstanceAddress(f"{ROOT}.1", series, f"{series}.{number}")
        file = folder / f"{number}.dcm"
        write_instance(file, address, size)
        with file.open("rb") as opened:
            body = MultipartFile(opened)
            headers = {"Content-Type": body.content_type}
            requests.post(url + STUDIES, data=body, headers=headers, timeout=600).raise_for_status()
        file.unlink()
        addresses.append(address)
    return addresses


def write_instance(file: Path, address: InstanceAddress, size: int) -> None:
    """Write a secondary capture with about so many bytes of pixel data, a piece at a time."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = address
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    size -= size % 2
    with file.open("ab") as stream:
        stream.write(b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
        piece = os.urandom(min(size, MEGABYTE))
        while size:
            size -= stream.write(piece[:size])


if __name__ == "__main__":
    main()
