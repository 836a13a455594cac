"""A record comes back as it was written, and what is written is what the schema says."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from string import hexdigits

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.journal import codec
from reconciler.journal.codec import from_json, to_json, to_text
from reconciler.journal.read_only import (
    GateSeen,
    KeptSeen,
    NothingDone,
    OverriddenSeen,
    PlanEnded,
    PlanMade,
    QueryEnded,
    QueryStarted,
    ReappearedSeen,
    Retrieved,
)
from reconciler.journal.records import (
    RECORDS as TYPES,
)
from reconciler.journal.records import (
    Archived,
    AskedFor,
    EmptiedStudy,
    Fenced,
    Intent,
    LeftDangling,
    Record,
    Restored,
    RestoreStarted,
    Result,
    RunEnded,
    RunStarted,
    Settled,
    Verified,
)
from reconciler.journal.segments import SegmentWriter, fields_of, is_header, line_of
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Hold, InputFile, InputRole, Reason, ReasonCode
from reconciler.model.gate import GateName
from reconciler.model.live import Presence
from reconciler.model.lock import Holder
from reconciler.model.outcome import Operation, Outcome, RunState
from reconciler.model.patient import PatientSeen
from reconciler.model.plan import GitState, Why
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.reply import Change, ReplyKind

from .runs import INSTANCE

SCHEMA = Path(__file__).parents[2] / "schemas" / "journal-record.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))

TIMES = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
UIDS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}", fullmatch=True)
INSTANCES = st.builds(InstanceAddress, UIDS, UIDS, UIDS)
STORES = st.builds(
    StoreAddress,
    st.sampled_from(["imaging-prod", "example.com:imaging"]),
    st.sampled_from(["europe-west4", "us"]),
    st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
)
RUNS = st.from_regex(r"[0-9a-z][0-9a-zA-Z._-]{0,20}", fullmatch=True)
HASHES = st.text(hexdigits[:16], min_size=64, max_size=64)
NUMBERS = st.integers(0, 2**40)
TEXTS = st.text(max_size=30)
OUTCOMES = st.sampled_from(Operation.APPLY.outcomes)
PRESENCES = st.sampled_from(Presence)
SOURCES = st.builds(Source, TEXTS, NUMBERS)
TICKETS = st.from_regex(r"[!-~]([ -~]{0,62}[!-~])?", fullmatch=True)
REASONS = st.builds(Reason, st.sampled_from(ReasonCode), st.none() | TEXTS, st.none() | TICKETS)
HOLDS = st.builds(
    Hold, TEXTS, st.none() | TEXTS, st.none() | TICKETS, st.none() | st.dates(date(1000, 1, 1))
)
RESTORE_OUTCOMES = st.sampled_from(Operation.RESTORE.outcomes)
PROVENANCES = st.builds(
    Provenance,
    st.none() | TEXTS,
    st.none()
    | st.builds(
        Requester,
        TEXTS,
        st.none() | TEXTS,
        st.none() | TEXTS,
        st.none() | TEXTS,
        st.lists(TEXTS, max_size=2).map(tuple),
    ),
    st.lists(st.builds(InputFile, TEXTS, HASHES, st.sampled_from(InputRole)), max_size=2).map(
        tuple
    ),
    st.none() | st.builds(GitState, TEXTS, TEXTS, st.booleans()),
)
PATIENTS = st.builds(
    PatientSeen, st.none() | HASHES.map(lambda digits: f"hmac-sha256:{digits.lower()}")
)
CHAINED = {
    "run": RUNS,
    "time": TIMES,
    "tool_version": TEXTS,
    "endpoint": TEXTS,
    "stores": st.lists(STORES, max_size=3).map(tuple),
    "after": st.lists(RUNS, max_size=2).map(tuple),
    "previous_head": st.none() | HASHES,
    "previous_observation": st.none() | HASHES,
    "secret": HASHES.map(str.lower),
    "provenance": PROVENANCES,
}
GATES = st.builds(
    GateSeen,
    st.sampled_from(GateName),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.lists(UIDS, max_size=3).map(tuple),
)
KINDS = (
    st.builds(
        PlanMade,
        plan_id=TEXTS,
        digest=TEXTS,
        paths=st.lists(TEXTS, max_size=2).map(tuple),
        **CHAINED,
    ),
    st.builds(
        OverriddenSeen,
        TIMES,
        NUMBERS,
        UIDS,
        UIDS,
        HOLDS,
        st.lists(UIDS, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(
        KeptSeen,
        TIMES,
        NUMBERS,
        UIDS,
        st.none() | UIDS,
        NUMBERS,
        SOURCES,
        hold=st.none() | HOLDS,
        missing=NUMBERS,
        overridden=NUMBERS,
    ),
    st.builds(
        PlanEnded,
        TIMES,
        st.fixed_dictionaries(dict.fromkeys(Why, NUMBERS)),
        st.lists(GATES, max_size=2).map(tuple),
    ),
    st.builds(
        ReappearedSeen, TIMES, NUMBERS, INSTANCES, RUNS, st.sampled_from(ReasonCode), st.booleans()
    ),
    st.builds(QueryStarted, **CHAINED),
    st.builds(
        NothingDone,
        command=st.sampled_from(["apply", "restore"]),
        plan_id=st.none() | TEXTS,
        digest=st.none() | TEXTS,
        exit_code=st.sampled_from([0, 1, 3, 5]),
        detail=TEXTS,
        **CHAINED,
    ),
    st.builds(Retrieved, TIMES, NUMBERS, INSTANCES, TEXTS),
    st.builds(QueryEnded, TIMES, NUMBERS, NUMBERS),
    st.builds(
        RunStarted,
        plan_id=TEXTS,
        digest=TEXTS,
        planned=NUMBERS,
        expires=st.none() | TIMES,
        **CHAINED,
    ),
    st.builds(
        Intent,
        TIMES,
        NUMBERS,
        INSTANCES,
        st.integers(1, 99),
        source=SOURCES,
        reason=REASONS,
        patient=st.none() | PATIENTS,
    ),
    st.builds(
        Verified,
        TIMES,
        NUMBERS,
        INSTANCES,
        PRESENCES,
        OUTCOMES,
        source=SOURCES,
        reason=REASONS,
    ),
    st.builds(
        Archived,
        TIMES,
        NUMBERS,
        INSTANCES,
        TEXTS,
        TEXTS,
        HASHES.map(str.lower),
        NUMBERS,
        SOURCES,
        REASONS,
    ),
    st.builds(
        RestoreStarted,
        run=RUNS,
        time=TIMES,
        tool_version=TEXTS,
        restores=st.lists(RUNS, min_size=1, max_size=3).map(tuple),
        endpoint=TEXTS,
        stores=st.lists(STORES, max_size=3).map(tuple),
        planned=NUMBERS,
        resumes=st.lists(RUNS, max_size=3).map(tuple),
        previous_head=st.none() | HASHES,
    ),
    st.builds(EmptiedStudy, TIMES, NUMBERS, UIDS, NUMBERS),
    st.builds(LeftDangling, TIMES, NUMBERS, INSTANCES, NUMBERS, NUMBERS, st.none() | SOURCES),
    st.builds(AskedFor, TIMES, UIDS),
    st.builds(Fenced, TIMES, st.builds(Holder, RUNS, TEXTS, TEXTS, NUMBERS)),
    st.builds(Intent, TIMES, NUMBERS, INSTANCES, st.integers(1, 99), action=st.just(Change.STORE)),
    st.builds(Restored, TIMES, NUMBERS, INSTANCES, RUNS, RESTORE_OUTCOMES, SOURCES, REASONS, TEXTS),
    st.builds(
        RunEnded,
        TIMES,
        st.sampled_from([RunState.COMPLETED, RunState.STOPPED, RunState.INTERRUPTED]),
        st.fixed_dictionaries(dict.fromkeys(Operation.RESTORE.outcomes, NUMBERS)),
        st.sampled_from([0, 4]),
        st.none() | TEXTS,
    ),
    st.builds(
        RunStarted,
        run=RUNS,
        time=TIMES,
        tool_version=TEXTS,
        plan_id=TEXTS,
        digest=TEXTS,
        endpoint=TEXTS,
        stores=st.lists(STORES, max_size=3).map(tuple),
        planned=NUMBERS,
        resumes=st.lists(RUNS, max_size=3).map(tuple),
        previous_head=st.none() | HASHES,
    ),
    st.builds(Intent, TIMES, NUMBERS, INSTANCES, st.integers(1, 99)),
    st.builds(
        Result,
        TIMES,
        NUMBERS,
        INSTANCES,
        st.integers(1, 99),
        st.sampled_from(ReplyKind),
        st.none() | st.integers(100, 599),
        TEXTS,
        st.none() | TEXTS,
    ),
    st.builds(Verified, TIMES, NUMBERS, INSTANCES, PRESENCES, OUTCOMES, TEXTS),
    st.builds(Settled, TIMES, RUNS, STORES, INSTANCES, PRESENCES, OUTCOMES, TEXTS),
    st.builds(
        RunEnded,
        TIMES,
        st.sampled_from(RunState),
        st.fixed_dictionaries(dict.fromkeys(Outcome, NUMBERS)),
        st.sampled_from([0, 1, 3, 4, 130, 143]),
        st.none() | TEXTS,
    ),
)
RECORDS = st.one_of(KINDS)
NOON = datetime(2026, 3, 1, 12, 0, 0, 123_987, UTC)
INTENT = Intent(NOON, 0, INSTANCE, 1)


@given(record=RECORDS)
def test_a_line_is_one_line_that_the_schema_describes_and_reads_back_equal(record):
    line = line_of(record)

    assert line.splitlines() == [line[:-1]]
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    fields = json.loads(line, parse_float=pytest.fail, parse_constant=pytest.fail)
    VALIDATOR.validate(fields)
    assert not is_header(line)
    assert from_json(fields_of(line)) == record
    assert to_text(record) == by_codec(record)


ASCII = st.text(st.characters(max_codepoint=127), max_size=30)
HOT = st.one_of(
    st.builds(
        Intent, TIMES, NUMBERS, INSTANCES, NUMBERS, st.builds(Source, ASCII, NUMBERS), REASONS
    ),
    st.builds(
        Result,
        TIMES,
        NUMBERS,
        INSTANCES,
        NUMBERS,
        st.sampled_from(ReplyKind),
        st.integers(100, 599),
        st.just(""),
        ASCII,
    ),
    st.builds(Verified, TIMES, NUMBERS, INSTANCES, PRESENCES, OUTCOMES),
)
"""The records that every deletion leaves."""


def by_codec(record: Record) -> str:
    return json.dumps(to_json(record), separators=(",", ":"))


@given(record=HOT)
def test_a_line_by_format_string_is_that_of_the_codec(record):
    assert codec._hot_text(record) == to_text(record) == by_codec(record)


@settings(max_examples=1)
@given(records=st.tuples(*KINDS))
def test_every_type_of_record_is_tried(records):
    assert {type(record) for record in records} == set(TYPES.values())


def test_the_header_of_a_segment_is_what_the_schema_describes():
    writer = SegmentWriter()
    for number in range(3):
        header, record = writer.make([line_of(INTENT)]).splitlines(keepends=True)
        assert is_header(header)
        fields = json.loads(header)
        VALIDATOR.validate(fields)
        assert (fields["type"], fields["number"]) == ("segment", number)
        assert (fields["previous"] is None) == (number == 0)
        assert record == line_of(INTENT)
        for key in fields:
            assert not VALIDATOR.is_valid({name: fields[name] for name in fields if name != key})
        assert not VALIDATOR.is_valid(fields | {"number": -1})
        assert not VALIDATOR.is_valid(fields | {"previous": "0" * 63})
        assert not VALIDATOR.is_valid(fields | {"records": 1})


def test_control_characters_and_line_separators_cannot_break_a_line():
    hostile = "\n\r\x00\x1b[2J\u2028\x85\x7f"
    line = line_of(Verified(NOON, 0, INSTANCE, Presence.UNKNOWN, Outcome.FAILED, hostile))

    assert line.count(b"\n") == 1
    assert from_json(fields_of(line)).detail == hostile


def test_an_instance_stands_under_the_names_of_the_api():
    fields = to_json(INTENT)

    assert fields["studiesId"] == "1.2"
    assert fields["seriesId"] == "1.2.3"
    assert fields["instancesId"] == "1.2.3.4"


def test_a_time_is_written_in_utc_with_milliseconds():
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert to_json(Intent(east, 0, INSTANCE, 1))["time"] == "2026-03-01T12:00:00.123Z"


def test_a_time_without_a_zone_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="time zone"):
        to_json(Intent(NOON.replace(tzinfo=None), 0, INSTANCE, 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "erased"),
        ("type", None),
        ("time", "2026-03-01T12:00:00.123+00:00"),
        ("time", "2026-03-01"),
        ("store", -1),
        ("store", True),
        ("store", 1.0),
        ("studiesId", ".."),
        ("instancesId", "1.2\n"),
        ("instancesId", ["1.2"]),
        ("instancesId", None),
        ("attempt", "1"),
        ("attempt", None),
        ("source", None),
        ("source", {"path": "specs/a.yaml", "line": True}),
        ("patient", {}),
    ],
)
def test_what_cannot_be_a_record_is_refused_by_the_reader_and_by_the_schema(key, value):
    fields = {**json.loads(line_of(INTENT)), key: value}

    with pytest.raises(ValueError, match=r"not|there is no"):
        from_json(fields)
    if value != 1.0:  # JSON Schema takes 1.0 for an integer
        assert not VALIDATOR.is_valid(fields)


def test_the_schema_knows_every_key():
    fields = {**json.loads(line_of(INTENT)), "patientName": "x"}

    assert not VALIDATOR.is_valid(fields)
