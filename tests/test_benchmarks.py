"""Every benchmark still runs and writes its table; how fast anything is, no test says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = {
    "apply.py": "--instances 20 --latency 0.001 --parallelism 4 --runs 1 --also '--parallelism 2'",
    "archive.py": "--instances 3 --megabytes 1 --large-megabytes 1 --parallelism 2 --runs 1",
    "audit_report.py": "--records 300",
    "cores.py": "--instances 100 --latency 0.001 --parallelism 2 --runs 1",
    "growth.py": "--counts 200 2000 --runs 1",
    "journal.py": "--instances 10 --latency 0.001 --parallelism 2 --runs 1",
    "load.py": "--count 500 --runs 1",
    "million.py": "--instances 2000 --minutes 0.5",
    "plan.py": "--instances 2000 --probed 20 --latency 0.001 --runs 1",
    "probes.py": "--instances 20 --latency 0.001 --parallelism 2 --runs 1",
    "shards.py": "--instances 500 1000 --shard-size 200 --minutes 0.5",
    "shared_state.py": "--instances 20 --put 0.001 --latency 0.001 --parallelism 2 --runs 1",
    "ten_years.py": "--runs 9 --deletions 20 --instances 20 --rounds 1",
    "verify.py": "--records 300",
    "quota.py": "--instances 20 --quota 50 --parallelism 2 --processes 2",
    "query.py": "--instances 3 --kilobytes 10 --latency 0.001 --parallelism 2 --runs 1",
}
WRITING = (
    "apply.py",
    "audit_report.py",
    "cores.py",
    "growth.py",
    "load.py",
    "million.py",
    "plan.py",
    "probes.py",
    "quota.py",
    "shards.py",
    "shared_state.py",
    "ten_years.py",
    "verify.py",
)


def test_every_benchmark_is_tried() -> None:
    assert SMALL.keys() == {path.name for path in (ROOT / "benchmarks").glob("*.py")}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_run_ends_well(name: str, tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    command = [sys.executable, str(ROOT / "benchmarks" / name), *shlex.split(SMALL[name])]
    if name in WRITING:
        command += ["--results", str(results)]
    for _ in range(2 if name == "load.py" else 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    if name in WRITING:
        (title,) = re.findall(r"^## (.*)$", results.read_text(), re.MULTILINE)
        assert title == f"benchmarks/{name}"


def test_memory_of_the_benchmark_itself_is_no_figure() -> None:
    program = (
        "import sys; from rig.measuring import run; held = bytes(300 << 20);"
        " print(run([sys.executable, '-c', ''])[0].mebibytes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 100


def test_the_published_results_are_of_these_benchmarks() -> None:
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    assert sorted(re.findall(r"^## benchmarks/(.*)$", text, re.MULTILINE)) == sorted(WRITING)
