"""A document is decoded in the order in which its reader asks, however it is cut into pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.json_stream import JsonError, JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda members: st.lists(members) | st.dictionaries(st.text(), members),
    max_leaves=8,
)


def cut(text: str, size: int) -> list[bytes]:
    body = text.encode()
    return [body[start : start + size] for start in range(0, len(body), size)]


def read_through(stream: JsonStream) -> None:
    for _ in stream.members() if stream.peek() == "{" else stream.items():
        stream.value()
    stream.end()


@given(VALUES, st.integers(1, 9), st.sampled_from([None, 1]))
def test_a_value_survives_any_cut(value: object, size: int, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    stream = JsonStream(cut(text, size))
    assert stream.value() == value
    stream.end()


@given(st.dictionaries(st.text(), st.lists(st.integers())), st.integers(1, 9))
def test_members_and_items_give_what_a_value_would(value: dict, size: int) -> None:
    stream = JsonStream(cut(json.dumps(value), size))
    found = {key: [stream.value() for _ in stream.items()] for key in stream.members()}
    stream.end()
    assert found == value


@given(st.lists(VALUES, min_size=1), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_what_is_skipped_hides_nothing(
    values: list[object], size: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(values, ensure_ascii=ascii_only, indent=indent)
    stream = JsonStream(cut(text, size))
    assert stream.peek_inside() == json.dumps(values[0], ensure_ascii=ascii_only)[0]
    found = []
    for number, _ in enumerate(stream.items()):
        found.append(stream.skip() if number % 2 else stream.value())
    stream.end()
    assert found == [None if number % 2 else one for number, one in enumerate(values)]


@pytest.mark.parametrize("text", ['"a', '"a\\', "[1", '{"a": "]}"', "[[]", "", "nul", '["', "]"])
def test_what_does_not_end_cannot_be_skipped(text: str) -> None:
    for size in (1, 100):
        with pytest.raises(JsonError):
            JsonStream(cut(text, size)).skip()


def test_what_is_skipped_may_be_longer_than_any_value() -> None:
    def body():
        yield b'["'
        yield from (b"x" * 1000 for _ in range(100))
        yield b'", 7]'

    stream = JsonStream(body(), longest=10_000)
    items = stream.items()
    next(items)
    stream.skip()
    next(items)
    assert stream.value() == 7


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1 column 1"),
        ("[1,\n 2,\n oops]", "line 3 column 2"),
        ('{"a": 1\n "b": 2}', "line 2 column 2"),
        ("{'a': 1}", "line 1 column 2"),
        ("[1]\n]", "line 2 column 1"),
    ],
)
def test_an_error_names_its_place(text: str, place: str, size: int) -> None:
    with pytest.raises(JsonError, match=place):
        read_through(JsonStream(cut(text, size)))


def test_a_value_longer_than_allowed_is_refused_before_it_is_all_there() -> None:
    def endless():
        yield b'"'
        while True:
            yield b"x" * 1000

    with pytest.raises(JsonError, match="too long"):
        JsonStream(endless(), longest=10_000).value()
