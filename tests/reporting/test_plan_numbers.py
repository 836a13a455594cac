"""The numbers of a plan agree in all of its forms, with each other and with a count of its rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.address import StoreAddress
from reconciler.model.desired import InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.plan import (
    DeletionGroup,
    Finding,
    Plan,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Source
from reconciler.planning.gates import gates_of
from reconciler.planning.plan_file import write_plan
from reconciler.reporting.plan.html import plan_as_html
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.plan.text import plan_as_text

from .pages import Page

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
REASONS = [Reason(code, ticket=f"T-{number}") for number, code in enumerate(list(ReasonCode)[:3])]
SOURCE = Source("specs/a.yaml", 1)
MOMENT = datetime(2026, 3, 1, 9, tzinfo=UTC)
CLEAR = {Why.MISSING: "Missing", Why.ALREADY_ABSENT: "Already absent", Why.MISPLACED: "Misplaced"}


@dataclass(frozen=True)
class Row:
    """An instance in the store: where it lies, and for which reason it goes, if it does."""

    study: int
    series: int
    number: int
    reason: int | None
    is_copied: bool

    @property
    def group(self) -> tuple[int, bool]:
        assert self.reason is not None
        return self.reason, self.is_copied


ROWS = st.lists(
    st.builds(
        Row,
        st.integers(8, 12),
        st.integers(1, 3),
        st.integers(1, 12),
        st.none() | st.integers(0, 2),
        st.booleans(),
    ),
    unique_by=lambda row: (row.study, row.series, row.number),
    max_size=40,
)
FINDINGS = st.lists(st.sampled_from(list(CLEAR)), max_size=8)


def by(rows: list[Row], key: Callable[[Row], int]) -> list[tuple[int, list[Row]]]:
    return [(name, list(found)) for name, found in groupby(sorted(rows, key=key), key)]


def saved_of(rows: list[Row], findings: list[Why]) -> SavedPlan:
    """The plan that has these rows; what no row of goes is not in it."""
    studies = tuple(
        StudyPlan(
            f"1.2.{study}",
            len(found),
            0,
            all(row.reason is not None for row in found),
            tuple(
                _series(study, series, of_series)
                for series, of_series in by(found, lambda row: row.series)
                if goes(of_series)
            ),
        )
        for study, found in by(rows, lambda row: row.study)
        if goes(found)
    )
    found = tuple(
        Finding(why, "1.3", "1.3.1", f"1.3.1.{number}", SOURCE)
        for number, why in enumerate(findings, 1)
    )
    store = StorePlan(STORE, Limits(), studies, found, (), ())
    inputs = (InputFile("specs/a.yaml", "a" * 64, InputRole.SELECTED),)
    return SavedPlan(
        Plan(("specs",), inputs, (store,)),
        f"sha256:{'d' * 64}",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        MOMENT,
        MOMENT,
        "0.1.0",
        "https://healthcare.googleapis.com",
    )


def _series(study: int, series: int, rows: list[Row]) -> SeriesPlan:
    uid = f"1.2.{study}.{series}"
    groups = tuple(
        DeletionGroup(
            "specs/a.yaml",
            REASONS[reason],
            False,
            {f"{uid}.{row.number}": row.number for row in goes(rows) if row.group == key},
            "/srv/archive" if is_copied else None,
        )
        for key in sorted({row.group for row in goes(rows)})
        for reason, is_copied in [key]
    )
    return SeriesPlan(uid, len(rows), len(goes(rows)) == len(rows), groups)


def goes(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.reason is not None]


def emptied(rows: list[Row]) -> tuple[int, int, int]:
    """Of the rows: whole studies, whole series of others, and series of which something stays."""
    studies = series = parts = 0
    for _, found in by(rows, lambda row: row.study):
        is_whole = len(goes(found)) == len(found)
        studies += is_whole
        for _, of_series in by(found, lambda row: row.series):
            if goes(of_series):
                lost = len(goes(of_series)) == len(of_series)
                series += lost and not is_whole
                parts += not lost
    return studies, series, parts


def counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def headline_of(rows: list[Row]) -> str:
    lost = goes(rows)
    if not lost:
        return "Nothing would be deleted."
    studies, series, parts = emptied(rows)
    whole = [counted(studies, "whole study", "whole studies")] if studies else []
    whole += [f"{series} whole series"] if series else []
    if whole and parts:
        whole.append(f"{'part' if parts == 1 else 'parts'} of {parts} series")
    named = f"out of {parts} series"
    if whole:
        named = "of " + " and ".join(filter(None, [", ".join(whole[:-1]), whole[-1]]))
    text = f"{counted(len(lost), 'instance goes', 'instances go')}".split()
    copied = sum(row.is_copied for row in lost)
    end = {0: " for good.", len(lost): ", with a copy kept first."}.get(
        copied, f", {copied} with a copy kept first, {len(lost) - copied} for good."
    )
    return f"{text[0]} {text[1]} {named} {text[2]}{end}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, findings=FINDINGS)
def test_every_form_says_the_numbers_of_the_rows(rows: list[Row], findings: list[Why]) -> None:
    saved = saved_of(rows, findings)
    gates = gates_of(saved)
    lost, copied = goes(rows), sum(row.is_copied for row in goes(rows))
    text = " ".join("".join(plan_as_text(saved, gates)).split())
    markdown = "".join(plan_as_markdown(saved, gates))
    html = "".join(plan_as_html(saved, gates))
    page = Page(html).text
    written = json.loads("".join(write_plan(saved)))["summary"]
    studies = {row.study for row in lost}
    series = {(row.study, row.series) for row in lost}
    why = Counter(findings)
    is_mixed = 0 < copied < len(lost)
    line = (
        f"Plan: {len(lost)} to delete, {why[Why.ALREADY_ABSENT]} already absent, 0 kept,"
        f" {why[Why.MISSING]} missing, 0 unknown"
        f" ({counted(len(studies), 'study', 'studies')}, {len(series)} series)."
    )
    lines = [headline_of(rows), line]
    lines += [f"{words}: {why[one]} that " for one, words in CLEAR.items() if why[one]]
    if len(lost) > copied:
        lines.append(f"For good: {counted(len(lost) - copied, 'instance', 'instances')}, no")
    if copied:
        lines.append(f"Restorable: {counted(copied, 'instance', 'instances')}, a copy")
    for reason in range(3):
        of_reason = [row for row in lost if row.reason == reason]
        if of_reason:
            words = f"{REASONS[reason].code.value} {REASONS[reason].code.meaning}, T-{reason}"
            for_good = sum(not row.is_copied for row in of_reason)
            fate = {0: "with a copy kept first", len(of_reason): "for good"}
            words += f" ({fate.get(for_good, f'{for_good} of them for good')})" * is_mixed
            lines.append(f"{counted(len(of_reason), 'instance', 'instances')}: {words}")
    for form in (text, markdown.replace("\\", ""), page):
        assert [one for one in lines if one not in form] == []
        for one, words in CLEAR.items():
            assert why[one] or f"{words}: 0" not in form
    whole, lone, parts = emptied(rows)
    assert {key: written[key] for key in ("listed", "restorable", "for_good", "missing")} == {
        "listed": len(lost),
        "restorable": copied,
        "for_good": len(lost) - copied,
        "missing": why[Why.MISSING],
    }
    assert (written["studies"], written["series"]) == (len(studies), len(series))
    assert (written["studies_emptied"], written["lone_series_emptied"]) == (whole, lone)
    assert written["series_in_part"] == parts
    uids = sorted((row.study, row.series, row.number) for row in lost)
    listed = [f"1.2.{study}.{of}.{number}" for study, of, number in uids]
    assert sorted(re.findall(r"<li><code>([\d.]+)", html)) == sorted(listed)
    rows_of_whole = re.findall(r"^\| `[\d.]+` \| (\d+) \| \d+ \|  \|  \|$", markdown, re.MULTILINE)
    rows_in_part = re.findall(r"^\| `[\d.]+` \| `[\d.]+` \| (\d+) \|", markdown, re.MULTILINE)
    assert sum(map(int, rows_of_whole)) + sum(map(int, rows_in_part)) == len(lost)


@pytest.mark.parametrize("uids", [["1.2.9", "1.2.10", "1.2.100"]])
def test_uids_are_in_numeric_order_in_every_form(uids: list[str]) -> None:
    rows = [Row(int(uid[4:]), 1, number, 0, is_copied=False) for uid in uids for number in (9, 10)]
    saved = saved_of([*rows, *(replace(row, number=1, reason=None) for row in rows[::2])], [])
    gates = gates_of(saved)
    wanted = [f"{uid}.1.{number}" for uid in uids for number in (9, 10)]
    for form in (plan_as_text, plan_as_markdown, plan_as_html):
        whole = "".join(form(saved, gates))
        assert re.findall(r"(?:- |<li><code>)`?(1\.2\.\d+\.1\.\d+)", whole) == wanted
