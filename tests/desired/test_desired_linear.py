"""The time that a file costs grows with its size and no faster, whatever is wrong with it."""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.desired.format.canonical import canonical
from reconciler.desired.load import load_desired_state
from reconciler.desired.problems import MOST
from reconciler.errors import DesiredStateError

HEAD = "version: 1\nstore: {projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s}\n"
REASON = 'reason: {code: "113039", ticket: T-1}\n'
ONE = "studiesId: '1.2', seriesId: '1.3', instancesId: ['1.4']"

FILES: dict[str, Callable[[int], str]] = {
    "unknown keys of the file": lambda n: HEAD + "".join(f"k{i}: 1\n" for i in range(n)),
    "unknown keys of an entry": lambda n: (
        f"{HEAD}{REASON}remove:\n - studiesId: '1.2'\n" + "".join(f"   k{i}: 1\n" for i in range(n))
    ),
    "duplicate keys": lambda n: HEAD + "".join(f"k{i}: 1\nk{i}: 2\n" for i in range(n)),
    "aliases": lambda n: f"{HEAD}{REASON}remove: [&a '1.2', {'*a,' * n}]\n",
    "anchors": lambda n: (
        f"{HEAD}{REASON}remove:\n" + "".join(f" - &a{i} {{studiesId: '1.2'}}\n" for i in range(n))
    ),
    "malformed UIDs": lambda n: (
        f"{HEAD}{REASON}remove:\n" + "".join(f" - {{studiesId: x{i}}}\n" for i in range(n))
    ),
    "kept and removed, each with its own words": lambda n: (
        f"{HEAD}remove:\n"
        + "".join(
            f" - {{{ONE[:-7]}['1.{i}'], reason: {{code: '113039', ticket: T-{i}}}}}\n"
            for i in range(n)
        )
        + "keep:\n"
        + "".join(f" - {{{ONE[:-7]}['1.{i}'], hold: h{i}}}\n" for i in range(n))
    ),
    "one instance for many reasons": lambda n: (
        f"{HEAD}remove:\n"
        + "".join(f" - {{{ONE}, reason: {{code: '113039', ticket: T-{i}}}}}\n" for i in range(n))
    ),
    "one instance in many series": lambda n: (
        f"{HEAD}{REASON}remove:\n"
        + "".join(
            f" - {{studiesId: '1.2', seriesId: '1.3.{i}', instancesId: ['1.4']}}\n"
            for i in range(n)
        )
    ),
    "comments": lambda n: (
        f"{HEAD}{REASON}remove:\n"
        + "".join(f" # c\n - {{studiesId: '1.{i}'}} # d\n" for i in range(n))
    ),
}


def seconds(folder: Path, text: str) -> float:
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "specs/a.yaml").write_text(text)
    began = time.process_time()
    try:
        load_desired_state([folder / "specs"], root=folder)
    except DesiredStateError as error:
        found = len(error.problems)
    else:
        found = 0
    took = time.process_time() - began
    assert found <= 3 * 101
    return took


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_ten_times_the_size_is_no_square_of_the_time(
    tmp_path: Path, make: Callable[[int], str]
) -> None:
    small = seconds(tmp_path, make(600))
    assert seconds(tmp_path, make(6_000)) < 30 * max(small, 0.05)


INVENTORIES: dict[str, Callable[[int], str]] = {
    "studies": lambda n: "studiesId\n" + "".join(f"1.2.{i}\n" for i in range(n)),
    "series of one study": lambda n: (
        "studiesId,seriesId\n" + "".join(f"1.2,1.3.{i}\n" for i in range(n))
    ),
    "one study": lambda n: "studiesId\n" + "1.2\n" * n,
    "leading zeros": lambda n: "studiesId\n" + "".join(f"1.0{i}\n" for i in range(n)),
    "no UIDs": lambda n: "studiesId\n" + "".join(f"x{i}\n" for i in range(n)),
}


@pytest.mark.parametrize("make", INVENTORIES.values(), ids=INVENTORIES)
def test_an_inventory_of_ten_times_the_size_is_no_square_of_the_time(
    tmp_path: Path, make: Callable[[int], str]
) -> None:
    def pinned(count: int) -> str:
        data = make(count).encode()
        (tmp_path / "specs").mkdir(exist_ok=True)
        (tmp_path / "specs/i.csv").write_bytes(data)
        pin = f"{{path: i.csv, sha256: {hashlib.sha256(data).hexdigest()}, count: {count}}}"
        held = "keep:\n - {studiesId: 1.2.7, hold: h}\n"
        return f"{HEAD}{REASON}remove:\n - inventory: {pin}\n - studiesId: '1.2'\n{held}"

    small = seconds(tmp_path, pinned(2_000))
    assert seconds(tmp_path, pinned(20_000)) < 30 * max(small, 0.05)


def test_a_row_that_names_a_study_costs_little_memory(tmp_path: Path) -> None:
    rows = 20_000
    data = ("studiesId\n" + "".join(f"1.2.840.113619.{i}\n" for i in range(rows))).encode()
    (tmp_path / "i.csv").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    pin = f"{{path: i.csv, sha256: {digest}, count: {rows}}}"
    (tmp_path / "a.yaml").write_text(f"{HEAD}{REASON}remove:\n - inventory: {pin}\n")
    tracemalloc.start()
    try:
        load_desired_state([tmp_path / "a.yaml"], root=tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / rows < 900


def test_a_file_of_refused_things_is_read_no_further_than_it_must(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/a.yaml").write_text(HEAD + REASON + f"remove: [&a '1.2', {'*a,' * 100_000}]")
    with pytest.raises(DesiredStateError) as caught:
        load_desired_state([tmp_path / "specs"], root=tmp_path)
    said = " ".join(problem.message for problem in caught.value.problems)
    assert f"the check stopped after {MOST:,} problems" in said
    assert "more problems of this kind (alias)" in said


def test_comments_above_a_long_line_cost_no_square() -> None:
    uids = ",".join(f"'1.{i}'" for i in range(8_000))
    comments = "# c\n" * 8_000
    text = f"{HEAD}{REASON}remove:\n{comments} - {{{ONE[:-7]}[{uids}]}}\n"
    began = time.process_time()
    canonical(text, "a.yaml")
    assert time.process_time() - began < 15
