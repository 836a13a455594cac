"""Retrieving instances to disk: ``reconciler query`` beside dicomweb-client and curl.

All three retrieve the same instances from an embedded store in a process of its own, which
answers with some latency, into files, as many at a time: ``reconciler query --output``,
``dicomweb-client`` in a thread pool, and ``curl --parallel``. Whole processes take turns; medians
of their seconds, the ratio to the faster of the two others, and peak memory are printed. The
largest rate that the store gives, by the fastest of the three, is the bound of what this shows.

    python benchmarks/query.py                                           # a quick look
    python benchmarks/query.py --instances 1000 --kilobytes 500 --runs 5
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from archive import MEGABYTE, emulator_process, fill

from reconciler.emulator import DEMO_STORE
from reconciler.model.address import InstanceAddress

WEB = f"/v1/{DEMO_STORE}/dicomWeb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--kilobytes", type=int, default=500, help="of each instance")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds")
    parser.add_argument("--parallelism", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dicomweb-client", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.dicomweb_client:
        retrieve_with_dicomweb_client(json.loads(options.dicomweb_client.read_text()))
        return
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        with emulator_process(folder) as url:
            size = options.kilobytes * 1000
            addresses = fill(folder, url, options.instances, size)
            set_latency(url, options.latency)
            compare(folder, url, addresses, options)


def compare(
    folder: Path, url: str, addresses: list[InstanceAddress], options: argparse.Namespace
) -> None:
    """Let the three take turns, and print one line for each."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    peaks: dict[str, float] = {}
    for number in range(options.runs):
        for name, command_of in WAYS.items():
            place = folder / f"{name}-{number}"
            place.mkdir()
            command = command_of(place, url, addresses, options.parallelism)
            took, peak = measure(command, place)
            seconds[name].append(took)
            peaks[name] = max(peak, peaks.get(name, 0.0))
            require_all(place, len(addresses), name)
    total = sum(path.stat().st_size for path in (folder / "query-0").rglob("*.dcm")) / MEGABYTE
    print(
        f"{len(addresses)} instances, {total:.0f} MB, {options.latency * 1000:.0f} ms latency,"
        f" {options.parallelism} at a time, median of {options.runs} runs"
    )
    print("way              seconds  MB/s  peak MB")
    for name, taken in seconds.items():
        print(f"{name:15}  {median(taken):7.2f}  {total / median(taken):4.0f}  {peaks[name]:7.0f}")
    others = (name for name in WAYS if name != "query")
    best = min(others, key=lambda name: median(seconds[name]))
    ratio = median(b / q for b, q in zip(seconds[best], seconds["query"], strict=True))
    print(f"query is {ratio:.2f} times as fast as {best}, the faster of the two others")


def with_query(
    place: Path, url: str, addresses: list[InstanceAddress], parallelism: int
) -> list[str]:
    """``reconciler query --output``."""
    where = " AND ".join(f"{k} = '{v}'" for k, v in DEMO_STORE.as_parameters().items())
    by_series: dict[tuple[str, str], list[str]] = {}
    for address in addresses:
        by_series.setdefault((address.study_uid, address.series_uid), []).append(
            address.instance_uid
        )
    text = ";\n".join(
        f"SELECT data FROM google.healthcare.instances WHERE {where} AND studiesId = '{study}'"
        f" AND seriesId = '{series}' AND instancesId IN ({', '.join(map(repr, uids))})"
        for (study, series), uids in by_series.items()
    )
    file = place / "select.sql"
    file.write_text(text)
    command = [sys.executable, "-P", "-m", "reconciler", "query", "--file", str(file)]
    command += ["--state", str(file.parent / "state")]
    command += ["--output", str(place / "images"), "--format", "jsonl"]
    return [*command, "--endpoint", url, "--parallelism", str(parallelism)]


def with_dicomweb_client(
    place: Path, url: str, addresses: list[InstanceAddress], parallelism: int
) -> list[str]:
    """``dicomweb-client`` in a thread pool, in this file as a process of its own."""
    task = place / "task.json"
    told = {"url": url, "instances": addresses, "folder": str(place), "parallelism": parallelism}
    task.write_text(json.dumps(told))
    return [sys.executable, __file__, "--dicomweb-client", str(task)]


def with_curl(
    place: Path, url: str, addresses: list[InstanceAddress], parallelism: int
) -> list[str]:
    """``curl --parallel`` with a list of URLs."""
    lines = []
    for address in addresses:
        target = place / "images" / f"{address.instance_uid}.dcm"
        lines.append(f'url = "{url}{WEB}{address}"\noutput = "{target}"\n')
    config = place / "curl.config"
    config.write_text("".join(lines))
    (place / "images").mkdir()
    accept = "Accept: application/dicom; transfer-syntax=*"
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(parallelism)]
    return [*command, "--header", accept, "--config", str(config)]


WAYS: dict[str, Callable[[Path, str, list[InstanceAddress], int], list[str]]] = {
    "query": with_query,
    "dicomweb-client": with_dicomweb_client,
    "curl": with_curl,
}


def retrieve_with_dicomweb_client(task: dict[str, object]) -> None:
    """Retrieve every instance as it is stored, and write its bytes."""
    from io import BytesIO  # noqa: PLC0415 - of this way only

    import pydicom  # noqa: PLC0415 - of this way only
    import requests  # noqa: PLC0415 - of this way only
    from dicomweb_client.api import DICOMwebClient  # noqa: PLC0415 - of this way only

    parallelism = int(str(task["parallelism"]))
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=parallelism))
    client = DICOMwebClient(url=f"{task['url']}{WEB}", session=session)
    folder = Path(str(task["folder"]), "images")
    folder.mkdir()

    def keep(uids: list[str]) -> None:
        dataset = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
        buffer = BytesIO()
        pydicom.dcmwrite(buffer, dataset)
        (folder / f"{uids[2]}.dcm").write_bytes(buffer.getvalue())

    listed = task["instances"]
    assert isinstance(listed, list)
    with ThreadPoolExecutor(parallelism) as pool:
        list(pool.map(keep, listed))


def measure(command: list[str], place: Path) -> tuple[float, float]:
    """Seconds of a whole process, and its peak of resident memory in MB.

    The peak of a small process shows as that of this one, from which it was forked.
    """
    started = time.perf_counter()
    with (place / "stdout").open("wb") as out, subprocess.Popen(command, stdout=out) as process:
        _, status, usage = wait4(process)
    if status != 0:
        raise SystemExit(f"{command[0]} ended with {status}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def wait4(process: subprocess.Popen[bytes]) -> tuple[int, int, resource.struct_rusage]:
    """Wait for a process and learn what it used."""
    pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return pid, process.returncode, usage


def require_all(place: Path, count: int, name: str) -> None:
    found = sum(1 for path in (place / "images").rglob("*.dcm") if path.stat().st_size)
    if found != count:
        raise SystemExit(f"{name} wrote {found} of {count} instances")


def set_latency(url: str, seconds: float) -> None:
    """Let every answer of the store take so long."""
    body = json.dumps({"latency": seconds}).encode()
    request = urllib.request.Request(f"{url}/_emulator/faults", data=body, method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass


if __name__ == "__main__":
    main()
