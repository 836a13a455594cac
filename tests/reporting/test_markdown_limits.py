"""However long a plan is, what is posted of it fits, leads with what matters, and says its gaps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Hold, InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.outcome import InstanceResult, Outcome, RunReport
from reconciler.model.plan import (
    DeletionGroup,
    Finding,
    KeptEntry,
    Plan,
    Reappeared,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Problem, Source
from reconciler.model.validation import Validation
from reconciler.planning.gates import gates_of
from reconciler.reporting.markdown import COMMENT, STEP_SUMMARY_BYTES, Limit
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.plan.summary import summary_of
from reconciler.reporting.run.markdown import report_as_markdown
from reconciler.reporting.validation.markdown import validation_as_markdown
from reconciler.reporting.wording import plain, summary_line

LONGEST_COMMENT = 65_536  # characters, on GitHub
SUMMARY = Limit(STEP_SUMMARY_BYTES, in_bytes=True)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
EXPIRED = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, ticket="RET-1042")
UID = "1.2.826.0.1.3680043.10.1000.1111111111111111111111111111"


def saved_of(
    studies: int,
    series: int,
    instances: int,
    *,
    emptied: bool = False,
    words: str = "",
    findings: int = 0,
    stores: int = 1,
) -> SavedPlan:
    """A plan of so many studies a store, series a study and instances a series."""
    plans = tuple(
        _store_plan(
            number=number,
            studies=studies,
            series=series,
            instances=instances,
            emptied=emptied,
            words=words,
            findings=findings,
        )
        for number in range(stores)
    )
    inputs = (InputFile("specs/a.yaml", "a" * 64, InputRole.SELECTED),)
    return SavedPlan(
        plan=Plan(("specs",), inputs, plans),
        digest=f"sha256:{'d' * 64}",
        plan_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        created=datetime(2026, 3, 1, 9, tzinfo=UTC),
        expires=datetime(2026, 3, 2, 9, tzinfo=UTC),
        tool_version="0.1.0",
        endpoint="https://healthcare.googleapis.com",
    )


def _store_plan(
    *,
    number: int,
    studies: int,
    series: int,
    instances: int,
    emptied: bool,
    words: str,
    findings: int,
) -> StorePlan:
    reason = replace(EXPIRED, text=words or None)
    left = 0 if emptied else instances
    return StorePlan(
        replace(STORE, dicom_store_id=f"archive-{number:04}"),
        Limits(),
        tuple(
            StudyPlan(
                f"{UID}.{a}",
                series * (instances + left),
                0,
                emptied,
                tuple(
                    SeriesPlan(
                        f"{UID}.{a}.{b}",
                        instances + left,
                        emptied,
                        (
                            DeletionGroup(
                                "specs/a.yaml",
                                reason,
                                False,
                                {f"{UID}.{a}.{b}.{c}": c + 1 for c in range(instances)},
                            ),
                        ),
                    )
                    for b in range(series)
                ),
            )
            for a in range(studies)
        ),
        tuple(
            Finding(Why.MISSING, f"{UID}.9", None, f"{UID}.9.{n}", Source("specs/a.yaml", 9), words)
            for n in range(findings)
        ),
        tuple(
            KeptEntry(
                Source("specs/a.yaml", n), f"{UID}.8", None, 1, Hold(words) if words else None
            )
            for n in range(1, findings + 1)
        ),
        (),
    )


def assert_summary_is_whole(saved: SavedPlan, text: str) -> None:
    """Nothing of the summary is cut, every blocking gate stands there, however long the plan."""
    tokens = [token for one in MarkdownIt().parse(text) for token in one.children or ()]
    shown = _bare("".join(token.content for token in tokens))
    summary = summary_of(saved, gates_of(saved))
    for part in summary.parts:
        assert all(_bare(line.text) in shown for line in part.lines)
    names = {gate.name for gate in gates_of(saved) if not gate.is_passed}
    assert len(summary.blocking) == len(names)
    assert all(
        _bare(f"{gate.meaning} ({gate.numbers}): {gate.hint}") in shown for gate in summary.blocking
    )


def _bare(text: str) -> str:
    """What is seen of a text, less its white space."""
    return "".join(plain(text.replace("\N{ZERO WIDTH SPACE}", "")).split())


def comment_of(saved: SavedPlan) -> str:
    text = "".join(plan_as_markdown(saved, gates_of(saved)))
    assert 0 < len(text) <= LONGEST_COMMENT
    assert_summary_is_whole(saved, text)
    return text


def test_a_plan_that_fits_is_shown_whole() -> None:
    text = comment_of(saved_of(2, 3, 20))
    assert "Shortened" not in text
    assert text.count("\n- `") == 2 * 3 * 20


def test_instances_go_first_and_every_series_stays() -> None:
    saved = saved_of(5, 20, 100)
    text = comment_of(saved)
    assert "Left out: the names of 10,000 instances. The whole is in the plan file" in text
    for study in saved.plan.stores[0].studies:
        for series in study.series:
            assert f"| `{study.study_uid}` | `{series.series_uid}` | 100 | 200 |" in text
    assert f"{UID}.0.0.1`" not in text


def test_then_series_go_and_every_study_stays() -> None:
    saved = saved_of(50, 20, 10)
    text = comment_of(saved)
    assert "Left out: the names of 10,000 instances and of 1,000 series. " in text
    for study in saved.plan.stores[0].studies:
        assert f"| `{study.study_uid}` | 20 | 200 | 400 |" in text


def test_then_lists_are_cut_and_say_how_much_is_left_out() -> None:
    text = comment_of(saved_of(5000, 2, 1))
    assert "of every list all but 300 lines" in text
    assert "… and 4,700 more" in text


def test_what_matters_comes_first_at_every_degree() -> None:
    for shape in [(1, 1, 1), (5, 20, 100), (50, 20, 10), (5000, 2, 1)]:
        saved = saved_of(*shape, emptied=True)
        text = comment_of(saved)
        assert text.startswith(f"### {summary_of(saved, gates_of(saved)).headline}\n\n")
        assert summary_line(PlanSummary.of(saved)) in text
        order = [
            text.index(words)
            for words in ("cannot be applied", "For good", "**Gates**", "| study that goes")
        ]
        assert order == sorted(order)
        assert saved.digest in text


def test_emptied_studies_are_named_when_there_is_no_room_for_their_series() -> None:
    text = comment_of(saved_of(100, 40, 1, emptied=True))
    assert len(re.findall(r"^\| `[0-9.]+` \| 40 \| 40 \|", text, re.MULTILINE)) == 100


@pytest.mark.parametrize(
    "saved",
    [
        saved_of(1, 1, 1, stores=2000),
        saved_of(1, 1, 1, findings=20_000),
        saved_of(1, 1, 1, findings=300, words="ä " * 500),
        saved_of(300, 3, 1, emptied=True, words="*" * 1000, stores=4),
        # A gate for each study over its limit.
        saved_of(3000, 1, 1, emptied=True),
    ],
    ids=["stores", "findings", "words", "emptied", "gates"],
)
def test_no_list_is_so_long_that_the_limit_breaks(saved: SavedPlan) -> None:
    comment_of(saved)
    summary = "".join(plan_as_markdown(saved, gates_of(saved), SUMMARY))
    assert 0 < len(summary.encode()) <= STEP_SUMMARY_BYTES


def test_reappeared_is_cut_too() -> None:
    saved = saved_of(1, 1, 1)
    one = Reappeared(
        saved.plan.stores[0].store,
        InstanceAddress(UID, UID, UID),
        "run",
        ReasonCode.DATA_RETENTION_POLICY_EXPIRED,
        Source("specs/a.yaml", 1),
    )
    assert "… and 19,700 more" in comment_of(replace(saved, reappeared=(one,) * 20_000))


def test_a_summary_has_room_for_what_a_comment_has_not() -> None:
    saved = saved_of(5, 20, 50)
    summary = "".join(plan_as_markdown(saved, gates_of(saved), SUMMARY))
    assert "Shortened" not in summary
    assert "Shortened" in comment_of(saved)


def test_a_step_without_room_is_left_alone() -> None:
    saved = saved_of(1, 1, 1)
    assert list(plan_as_markdown(saved, gates_of(saved), Limit(100, in_bytes=True))) == []


def test_a_plan_too_long_to_show_is_not_rendered_to_its_end() -> None:
    """A million deletions cost what fits, not what there is."""

    class Counting(dict[str, int]):
        seen = 0

        def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]  # counted here
            for pair in super().items():
                Counting.seen += 1
                yield pair

    saved = saved_of(1, 1, 1)
    store = saved.plan.stores[0]
    series = store.studies[0].series[0]
    many = Counting({f"{UID}.{n}": n + 1 for n in range(200_000)})
    group = replace(series.groups[0], instances=many)
    study = replace(
        store.studies[0],
        instances=400_000,
        series=(replace(series, instances=400_000, groups=(group,)),),
    )
    long = replace(saved, plan=replace(saved.plan, stores=(replace(store, studies=(study,)),)))
    comment_of(long)
    assert Counting.seen < 2000


@settings(max_examples=40, deadline=None)
@given(
    studies=st.integers(0, 40),
    series=st.integers(1, 10),
    instances=st.integers(1, 10),
    emptied=st.booleans(),
    words=st.text(max_size=400),
    findings=st.integers(0, 40),
    stores=st.integers(1, 4),
    most=st.integers(12_000, 70_000),
    in_bytes=st.booleans(),
)
def test_any_plan_stays_under_any_limit(
    *,
    studies: int,
    series: int,
    instances: int,
    emptied: bool,
    words: str,
    findings: int,
    stores: int,
    most: int,
    in_bytes: bool,
) -> None:
    saved = saved_of(
        studies, series, instances, emptied=emptied, words=words, findings=findings, stores=stores
    )
    limit = Limit(most, in_bytes=in_bytes)
    text = "".join(plan_as_markdown(saved, gates_of(saved), limit))
    assert text.startswith(f"### {summary_of(saved, gates_of(saved)).headline}\n\n")
    assert_summary_is_whole(saved, text)
    assert saved.digest in text
    assert (len(text.encode()) if in_bytes else len(text)) <= most


def test_a_thousand_problems_of_files_fit() -> None:
    problems = tuple(
        Problem(Source("specs/a.yaml", n), "invalid-uid", "x" * 300, "y" * 100)
        for n in range(1, 1001)
    )
    text = "".join(validation_as_markdown(Validation(problems, None)))
    assert len(text) <= COMMENT.most
    assert "1,000 errors" in text
    assert "- … and 900 more\n" in text


def test_many_failures_of_an_apply_fit(report: RunReport) -> None:
    results = tuple(
        InstanceResult(STORE, InstanceAddress(UID, UID, f"{UID}.{n}"), Outcome.FAILED, "403 " * 20)
        for n in range(5000)
    )
    text = "".join(report_as_markdown(replace(report, unproven=results)))
    assert len(text) <= COMMENT.most
    assert "- … and 4,700 more\n" in text
