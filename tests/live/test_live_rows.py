"""Search answers are read row by row, whatever the pieces in which they arrive."""

import json

import pytest

from reconciler.errors import LiveError
from reconciler.live.rows import read_addresses, read_rows
from reconciler.model.address import InstanceAddress


def row(study: object = "1.2", series: object = "1.2.3", instance: object = "1.2.3.4") -> dict:
    return {
        "00080018": {"vr": "UI", "Value": [instance]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jürgen ]},{"}]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "0020000E": {"vr": "UI", "Value": [series]},
    }


def pieces(body: bytes, size: int):
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_survive_any_cut(size: int, indent: int | None) -> None:
    body = json.dumps(
        [row(instance=f"1.{n}") for n in range(20)], indent=indent, ensure_ascii=False
    )
    found = list(read_addresses(pieces(body.encode(), size)))
    assert found == [InstanceAddress("1.2", "1.2.3", f"1.{n}") for n in range(20)]


@pytest.mark.parametrize("body", [b"[]", b" [ ] \n"])
def test_an_empty_array_has_no_rows(body: bytes) -> None:
    assert list(read_addresses(iter([body]))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b"null",
        b"[",
        b"[{}",
        b"[{},]",
        b"[{} {}]",
        b"[1]",
        b"[[]]",
        b'["a"]',
        b"[{}] []",
        b"[{}]]",
        b"[,{}]",
        b'[{"a": ]',
        b"[\xff]",
        b'[{"a":"\xc3',
        b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
    ],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(LiveError):
        list(read_rows(pieces(body, 1000)))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        row(study=""),
        row(series=".."),
        row(instance="1.2.3\n"),
        row(instance="1." + "2" * 63),
        row(instance="\uff11.2"),
        row(instance=12),
        row(instance=None),
        row() | {"00080018": {"vr": "UI"}},
        row() | {"00080018": {"vr": "UI", "Value": []}},
        row() | {"00080018": {"vr": "UI", "Value": ["1.2", "1.3"]}},
        row() | {"00080018": "1.2"},
    ],
)
def test_a_row_without_three_uids_is_malformed_and_not_quoted(bad: dict) -> None:
    with pytest.raises(LiveError) as caught:
        list(read_addresses(iter([json.dumps([row(), bad]).encode()])))
    assert "Müller" not in str(caught.value)


def test_a_long_row_that_trickles_in_costs_no_square() -> None:
    body = json.dumps([{"x": "y" * 2_000_000}]).encode()
    assert len(list(read_rows(pieces(body, 1000)))) == 1
