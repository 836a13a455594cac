"""A wrong UID must not read as success: what neither the store nor the record has ever known."""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.model.address import StoreAddress

from ..limits import wide_open_line
from .conftest import REASON, ROOT, Project, address, removal

WRONG = {
    "a study": f"remove:\n  - studiesId: {ROOT}.9\n",
    "a series of a wrong study": f"remove:\n  - studiesId: {ROOT}.9\n    seriesId: {ROOT}.1.1\n",
    "a series of its study": f"remove:\n  - studiesId: {ROOT}.1\n    seriesId: {ROOT}.1.9\n",
    "an instance of a wrong series": removal([address(1, 9, 77)]),
    "an instance of its series": removal([address(1, 1, 77)]),
}
"""Removes of what no store ever held; the store has study 1 with series 1."""

SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.fixture
def filled(project: Project) -> Project:
    project.fill(1, 1, range(1, 5))
    return project


def words(text: str) -> str:
    return " ".join(text.split())


def coverage(project: Project) -> dict[str, Any]:
    answer = project.run("audit", "report", "--format", "json")
    schema = json.loads((SCHEMAS / "audit-report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(answer.json)
    (one,) = answer.json["coverage"]
    assert isinstance(one, dict)
    return one


def without_state(project: Project) -> None:
    shutil.rmtree(project.folder / ".reconciler")


# The two false all-clears


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_uid_stops_the_plan_and_both_ways_to_apply_it(filled: Project, body: str) -> None:
    filled.write("a.yaml", REASON + body)
    planned = filled.run("plan", "--out", "plan.json", "--detailed-exitcode")
    assert planned.code == 3
    assert planned.last_line == (
        "Plan: 0 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown, 1 never seen"
        " (0 studies, 0 series)."
    )
    assert "  Never seen: " in planned.out
    assert "  Already absent: " not in planned.out
    assert "BLOCKING  What to remove was never seen (maxNeverSeen: 1 of at most 0)" in planned.out
    for arguments in (("plan.json",), ("specs/", "--auto-approve")):
        applied = filled.run("apply", *arguments)
        assert applied.code == 3
        assert "maxNeverSeen" in applied.err
    assert filled.deletes() == []


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("limit", [0, 1])
def test_the_audit_report_does_not_count_it_as_proven(
    filled: Project, body: str, limit: int
) -> None:
    filled.write("a.yaml", f"{REASON}limits: {{maxNeverSeen: {limit}}}\n{body}")
    filled.run("plan")
    one = coverage(filled)
    assert (one["asked"], one["proven"]) == (1, 0)
    assert (one["counts"]["already_absent"], one["counts"]["never_seen"]) == (0, 1)
    assert "| 1 | 0 | 0 | 0 | 1 | 0 |" in filled.run("audit", "report").out
    page = filled.run("audit", "report", "--format", "html").out
    assert "Never seen" in page


def test_the_hint_names_the_uid_to_check_its_place_and_the_limit(filled: Project) -> None:
    filled.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    assert filled.run("apply", "--auto-approve").code == 0
    hints = {
        "a study": f"check the Study Instance UID {ROOT}.9 at specs/a.yaml:9",
        "a series of its study": f"check the Series Instance UID {ROOT}.1.9 and its study"
        f" {ROOT}.1 at specs/a.yaml:9",
        "an instance of its series": f"check the SOP Instance UID {ROOT}.1.1.77 at specs/a.yaml:12",
    }
    for name, hint in hints.items():
        filled.write("a.yaml", REASON + WRONG[name])
        planned = words(filled.run("plan").out)
        assert (
            f"maxNeverSeen: {hint}; only if it is right, set limits.maxNeverSeen to 1 in the"
            " reviewed file" in planned
        )
        assert "--state" not in planned


def test_of_several_the_first_is_named_and_the_limit_is_for_all(filled: Project) -> None:
    filled.write("a.yaml", REASON + removal([address(1, 1, 77), address(1, 1, 78)]))
    planned = words(filled.run("plan").out)
    assert (
        f"check the SOP Instance UID {ROOT}.1.1.77 at specs/a.yaml:12 (the first of 2)" in planned
    )
    assert "set limits.maxNeverSeen to 2 in the reviewed file" in planned


# What the record knows


def removes(project: Project, name: str) -> str:
    """The file that asks for what is to be removed, as instances, a series, or a study."""
    project.fill(2, 1, range(1, 3))
    return {
        "instances": removal([address(2, 1, 1), address(2, 1, 2)]),
        "a series": f"remove:\n  - studiesId: {ROOT}.2\n    seriesId: {ROOT}.2.1\n",
        "a study": f"remove:\n  - studiesId: {ROOT}.2\n",
    }[name]


@pytest.mark.parametrize("name", ["instances", "a series", "a study"])
def test_what_a_run_removed_is_already_absent_where_its_record_is(
    filled: Project, tmp_path: Path, name: str
) -> None:
    limits = wide_open_line("maxKeptMissing", "maxNeverSeen", "maxReappeared")
    filled.write("a.yaml", REASON + limits + removes(filled, name))
    assert filled.run("apply", "--auto-approve").code == 0
    again = filled.run("plan", "--detailed-exitcode", "--format", "json")
    assert again.code == 0, again.err
    assert again.json["never_seen"] == []
    absent = 2 if name == "instances" else 1
    assert again.json["summary"]["already_absent"] == absent

    state = tmp_path / "kept-state"
    (filled.folder / ".reconciler").rename(state)
    alone = filled.run("plan", "--format", "json")
    assert alone.code == 3
    assert (alone.json["summary"]["already_absent"], alone.json["summary"]["never_seen"]) == (
        0,
        absent,
    )
    (gate,) = [one for one in alone.json["gates"] if one["name"] == "maxNeverSeen"]
    assert gate["hint"].startswith(
        "the state folder has no record of this store: give the state of earlier applies"
        " (--state; in Python: state=), or check the "
    )
    assert "set limits.maxNeverSeen to " in gate["hint"]
    given = filled.run("plan", "--state", state, "--format", "json")
    assert given.code == 0
    assert given.json["digest"] == again.json["digest"] == alone.json["digest"]


@pytest.mark.parametrize("name", ["instances", "a series", "a study"])
def test_a_wrong_uid_beside_what_a_run_removed_is_still_told(filled: Project, name: str) -> None:
    """The record of one series or study says nothing of another."""
    limits = wide_open_line("maxKeptMissing", "maxNeverSeen", "maxReappeared")
    body = removes(filled, name)
    filled.write("a.yaml", REASON + limits + body)
    assert filled.run("apply", "--auto-approve").code == 0
    for wrong in WRONG.values():
        filled.write("a.yaml", REASON + limits + body + wrong.removeprefix("remove:\n"))
        planned = filled.run("plan")
        assert planned.code == 3
        assert "1 never seen" in planned.last_line


def test_an_attempt_that_failed_makes_an_instance_known(filled: Project) -> None:
    """A plan saw it there, whatever its DELETE came to; somebody else removes it later."""
    gone = address(1, 1, 1)
    filled.write("a.yaml", REASON + removal([gone]))
    refused = FaultRule(FaultKind.STATUS, status=403, method="DELETE")
    filled.emulator.set_faults(Faults(rules=(refused,)))
    assert filled.run("apply", "--auto-approve").code == 4
    filled.emulator.set_faults(Faults())
    url = f"{filled.emulator.url}/v1/{filled.store}/dicomWeb{gone}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")):
        """Removed by another hand."""
    planned = filled.run("plan")
    assert planned.code == 0
    assert "1 already absent" in planned.last_line


def test_the_record_of_another_store_counts_for_nothing(filled: Project) -> None:
    other = replace(DEMO_STORE, dicom_store_id="other")
    filled.emulator.add_store(other)
    filled.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    assert filled.run("apply", "--auto-approve").code == 0
    filled.write("b.yaml", REASON + removal([address(1, 1, 1)]), store=other)
    planned = filled.run("plan", "--format", "json")
    assert planned.code == 3
    (one,) = planned.json["never_seen"]
    assert StoreAddress.from_parameters(one) == other
    assert planned.json["unrecorded"] == [other.as_parameters()]
    blocking = [gate for gate in planned.json["gates"] if not gate["passed"]]
    assert [(gate["name"], StoreAddress.from_parameters(gate)) for gate in blocking] == [
        ("maxNeverSeen", other)
    ]
    assert planned.json["summary"]["already_absent"] == 1


def test_what_is_stored_elsewhere_is_misplaced_and_not_never_seen(filled: Project) -> None:
    wrong = address(1, 9, 1)._replace(instance_uid=address(1, 1, 1).instance_uid)
    filled.write("a.yaml", REASON + removal([wrong]))
    planned = filled.run("plan")
    assert planned.code == 3
    assert "BLOCKING  What to remove is stored elsewhere" in planned.out
    assert "never seen" not in planned.last_line


# The limit


def test_a_reviewed_limit_lets_it_pass_and_a_nightly_check_stays_quiet(filled: Project) -> None:
    body = REASON + "limits: {maxNeverSeen: 1}\n" + WRONG["a study"]
    filled.write("a.yaml", body)
    planned = filled.run("plan", "--detailed-exitcode", "--out", "plan.json")
    assert planned.code == 0
    assert "1 never seen" in planned.last_line
    assert filled.run("apply", "plan.json").code == 0
    filled.write("a.yaml", body + WRONG["an instance of its series"].removeprefix("remove:\n"))
    assert filled.run("plan").code == 3


def test_the_smallest_limit_of_several_files_counts(filled: Project) -> None:
    filled.write("a.yaml", REASON + "limits: {maxNeverSeen: 5}\n" + WRONG["a study"])
    assert filled.run("plan").code == 0
    filled.write("b.yaml", REASON + "limits: {maxNeverSeen: 0}\nremove: []\n")
    assert filled.run("plan").code == 3


COLUMNS = ("studiesId", "seriesId", "instancesId")


def inventory(project: Project, rows: Sequence[Sequence[str]], name: str = "list.csv") -> str:
    header = COLUMNS[: len(rows[0])]
    text = "".join(",".join(row) + "\n" for row in (header, *rows))
    (project.folder / "specs" / name).write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"  - inventory: {{path: {name}, sha256: {digest}, count: {len(rows)}}}\n"


def test_rows_of_an_inventory_are_counted_and_shown_and_block_at_no_gate(filled: Project) -> None:
    rows = inventory(filled, [address(1, 1, 1), address(1, 1, 77), address(3, 1, 1)])
    filled.write("a.yaml", REASON + "remove:\n" + rows)
    planned = filled.run("plan", "--out", "plan.json")
    assert planned.code == 0, planned.out
    assert "2 never seen" in planned.last_line
    assert "specs/list.csv:3" in planned.out
    assert "passed    11 of 11 gates" in planned.out
    assert filled.run("apply", "plan.json").code == 0
    one = coverage(filled)
    assert (one["asked"], one["proven"]) == (3, 1)

    filled.write("a.yaml", REASON + "remove:\n" + rows + WRONG["a study"][len("remove:\n") :])
    mixed = filled.run("plan")
    assert mixed.code == 3
    assert "BLOCKING  What to remove was never seen (maxNeverSeen: 1 of at most 0)" in mixed.out
    assert "3 never seen" in mixed.last_line


def test_a_listed_study_or_series_that_is_not_there_blocks_at_no_gate(filled: Project) -> None:
    studies = inventory(filled, [address(7, 1, 1)[:1]])
    series = inventory(filled, [address(1, 9, 1)[:2]], "series.csv")
    filled.write("a.yaml", f"{REASON}remove:\n{studies}{series}")
    planned = filled.run("plan")
    assert planned.code == 0, planned.out
    assert "2 never seen" in planned.last_line
    assert "specs/list.csv:2" in planned.out
    assert "specs/series.csv:2" in planned.out
    assert "passed    11 of 11 gates" in planned.out


# Where it is told


def test_every_form_tells_it_as_a_finding_of_its_own(
    filled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.write("a.yaml", REASON + WRONG["a study"])
    output = filled.folder / "outputs"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    forms = ("json", "markdown", "html", "sarif", "junit", "codequality")
    planned = filled.run(
        "plan", "--events", "events", *(f"--write={form}=p.{form}" for form in forms)
    )
    told = {form: (filled.folder / f"p.{form}").read_text() for form in forms}

    document = json.loads(told["json"])
    schema = json.loads((SCHEMAS / "plan.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    (finding,) = document["plan"]["stores"][0]["findings"]
    assert finding["why"] == "already_absent", "what the record says is no part of the digest"
    (store,) = document["never_seen"]
    assert [one["studiesId"] for one in store["findings"]] == [f"{ROOT}.9"]
    assert (document["summary"]["already_absent"], document["summary"]["never_seen"]) == (0, 1)

    for form in ("markdown", "html"):
        assert "Never seen: " in told[form]
        assert "Already absent: " not in told[form]
        assert "1 never seen" in told[form]
    assert {"never-seen", "gate-max-never-seen"} <= {
        one["ruleId"] for one in json.loads(told["sarif"])["runs"][0]["results"]
    }
    assert {"never-seen", "gate-max-never-seen"} <= {
        one["check_name"] for one in json.loads(told["codequality"])
    }
    assert 'name="maxNeverSeen"' in told["junit"]
    assert f"study {ROOT}.9: a file asks to remove it, but it is not in the store" in told["junit"]
    assert "title=reconciler%3A never-seen" in planned.err
    assert {"never_seen=1", "already_absent=0"} <= set(output.read_text().splitlines())

    events = [json.loads(line) for line in (filled.folder / "events").read_text().splitlines()]
    assert [one["why"] for one in events if one["type"] == "planned_change"] == ["never_seen"]
    assert events[-1]["counts"]["never_seen"] == 1


def test_a_plan_of_files_without_a_wrong_uid_says_nothing_of_it(filled: Project) -> None:
    filled.write("a.yaml", REASON + removal([address(1, 1, 1)]))
    planned = filled.run("plan")
    assert planned.code == 0
    assert "ever seen" not in planned.out
