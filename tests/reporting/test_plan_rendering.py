"""What a plan looks like for people: the golden files, the width, and words that mean harm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.model.desired import Hold, Reason
from reconciler.model.gate import GateName
from reconciler.model.plan import GitState, PartOf, SavedPlan, Why
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Source
from reconciler.planning.gates import gates_of
from reconciler.reporting.plan.html import plan_as_html
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.plan.summary import summary_of
from reconciler.reporting.plan.text import SHOWN, plan_as_text
from reconciler.reporting.wording import plain, plural, summary_line

Golden = Callable[[str, str], None]
Plans = dict[str, SavedPlan]

NAMES = ["everything", "two-stores", "nothing-pending"]
SUMMARY = re.compile(
    r"Plan: \d+ to delete, \d+ already absent, \d+ kept, \d+ missing, \d+ unknown"
    r"(?:, [1-9]\d* never seen)? \(\d+ (?:study|studies), \d+ series\)\.\n"
)

HOSTILE = [
    "<script>alert(1)</script>",
    "</details></summary><h1>All gates are passed",
    "a | b | c",
    "`code` ``more`` ```",
    "\n\n# All gates are passed\n\n",
    "\r\n- [x] approved",
    "[click](javascript:alert(1))",
    "![image](http://example.org/x.png)",
    "**bold** _em_ ~~gone~~",
    "&lt;b&gt; &#60;img src=x&#62;",
    "<!-- hidden",
    "\\",
    "\\`",
    "\x1b[2J\x1b[1;1H",
    "safe \u202edetele ton od",
    "\u2028# line",
    "http://example.org/<b>",
    "$x$",
    'ask @alice and @org/team, see #12, org/x#3, GH-7, !5 and ~"urgent"',
    "https://example.org/a, www.example.org, a_www.example.org or alice@example.org",
    "[issue:12] [vulnerability:3] *iteration:4 GL-5",
]

LINKED = re.compile(
    r"""@[a-z0-9]|[#!~%$&^](?=[\d"])|\bg[hl]-\d|https?://|ftp://|www\.|\[(issue|vuln)|\*iter""",
    re.IGNORECASE,
)
"""What GitHub or GitLab would notify somebody for, or link, in a rendered text."""


def text_of(saved: SavedPlan) -> str:
    return "".join(plan_as_text(saved, gates_of(saved)))


def markdown_of(saved: SavedPlan) -> str:
    return "".join(plan_as_markdown(saved, gates_of(saved)))


def assert_fits(text: str) -> None:
    """All but the name of a store, which stays whole, and the stable last line."""
    lines = [line for line in text.splitlines()[:-1] if "projects/" not in line]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_the_golden_one(plans: Plans, golden: Golden, name: str) -> None:
    golden(f"{name}.txt", text_of(plans[name]))


@pytest.mark.parametrize("name", NAMES)
def test_the_markdown_is_the_golden_one(plans: Plans, golden: Golden, name: str) -> None:
    golden(f"{name}.md", markdown_of(plans[name]))


@pytest.mark.parametrize("name", NAMES)
def test_the_text_fits_80_columns(plans: Plans, name: str) -> None:
    assert_fits(text_of(plans[name]))


def test_a_path_stays_whole_so_that_it_can_be_copied(plans: Plans) -> None:
    path = f"specs/{'a-very-long-folder/' * 6}retention.yaml"
    text = text_of(with_words(plans["everything"], path=path))
    assert f"{path}:11\n" in text.replace(":111\n", ":11\n")


@pytest.mark.parametrize("name", NAMES)
def test_the_last_line_is_stable(plans: Plans, name: str) -> None:
    last = text_of(plans[name]).splitlines(keepends=True)[-1]
    assert SUMMARY.fullmatch(last)
    assert last == summary_line(PlanSummary.of(plans[name])) + "\n"


def test_the_modality_with_most_instances_comes_first_in_whatever_order_a_file_has_them(
    plans: Plans,
) -> None:
    one, two = plans["everything"].seen
    text = text_of(replace(plans["everything"], seen=(two, one)))
    assert "Modalities: CT 24, MR 1, SR 1" in text


def test_the_summary_line_counts_what_the_plan_holds(plans: Plans) -> None:
    assert summary_line(PlanSummary.of(plans["everything"])) == (
        "Plan: 28 to delete, 1 already absent, 239 kept, 1 missing, 1 unknown, 1 never seen"
        " (2 studies, 3 series)."
    )
    assert summary_line(PlanSummary.of(plans["nothing-pending"])) == (
        "Plan: 0 to delete, 0 already absent, 240 kept, 0 missing, 0 unknown (0 studies, 0 series)."
    )


def test_every_gate_is_shown_with_its_numbers_and_closed_ones_with_a_hint(plans: Plans) -> None:
    saved = plans["everything"]
    words = " ".join(text_of(saved).split())
    gates = gates_of(saved)
    for gate in gates:
        if not gate.is_passed:
            numbers = f"{gate.name.value}: {gate.actual} of at most {gate.allowed}"
            assert f"BLOCKING {gate.name.meaning} ({numbers}" in words
            assert f"{gate.name.value}: {gate.hint}" in words
    assert "passed 3 of 11 gates: maxDeletions: 28 of at most 100" in words


def test_a_gate_is_one_line_however_many_studies_and_stores_it_stops(plans: Plans) -> None:
    saved = plans["two-stores"]
    gates = gates_of(saved)
    over = [gate for gate in gates if gate.name is GateName.MAX_STUDY_PERCENT]
    many = [replace(gate, studies=("1.2",) * 58) for gate in over]
    summary = summary_of(saved, many)
    assert [one.numbers for one in summary.blocking] == [
        f"maxStudyPercent: 100 of at most 50 in 58 studies in {over[0].store}, and in 1 more store"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_form_says_whether_the_plan_can_be_applied(plans: Plans, name: str) -> None:
    saved = plans[name]
    gates = gates_of(saved)
    blocking = {gate.name for gate in gates if not gate.is_passed}
    verdict = {
        "everything": f"This plan cannot be applied: {len(blocking)} gates block it.",
        "two-stores": f"This plan cannot be applied: {len(blocking)} gates block it.",
        "nothing-pending": "There is nothing to apply.",
    }[name]
    assert verdict in text_of(saved).split("\nStore ")[0].splitlines()
    assert f"\n**{verdict}**\n" in markdown_of(saved).replace("\\", "")
    assert verdict in "".join(plan_as_html(saved, gates))


def test_a_plan_with_every_gate_passed_can_be_applied_until_it_expires(plans: Plans) -> None:
    saved = plans["everything"]
    passed = [replace(gate, actual=0) for gate in gates_of(saved)]
    until = f"{saved.expires:%Y-%m-%d %H:%M} UTC"
    assert summary_of(saved, passed).verdict == f"This plan can be applied until {until}."
    shard = replace(saved, part_of=PartOf("5f0c7a52", 1))
    assert "apply the manifest of plan 5f0c7a52" in summary_of(shard, passed).verdict


def test_a_commit_is_not_named_as_the_source_of_edited_files(plans: Plans) -> None:
    edited = replace(plans["everything"], git=GitState("c" * 40, "t" * 64, dirty=True))
    words = " ".join(text_of(edited).split())
    assert f"commit {'c' * 12} with uncommitted changes" in words
    assert f"cannot be looked up later in commit {'c' * 12}; commit them and plan again" in words


def test_owner_ticket_and_day_of_an_overdue_hold_are_never_cut(plans: Plans) -> None:
    saved = with_words(plans["everything"], "long words " * 100)
    owner, day = "medical records", date(2026, 1, 31)
    hold = Hold("long words " * 100, owner, "LEG-8", day)
    store = saved.plan.stores[0]
    kept = tuple(replace(one, hold=one.hold and hold) for one in store.kept)
    overdue = replace(saved, plan=replace(saved.plan, stores=(replace(store, kept=kept),)))
    words = " ".join("".join(text_of(overdue)).split("\nStore ")[0].split())
    assert words.count(f"…; owner {owner}; ticket LEG-8; review by {day}") == 2


def test_an_image_in_a_study_that_could_not_be_listed_is_counted_once(plans: Plans) -> None:
    saved = plans["everything"]
    store = saved.plan.stores[0]
    study = next(one for one in store.findings if one.why is Why.PROBE_FAILED)
    line = Source(study.source.path, study.source.line + 2)
    image = replace(study, series_uid="1.2", instance_uid="1.2.3", source=line)
    both = replace(store, findings=(*store.findings, image))
    words = " ".join(text_of(replace(saved, plan=replace(saved.plan, stores=(both,)))).split())
    assert f"the store gave no clear answer about 1 instance ({line})" in words


def test_of_long_lists_the_first_are_shown_and_the_rest_counted(plans: Plans) -> None:
    saved = plans["everything"]
    group = saved.plan.stores[0].studies[0].series[0].groups[0]
    text = text_of(saved)
    shown = [uid for uid in group.instances if f"- {uid}\n" in text]
    assert len(shown) == SHOWN
    assert f"… and {len(group.instances) - SHOWN} more (all of them with --format json)" in text


def test_long_lists_of_keeps_and_overridden_removes_are_counted_too(plans: Plans) -> None:
    saved = plans["everything"]
    store = saved.plan.stores[0]
    many = replace(store, kept=store.kept[:1] * 1500, overridden=store.overridden * 40)
    text = text_of(replace(saved, plan=replace(saved.plan, stores=(many,))))
    assert "… and 1,480 more" in text
    assert "… and 20 more" in text


# Words that mean harm


def with_words(saved: SavedPlan, words: str = "words", path: str | None = None) -> SavedPlan:
    """The plan with these words wherever a file or the store may put words."""
    store = saved.plan.stores[0]

    def group(one: Any) -> Any:
        reason = Reason(one.reason.code, words, None)
        return replace(one, reason=reason, path=path or one.path)

    def series(one: Any) -> Any:
        return replace(one, groups=tuple(map(group, one.groups)))

    studies = tuple(replace(one, series=tuple(map(series, one.series))) for one in store.studies)
    hostile = replace(
        store,
        studies=studies,
        findings=tuple(replace(one, detail=words) for one in store.findings),
        kept=tuple(replace(one, hold=Hold(words, words)) for one in store.kept),
        overridden=tuple(replace(one, hold=Hold(words, words)) for one in store.overridden),
    )
    return replace(saved, plan=replace(saved.plan, stores=(hostile,)))


def tokens_of(markdown: str) -> Iterator[Token]:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for token in reader.parse(markdown):
        yield token
        yield from token.children or ()


def shape_of(markdown: str) -> list[tuple[str, str]]:
    """What the document consists of, without its words."""
    shape = []
    for token in tokens_of(markdown):
        if token.type in {"text", "inline", "text_special"}:
            continue
        shape.append((token.type, token.content if "html" in token.type else token.tag))
    return shape


def shown_text(markdown: str) -> str:
    words = {"text", "text_special"}
    text = "".join(
        "\n" if token.type == "inline" else token.content
        for token in tokens_of(markdown)
        if token.type in words | {"inline"}
    )
    assert not LINKED.search(text)
    return text.replace("\N{ZERO WIDTH SPACE}", "")


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_hostile_words_stay_words_in_markdown(plans: Plans, words: str) -> None:
    harmless = markdown_of(with_words(plans["everything"]))
    markdown = markdown_of(with_words(plans["everything"], words))
    assert shape_of(markdown) == shape_of(harmless)
    assert plain(words) in shown_text(markdown)
    assert len(markdown.splitlines()) == len(harmless.splitlines())


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_hostile_words_steer_no_terminal(plans: Plans, words: str) -> None:
    text = text_of(with_words(plans["everything"], words))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert_fits(text)
    assert text.count("\nGates\n") == 1


def test_a_hostile_file_name_stays_a_name(plans: Plans) -> None:
    path = "specs/a`|<img src=x>\n# b.yaml"
    saved = with_words(plans["everything"], path=path)
    assert shape_of(markdown_of(saved)) == shape_of(markdown_of(with_words(plans["everything"])))
    assert plain(path) in shown_text(markdown_of(saved))
    assert all(char.isprintable() or char == "\n" for char in text_of(saved))


def test_the_details_are_the_only_html(plans: Plans) -> None:
    blocks = [
        token.content
        for token in tokens_of(markdown_of(plans["everything"]))
        if "html" in token.type
    ]
    for block in blocks:
        assert re.fullmatch(
            r"<details><summary>\d+ instances? of series [0-9.]+</summary>\n|</details>\n", block
        )
    assert len(blocks) == 6


# Wording


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [
        (0, "instance", "0 instances"),
        (1, "instance", "1 instance"),
        (1204, "instance", "1,204 instances"),
        (1, "study", "1 study"),
        (2, "study", "2 studies"),
        (1, "series", "1 series"),
        (2, "series", "2 series"),
    ],
)
def test_plurals(count: int, noun: str, words: str) -> None:
    assert plural(count, noun) == words
