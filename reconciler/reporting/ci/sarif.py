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
from reconciler.reporting.ci.fingerprints import fingerprinted
from reconciler.reporting.wording import plain

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://dicom-reconciler.example"
"""The address of the documentation; it gets its real one with the first release."""
_RULES = f"{_HOME}/reference/rules/"
_HELP = "Each finding says what is wrong where, and its hint how to correct it."


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
        "informationUri": _HOME,
        "rules": [_rule(rule, f"{meaning}.") for rule, meaning in rules.items()],
    }


def _rule(rule: str, meaning: str) -> dict[str, Any]:
    """With what GitHub's code scanning needs, which shows the full description and the help."""
    return {
        "id": str(rule),
        "shortDescription": {"text": meaning},
        "fullDescription": {"text": meaning},
        "help": {
            "text": f"{meaning} {_HELP}",
            "markdown": f"{meaning} {_HELP} See [all rules]({_RULES}).",
        },
        "helpUri": _RULES,
    }


def _result(problem: Problem, fingerprint: str, index: Mapping[str, int]) -> dict[str, Any]:
    hint = f"\nhint: {plain(problem.hint)}" if problem.hint else ""
    return {
        "ruleId": str(problem.rule),
        "ruleIndex": index[problem.rule],
        "level": problem.severity.value,
        # Not to be read as a link of SARIF (section 3.11.6), whatever words of a file are in it.
        "message": {"text": (plain(problem.message) + hint).replace("](", "] (")},
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
