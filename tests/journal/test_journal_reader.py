"""A torn tail is set aside; anything else that is not as it was written stops the reader."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import JournalError
from reconciler.journal.records import Intent, Result
from reconciler.journal.segments import line_of
from reconciler.model.reply import ReplyKind

from ..run_files import run_records
from .by_hand import file_of, lines_of, measure, rewrite, segments_of, sha256
from .runs import END, INSTANCE, NOON, apply_of, intent, write, written

FIRST = apply_of("run-1")
INTENT = Intent(NOON, 0, INSTANCE, 1)
RESULT = Result(NOON, 0, INSTANCE, 1, ReplyKind.ACCEPTED, 200)


@pytest.fixture
def path(tmp_path):
    """Three segments of one record each."""
    write(tmp_path, FIRST, INTENT, RESULT)
    return tmp_path / "runs" / "run-1.jsonl"


@pytest.fixture
def long(tmp_path):
    """Segments of one, three, two and two records; the run has an end."""
    path = tmp_path / "long" / "run-1.jsonl"
    path.parent.mkdir()
    some = [intent(number) for number in range(1, 7)]
    path.write_bytes(written([FIRST], some[:3], some[3:5], [some[5], END]))
    return path


def start_of_last_segment(whole: bytes) -> int:
    return whole.rindex(b'{"type":"segment"')


def test_the_records_come_back_in_order(path):
    records = run_records(path, measures=True)

    for _ in range(2):
        assert list(records) == [FIRST, INTENT, RESULT]
        assert (records.tree.size, records.tree.root) == measure(path)
        assert not records.torn_tail
    assert records.place == f"{path}:6"
    assert len(segments_of(path)) == 3


def test_a_last_line_torn_at_any_byte_is_set_aside(path):
    whole = path.read_bytes()
    start = len(whole) - len(lines_of(path)[-1])
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        records = run_records(path, measures=True)
        assert list(records) == [FIRST, INTENT]
        assert records.torn_tail
        assert (records.tree.size, records.tree.root) == measure(path)


def test_a_run_cut_at_any_byte_keeps_the_whole_records_before_it(long):
    whole = long.read_bytes()
    records = list(run_records(long))
    for end in range(len(whole)):
        long.write_bytes(whole[:end])
        reading = run_records(long)
        kept = [line for line in whole[:end].split(b"\n")[:-1] if b'"segment"' not in line]
        assert list(reading) == records[: len(kept)]
        assert reading.torn_tail is not (end == 0 or whole[:end].endswith(b"\n"))


def test_a_first_segment_torn_at_any_byte_is_a_run_that_never_started(path):
    first = file_of(lines_of(path)[:1])
    header = first.index(b"\n") + 1
    for end in range(len(first)):
        path.write_bytes(first[:end])
        records = run_records(path, measures=True)
        assert list(records) == []
        assert records.tree is None
        assert records.torn_tail is (end not in {0, header})


@pytest.mark.parametrize("tail", [b"\0" * 512, b"\0\0\n", b'{"type":3\n', b"\xff\xfe\n"])
def test_a_last_line_of_rubbish_is_a_torn_tail(path, tail):
    """A file system may have lengthened the file without writing what belongs there."""
    path.write_bytes(path.read_bytes() + tail)
    records = run_records(path)
    assert list(records) == [FIRST, INTENT, RESULT]
    assert records.torn_tail


def test_a_flipped_bit_in_any_byte_before_the_last_segment_is_found(path):
    whole = path.read_bytes()
    for position in range(start_of_last_segment(whole)):
        for bit in (1, 4, 0x20):
            broken = bytearray(whole)
            broken[position] ^= bit
            path.write_bytes(broken)
            with pytest.raises(JournalError, match=r"run-1\.jsonl:[1-5]: "):
                list(run_records(path))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_other_byte_before_the_last_segment_is_found(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("runs") / "run-1.jsonl"
    whole = written([FIRST], [intent(1), intent(2)], [intent(3)])
    place = data.draw(st.integers(0, start_of_last_segment(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])

    with pytest.raises(JournalError):
        list(run_records(path))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_bytes_put_in_or_taken_out_before_the_last_segment_are_found(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("runs") / "run-1.jsonl"
    whole = written([FIRST], [intent(1), intent(2)], [intent(3)])
    place = data.draw(st.integers(0, start_of_last_segment(whole) - 1))
    if data.draw(st.booleans()):
        more = data.draw(
            st.binary(min_size=1, max_size=3) | st.sampled_from([b" ", b"\n", b"{}\n"])
        )
        path.write_bytes(whole[:place] + more + whole[place:])
    else:
        least = min(place + 40, start_of_last_segment(whole))
        end = data.draw(st.integers(place + 1, least))
        path.write_bytes(whole[:place] + whole[end:])

    with pytest.raises(JournalError):
        list(run_records(path))


def test_the_message_names_file_and_line_and_what_to_do(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"rubbish\n", *lines[4:]]))
    with pytest.raises(JournalError) as caught:
        list(run_records(path))
    assert str(caught.value) == f"{path}:4: the line is not JSON"
    assert "restore" in caught.value.hint


def test_a_changed_record_is_found_at_the_header_of_the_segment_after_it(path):
    path.write_bytes(
        path.read_bytes().replace(b'"instancesId":"1.2.3.4"', b'"instancesId":"1.2.3.5"', 1)
    )
    with pytest.raises(
        JournalError, match=r":5: the chain is broken: the previous segment was modified"
    ):
        list(run_records(path))


def blocks_of(path) -> list[bytes]:
    """The segments as they stand in the file, headers and all."""
    parts = path.read_bytes().split(b'{"type":"segment"')
    return [b'{"type":"segment"' + part for part in parts[1:]]


@pytest.mark.parametrize(
    "order",
    [
        (0, 2, 3),
        (0, 1, 3),
        (1, 2, 3),
        (0, 2, 1, 3),
        (0, 1, 3, 2),
        (1, 0, 2, 3),
        (0, 1, 1, 2, 3),
        (0, 0, 1, 2, 3),
        (0, 1, 2, 2, 3),
        (0, 1, 2, 3, 3),
        (0, 1, 2, 3, 0),
    ],
)
def test_segments_taken_out_moved_or_doubled_are_found(long, order):
    blocks = blocks_of(long)
    long.write_bytes(b"".join(blocks[index] for index in order))
    with pytest.raises(JournalError):
        list(run_records(long))


def test_lines_taken_out_moved_or_doubled_before_the_last_segment_are_found(long):
    """Records and headers alike."""
    lines = long.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"segment"' in line)
    for number in range(last):
        others = [*lines[:number], *lines[number + 1 :]]
        changed = [others, [*lines[: number + 1], *lines[number:]]]
        changed += [
            [*others[:place], lines[number], *others[place:]]
            for place in range(len(others) + 1)
            if place != number
        ]
        for one in changed:
            long.write_bytes(b"".join(one))
            with pytest.raises(JournalError):
                list(run_records(long))


@pytest.mark.parametrize("header", ["number", "previous"])
def test_a_header_without_its_member_is_found(long, header):
    lines = long.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if b'"segment"' in line:
            fields = json.loads(line)
            del fields[header]
            if header == "previous" and number == 0:
                continue  # nothing comes before the first
            shorter = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
            long.write_bytes(b"".join([*lines[:number], shorter, *lines[number + 1 :]]))
            with pytest.raises(JournalError):
                list(run_records(long))


def test_a_segment_with_another_number_is_found_although_its_hash_is_right(path):
    first = file_of(lines_of(path)[:1])
    header = {"type": "segment", "number": 2, "previous": sha256(first)}
    path.write_bytes(
        first + json.dumps(header, separators=(",", ":")).encode() + b"\n" + line_of(INTENT)
    )
    with pytest.raises(JournalError, match="segment 1 is due, and not 2"):
        list(run_records(path))


def test_a_first_segment_follows_on_nothing(path):
    first = file_of(lines_of(path)[:1])
    path.write_bytes(first.replace(b"null", b'"%s"' % sha256(b"").encode(), 1))
    with pytest.raises(JournalError, match="chain is broken"):
        list(run_records(path))


@pytest.mark.parametrize("in_one", [True, False], ids=["same segment", "segment of its own"])
def test_nothing_stands_after_the_end_although_its_chain_is_right(long, in_one):
    def lengthen(segments):
        more = line_of(intent(9))
        return [*segments[:-1], [*segments[-1], more]] if in_one else [*segments, [more]]

    rewrite(long, lengthen)
    with pytest.raises(JournalError, match="follows the end of the run"):
        list(run_records(long))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([INTENT], "2: .*the first record does not start a run"),
        ([FIRST, FIRST], "3: .*second time"),
        ([FIRST, Intent(NOON, 1, INSTANCE, 1)], "3: .*no store 1"),
        ([apply_of("run-2")], "2: .*another run, 'run-2'"),
    ],
)
def test_a_right_chain_of_wrong_records_is_refused(path, records, message):
    path.write_bytes(written(records))
    with pytest.raises(JournalError, match=message):
        list(run_records(path))


@pytest.mark.parametrize(
    "content",
    [
        b"[]\n",
        b"{}\n",
        b'{"a":1}\n{"a":2}\n',
        b"study,series\n1,2\n",
        b"[" * 10**6 + b"\n\n",
        line_of(FIRST),
        b'{"type":"segment"}\n{}\n',
    ],
)
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"run-1\.jsonl:1: "):
        list(run_records(path))


def test_a_later_major_version_is_refused_by_its_number(path):
    later = json.dumps({"type": "started", "format_version": "2.0"}).encode() + b"\n"
    path.write_bytes(file_of([later]))
    with pytest.raises(JournalError, match=r"format '2\.0', this version reads 1\.x") as caught:
        list(run_records(path))
    assert "version of reconciler" in caught.value.hint


def test_a_later_minor_version_may_say_more(path):
    fields = json.loads(line_of(FIRST)) | {"format_version": "1.7", "operator": "ci"}
    path.write_bytes(file_of([json.dumps(fields).encode() + b"\n"]))
    records = run_records(path, measures=True)
    [started] = records
    assert started.format_version == "1.7"
    assert (records.tree.size, records.tree.root) == measure(path)


def test_an_unknown_type_of_record_is_refused_since_it_may_stand_for_a_deletion(path):
    path.write_bytes(file_of([line_of(FIRST), b'{"type":"purge"}\n']))
    with pytest.raises(JournalError, match=r"3: .*'purge'"):
        list(run_records(path))


@pytest.mark.parametrize("secret", ["", "5e" * 31, "5E" * 32, "5e" * 32 + "\n", None, 5])
def test_a_first_record_without_a_right_secret_is_refused(path, secret):
    fields = json.loads(line_of(FIRST)) | {"secret": secret}
    path.write_bytes(file_of([json.dumps(fields).encode() + b"\n"]))
    with pytest.raises(JournalError, match=r":2: "):
        list(run_records(path))
    del fields["secret"]
    path.write_bytes(file_of([json.dumps(fields).encode() + b"\n"]))
    with pytest.raises(JournalError, match=r":2: "):
        list(run_records(path))


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="cannot be read"):
        list(run_records(tmp_path))
    with pytest.raises(JournalError, match="cannot be read"):
        list(run_records(tmp_path / "none.jsonl"))
