"""A dataclass is written by its fields, and nothing is read that could not have been written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

import pytest

from reconciler.json_codec import Tagged, codec_of, members_of
from reconciler.model.address import InstanceAddress, Provider, StoreAddress
from reconciler.model.as_json import as_json

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANCE = InstanceAddress("1.2", "1.2.3", "1.2.3.4")
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Why:
    code: Colour
    words: str | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    time: datetime
    instance: InstanceAddress
    number: int
    text: str
    truth: bool
    status: int | None
    stores: tuple[StoreAddress, ...]
    counts: Mapping[Colour, int]
    why: Why = field(metadata=as_json(is_shared=True))
    study_uid: str = field(default="", metadata=as_json(key="study"))
    maybe: str | None = None
    version: str = field(default="1.0", metadata=as_json(stands_always=True))
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    first: str
    default: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Base):
    own: str
    last: int = 0


CODEC = codec_of(Everything, is_compact=True)
VALUE = Everything(
    NOON, INSTANCE, 1, "é", True, None, (STORE,), {Colour.RED: 2}, Why(Colour.BLUE, "since")
)
WRITTEN = {
    "time": "2026-03-01T12:00:00.000Z",
    **INSTANCE.as_parameters(),
    "number": 1,
    "text": "é",
    "truth": True,
    "status": None,
    "stores": [STORE.as_parameters()],
    "counts": {"red": 2},
    "why": {"code": "blue", "words": "since"},
    "version": "1.0",
}


def test_a_compact_object_leaves_out_what_is_a_default_and_all_else_stands() -> None:
    assert CODEC.write(VALUE) == WRITTEN
    read = CODEC.read({**WRITTEN, "later": "minor version"})
    assert read == Everything(
        *(NOON, INSTANCE, 1, "é", True, None, (STORE,)),
        {Colour.RED: 2},
        Why(Colour.BLUE, "since"),
    )


def test_in_a_document_every_key_stands_and_is_missed() -> None:
    complete = {
        **WRITTEN,
        "why": {"code": "blue", "words": "since", "texts": []},
        "study": "",
        "maybe": None,
        "more": 0,
    }
    codec = codec_of(Everything)
    assert codec.write(VALUE) == complete
    assert codec.read(complete) == VALUE
    for key in complete:
        with pytest.raises(ValueError, match=f"there is no '{key}'"):
            codec.read({one: value for one, value in complete.items() if one != key})
    with pytest.raises(ValueError, match="'why': there is no 'texts'"):
        codec.read({**complete, "why": {"code": "blue", "words": None}})


def test_what_is_not_the_default_comes_back() -> None:
    why = Why(Colour.RED, texts=("a", "b"))
    orthanc = StoreAddress("p", "l", "d", "s", Provider.ORTHANC)
    value = Everything(
        *(NOON, INSTANCE, 0, "", False, 200, (STORE, orthanc)),
        {Colour.RED: 0, Colour.BLUE: 1},
        *(why, "1.2", "", "1.7", 5),
    )
    written = json.loads(json.dumps(CODEC.write(value)))
    assert (written["study"], written["maybe"], written["more"]) == ("1.2", "", 5)
    assert CODEC.read(written) == value


def test_fields_by_keyword_may_stand_in_any_order() -> None:
    codec = codec_of(Extended, is_compact=True)
    value = Extended(first="a", own="b", last=2)
    assert codec.write(value) == {"first": "a", "own": "b", "last": 2}
    assert codec.read({"own": "b", "last": 2, "first": "a"}) == value


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("time", "2026-03-01T12:00:00Z", "'time': not a UTC time"),
        ("time", "2026-W09-7T12:00:00.123Z", "'time': not a UTC time"),
        ("time", "2026-03-01T25:00:00.000Z", "'time': "),
        ("time", 5, "'time': not a string"),
        ("number", True, "'number': not a whole number from 0"),
        ("number", -1, "'number': not a whole number from 0"),
        ("number", 1.0, "'number': not a whole number from 0"),
        ("number", None, "'number': not a whole number from 0"),
        ("text", "\ud800", "'text': not text"),
        ("truth", 1, "'truth': not true or false"),
        ("status", "200", "'status': not a whole number from 0"),
        ("stores", {}, "'stores': not an array"),
        ("stores", [5], "'stores': not an object"),
        ("stores", [{}], "'stores': there is no 'projectsId'"),
        ("stores", [{**STORE.as_parameters(), "provider": "x"}], "'stores': 'x' is not"),
        ("stores", [{**STORE.as_parameters(), "datasetsId": ".."}], "'stores': not the address"),
        ("counts", {"red": -1}, "'counts': not a whole number from 0"),
        ("counts", {"green": 1}, "'counts': not one of red, blue: 'green'"),
        ("counts", [], "'counts': not an object"),
        ("why", {"code": "green"}, "'why': 'code': not one of red, blue: 'green'"),
        ("why", {"code": ["red"]}, "'why': 'code': not one of red, blue"),
        ("why", {"code": "red", "words": None}, "'why': 'words': not a string"),
        ("why", {"code": "red", "texts": [1]}, "'why': 'texts': not a string"),
        ("why", {}, "'why': there is no 'code'"),
        ("why", None, "'why': not an object"),
        ("maybe", None, "'maybe': not a string"),
        ("instancesId", "1.2\n", "not a UID"),
        ("instancesId", 5, "a UID is not a string"),
        ("instancesId", ["1.2"], "a UID is not a string"),
    ],
)
def test_what_cannot_be_the_value_of_a_field_is_refused(key: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match="^" + said):
        CODEC.read({**WRITTEN, key: value})


@pytest.mark.parametrize("key", WRITTEN)
def test_a_key_that_always_stands_in_a_compact_object_is_missed_too(key: str) -> None:
    left = {one: value for one, value in WRITTEN.items() if one != key}
    with pytest.raises(ValueError, match=f"there is no '{key}'"):
        CODEC.read(left)


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_only_an_object_is_read(value: object) -> None:
    with pytest.raises(ValueError, match="not an object"):
        CODEC.read(value)


def test_what_is_shared_is_one_object_and_never_what_only_seems_equal() -> None:
    @dataclass(frozen=True, slots=True)
    class Line:
        number: int

    globals()["Line"] = Line

    @dataclass(frozen=True, slots=True)
    class Holder:
        line: Line = field(metadata=as_json(is_shared=True))

    one, other = (codec_of(Holder).read({"line": {"number": 1}}) for _ in range(2))
    assert one.line is other.line
    with pytest.raises(ValueError, match="not a whole number"):
        codec_of(Holder).read({"line": {"number": True}})


def test_half_of_a_surrogate_pair_is_never_written() -> None:
    """A variable or a file name that is not UTF-8 holds one, and no reader would take it."""
    assert codec_of(Base).write(Base(first="a\udcff"))["first"] == "a?"


def test_a_time_is_written_in_utc_and_never_guessed() -> None:
    east = datetime(2026, 3, 1, 17, 30, 0, 999_999, timezone(timedelta(hours=5, minutes=30)))
    assert CODEC.write(_at(east))["time"] == "2026-03-01T12:00:00.999Z"
    with pytest.raises(ValueError, match="time zone"):
        CODEC.write(_at(datetime(2026, 3, 1)))


def _at(time: datetime) -> Everything:
    return Everything(time, INSTANCE, 1, "", False, 1, (), {}, Why(Colour.RED))


def test_a_class_among_several_is_known_by_its_name() -> None:
    codec = Tagged[Base]("type", {"base": Base, "extended": Extended})
    value = Extended(first="a", own="b")
    assert codec.write(value) == {"type": "extended", "first": "a", "own": "b"}
    assert codec.read({"type": "extended", "first": "a", "own": "b"}) == value
    for name in ("other", None, 5, ["base"]):
        with pytest.raises(ValueError, match=r"not a string|there is no type"):
            codec.read({"type": name, "first": "a"})


def test_a_field_of_a_type_that_has_no_json_is_found_when_the_codec_is_made() -> None:
    @dataclass(frozen=True, slots=True)
    class Float:
        value: float

    with pytest.raises(TypeError):
        codec_of(Float)


def _even(number: int) -> int:
    if number % 2:
        raise ValueError(f"odd: {number}")
    return number


@dataclass(frozen=True, slots=True)
class Report:
    folder: Path
    names: frozenset[str]
    totals: Mapping[str, Mapping[str, int]]
    even: int | None = field(metadata=as_json(check=_even))
    parts: tuple[Why, ...] = field(metadata=as_json(is_left=True))


def test_a_report_has_paths_sets_and_totals_and_leaves_what_is_long_to_its_writer() -> None:
    parts = (Why(Colour.RED),)
    value = Report(Path("/srv/a"), frozenset("ba"), {"2026": {"red": 2}}, None, parts)
    written = codec_of(Report).write(value)
    assert written == {
        "folder": "/srv/a",
        "names": ["a", "b"],
        "totals": {"2026": {"red": 2}},
        "even": None,
        "parts": parts,
    }
    assert codec_of(Report).left == {"parts": tuple[Why, ...]}
    assert codec_of(Report).read(written) == value
    assert codec_of(Report).read(written | {"even": 4}).even == 4
    with pytest.raises(ValueError, match="'even': odd: 3"):
        codec_of(Report).read(written | {"even": 3})


def test_the_members_tell_what_the_documents_need() -> None:
    compact = {one.name: one for one in members_of(Everything, is_compact=True)}
    assert (compact["instance"].is_flat, compact["instance"].is_required) == (True, True)
    assert (compact["study_uid"].key, compact["study_uid"].is_required) == ("study", False)
    assert (compact["version"].key, compact["version"].is_required) == ("version", True)
    assert all(one.is_required for one in members_of(Everything))
