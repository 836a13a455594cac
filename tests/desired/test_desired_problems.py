from __future__ import annotations

import re
import time
from pathlib import Path

from reconciler.desired import Rule
from reconciler.desired.load import load_desired_state
from reconciler.desired.problems import CAP, Problems
from reconciler.model.problem import Severity, Source


def test_the_rest_of_a_rule_is_counted_at_the_last_place() -> None:
    problems = Problems()
    for line in range(1, CAP + 1001):
        problems.error(Rule.INVALID_UID, Source("a.yaml", line), f"{line}")
    problems.warning(Rule.INVALID_UID, Source("b.yaml", 1), "another file")
    *kept, rest, other = problems.sorted()
    assert len(kept) == CAP
    assert str(rest) == (
        f"a.yaml:{CAP + 1000}:1: 1,000 more problems of this kind (invalid-uid) are not shown"
    )
    assert other.source.path == "b.yaml"


def test_equal_problems_are_said_once() -> None:
    problems = Problems()
    problems.error(Rule.ALIAS, Source("a.yaml", 1), "again")
    problems.error(Rule.ALIAS, Source("a.yaml", 1), "again")
    assert len(problems.sorted()) == 1


def test_warnings_alone_are_no_errors() -> None:
    problems = Problems()
    problems.warning(Rule.LEADING_ZERO, Source("a.yaml", 1), "odd")
    assert not problems.has_errors
    assert problems.sorted()[0].severity is Severity.WARNING


def test_a_hundred_thousand_bad_entries_are_few_problems(project) -> None:
    body = "remove:\n" + "".join(f"  - studiesId: x{n}\n" for n in range(100_000))
    project.spec("a.yaml", body)
    start = time.monotonic()
    problems = project.problems("a.yaml")
    assert time.monotonic() - start < 20
    assert len(problems) == CAP + 2
    assert {p.rule for p in problems} == {"invalid-uid", "check-stopped"}


def test_many_conflicts_take_no_quadratic_time(project) -> None:
    uids = "[" + ", ".join(f"1.2.1.{n}" for n in range(20_000)) + "]"
    body = f"  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: {uids}}}\n"
    project.spec("a.yaml", f"remove:\n{body}keep:\n{body}")
    start = time.monotonic()
    problems = project.problems("a.yaml")
    assert time.monotonic() - start < 20
    assert problems[-1].message.startswith("19,900 more")


def test_every_rule_has_a_name_in_kebab_case_and_a_meaning() -> None:
    for rule in Rule:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.value)
        assert rule.meaning


def test_the_examples_of_the_project_are_valid() -> None:
    root = Path(__file__).parents[2]
    state = load_desired_state([root / "specs"], root=root)
    assert len(state.stores) == 2
    assert not state.warnings
    for file in (root / "specs").glob("*.yaml"):
        first = file.read_text("utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=../schemas/desired-state.schema.json"
