from __future__ import annotations

import io
import os
import string
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.problems import Problems
from reconciler.desired.yaml_tree import reader
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.desired.yaml_tree.tree import Place, YamlMapping, YamlSequence, walk


def read(text: str | bytes):
    problems = Problems()
    data = text.encode() if isinstance(text, str) else text
    source = SourceText(io.BytesIO(data))
    return read_document(
        source, "a.yaml", scalar_types={"count": "integer"}, problems=problems
    ), problems


def rules(problems: Problems) -> list[tuple[int, int, str]]:
    return [(p.source.line, p.source.column, p.rule) for p in problems.sorted()]


@given(st.text(string.digits + "._+-eExX:", min_size=1, max_size=20))
def test_an_unquoted_scalar_stays_the_text_that_was_written(text: str) -> None:
    document, problems = read(f"uid: {text}\n")
    if not problems.has_errors and isinstance(document["uid"], str):
        assert document["uid"] == text


@pytest.mark.parametrize("text", ["1.10", "012", "0o7", "1_000", "1e3", "yes", "2026-01-01", ".5"])
def test_nothing_is_read_as_a_number_a_date_or_a_truth_value(text: str) -> None:
    document, _ = read(f"uid: {text}\ncount: {text}\n")
    assert document == {"uid": text, "count": text}


def test_a_plain_whole_number_is_one_only_where_the_key_asks_for_it() -> None:
    document, _ = read("count: 12\nuid: 12\nmore: {count: -3}\n")
    assert document == {"count": 12, "uid": "12", "more": {"count": -3}}
    assert read("count: '12'")[0] == {"count": "12"}
    assert read(f"count: {'9' * 5000}")[0] == {"count": "9" * 5000}


def test_plain_null_forms_are_nothing_and_quoted_ones_are_text() -> None:
    document, _ = read("a:\nb: ~\nc: null\nd: ''\ne: 'null'\n")
    assert document == {"a": None, "b": None, "c": None, "d": "", "e": "null"}


def test_places_count_from_one_in_characters() -> None:
    document, _ = read("a: x\n'ключ': {b: ['ü', \U0001d518, c]}\n")
    assert isinstance(document, YamlMapping)
    assert document.key_place("ключ") == Place(2, 1)
    assert walk(document, ("ключ", "b"))[1] == Place(2, 13)
    assert walk(document, ("ключ", "b", 2)) == ("c", Place(2, 22))


def test_a_byte_order_mark_is_no_character() -> None:
    document, problems = read(b"\xef\xbb\xbfa: x\n")
    assert document == {"a": "x"}
    assert document.key_place("a") == Place(1, 1)
    assert not problems.has_errors


def test_fifty_thousand_nested_brackets_are_one_problem() -> None:
    """Where libyaml has a limit of its own (0.2.6), it is met at another place than ours."""
    for text in ("a: " + "[" * 50_000, "{a: " * 50_000):
        _, problems = read(text)
        ((line, _, rule),) = rules(problems)
        assert (line, rule) == (1, "nested-too-deep")
    _, problems = read("? " * 50_000)
    assert rules(problems)[-1][2] == "nested-too-deep"


def test_the_seventeenth_level_is_one_too_deep() -> None:
    assert rules(read("a: " + "[" * 17 + "]" * 17)[1]) == [(1, 19, "nested-too-deep")]
    assert rules(read("{a: " * 17 + "b" + "}" * 17)[1]) == [(1, 65, "nested-too-deep")]


def test_sixteen_levels_are_read() -> None:
    _, problems = read("[" * 16 + "]" * 16)
    assert not problems.has_errors


def test_a_billion_laughs_are_not_expanded() -> None:
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    document, problems = read("\n".join(lines))
    assert {p.rule for p in problems.sorted()} == {"anchor", "alias"}
    assert document["a29"] == [None] * 9


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff\xfea\x00:\x00", (1, 1)),
        ("a: b\n".encode("utf-16"), (1, 1)),
        (b"a: b\nc: \xc3\xbc\xe9\n", (2, 5)),
        (b"\x89PNG\r\n\x1a\n", (1, 1)),
    ],
)
def test_what_is_not_utf8_is_a_problem_at_its_byte(data: bytes, place: tuple[int, int]) -> None:
    document, problems = read(data)
    assert document is None
    assert rules(problems) == [(*place, "not-utf8")]


@pytest.mark.parametrize("data", [b"a: b\nc: d\x00", b"a: b\nc: d\x1b[31m"])
def test_a_control_character_is_a_problem_at_its_place(data: bytes) -> None:
    assert rules(read(data)[1]) == [(2, 5, "yaml-syntax")]


@given(st.binary(max_size=200))
def test_no_bytes_are_an_exception(data: bytes) -> None:
    document, problems = read(data)
    assert document is not None or problems.has_errors


@given(st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t<", max_size=40))
def test_no_text_is_an_exception(text: str) -> None:
    document, problems = read(text)
    assert document is not None or problems.has_errors


TREES = st.recursive(
    st.text(string.ascii_letters + string.digits + ".", min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=20,
)


@given(TREES)
def test_a_document_is_read_as_pyyaml_builds_it_from_quoted_text(tree: object) -> None:
    document, problems = read(yaml.safe_dump({"root": tree}, default_style='"'))
    if not problems.has_errors:
        assert document == {"root": tree}


@pytest.fixture
def pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_PARSER", yaml.SafeLoader)


@pytest.mark.usefixtures("pure_python")
class TestWithoutLibyaml:
    def test_the_same_tree_and_the_same_places(self) -> None:
        document, problems = read("a: [1.10, 'b']\ncount: 3\nd:\n")
        assert document == {"a": ["1.10", "b"], "count": 3, "d": None}
        assert isinstance(document["a"], YamlSequence)
        assert document["a"].item_place(1) == Place(1, 11)
        assert not problems.has_errors

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("a: b: c\n", (1, 5, "yaml-syntax")),
            ("a:\n\tb: c\n", (2, 1, "yaml-syntax")),
            ("a: b\nc: d\x07", (2, 5, "yaml-syntax")),
            ("a: &x b\n", (1, 4, "anchor")),
            ("[" * 50_000, (1, 17, "nested-too-deep")),
            ("# nothing\n", (1, 1, "empty-file")),
        ],
    )
    def test_the_same_problems(self, text: str, found: tuple[int, int, str]) -> None:
        assert rules(read(text)[1]) == [found]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_a_problem(project) -> None:
    project.spec("specs/a.yaml", "remove: []\n").chmod(0)
    assert project.found("specs") == [(1, 1, "unreadable-file")]
