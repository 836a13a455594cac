"""JUnit XML, the form that every CI system reads as test results.

A case is a file that was checked, or a gate of a plan; it fails where a problem refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reconciler.model.gate import Gate
from reconciler.model.problem import Problem, Severity
from reconciler.model.validation import Validation
from reconciler.reporting.wording import describe_gate, plain


@dataclass(frozen=True, slots=True)
class _Case:
    """One row of the results; ``failure`` and ``words`` are lines, empty where there are none."""

    group: str
    name: str
    failure: Sequence[str] = ()
    words: Sequence[str] = ()


def validation_as_junit(validation: Validation) -> Iterator[str]:
    """A case for each file that was read or has a problem."""
    inputs = validation.desired.inputs if validation.desired else ()
    paths = {file.path for file in inputs} | {one.source.path for one in validation.problems}
    cases = [
        _file_case(path, [one for one in validation.problems if one.source.path == path])
        for path in sorted(paths)
    ]
    return _render("reconciler validate", cases)


def _file_case(path: str, problems: Iterable[Problem]) -> _Case:
    lines: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    for problem in problems:
        lines[problem.severity].append(_line(problem))
    return _Case("validate", path, lines[Severity.ERROR], lines[Severity.WARNING])


def plan_as_junit(gates: Sequence[Gate], problems: Iterable[Problem]) -> Iterator[str]:
    """A case for each gate of each store, and one for what else a reviewer must see."""
    cases = [_gate_case(gate) for gate in gates]
    words = [_line(problem) for problem in problems]
    cases.append(_Case("plan", "findings", words=words))
    return _render("reconciler plan", cases)


def _gate_case(gate: Gate) -> _Case:
    failure = [] if gate.is_passed else [describe_gate(gate), f"hint: {gate.hint}"]
    return _Case(str(gate.store), gate.name.value, failure)


def _line(problem: Problem) -> str:
    return " ".join(map(plain, str(problem).splitlines()))


def _render(title: str, cases: Sequence[_Case]) -> Iterator[str]:
    failures = sum(bool(case.failure) for case in cases)
    counts = {"name": title, "tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    root = Element("testsuites", counts)
    suite = SubElement(root, "testsuite", counts)
    for case in cases:
        _add(suite, case)
    indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield tostring(root, encoding="unicode") + "\n"


def _add(suite: Element, case: _Case) -> None:
    element = SubElement(suite, "testcase", classname=plain(case.group), name=plain(case.name))
    if case.failure:
        SubElement(element, "failure", message=case.failure[0]).text = "\n".join(case.failure)
    if case.words:
        SubElement(element, "system-out").text = "\n".join(case.words)
