"""The page of a plan: what it says, that it stands alone, and that words stay words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.model.address import StoreAddress
from reconciler.model.desired import Hold, Limits, Reason, ReasonCode
from reconciler.model.plan import (
    DeclaredInstances,
    DeletionGroup,
    Plan,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
)
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Source
from reconciler.planning.gates import gates_of
from reconciler.reporting.plan.html import plan_as_html
from reconciler.reporting.plan.summary import summary_of
from reconciler.reporting.wording import plain, summary_line

from .pages import HOSTILE, Page

Plans = dict[str, SavedPlan]


def html_of(saved: SavedPlan) -> str:
    return "".join(plan_as_html(saved, gates_of(saved)))


def page_of(saved: SavedPlan) -> Page:
    page = Page(html_of(saved))
    assert page.open == []
    return page


@pytest.mark.parametrize("name", ["everything", "two-stores", "nothing-pending"])
def test_every_fact_of_the_plan_is_on_the_page(plans: Plans, name: str) -> None:
    saved = plans[name]
    text = page_of(saved).text
    assert summary_line(PlanSummary.of(saved)) in text
    assert saved.digest in text
    for store in saved.plan.stores:
        for value in store.store.as_parameters().values():
            assert value in text
        for instance in store.deletions():
            assert instance.instance_uid in text
        for finding in store.findings:
            assert str(finding.source) in text
            assert plain(finding.detail) in text
        for entry in [*store.kept, *store.overridden]:
            assert entry.hold is None or str(entry.hold) in text
    for gate in gates_of(saved):
        assert gate.is_passed or gate.hint in text
    for part in summary_of(saved, gates_of(saved)).parts:
        assert all(line.text in text for line in part.lines)


def test_what_goes_and_what_is_odd_stand_before_the_lists(plans: Plans) -> None:
    text = page_of(plans["everything"]).text
    order = ("26 for good.", "cannot be applied", "What goes", "Why", "What is kept", "What is odd")
    after = ("Blocking gates", "Signed off", "Store long-term-archive")
    places = [text.index(words) for words in (*order, *after)]
    assert places == sorted(places)
    lists = text[places[-1] :]
    odd = [lists.index(words) for words in ("Misplaced:", "Overridden by a keep", "1 whole study")]
    assert odd == sorted(odd)


def test_what_is_overridden_is_told_by_what_the_keep_covers(plans: Plans) -> None:
    """The removal asks for a whole study, of which a keep covers a series."""
    (entry,) = plans["everything"].plan.stores[0].overridden
    (kept, _) = plans["everything"].plan.stores[0].kept
    assert entry.series_uid is None
    text = page_of(plans["everything"]).text
    assert f"series {kept.series_uid} of study {kept.study_uid} 3 Litigation" in text


def test_links_lead_to_places_on_the_page_and_nowhere_else(plans: Plans) -> None:
    for saved in plans.values():
        page = page_of(saved)
        assert len(page.ids) == len(set(page.ids))
        assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
        assert all(link.startswith("#") for link in page.links)


def test_a_browser_may_run_the_pages_own_style_and_script_only(plans: Plans) -> None:
    html = html_of(plans["everything"])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none';")
    assert "unsafe" not in policy[1]
    assert not re.search(r"url\(|@import|https?://", html.replace(plans["everything"].endpoint, ""))


def with_words(saved: SavedPlan, words: str) -> SavedPlan:
    """The plan with these words wherever a file or a store may put words."""
    store = saved.plan.stores[0]

    def hostile(study: StudyPlan) -> StudyPlan:
        return replace(study, series=tuple(map(series, study.series)))

    def series(one: SeriesPlan) -> SeriesPlan:
        return replace(one, groups=tuple(map(group, one.groups)))

    def group(one: DeletionGroup) -> DeletionGroup:
        return replace(one, reason=replace(one.reason, text=words), path=words, archive=words)

    changed = replace(
        store,
        studies=tuple(map(hostile, store.studies)),
        findings=tuple(replace(one, detail=words) for one in store.findings),
        kept=tuple(
            replace(one, hold=Hold(words, words), source=Source(words, 1)) for one in store.kept
        ),
        overridden=tuple(replace(one, hold=Hold(words, words)) for one in store.overridden),
    )
    plan = replace(saved.plan, stores=(changed,))
    return replace(saved, plan=plan, plan_id=words, tool_version=words)


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_hostile_words_are_shown_as_words(plans: Plans, words: str) -> None:
    harmless = page_of(with_words(plans["everything"], "words"))
    page = page_of(with_words(plans["everything"], words))
    assert page.shape == harmless.shape
    assert page.ids == harmless.ids
    assert "Litigation" not in page.text
    assert f"asked for in {plain(words)}" in page.text
    assert all(char.isprintable() for char in page.text)


def test_a_page_of_many_deletions_is_never_held_as_one_text() -> None:
    pieces = list(plan_as_html(many(20_000), ()))
    assert sum(map(len, pieces)) > 1_000_000
    assert max(map(len, pieces)) < 50_000


def many(count: int) -> SavedPlan:
    """A plan of one study with series of a thousand instances each."""
    reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, ticket="RET-1042")
    series = tuple(
        SeriesPlan(f"1.2.{number}", 1000, True, (_thousand(number, reason),))
        for number in range(count // 1000)
    )
    store = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
    study = StudyPlan("1.2", count, 0, True, series)
    plan = Plan(("specs",), (), (StorePlan(store, Limits(), (study,), (), (), ()),))
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return SavedPlan(plan, "sha256:0", "id", moment, moment, "1", "http://127.0.0.1")


def _thousand(series: int, reason: Reason) -> DeletionGroup:
    uids = DeclaredInstances((f"1.2.{series}.{number}", number + 1) for number in range(1000))
    return DeletionGroup("specs/a.yaml", reason, False, uids)
