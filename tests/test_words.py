"""One word for one thing: what docs/glossary.md has in its place is said nowhere any more."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.reporting.export.deletions_csv import COLUMNS

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"

BANNED = {
    r"(?i)\b(came|come|comes|coming)[ _-]?back\b(?! by itself)": "reappeared",
    r"(?i)CameBack|ReturnedSeen|\breturned_seen\b|\bfind_returned\b": "reappeared",
    r"\b(readings|Readings|READINGS)\b|_readings?\b(?<!strict_reading)": "read-only runs, reads",
    r"\b(First|Last)Reading\b|\bReadingRecord\b|readings/": "read-only run, observations/",
    r"(?i)\bledger": "delivery log",
    r"(?i)\bhanded[- _]over\b|\bhand_over\b|\bhandover\b": "delivered",
    r"(?i)\bspar(e|ed|es|ing)\b|_spared\b|SparedEntry": "overridden, or skipped",
    r"(?i)pushed[ _]back": "throttled",
    r"(?i)foreign": "unexpected, or unrecognised",
    r"(?i)glimpse": "partial listing",
    r"(?i)vouch": "confirmed, or covered",
    r"(?i)doubted": "stale, or downgraded",
    r"\b[Cc]losed[ _-]gates?\b|\bgates? (is |are )?closed\b|GatesClosed|CLOSED  ": "blocking gate",
    r"(?i)\bopen[ _-]gates?\b|\bgates? (is|are) open\b|\bis_open\b": "passed gate",
    r"\bapply_fresh\b|runs[./]fresh\b|\b[Ff]resh (plan|apply)\b": "plan and apply, new plan",
    r"\bby_whole\b|\bwholes\b|[:\[] ?Whole\b": "study-level or series-level entry",
    r"\b[A-Z]+_FORMS\b|\bwrite_forms\b|What stdout carries|\boptions\.form\b": "output format",
    r"(?i)\b(requests|bytes|deletions|instances) a second\b|\} a second\b": "per second",
    r"\btold\b|_told\b": "reported",
    r"whose it is could not be read": "the Patient ID could not be read",
}
"""What is not said any more, with what is said instead."""

SOURCES = [
    *ROOT.glob("reconciler/**/*.py"),
    *ROOT.glob("reconciler/**/*.html"),
    *ROOT.glob("schemas/*.json"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("docs/ci/**/*.yml"),
    *ROOT.glob("templates/*.yml"),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "action.yml",
]
TEXTS = {path.relative_to(ROOT): path.read_text("utf-8") for path in SOURCES}

PARAMETERS = {
    "projectsId",
    "locationsId",
    "datasetsId",
    "dicomStoresId",
    "studiesId",
    "seriesId",
    "instancesId",
}
"""The parameters of the API, which are spelled as there wherever they stand."""

SCHEMAS = {path.name: json.loads(path.read_text("utf-8")) for path in ROOT.glob("schemas/*.json")}
PEOPLES = {"desired-state.schema.json", "selector.schema.json"}
"""The schemas of the files that people write, whose keys are in camelCase."""


def places(pattern: str, texts: dict[Path, str]) -> list[str]:
    """Where something is said."""
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {found[0]!r}"
        for path, text in texts.items()
        for found in re.finditer(pattern, text)
    ]


def keys(node: Any) -> Iterator[str]:
    """Every key that a schema describes."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for name, value in node.items():
            if name not in {"examples", "const", "enum", "default"}:
                yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


def spellings(found: set[str]) -> list[set[str]]:
    """The keys that are one word in several spellings."""
    by_word: defaultdict[str, set[str]] = defaultdict(set)
    for key in found:
        by_word[key.replace("_", "").replace("-", "").lower()].add(key)
    return [one for one in by_word.values() if len(one) > 1]


@pytest.mark.parametrize(("pattern", "instead"), BANNED.items(), ids=BANNED.values())
def test_no_other_word_is_used(pattern: str, instead: str) -> None:
    assert not places(pattern, TEXTS), f"say: {instead}"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("Came back: removed and verified", "reappeared"),
        ('"returned_seen": ReturnedSeen,', "reappeared"),
        ("the folder readings beside it", "read-only runs, reads"),
        ("2 messages handed over to it", "delivered"),
        ("the ledger says so", "delivery log"),
        ("keeps and spared entries", "overridden, or skipped"),
        ('"pushed_back": 3', "throttled"),
        ("a foreign 404", "unexpected, or unrecognised"),
        ("  CLOSED  maxDeletions: 3 of at most 0", "blocking gate"),
        ("gates are open", "passed gate"),
        ("from reconciler.cli.runs.fresh import apply_fresh", "plan and apply, new plan"),
        ("PLAN_FORMS[form]", "output format"),
        ("at most 50 requests a second", "per second"),
    ],
)
def test_a_word_that_is_put_back_is_found(text: str, instead: str) -> None:
    found = [word for pattern, word in BANNED.items() if places(pattern, {Path("a.py"): text})]
    assert instead in found


def test_a_key_has_one_spelling() -> None:
    """Outside the files that people write, words are joined by underscores only."""
    ours = {key for name, one in SCHEMAS.items() if name not in PEOPLES for key in keys(one)}
    ours |= set(COLUMNS)
    theirs = {key for name in PEOPLES for key in keys(SCHEMAS[name])} | PARAMETERS
    assert spellings(ours) == []
    assert [key for key in sorted(ours - theirs) if not re.fullmatch("[a-z0-9_]+", key)] == []
    assert spellings(PARAMETERS | {"seriesId", "series_id"}) == [{"seriesId", "series_id"}]


def test_the_glossary_names_each_term_once_and_in_order() -> None:
    for section in GLOSSARY.read_text("utf-8").split("\n## ")[1:]:
        terms = re.findall(r"^\| ([^|]+?) \| ", section, re.MULTILINE)[1:]
        assert terms == sorted(set(terms), key=str.lower), section.partition("\n")[0]
