"""Search answers are read row by row, whatever the pieces in which they arrive."""

import json
from datetime import date

import pytest

from reconciler.errors import LiveError
from reconciler.live.dicomweb.qido_rows import (
    read_addresses,
    read_rows,
    read_series,
    read_series_rows,
    read_studies,
    read_study_rows,
)
from reconciler.model.address import InstanceAddress
from reconciler.model.live import OddRow, SeriesRow, StudyRow
from reconciler.model.patient import Attribute, PatientKey


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


def uid(value: object, tag: str = "00080018") -> dict:
    return row() | {tag: {"vr": "UI", "Value": value}}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({}, "no single StudyInstanceUID, no single SeriesInstanceUID, no single SOPInstanceUID"),
        (row() | {"00080018": {"vr": "UI"}}, "no single SOPInstanceUID"),
        (row() | {"00080018": "1.2"}, "no single SOPInstanceUID"),
        (uid([]), "no single SOPInstanceUID"),
        (uid([None]), "no single SOPInstanceUID"),
        (uid([12]), "no single SOPInstanceUID"),
        (uid(["1.2", "1.3"]), "no single SOPInstanceUID"),
        (row(study=""), 'malformed StudyInstanceUID ""'),
        (row(series=".."), 'malformed SeriesInstanceUID ".."'),
        (row(series="1.2.s"), 'malformed SeriesInstanceUID "1.2.s"'),
        (row(instance="1.2.aB"), 'malformed SOPInstanceUID "1.2.aB"'),
        (row(instance="1.2.3\n"), r'malformed SOPInstanceUID "1.2.3\n"'),
        (row(instance="1.2.3\0"), r'malformed SOPInstanceUID "1.2.3\u0000"'),
        (row(instance="1.2.3 "), 'malformed SOPInstanceUID "1.2.3 "'),
        (row(instance="\uff11.2"), r'malformed SOPInstanceUID "\uff11.2"'),
        (row(instance="\x1b[31m1"), r'malformed SOPInstanceUID "\u001b[31m1"'),
        (row(instance="1." + "2" * 63), f'malformed SOPInstanceUID "1.{"2" * 62}"…'),
        (row(instance="x" * 9000), f'malformed SOPInstanceUID "{"x" * 64}"…'),
    ],
)
def test_an_odd_row_is_named_beside_its_siblings_and_nothing_else_of_it_is_quoted(
    bad: dict, said: str
) -> None:
    body = json.dumps([row(), bad, row(instance="1.2.3.5")]).encode()
    first, odd, last = read_addresses(iter([body]))
    assert (first, last) == (
        InstanceAddress("1.2", "1.2.3", "1.2.3.4"),
        InstanceAddress("1.2", "1.2.3", "1.2.3.5"),
    )
    assert isinstance(odd, OddRow)
    assert not odd.is_shared
    assert said in str(odd)
    assert "Müller" not in str(odd)


def test_a_leading_zero_is_a_uid_as_it_stands() -> None:
    body = json.dumps([row(instance="1.2.03")]).encode()
    assert list(read_addresses(iter([body]))) == [InstanceAddress("1.2", "1.2.3", "1.2.03")]


@pytest.mark.parametrize(
    ("uids", "is_it"),
    [
        (("1.2", "1.2.3", "1.2.3.4\0"), True),
        (("1.2", "1.2.3", " 1.2.3.4 "), True),
        (("1.2", "1.2.3", None), True),
        (("1.2", None, "1.2.3.4"), True),
        ((None, None, None), True),
        (("1.2", "", ""), True),
        (("1.2", "1.2.3", "1.2.3.A"), False),
        (("1.2", "1.2.9", None), False),
        (("1.2", "1.2.3", "1.2.3.04"), False),
    ],
)
def test_an_odd_row_may_be_what_it_is_but_for_padding_or_what_it_leaves_out(
    uids: tuple[str | None, ...], *, is_it: bool
) -> None:
    assert OddRow(uids).may_be("1.2", "1.2.3", "1.2.3.4") is is_it


def test_studies_and_series_have_odd_rows_too() -> None:
    body = json.dumps([row(), row(study="1.2.x"), row(series="1.2.y")]).encode()
    assert list(read_studies(iter([body]))) == ["1.2", OddRow(("1.2.x",)), "1.2"]
    assert list(read_series(iter([body])))[2] == OddRow(("1.2", "1.2.y"))


def test_a_long_row_that_trickles_in_costs_no_square() -> None:
    body = json.dumps([{"x": "y" * 2_000_000}]).encode()
    assert len(list(read_rows(pieces(body, 1000)))) == 1


KEY = PatientKey(b"k" * 32)


def test_a_row_of_a_study_has_pseudonyms_and_counts() -> None:
    attributes = {
        "00080020": {"vr": "DA", "Value": ["20160229"]},
        "00080050": {"vr": "SH", "Value": [" A1 "]},
        "00100020": {"vr": "LO", "Value": ["P1 "]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": ["7"]},
    }
    body = json.dumps([row() | attributes]).encode()
    assert list(read_study_rows(iter([body]), KEY)) == [
        StudyRow(
            *("1.2", date(2016, 2, 29), KEY.pseudonym("P1"), KEY.accession_pseudonym("A1"), 2, 7),
            ((Attribute.PATIENT, KEY.pseudonym("P1")), (Attribute.STUDY_DATE, "20160229")),
        )
    ]


@pytest.mark.parametrize(
    "value",
    [{}, {"Value": []}, {"Value": [None]}, {"Value": ["  "]}, {"Value": [{"a": 1}]}],
)
def test_what_is_not_there_is_unknown(value: dict) -> None:
    tags = ("00080020", "00080050", "00100020", "00201206", "00201208")
    body = json.dumps([row(study="1..2") | dict.fromkeys(tags, value)]).encode()
    (found,) = read_study_rows(iter([body]), KEY)
    assert found[:-1] == (OddRow(("1..2",)), None, None, None, None, None)
    is_read = value in ({}, {"Value": []}, {"Value": ["  "]})
    nothing = {Attribute.PATIENT: None, Attribute.STUDY_DATE: None}
    assert dict(found.attributes) == (nothing if is_read else {})


@pytest.mark.parametrize(
    "text",
    [
        *("2016", "20160230", "2016.02.29", "20160229-20160301", "\uff12" * 8),
        *("00010101", "18000101", "99991231"),
    ],
)
def test_a_date_that_is_none_is_unknown(text: str) -> None:
    body = json.dumps([row() | {"00080020": {"vr": "DA", "Value": [text]}}]).encode()
    (found,) = read_study_rows(iter([body]), KEY)
    assert found.day is None


@pytest.mark.parametrize("padding", [" ", "\0", "\t", "\r\n", " \0"])
def test_padding_changes_no_value(padding: str) -> None:
    """Else an exception would pass over what a device or a server has padded."""

    def rows(end: str) -> tuple[StudyRow, SeriesRow]:
        values = {"00080020": "20160229", "00080050": "A1", "00080060": "MG", "00100020": "P1"}
        more = {tag: {"vr": "XX", "Value": [text + end]} for tag, text in values.items()}
        body = json.dumps([row() | more]).encode()
        return *read_study_rows(iter([body]), KEY), *read_series_rows(iter([body]))

    assert rows(padding) == rows("")
    assert rows("")[1].modality == "MG"


def test_a_row_of_a_series_has_its_study() -> None:
    more = {"00080060": {"vr": "CS", "Value": ["US"]}, "00201209": {"vr": "IS", "Value": [3]}}
    body = json.dumps([row() | more, row(series="1..3")]).encode()
    assert list(read_series_rows(iter([body]))) == [
        SeriesRow(("1.2", "1.2.3"), "US", 3, ((Attribute.MODALITY, "US"),)),
        SeriesRow(OddRow(("1.2", "1..3")), None, None, ((Attribute.MODALITY, None),)),
    ]
