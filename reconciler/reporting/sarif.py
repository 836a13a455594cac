"""Problems as SARIF 2.1.0, which code scanning on GitHub and many editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.problem import Problem
from reconciler.reporting.fingerprints import fingerprinted
from reconciler.reporting.wording import plain

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def problems_as_sarif(problems: Sequence[Problem], rules: Mapping[str, str]) -> Iterator[str]:
    """One run; ``rules`` gives the meaning of every rule that may occur, and fixes their order."""
    index = {rule: number for number, rule in enumerate(rules)}
    results = [_result(problem, name, index) for problem, name in fingerprinted(problems)]
    run = {
        "tool": {"driver": _driver(rules)},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    yield json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _driver(rules: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": "reconciler",
        "version": __version__,
        "rules": [
            {"id": str(rule), "shortDescription": {"text": meaning}}
            for rule, meaning in rules.items()
        ],
    }


def _result(problem: Problem, fingerprint: str, index: Mapping[str, int]) -> dict[str, Any]:
    hint = f"\nhint: {plain(problem.hint)}" if problem.hint else ""
    return {
        "ruleId": str(problem.rule),
        "ruleIndex": index[problem.rule],
        "level": problem.severity.value,
        "message": {"text": plain(problem.message) + hint},
        "locations": [{"physicalLocation": _location(problem)}],
        # The one name of a fingerprint that GitHub looks at.
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    }


def _location(problem: Problem) -> dict[str, Any]:
    source = problem.source
    return {
        "artifactLocation": {
            "uri": quote(source.path, errors="surrogateescape"),
            "uriBaseId": "%SRCROOT%",
        },
        "region": {"startLine": source.line, "startColumn": source.column},
    }
