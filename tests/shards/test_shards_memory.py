"""What apply holds in memory of a plan in shards does not grow with what its inventories list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEBIBYTE = 1 << 20
MOST_GROWTH = 6 * MEBIBYTE
"""All rows in memory would be 16 MiB more."""
PEAKS = """
import subprocess, sys
from pathlib import Path
from rig.measuring import memory_store, write_inventory
from rig.memory_store import Layout
folder, number = Path(sys.argv[1]), int(sys.argv[2])
layout = Layout(number)
(folder / "specs").mkdir(parents=True)
write_inventory(folder / "specs", layout, kept=number // 100)
with memory_store(layout) as origin:
    def run(*arguments):
        command = [sys.executable, "-c", sys.argv[3], *arguments, "--endpoint", origin]
        done = subprocess.run([*command, "--root", "."], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]
    run("plan", "--shard-size", "2000", "--out", "plan/")
    print(run("apply", "plan/plan.json", "--shard", "1/1000"))
"""
COMMAND = """
import sys
from pathlib import Path
from reconciler import outside_memory
from reconciler.cli.main import run
from reconciler.desired import parts
outside_memory._CACHE_KIB, parts.HEAVIEST = 512, 5_000  # so that what does not grow is small
code = run(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print(*[int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")])
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_apply_holds_no_more_of_thrice_as_many_rows(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PEAKS, str(tmp_path / str(number)), str(number), COMMAND],
            cwd=BENCHMARKS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    few, many = peak(50_000), peak(150_000)
    assert many - few < MOST_GROWTH, (few / MEBIBYTE, many / MEBIBYTE)
