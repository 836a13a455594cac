"""What an apply leaves to read: for machines as the schema says, for people in few lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ExitCode
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import InstanceResult, Operation, Outcome, RunReport, RunState
from reconciler.reporting.run.json import report_as_json
from reconciler.reporting.run.text import SHOWN, report_as_text

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "report.schema.json").read_text("utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def written(report: RunReport, exit_code: int = ExitCode.INCOMPLETE) -> dict[str, object]:
    document = json.loads("".join(report_as_json(report, exit_code)))
    VALIDATOR.validate(document)
    return document


def text_of(report: RunReport) -> str:
    return "".join(report_as_text(report))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_the_schema_knows_every_outcome_and_state() -> None:
    outcomes = SCHEMA["properties"]["counts"]
    for operation, kind in zip(Operation, outcomes["oneOf"], strict=True):
        named = {*outcomes["required"], *kind["required"]}
        assert named == {outcome.value for outcome in operation.outcomes}
    assert set(outcomes["properties"]) == {outcome.value for outcome in Outcome}
    assert set(SCHEMA["properties"]["state"]["enum"]) == {state.value for state in RunState}
    unproven = SCHEMA["properties"]["unproven"]["items"]["properties"]["outcome"]["enum"]
    assert set(unproven) == {outcome.value for outcome in Outcome if not outcome.is_proven}


def test_the_report_is_the_golden_one(
    report: RunReport, golden: Callable[[str, str], None]
) -> None:
    golden("report.json", "".join(report_as_json(report, ExitCode.INCOMPLETE)))
    golden("report.txt", text_of(report))


def test_the_outcomes_add_up_to_the_plan(report: RunReport) -> None:
    document = written(report)
    assert document["planned"] == 1206 == sum(document["counts"].values())
    assert document["exit_code"] == 4


def test_an_apply_without_a_flaw_has_nothing_to_list(finished: RunReport) -> None:
    document = written(finished, ExitCode.SUCCESS)
    assert document["unproven"] == []
    assert (document["stopped_because"], document["journal_head"]) == (None, None)
    assert text_of(finished).splitlines() == [
        "Run 20260301T091500Z-1f2e3d4c",
        "Apply: 3 planned: 3 deleted, 0 already_absent, 0 absent_after_ambiguous_attempt,"
        " 0 failed, 0 unconfirmed, 0 not_attempted.",
    ]


def test_every_exit_code_of_an_apply_that_reports_is_in_the_schema(report: RunReport) -> None:
    for code in (
        ExitCode.SUCCESS,
        ExitCode.REFUSED,
        ExitCode.INCOMPLETE,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
    ):
        assert written(report, code)["exit_code"] == code


def test_the_order_in_which_workers_ended_does_not_show(report: RunReport) -> None:
    turned = replace(report, unproven=report.unproven[::-1])
    assert written(turned) == written(report)
    assert text_of(turned) == text_of(report)


def test_as_many_earlier_runs_as_a_plan_in_shards_has_are_not_all_shown(report: RunReport) -> None:
    runs = tuple(f"20260301T090000Z-{number:08x}" for number in range(200))
    lines = text_of(replace(report, resumed=runs)).splitlines()
    assert sum(line.startswith("Earlier run ") for line in lines) == SHOWN
    assert f"… and {200 - SHOWN} more (all of them with --report)" in lines


def test_times_are_in_utc(report: RunReport) -> None:
    east = timezone(timedelta(hours=2))
    assert written(replace(report, ended=report.ended.astimezone(east)))["ended"] == (
        "2026-03-01T09:16:30.000Z"
    )


def test_the_text_names_what_was_attempted_and_counts_what_was_not(report: RunReport) -> None:
    text = text_of(report)
    failed, unconfirmed, not_attempted = (
        result.instance.instance_uid
        for result in sorted(report.unproven, key=lambda result: result.instance)
    )
    assert f"failed: {failed}\n" in text
    assert f"unconfirmed: {unconfirmed}\n" in text
    assert not_attempted not in text
    assert text.endswith("1 failed, 1 unconfirmed, 1 not_attempted.\n")


def test_of_many_failures_the_first_are_shown_and_the_rest_counted(report: RunReport) -> None:
    first = report.unproven[-1]
    many = tuple(
        replace(first, instance=first.instance._replace(instance_uid=f"1.{number}"))
        for number in range(50)
    )
    text = text_of(replace(report, unproven=many))
    assert text.count("failed: ") == SHOWN
    assert "… and 30 more (all of them with --report)\n" in text


def test_what_a_server_says_steers_no_terminal(report: RunReport) -> None:
    detail = "\x1b[2Jall gone\nApply: 3 planned: 3 deleted"
    hostile = replace(
        report,
        unproven=(replace(report.unproven[1], detail=detail),),
        stopped_because=detail,
    )
    text = text_of(hostile)
    assert "\x1b" not in text
    assert sum(line.startswith("Apply: ") for line in text.splitlines()) == 1
    assert written(hostile)["unproven"][0]["detail"] == detail


START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

NUMBERS = st.integers(0, 9)
ADDRESSES = st.builds(
    lambda *numbers: InstanceAddress(*(f"1.{number}" for number in numbers)),
    NUMBERS,
    NUMBERS,
    NUMBERS,
)
RESULTS = st.builds(
    InstanceResult,
    st.builds(
        StoreAddress,
        st.just("example.com:imaging"),
        st.just("us"),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["a", "b"]),
    ),
    ADDRESSES,
    st.sampled_from([outcome for outcome in Outcome if not outcome.is_proven]),
    st.text(max_size=20),
)


@settings(max_examples=50, deadline=None)
@given(
    results=st.lists(RESULTS, max_size=4),
    operation=st.sampled_from(Operation),
    count=st.integers(0, 1_000_000),
    state=st.sampled_from(RunState),
    because=st.none() | st.text(max_size=20),
)
def test_any_report_is_what_the_schema_says(
    results: list[InstanceResult],
    operation: Operation,
    count: int,
    state: RunState,
    because: str | None,
) -> None:
    report = RunReport(
        operation,
        run="run-1",
        plan_id="p",
        digest=f"sha256:{'0' * 64}",
        state=state,
        started=START,
        ended=START,
        counts=dict.fromkeys(operation.outcomes, count),
        unproven=tuple(results),
        stopped_because=because,
    )
    assert written(report)["planned"] == count * len(operation.outcomes)
