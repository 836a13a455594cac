"""A torn tail is set aside; anything else that is not as it was written stops the reader."""

import json
from datetime import UTC, datetime

import pytest

from reconciler.errors import JournalError
from reconciler.journal.chain import body_of, chained, hash_of
from reconciler.journal.reader import read_run
from reconciler.journal.records import Intent, Result, RunStarted
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.reply import ReplyKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
INSTANCE = InstanceAddress("1.2", "1.2.3", "1.2.3.4")
FIRST = RunStarted(
    run="run-1",
    time=NOON,
    tool_version="1.0",
    plan_id="plan-1",
    digest="sha256:0",
    endpoint="https://example.org",
    stores=(STORE,),
    planned=1,
)
INTENT = Intent(NOON, 0, INSTANCE, 1)
RESULT = Result(NOON, 0, INSTANCE, 1, ReplyKind.ACCEPTED, 200)


@pytest.fixture
def path(tmp_path):
    with RunJournal.create(tmp_path, FIRST) as journal:
        journal.append(INTENT)
        journal.append(RESULT)
    return tmp_path / "runs" / "run-1.jsonl"


def lines_of(path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def written(*records) -> bytes:
    """Lines with a right chain, whatever they say."""
    lines, prev = [], None
    for seq, body in enumerate(records):
        lines.append(chained(body, seq, prev))
        prev = hash_of(lines[-1])
    return b"".join(lines)


def test_the_records_come_back_in_order(path):
    records = read_run(path)

    assert list(records) == [FIRST, INTENT, RESULT]
    assert records.head == hash_of(lines_of(path)[-1])
    assert not records.torn_tail
    assert list(records) == [FIRST, INTENT, RESULT]


def test_a_last_line_torn_at_any_byte_is_set_aside(path):
    whole = path.read_bytes()
    start = len(whole) - len(lines_of(path)[-1])
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        records = read_run(path)
        assert list(records) == [FIRST, INTENT]
        assert records.torn_tail
        assert records.head == hash_of(lines_of(path)[1])


def test_a_first_line_torn_at_any_byte_is_a_run_that_never_started(path):
    first = lines_of(path)[0]
    for end in range(len(first)):
        path.write_bytes(first[:end])
        records = read_run(path)
        assert list(records) == []
        assert records.head is None
        assert records.torn_tail is (end > 0)


@pytest.mark.parametrize("tail", [b"\0" * 512, b"\0\0\n", b'{"seq":3\n', b"\xff\xfe\n"])
def test_a_last_line_of_rubbish_is_a_torn_tail(path, tail):
    """A file system may have lengthened the file without writing what belongs there."""
    path.write_bytes(path.read_bytes() + tail)
    records = read_run(path)
    assert list(records) == [FIRST, INTENT, RESULT]
    assert records.torn_tail


def test_a_flipped_bit_in_any_byte_before_the_last_line_is_found(path):
    whole = path.read_bytes()
    for position in range(len(whole) - len(lines_of(path)[-1])):
        for bit in (1, 4, 0x20):
            broken = bytearray(whole)
            broken[position] ^= bit
            path.write_bytes(broken)
            with pytest.raises(JournalError, match=r"run-1\.jsonl:[123]: "):
                list(read_run(path))


def test_the_message_names_file_and_line_and_what_to_do(path):
    lines = lines_of(path)
    path.write_bytes(lines[0] + b"rubbish\n" + lines[2])
    with pytest.raises(JournalError) as caught:
        list(read_run(path))
    assert str(caught.value) == f"{path}:2: the line is not JSON"
    assert "restore" in caught.value.hint


@pytest.mark.parametrize("order", [(0, 2), (1, 2), (0, 2, 1), (0, 1, 1, 2), (0, 0, 1, 2)])
def test_lines_taken_out_moved_or_doubled_are_found(path, order):
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[index] for index in order))
    with pytest.raises(JournalError):
        list(read_run(path))


def test_a_line_with_another_number_is_found_although_its_hashes_are_right(path):
    first = lines_of(path)[0]
    path.write_bytes(first + chained(body_of(INTENT), 2, hash_of(first)))
    with pytest.raises(JournalError, match="'seq' is 2 where 1 is due"):
        list(read_run(path))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([INTENT], "1: .*store 0"),
        ([FIRST, FIRST], "2: .*second time"),
        ([FIRST, Intent(NOON, 1, INSTANCE, 1)], "2: .*no store 1"),
        (
            [
                RunStarted(
                    run="run-2",
                    time=NOON,
                    tool_version="",
                    plan_id="",
                    digest="",
                    endpoint="",
                    stores=(STORE,),
                    planned=1,
                )
            ],
            "1: .*another run, 'run-2'",
        ),
    ],
)
def test_a_right_chain_of_wrong_records_is_refused(path, records, message):
    path.write_bytes(written(*map(body_of, records)))
    with pytest.raises(JournalError, match=message):
        list(read_run(path))


@pytest.mark.parametrize(
    "content",
    [b"[]\n", b"{}\n", b'{"a":1}\n{"a":2}\n', b"study,series\n1,2\n", b"[" * 10**6 + b"\n\n"],
)
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"run-1\.jsonl:1: "):
        list(read_run(path))


def test_a_later_major_version_is_refused_by_its_number(path):
    later = json.dumps({"type": "started", "format_version": "2.0"}).encode()
    path.write_bytes(written(later))
    with pytest.raises(JournalError, match=r"format '2\.0', this version reads 1\.x") as caught:
        list(read_run(path))
    assert "version of reconciler" in caught.value.hint


def test_a_later_minor_version_may_say_more(path):
    fields = json.loads(body_of(FIRST)) | {"format_version": "1.7", "operator": "ci"}
    path.write_bytes(written(json.dumps(fields).encode()))
    [started] = read_run(path)
    assert started.format_version == "1.7"


def test_an_unknown_type_of_record_is_refused_since_it_may_stand_for_a_deletion(path):
    path.write_bytes(written(body_of(FIRST), b'{"type":"purge"}'))
    with pytest.raises(JournalError, match=r"2: .*'purge'"):
        list(read_run(path))


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="cannot be read"):
        list(read_run(tmp_path))
    with pytest.raises(JournalError, match="cannot be read"):
        list(read_run(tmp_path / "none.jsonl"))
