"""Time and memory of `reconciler audit report` over a long record.

    python benchmarks/audit_report.py [--records N] [--results FILE]

Writes the journal of one run with N records (intent, result and verification of each deletion)
and reports it in every form, each in a process of its own. One run, no medians.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rig.measuring import RECONCILER, run
from rig.results import Table, write_results
from verify import write

MOST_MEMORY = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    heads = ["form", "seconds", f"peak memory (aim < {MOST_MEMORY} MiB)"]
    table = Table("audit_report", f"Report {options.records:,} records, one run", heads)
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        write(Path(name), options.records)
        for form in ("html", "markdown", "csv", "json"):
            cost, _ = run([*RECONCILER, "audit", "report", "--state", name, "--format", form])
            table.add([form, f"{cost.wall:.1f}", f"{cost.mebibytes:.0f} MiB"])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
