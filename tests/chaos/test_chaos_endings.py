"""Plan and apply end, and heed a signal, whatever the store makes of its answers.

Here the bounds are the real ones, through the real command line; tests/live has them shrunk.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..faulty_server import (
    AT_ONCE,
    SLOWLY,
    Faulty,
    Speech,
    continues,
    running_faulty_server,
    slow_body,
    slow_head,
)
from ..live.conftest import dicom_file
from ..sampling import some
from .evidence import require_all_done, require_no_harm
from .sites import Ended, Site, address, ended, running_site, wait_until

HEEDED = 5.0
SLACK = 4.0
"""Seconds for starting and ending a process on a machine that does much else."""

ASKED: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "listing": ("plan", lambda method, path: "/studies/" in path and "limit=" in path),
    "probe": ("plan", lambda method, path: path.endswith("/metadata")),
    "preflight": ("apply", lambda method, path: path.endswith(":testIamPermissions")),
    "delete": ("apply", lambda method, path: method == "DELETE"),
    "nobody": ("apply", lambda method, path: re.search(r"/2\.25\..*/metadata$", path) is not None),
    "proof": ("apply", lambda method, path: re.search(r"/1\..*/metadata$", path) is not None),
    "copy": ("archive", lambda method, path: re.search("/instances/[0-9.]+$", path) is not None),
}
"""What is answered badly: by which command it is asked, and how its request looks."""


def never(method: str, path: str) -> bool:
    return False


class Stage:
    """Sites behind faulty servers, each with a plan that was made while nothing was wrong."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._count = 0

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(
        self, asked: str, speech: Speech, interval: float
    ) -> tuple[Site, Faulty, subprocess.Popen[str]]:
        """Begin the command that asks so, and hand it the speech for an answer."""
        self._count += 1
        site = self._stack.enter_context(running_site(self._folder / str(self._count)))
        faulty = Faulty(never, speech, interval)
        url = self._stack.enter_context(running_faulty_server(site.emulator.url, faulty))
        site.environment["RECONCILER_ENDPOINT"] = url
        command, matches = ASKED[asked]
        if command == "archive":
            prepare_images(site)
        else:
            site.prepare(planned=4)
        faulty.matches = matches
        if command == "plan":
            return site, faulty, site.start("plan", "--probe", "retrieve", "--parallelism", "4")
        return site, faulty, site.start_apply()


def prepare_images(site: Site) -> None:
    """As `Site.prepare`, for images of 1.5 MiB that are to be archived first."""
    held = [address(1, 1, number) for number in range(4)]
    for one in held:
        site.emulator.ingest(site.store, dicom_file(*one, 1536 * 1024))
    site.planned |= frozenset(held)
    file = site.write("study-1.yaml", held)
    archive = site.folder.parent / "archive"
    archive.mkdir()
    file.write_text(f"{file.read_text()}archive: {{path: {archive}}}\n")
    site.plan("--out", "plan.json")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as built:
        yield built


def interval_of(speech: Speech) -> float:
    return 1.0 if speech in {slow_body, slow_head} else 0.0


def heed(stage: Stage, asked: str, speech: Speech, interval: float, number: int) -> None:
    site, faulty, child = stage.start(asked, speech, interval)
    wait_until(faulty.struck.is_set, during=child)
    time.sleep(0.5)
    if child.poll() is not None:
        return  # it had an end of its own
    child.send_signal(number)
    sent = time.monotonic()
    done = ended(child)
    assert time.monotonic() - sent < HEEDED
    # Where the proofs that were still asked for found everything done, it is.
    assert done.code in {0, 130, 143, -number}, done
    # A run that stops has no answer in time, which says nothing of the store's words.
    assert "no deletion could be proven" not in done.err, done
    # An apply that no longer handles signals has done all that it could.
    if ASKED[asked][0] != "plan" and done.code != -number:
        require_no_harm(site)
        faulty.matches = never
        site.resume()
        require_all_done(site)


@pytest.mark.parametrize(
    ("asked", "speech"),
    some(
        [
            ("listing", slow_body),
            ("nobody", slow_head),
            ("delete", slow_head),
            ("proof", continues),
        ],
        each=2,
    ),
)
def test_a_signal_is_heeded_in_time(stage: Stage, asked: str, speech: Speech) -> None:
    heed(stage, asked, speech, interval_of(speech), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("speech", "interval"),
    [*((one, 1.0) for one in SLOWLY), *((one, 0.001) for one in AT_ONCE)],
    ids=lambda one: getattr(one, "__name__", None),
)
@pytest.mark.parametrize("asked", ASKED)
def test_a_signal_is_heeded_in_each_state(
    stage: Stage, asked: str, speech: Speech, interval: float, number: int
) -> None:
    heed(stage, asked, speech, interval, number)


def trickle(rate: int) -> Speech:
    """The true reply at so many bytes per second, if the interval is a tenth of one."""

    def speak(true: bytes) -> Iterator[bytes]:
        return (true[at : at + rate // 10] for at in range(0, len(true), rate // 10))

    return speak


@pytest.mark.slow
def test_plan_and_apply_end_within_the_real_bounds(stage: Stage) -> None:
    """Everything that is answered at a byte per second, side by side; and an image that keeps
    up."""
    began = time.monotonic()
    listing, probe, delete, copy = (
        stage.start(asked, slow_body, 1.0) for asked in ("listing", "probe", "delete", "copy")
    )
    steady = stage.start("copy", trickle(20 * 1024), 0.1)
    highest = {child.pid: 0 for _, _, child in (listing, probe, delete, copy, steady)}
    waiting = {child.pid: child for _, _, child in (listing, probe, delete, copy, steady)}
    took: dict[int, float] = {}
    while waiting:
        assert time.monotonic() - began < 400
        time.sleep(0.2)
        for pid, child in list(waiting.items()):
            if child.poll() is None:
                highest[pid] = max(highest[pid], memory_of(pid))
            else:
                took[pid] = time.monotonic() - began
                del waiting[pid]
    outcomes: dict[str, Ended] = {}
    delete[1].matches = never
    for name, (_, _, child) in {"listing": listing, "probe": probe, "delete": delete}.items():
        outcomes[name] = ended(child)
        assert highest[child.pid] < 300 * 1024**2
    assert took[listing[2].pid] < 180 + SLACK
    assert outcomes["listing"].code == outcomes["probe"].code == 3
    # Probes go four at a time; one DELETE at a time, until the first is proven.
    for (_, faulty, _), at_once in ((probe, 4), (delete, 1)):
        first, second = min(faulty.times), sorted(faulty.times)[at_once]
        assert second - first < 30 + SLACK
    # The proxy passed them on, so that the proof finds what no answer said.
    assert outcomes["delete"].code == 0
    assert require_all_done(delete[0])["counts"]["absent_after_ambiguous_attempt"] == 4
    assert ended(copy[2]).code != 0
    assert not copy[0].deletes()
    assert ended(steady[2]).code == 0
    assert len(steady[0].deletes()) == 4


def memory_of(pid: int) -> int:
    """The highest resident size so far, in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
