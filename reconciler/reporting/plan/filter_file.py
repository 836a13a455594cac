"""A plan's deletions → the filter file of the Cloud Healthcare API's own operations.

``dicomStores.export`` and ``setBlobStorageSettings`` take a file with one resource a line
(https://cloud.google.com/healthcare-api/docs/how-tos/dicom-export-filter).
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.plan import StorePlan


def plan_as_filter(plan: StorePlan) -> Iterator[str]:
    """One line for each instance that the plan deletes, in the plan's order."""
    for instance in plan.deletions():
        yield f"{instance}\n"
