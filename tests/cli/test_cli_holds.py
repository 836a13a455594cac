"""Holds that somebody owns: what is said when one is past its review, and when one is taken out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.model.address import InstanceAddress

from .conftest import LIMITS_OPEN, REASON, ROOT, Project, removal

SCHEMAS = Path(__file__).parents[2] / "schemas"
HOLD = "{text: Litigation 2026-17, owner: legal, ticket: LIT-7, reviewBy: 2020-01-31}"
WORDS = "Litigation 2026-17; owner legal; ticket LIT-7; review by 2020-01-31"
HELD = f"keep:\n  - studiesId: {ROOT}.1\n    seriesId: {ROOT}.1.1\n    hold: {HOLD}\n"
WHOLE = f"remove:\n  - studiesId: {ROOT}.1\n  - studiesId: {ROOT}.2\n"
FREED = "This hold is no longer in the files; it overrode 3 removes in 1 study, now planned for"


@pytest.fixture
def held(project: Project) -> list[InstanceAddress]:
    """Two studies to remove, of which a hold keeps one series of three instances."""
    instances = project.fill(1, 1, range(1, 4))
    project.fill(1, 2, range(1, 3))
    project.fill(2, 1, range(1, 3))
    project.write("a.yaml", REASON + LIMITS_OPEN + WHOLE)
    project.write("hold.yaml", HELD)
    return instances


def spoken(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def plan(project: Project, *arguments: str) -> dict[str, Any]:
    """The plan as JSON, as its schema says."""
    answer = project.run("plan", *arguments, "--format", "json")
    assert answer.code == 0, answer.err
    schema = json.loads((SCHEMAS / "plan.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(answer.json)
    return dict(answer.json)


def test_an_overdue_hold_holds_and_every_form_of_the_plan_says_so(
    project: Project, held: list[InstanceAddress]
) -> None:
    days = (datetime.now(UTC).date() - datetime(2020, 1, 31).date()).days
    files = [f"{name}=plan.{name}" for name in ("markdown", "html", "sarif", "junit")]
    writes = [word for one in files for word in ("--write", one)]
    answer = project.run("plan", "--out", "plan.json", *writes)
    assert answer.code == 0, answer.err
    said = f"The review of this hold is {days:,} days overdue; it still keeps 3 instances, of which"
    assert f"{said} files ask to remove 3: {WORDS} (specs/hold.yaml:" in spoken(answer.out)
    for name in ("markdown", "html", "sarif", "junit"):
        shown = (project.folder / f"plan.{name}").read_text("utf-8")
        assert f"{said} files ask to remove 3: {WORDS}" in shown, name
    (overdue,) = plan(project)["overdue_holds"]
    assert (overdue["overdue_days"], overdue["instances"], overdue["overridden"]) == (days, 3, 3)
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set(held)


def test_validate_warns_of_an_overdue_hold_and_is_content(
    project: Project, held: list[InstanceAddress]
) -> None:
    answer = project.run("validate", "--write", "sarif=validate.sarif")
    assert answer.code == 0
    assert re.search(
        r"specs/hold\.yaml:\d+:5: warning: this hold is past its review"
        r" \([\d,]+ days overdue; keeps 1 series\): " + re.escape(WORDS),
        answer.err,
    )
    assert '"hold-overdue"' in (project.folder / "validate.sarif").read_text("utf-8")


def test_a_hold_is_not_overdue_on_its_day(project: Project, held: list[InstanceAddress]) -> None:
    day = datetime.now(UTC).date() + timedelta(days=1)  # it may end while the test runs
    project.write("hold.yaml", HELD.replace("2020-01-31", day.isoformat()))
    assert "warning" not in project.run("validate").err
    assert plan(project)["overdue_holds"] == []
    (one,) = project.run("status", "--holds", "--format", "json").json["holds"]
    assert one["overdue_days"] == 0


def test_status_says_who_owns_a_hold_and_what_it_overrides(
    project: Project, held: list[InstanceAddress]
) -> None:
    before = project.run("status", "--holds").out
    assert re.search(rf"hold: {re.escape(WORDS)} \(in no plan yet, [\d,]+ days overdue\)", before)
    plan(project)
    text = project.run("status", "--holds").out
    counts = r"\(3 instances, overrides 3 removes, [\d,]+ days overdue\)"
    assert re.search(rf"specs/hold\.yaml:\d+: hold: {re.escape(WORDS)} {counts}\n", text)
    document = project.run("status", "--holds", "--format", "json").json
    schema = json.loads((SCHEMAS / "status.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    (one,) = document["holds"]
    assert one["hold"] == {
        "text": "Litigation 2026-17",
        "owner": "legal",
        "ticket": "LIT-7",
        "review_by": "2020-01-31",
    }
    assert (one["instances"], one["overridden"]) == (3, 3)
    # Another day of review is no other hold.
    project.write("hold.yaml", HELD.replace("2020-01-31", "2020-02-29"))
    (moved,) = project.run("status", "--holds", "--format", "json").json["holds"]
    assert (moved["instances"], moved["hold"]["review_by"]) == (3, "2020-02-29")


def test_the_plan_after_a_hold_is_taken_out_says_what_that_sets_free(
    project: Project, held: list[InstanceAddress]
) -> None:
    assert plan(project)["freed"] == []
    (project.folder / "specs" / "hold.yaml").unlink()
    for _ in range(2):  # as long as it is pending
        writes = ["--write", "markdown=plan.md", "--write", "html=plan.html"]
        answer = project.run("plan", "--out", "plan.json", *writes, "--write", "sarif=plan.sarif")
        assert answer.code == 0, answer.err
        assert f"{FREED} deletion: {WORDS}" in spoken(answer.out)
        for name in ("plan.md", "plan.html", "plan.sarif"):
            shown = (project.folder / name).read_text("utf-8")
            assert f"{FREED} deletion: {WORDS}" in spoken(shown), name
    (freed,) = plan(project)["freed"]
    assert freed["instancesId"] == [one.instance_uid for one in held]
    assert project.run("apply", "plan.json").code == 0
    assert project.content() == set()
    assert plan(project)["freed"] == []


def test_a_hold_behind_a_narrower_keep_is_set_free_too(
    project: Project, held: list[InstanceAddress]
) -> None:
    project.write("research.yaml", removal(held, key="keep"))
    plan(project)
    for name in ("hold.yaml", "research.yaml"):
        (project.folder / "specs" / name).unlink()
    assert f"{FREED} deletion: {WORDS}" in spoken(project.run("plan").out)


def test_a_hold_that_covers_less_says_so(project: Project, held: list[InstanceAddress]) -> None:
    plan(project)
    project.write("hold.yaml", removal(held[:1], key="keep") + f"    hold: {HOLD}\n")
    said = "This hold covers less than before; it overrode 2 removes in 1 study, now planned for"
    assert said in spoken(project.run("plan").out)


@pytest.mark.parametrize(("others", "is_said"), [(9, True), (10, False)])
def test_a_plan_that_many_others_followed_is_not_looked_for(
    project: Project, held: list[InstanceAddress], others: int, is_said: bool
) -> None:
    """In a bucket each record that is looked at costs requests."""
    plan(project)
    (project.folder / "specs" / "hold.yaml").unlink()
    project.write("b.yaml", "remove: []\n")
    for _ in range(others):
        assert project.run("plan", "specs/b.yaml").code == 0
    (project.folder / "specs" / "b.yaml").unlink()
    assert bool(plan(project)["freed"]) is is_said


def test_another_owner_or_day_sets_nothing_free(
    project: Project, held: list[InstanceAddress]
) -> None:
    first = plan(project)
    project.write("hold.yaml", HELD.replace("legal", "research").replace("2020", "2021"))
    second = plan(project)
    assert second["freed"] == []
    ((before,), (after,)) = first["summary"].pop("holds"), second["summary"].pop("holds")
    assert (before["overridden"], after["overridden"]) == (3, 3)
    assert second["summary"] == first["summary"]


def test_a_record_that_cannot_be_read_stops_no_plan(
    project: Project, held: list[InstanceAddress]
) -> None:
    plan(project)
    (record,) = (project.folder / ".reconciler" / "observations").glob("*.jsonl")
    record.write_text(record.read_text().replace('"overridden_seen"', '"odd"'))
    answer = project.run("plan")
    assert answer.code == 0
    assert "note: whether a hold was taken out is not known: " in answer.err
