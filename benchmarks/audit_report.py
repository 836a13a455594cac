"""Time and memory of `reconciler audit report` and `audit export` over a long record.

    python benchmarks/audit_report.py [--records N] [--results FILE]

Writes the journal of one run with N records (intent, result and verification of each deletion)
and reports and exports it in every form, each in a process of its own. It empties studies of three
instances each. One run, no medians.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rig.measuring import RECONCILER, run
from rig.results import Table, write_results
from verify import write

MOST_MEMORY = 300
PER_STUDY = 3
FORMS = {
    "report": ("html", "markdown", "csv", "json"),
    "export": ("csv", "dicom", "fhir", "ocsf"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--results", type=Path, help="the file to write the table to")
    options = parser.parse_args()
    heads = ["command", "form", "seconds", f"peak memory (aim < {MOST_MEMORY} MiB)"]
    title = f"Report and export {options.records:,} records, one run"
    table = Table("audit_report", title, heads)
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        write(Path(name), options.records, PER_STUDY)
        for command, forms in FORMS.items():
            for form in forms:
                cost, _ = run([*RECONCILER, "audit", command, "--state", name, "--format", form])
                table.add([command, form, f"{cost.wall:.1f}", f"{cost.mebibytes:.0f} MiB"])
    write_results(table, options.results)


if __name__ == "__main__":
    main()
