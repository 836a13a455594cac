"""The page of an audit report: every fact is on it, text stays text, the charts add up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import (
    AuditReport,
    ChangingRun,
    Coverage,
    DanglingOnRecord,
    ImagesRead,
    LastSeen,
    PutBack,
    Reappearance,
    Refusal,
    RefusedApply,
    RemovalCounts,
    Selection,
)
from reconciler.model.deletion import RecordedDeletion, RecordedReply, RecordedRun
from reconciler.model.desired import Hold, Reason, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome, RunState
from reconciler.model.plan import Why
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.verification import FindingKind, RecordFinding, Verification
from reconciler.reporting.audit.charts import MOST_SERIES, OTHER, columns, shares
from reconciler.reporting.audit.html import LISTED, report_as_html
from reconciler.reporting.audit.markdown import report_as_markdown

from .pages import HOSTILE, Page

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
HEAD = "ab" * 32
EXPIRED = "113039 Data Retention Policy Expired"


def deletions_of(count: int, words: str = "words") -> Iterator[RecordedDeletion]:
    """Series of ten, studies of twenty; each seventh is not proven."""
    provenance = Provenance("robot@example.com", Requester("github", words, words, words))
    run = RecordedRun("run-1", "1.0", "plan", f"sha256:{HEAD}", "https://store.example", provenance)
    reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, words, words)
    for number in range(count):
        study = f"1.2.{number // 20}"
        address = InstanceAddress(study, f"{study}.{number // 10 % 2}", f"{study}.3.{number}")
        failed = number % 7 == 6
        yield RecordedDeletion(
            run,
            NOON + timedelta(seconds=number),
            STORE,
            address,
            Outcome.FAILED if failed else Outcome.DELETED,
            Presence.PRESENT if failed else Presence.ABSENT,
            words if failed else "",
            attempts=1,
            answers=(RecordedReply(403 if failed else 200, f"request-{number}"),),
            source=Source(words, 7),
            reason=reason,
        )


def report_of(count: int, words: str = "words") -> AuditReport:
    """The totals that belong to them, and one of everything else that may be on record."""
    failed = len(range(6, count, 7))
    gone = count - failed
    requester = Requester("github", words, words, words, (words,))
    people = Provenance("robot", requester)
    counts = {"deleted": gone, "failed": failed}
    return AuditReport(
        made=NOON,
        tool_version="1.0",
        verification=Verification(
            3, 900, (RecordFinding(FindingKind.MISSING, "runs/a.jsonl:1", words),)
        ),
        selection=Selection(reasons=frozenset({"113039"})),
        first=NOON,
        last=NOON + timedelta(hours=1),
        runs=3,
        outcomes={**dict.fromkeys(Outcome, 0), Outcome.DELETED: gone, Outcome.FAILED: failed},
        restored={**dict.fromkeys(Outcome, 0), Outcome.IDENTICAL: 2},
        by_reason={EXPIRED: gone},
        by_store={str(STORE): gone},
        by_day_and_reason={"2026-03-01": {EXPIRED: gone}},
        by_actor={"robot@example.com": gone},
        removed=RemovalCounts(gone, series=2, studies=1, unclear=3, again=1),
        restored_since=2,
        proven_later=1,
        unproven=tuple(one for one in deletions_of(count, words) if not one.outcome.is_gone),
        changes=(
            ChangingRun(
                "run-1",
                NOON,
                f"sha256:{HEAD}",
                (),
                people,
                "cd" * 32,
                count,
                RunState.STOPPED,
                counts,
                words,
            ),
            ChangingRun("run-2", NOON, None, ("run-1",), Provenance(), HEAD, 2),
        ),
        coverage=(
            Coverage(
                "plan-1", NOON, (words,), {**dict.fromkeys(Why, 0), Why.KEPT: 3, Why.LISTED: 1}, 1
            ),
        ),
        refusals=(
            Refusal(
                "plan-1", NOON, STORE, GateName.MAX_STUDY_PERCENT, 67, 50, ("1.2.999",), people
            ),
        ),
        refused_applies=(RefusedApply("run-3", NOON, None, words, people),),
        reappeared=(
            Reappearance(
                NOON,
                STORE,
                InstanceAddress("1.2.7", "1.2.7.1", "1.2.7.1.1"),
                "run-1",
                ReasonCode.QUALITY_CONTROL_INTENT,
                restored=False,
            ),
        ),
        left_dangling=(
            DanglingOnRecord(
                "run-1",
                NOON,
                f"sha256:{HEAD}",
                STORE,
                InstanceAddress("1.2.6", "1.2.6.1", "1.2.6.1.1"),
                Source(words, 9),
                2,
                1,
                people,
            ),
        ),
        put_back=(
            PutBack(
                "run-2",
                NOON,
                STORE,
                InstanceAddress("1.2.8", "1.2.8.1", "1.2.8.1.1"),
                "run-1",
                Outcome.IDENTICAL,
                Reason(ReasonCode.QUALITY_CONTROL_INTENT),
            ),
        ),
        kept=(
            LastSeen(
                STORE, "1.2.998", None, Source(words, 4), Hold(words, words), 12, 1, NOON, None
            ),
        ),
        images_read=(ImagesRead("run-4", NOON, people, 5, 1),),
        heads=(HEAD, "cd" * 32),
    )


def html_of(count: int, words: str = "words") -> str:
    return "".join(report_as_html(report_of(count, words), deletions_of(count, words)))


def page_of(count: int, words: str = "words") -> Page:
    page = Page(html_of(count, words))
    assert page.open == []
    return page


def test_every_fact_is_on_the_page() -> None:
    text = page_of(50).text
    for fact in (
        "43 instances of 2 series in 1 study removed for good",
        "Each was proven absent by a retrieve.",
        "3 instances of them went after an attempt without a clear answer.",
        "1 instance were stored again and removed again, which makes 44 removals.",
        "This is a part of the record: only reason 113039",
        "Not in this report: runs/a.jsonl:1: words",
        "7 instances not proven to be gone after the last attempt",
        "Restored later: 2 instances of these.",
        "1 instance reappeared",
        f"{EXPIRED} 43",
        f"{STORE} 43",
        "robot@example.com 43",
        f"applies plan sha256:{HEAD}",
        "restores run-1",
        "stopped: 43 deleted, 7 failed of 50; words",
        "no end on record of 2",
        "4 4 100.0 % 0",
        "1.2.7.1.1 run-1 113680 Quality Control Intent stored again",
        "1.2.8.1.1 identical run-2 run-1",
        "words, change words, approved by words",
        "maxStudyPercent 1 study in",
        "Reappeared after they were proven to be gone",
        "1.2.998 all 12 1 never",
        "3 runs, 900 records, 0 broken",
        f"reconciler audit verify --head {HEAD} --head {'cd' * 32}",
    ):
        assert fact in text
    for deletion in deletions_of(50):
        assert deletion.instance.instance_uid in text
        assert deletion.presence is not None
        evidence = f"request {deletion.request_id}; then a retrieve: {deletion.presence.value}"
        assert evidence in text


def test_links_lead_to_places_on_the_page_and_nowhere_else() -> None:
    page = page_of(50)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert all(link.startswith("#") for link in page.links)


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_hostile_words_are_shown_as_words(words: str) -> None:
    harmless, page = page_of(10), page_of(10, words)
    assert page.shape == harmless.shape
    assert page.ids == harmless.ids
    assert all(char.isprintable() for char in page.text)


@pytest.mark.parametrize(
    "words",
    [*HOSTILE, "x` | <b>\n\n# Heading\n[a](http://e)", "ask @alice, #1", "`@alice #1", "\ud800"],
    ids=ascii,
)
def test_hostile_words_are_text_in_markdown_too(words: str) -> None:
    def rendered(digest: str, told: str) -> str:
        report = report_of(10, told)
        changes = tuple(replace(one, digest=digest, run=digest) for one in report.changes)
        report = replace(report, changes=changes)
        return "".join(report_as_markdown(report, deletions_of(10, told)))

    hostile, harmless = rendered(words, words), rendered("sha256:0", "words")
    hostile.encode()
    assert len(hostile.splitlines()) == len(harmless.splitlines())
    outside_code = re.sub(r"`[^`]*`", "", hostile)
    assert not re.search(r"@\w|#\d|://", outside_code.replace("&#8203;", "\N{ZERO WIDTH SPACE}"))
    assert not re.search(r"(?<!\\)<|^#+ Heading|(?<!\\)\]\(", outside_code, re.MULTILINE)
    cells = [re.sub(r"\\.", "", line).count("|") for line in hostile.splitlines()]
    assert cells == [line.count("|") for line in harmless.splitlines()]


def test_the_pseudonym_of_the_patient_is_shown_where_the_record_has_it() -> None:
    pseudonym = "patient-" + "5a" * 32
    deletions = list(deletions_of(12))
    known = [replace(one, patient=pseudonym) for one in deletions[:5]] + deletions[5:]
    for form in (report_as_html, report_as_markdown):
        assert (
            "".join(form(report_of(12), known)).count(pseudonym)
            == {
                report_as_html: 1,
                report_as_markdown: 5,
            }[form]
        )
        assert "patient |" not in "".join(form(report_of(12), deletions))


def test_uids_are_in_numeric_order_and_none_is_another() -> None:
    (first,) = deletions_of(1)
    series = ["1.2.9", "1.2.10", "1.2.010"]
    deletions = [
        replace(first, instance=InstanceAddress("1.2", uid, f"{uid}.1")) for uid in series[::-1]
    ]
    html = "".join(report_as_html(report_of(1), deletions))
    shown = re.findall(r"Series</span> <code>([\d.]+)", html)
    assert shown == ["1.2.9", "1.2.010", "1.2.10"]


def test_an_empty_record_has_a_page() -> None:
    nothing = replace(
        report_of(0),
        selection=Selection(),
        verification=Verification(0, 0, ()),
        first=None,
        last=None,
        by_day_and_reason={},
        changes=(),
    )
    page = Page("".join(report_as_html(nothing, ())))
    assert page.open == []
    assert "No run is on record." in page.text


def test_no_banner_says_that_all_is_proven_over_a_record_with_a_gap() -> None:
    whole = replace(report_of(5), selection=Selection(), verification=Verification(3, 9, ()))
    gap = replace(whole, verification=report_of(5).verification)
    part = replace(whole, selection=Selection(runs=frozenset({"run-1"})))

    def has_banner(report: AuditReport) -> bool:
        return "banner passed" in "".join(report_as_html(report, deletions_of(5)))

    assert [has_banner(one) for one in (whole, gap, part)] == [True, False, False]


def test_of_many_the_newest_are_listed_and_the_rest_is_counted() -> None:
    count = LISTED + 1_000
    pieces = list(report_as_html(report_of(count), deletions_of(count)))
    html = "".join(pieces)
    assert html.count("<li><code>") == LISTED
    assert "The newest 20,000 of 21,000 are listed here" in html
    assert "The newest 1,000 of 3,000" in html
    assert max(map(len, pieces)) < 100_000


def test_it_asks_for_nothing_and_may_run_its_own_script_only() -> None:
    html = html_of(10)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none';")
    assert "unsafe" not in policy[1]
    assert " style=" not in html
    assert not re.search(r"url\(|@import|https?://", html)


DAYS = st.dates(datetime(2019, 1, 1).date(), datetime(2032, 1, 1).date()).map(
    lambda day: f"{day:%Y-%m-%d}"
)
COUNTS = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 10**7), min_size=1)


@settings(deadline=None)
@given(st.dictionaries(DAYS, COUNTS, min_size=1))
def test_the_columns_add_up_and_stand_side_by_side(by_day: dict[str, dict[str, int]]) -> None:
    chart = columns(by_day)
    drawn: Counter[str] = Counter()
    for bar in chart.bars:
        for part in bar.parts:
            assert chart.legend[part.colour] == part.name
            assert part.y >= 0
            assert chart.left <= part.x <= part.x + part.width <= chart.width
            drawn[bar.name[:4]] += part.count
    wanted: Counter[str] = Counter()
    for day, counts in by_day.items():
        wanted[day[:4]] += sum(counts.values())
    assert drawn == wanted
    assert all(one.middle < other.middle for one, other in pairwise(chart.bars))
    assert len(chart.legend) <= MOST_SERIES + 1
    named = {name for counts in by_day.values() for name in counts}
    assert (OTHER in chart.legend) == (len(named) > MOST_SERIES)


def test_months_without_deletions_have_a_place_of_their_own() -> None:
    chart = columns({"2025-11-30": {"a": 1}, "2026-02-01": {"a": 3, "b": 4}})
    assert [bar.name for bar in chart.bars] == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert chart.legend == ("a", "b")
    assert [line.count for line in chart.lines] == [0, 2, 4, 6, 8]


def test_within_one_month_a_column_is_a_day() -> None:
    chart = columns({"2026-03-09": {"a": 1}, "2026-03-11": {"a": 2}})
    assert chart.unit == "day"
    assert [(bar.name, sum(part.count for part in bar.parts)) for bar in chart.bars] == [
        ("2026-03-09", 1),
        ("2026-03-10", 0),
        ("2026-03-11", 2),
    ]


def test_beyond_three_years_a_column_is_a_year() -> None:
    chart = columns({"2022-01-09": {"a": 1}, "2025-01-09": {"a": 2}, "2025-02-09": {"a": 3}})
    assert chart.unit == "year"
    assert [(bar.name, sum(part.count for part in bar.parts)) for bar in chart.bars] == [
        ("2022", 1),
        ("2023", 0),
        ("2024", 0),
        ("2025", 5),
    ]


@pytest.mark.parametrize("months", [["0001-01", "2026-03"], ["9999-12"], ["1000-01", "9999-12"]])
def test_a_clock_that_went_astray_still_makes_a_chart(months: list[str]) -> None:
    chart = columns({f"{month}-14": {"a": 1} for month in months})
    assert [bar.name[:4] for bar in chart.bars if bar.parts] == [month[:4] for month in months]
    assert len(chart.bars) <= 50


def test_shares_fill_the_whole() -> None:
    parts = shares({"a": 1, "b": 0, "c": 3}).parts
    assert [(part.name, part.colour, part.x, part.width) for part in parts] == [
        ("a", 0, 0.0, 25.0),
        ("c", 2, 25.0, 75.0),
    ]
