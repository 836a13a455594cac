"""A check of desired-state files for machines: ``schemas/validation.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.model.desired import DesiredState, DesiredStore, Entry
from reconciler.model.problem import Problem
from reconciler.model.validation import Validation
from reconciler.reporting.validation.tally import tally

FORMAT_VERSION = "1.0"


def validation_as_json(validation: Validation) -> Iterator[str]:
    """One object; files and stores are null where the files are invalid."""
    document = {
        "format_version": FORMAT_VERSION,
        "valid": validation.desired is not None,
        "errors": validation.errors,
        "warnings": validation.warnings,
        "problems": [problem_as_json(problem) for problem in validation.problems],
        "files": validation.desired and _files(validation.desired),
        "stores": validation.desired and [_store(one) for one in validation.desired.stores],
    }
    yield json.dumps(document, indent=2) + "\n"


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """A problem with its place; ``hint`` is null where there is none."""
    return {
        "severity": problem.severity.value,
        "rule": str(problem.rule),
        "message": problem.message,
        "hint": problem.hint,
        "path": problem.source.path,
        "line": problem.source.line,
        "column": problem.source.column,
    }


def _files(desired: DesiredState) -> list[dict[str, str]]:
    return [
        {"path": file.path, "sha256": file.sha256, "role": file.role.value}
        for file in desired.inputs
    ]


def _store(store: DesiredStore) -> dict[str, Any]:
    return {
        "store": store.store.as_parameters(),
        "remove": _count(store.removes.entries),
        "keep": _count(store.keeps.entries),
    }


def _count(entries: Sequence[Entry]) -> dict[str, int]:
    return asdict(tally(entries))
