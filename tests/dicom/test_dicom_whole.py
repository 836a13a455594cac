"""A dataset is read through to its end: whole files pass, and every cut inside an element shows."""

from __future__ import annotations

import random
import re
import sys
import tracemalloc
import zlib
from collections.abc import Iterator

import pydicom
import pytest
from pydicom.uid import UID_dictionary
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from reconciler.dicom import encoding
from reconciler.dicom.examination import Examination, examine
from reconciler.dicom.file_head import NotDicomFileError, read_head

from .files import (
    BIG_ENDIAN,
    CUT_SHORT,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    Writer,
    file_of,
    real_files,
    top_level,
)

ADDRESS = ("1.2", "1.2.3", "1.2.3.4")
PIXEL_DATA = 0x7FE00010
MEGABYTE = 1024 * 1024


def examined(data: bytes, size: int = MEGABYTE) -> Examination:
    return examine(data[start : start + size] for start in range(0, len(data), size))


def refusal_of(data: bytes, size: int = MEGABYTE) -> str:
    """Why it is not taken; empty for what is whole."""
    try:
        return examined(data, size).damage
    except NotDicomFileError as error:
        return str(error)


def test_every_file_that_pydicom_reads_is_whole_and_says_whose_it_is() -> None:
    names = set()
    for path, data in real_files():
        found = examined(data)
        assert bool(found.damage) == (path.name in CUT_SHORT), (path.name, found.damage)
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        study_uid, _, instance_uid = found.address
        assert instance_uid == str(dataset.get("SOPInstanceUID", "")), path.name
        assert study_uid == str(dataset.get("StudyInstanceUID", "")), path.name
        assert examined(data, 7) == examined(data, 1000) == found, "however it comes in pieces"
        names.add(path.name)
    assert len(names) > 150
    assert names > CUT_SHORT


@pytest.mark.slow
def test_every_cut_inside_an_element_of_a_real_file_shows() -> None:
    """All other cuts, between two elements of the top level, show in no length."""
    choose = random.Random(15)
    cuts = 0
    for path, data in real_files():
        head = read_head(data)
        if path.name in CUT_SHORT or head.transfer_syntax_uid == DEFLATED:
            continue
        between = top_level(data, head.dataset_offset)
        start, end = head.dataset_offset + 1, len(data)
        tried = {*range(start, min(start + 200, end)), *range(max(start, end - 200), end)}
        tried |= {choose.randrange(start, end) for _ in range(100)}
        for cut in tried - between:
            said = r"ends after \d+ bytes, in the middle of|Information does not end"
            assert re.search(said, refusal_of(data[:cut])), (path.name, cut)
            cuts += 1
    assert cuts > 50_000


def test_every_cut_of_a_deflated_dataset_shows() -> None:
    deflated = [data for _, data in real_files() if read_head(data).transfer_syntax_uid == DEFLATED]
    assert deflated
    for data in deflated:
        head = read_head(data)
        inflator = zlib.decompressobj(-zlib.MAX_WBITS)
        inflator.decompress(data[head.dataset_offset :])
        end = len(data) - len(inflator.unused_data)
        assert not examined(data[:end]).damage
        for cut in range(head.dataset_offset, end):
            assert refusal_of(data[:cut]), cut


@pytest.mark.parametrize("delimited", [False, True])
@pytest.mark.parametrize(
    ("syntax", "writer"),
    [
        (EXPLICIT, Writer()),
        (IMPLICIT, Writer(implicit=True)),
        (BIG_ENDIAN, Writer(big=True)),
        (EXPLICIT, Writer(implicit=True)),
        (IMPLICIT, Writer()),
    ],
)
def test_sequences_in_every_encoding_and_in_another_than_the_syntax_says(
    syntax: str, writer: Writer, *, delimited: bool
) -> None:
    inner = writer.sequence(
        0x00081115,
        writer.item(writer.element(0x00080018, "UI", b"9.9\0"), delimited=delimited)
        + writer.item(b"", delimited=delimited),
        delimited=delimited,
    )
    outer = writer.sequence(0x00080006, writer.item(inner, delimited=True), delimited=True)
    private = writer.element(0x00090010, "LO", b"MAKER ") + writer.element(0x00091001, "OB", b"")
    length = writer.element(0x00080000, "UL", bytes(4))
    empty = writer.sequence(0x00081140, b"", delimited=delimited)
    padding = writer.element(0xFFFCFFFC, "OB", bytes(126))
    dataset = length + outer + private + writer.uids() + empty + padding
    found = examined(file_of(dataset, syntax))
    assert (found.address, found.damage) == (ADDRESS, "")
    start = len(length)
    for cut in range(start + 1, start + len(outer)):
        assert examined(file_of(dataset[:cut], syntax)).damage, cut


@pytest.mark.parametrize("delimited", [False, True])
@pytest.mark.parametrize("inside", [Writer(implicit=True), Writer()])
@pytest.mark.parametrize(("syntax", "big"), [(EXPLICIT, False), (BIG_ENDIAN, True)])
def test_an_unknown_sequence_is_implicit_inside_or_as_what_is_around_it(
    syntax: str, *, big: bool, inside: Writer, delimited: bool
) -> None:
    """PS3.5 section 6.2.2: Implicit VR Little Endian, whatever is around; some do otherwise."""
    around = Writer(big=big)
    nested = inside.sequence(
        0x00091011, inside.item(inside.element(0x00091012, "LO", b"X "), delimited=True),
        delimited=True,
    )  # fmt: skip
    for one in (inside, Writer(big=big)):
        items = one.item(nested if one is inside else b"", delimited=delimited)
        unknown = around.element(0x00091010, "UN", items + one.tag(0xFFFEE0DD, 0), 0xFFFFFFFF)
        data = file_of(unknown + around.uids(), syntax)
        assert examined(data) == Examination(ADDRESS, "")


def test_an_element_without_a_vr_in_a_dataset_that_names_them() -> None:
    lone = Writer(implicit=True).element(0x00091010, "", b"odd")
    dataset = Writer().element(0x00080008, "CS", b"A ") + lone + Writer().uids()
    assert examined(file_of(dataset)) == Examination(ADDRESS, "")


@pytest.mark.parametrize("tag", [PIXEL_DATA, 0x00091010])
def test_encapsulated_data_fragment_by_fragment(tag: int) -> None:
    write = Writer()
    embedded = write.tag(0xFFFEE0DD, 0)
    fragments = b"".join(
        write.item(fragment, delimited=False) for fragment in (b"", embedded, b"odd", bytes(9000))
    )
    pixels = write.element(tag, "OB", fragments + write.tag(0xFFFEE0DD, 0), 0xFFFFFFFF)
    after = write.element(0xFFFCFFFC, "OB", bytes(8))
    dataset = write.uids() + pixels + after
    for size in (5, MEGABYTE):
        assert examined(file_of(dataset, JPEG), size) == Examination(ADDRESS, "")
    what = "its pixel data" if tag == PIXEL_DATA else "a data element"
    for cut in range(len(write.uids()) + 12, len(write.uids()) + len(pixels)):
        assert examined(file_of(dataset[:cut], JPEG)).damage.endswith(f"in the middle of {what}")


WRITE = Writer()
ITEM = WRITE.item(WRITE.element(0x00080060, "CS", b"CT"), delimited=False)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (bytes(8), "no data element"),  # zeros that fill up what was lost
        (bytes(3), "in the middle of a data element"),
        (WRITE.tag(0xFFFEE0DD, 0), "no data element"),
        (WRITE.tag(0xFFFEE00D, 0), "no data element"),
        (ITEM, "no data element"),
        (WRITE.element(0x00081115, "SQ", ITEM[:-1]), "shorter than what it holds"),
        (WRITE.element(0x00081115, "SQ", ITEM[:-5]), "shorter than what it holds"),
        (WRITE.element(0x00081115, "SQ", ITEM + b"\xfe\xff"), "in the middle of a sequence"),
        (WRITE.element(0x00081115, "SQ", bytes(16)), "no data element"),
        (WRITE.sequence(0x00081115, bytes(8), delimited=True), "no data element"),
        (WRITE.element(PIXEL_DATA, "OB", bytes(16), 0xFFFFFFFF), "no data element"),
        (WRITE.element(PIXEL_DATA, "OW", bytes(16), 17), "in the middle of its pixel data"),
        (WRITE.element(0x7FE00009, "OD", bytes(8), 0xFFFFFFFE), "in the middle of its pixel data"),
        (WRITE.element(0x00080018, "UI", b"1.2.3.5\0"), "two different UIDs"),
        (WRITE.element(0x00000002, "UL", bytes(4)), "no data element"),
        (  # a delimiter before the defined end of the sequence, and of the item
            WRITE.element(
                0x00081115, "SQ", WRITE.tag(0xFFFEE0DD, 0) + WRITE.element(0x00080060, "CS", b"")
            ),
            "no data element",
        ),
        (
            WRITE.element(
                0x00081115,
                "SQ",
                WRITE.item(WRITE.tag(0xFFFEE00D, 0) + WRITE.tag(0xFFFEE000, 0), delimited=False),
            ),
            "no data element",
        ),
    ],
)
def test_what_is_no_dataset(dataset: bytes, said: str) -> None:
    found = examined(file_of(WRITE.uids() + dataset))
    assert said in found.damage
    assert found.address == ADDRESS, "what comes before the damage is known nevertheless"


def test_a_uid_that_is_none_is_not_taken_into_memory() -> None:
    found = examined(file_of(WRITE.element(0x00080018, "UN", b"1" * 70_000)))
    assert found == Examination(("", "", ""), "")


def test_the_encodings_are_those_of_the_standard() -> None:
    """PS3.6 annex A, and PS3.5 table 7.1-1, as pydicom has them."""
    deflated = {uid for uid, (name, *_) in UID_dictionary.items() if "Deflate" in name}
    assert deflated == encoding.DEFLATED
    assert {vr.value.encode() for vr in EXPLICIT_VR_LENGTH_32} == encoding.LONG_VRS


def test_a_length_that_is_no_vr_shows_an_implicit_element_in_an_explicit_dataset() -> None:
    length = int.from_bytes(b"aa\0\0", "little")
    implicit = Writer(implicit=True).element(0x00091010, "", bytes(length))
    found = examined(file_of(WRITE.element(0x00080008, "CS", b"A ") + implicit + WRITE.uids()))
    assert (found.address, found.damage) == (ADDRESS, "")


@pytest.mark.parametrize("kind", ["delimited", "defined"])
def test_nesting_is_bounded_and_costs_no_stack(kind: str) -> None:
    data = b""
    for _ in range(5000 if kind == "delimited" else 300):
        data = WRITE.sequence(
            0x00081115, WRITE.item(data, delimited=kind == "delimited"), delimited=False
        )
    assert "too deeply" in examined(file_of(data)).damage
    data = b""
    for _ in range(sys.getrecursionlimit() // 10):
        data = WRITE.sequence(0x00081115, WRITE.item(data, delimited=True), delimited=True)
    assert not examined(file_of(data)).damage


def of_pieces(head: bytes, piece: bytes, count: int) -> Iterator[bytes]:
    yield head
    for _ in range(count):
        yield piece


def peak_of(pieces: Iterator[bytes]) -> tuple[Examination, int]:
    tracemalloc.start()
    try:
        found = examine(pieces)
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_two_gigabytes_pass_in_little_memory() -> None:
    size = 2 * 1024 * MEGABYTE
    head = file_of(WRITE.uids() + WRITE.element(PIXEL_DATA, "OW", b"", size))
    found, peak = peak_of(of_pieces(head, bytes(MEGABYTE), 2048))
    assert (found, peak < 4 * MEGABYTE) == (Examination(ADDRESS, ""), True)
    found, _ = peak_of(of_pieces(head, bytes(MEGABYTE), 2047))
    assert found.damage.endswith("in the middle of its pixel data")


def test_a_dataset_that_inflates_a_thousandfold_passes_in_little_memory() -> None:
    size = 200 * MEGABYTE
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    dataset = WRITE.uids() + WRITE.element(PIXEL_DATA, "OW", b"", size)
    data = deflate.compress(dataset)
    data += b"".join(deflate.compress(bytes(MEGABYTE)) for _ in range(200)) + deflate.flush()
    file = file_of(data, DEFLATED)
    assert len(file) < MEGABYTE
    found, peak = peak_of(iter([file]))
    assert (found, peak < 4 * MEGABYTE) == (Examination(ADDRESS, ""), True)
    # A checksum, as gzip writes it, may follow; what is lost inside shows.
    assert examined(file + bytes(8)) == found
    assert "does not end" in examined(file[:-1]).damage
    assert "cannot be inflated" in examined(file_of(b"\xff" * 100, DEFLATED)).damage


def test_broken_files_are_damage_and_never_quoted() -> None:
    """Files that are changed at random: never another exception, and nothing of them is told."""
    choose = random.Random(99)
    files = [data for _, data in real_files() if len(data) < 20_000]
    odd = (b"\xff" * 4, bytes(4), b"\xfe\xff\0\xe0", b"\xfe\xff\x0d\xe0", b"SQ\0\0", b"UN\0\0")
    for _ in range(4000):
        data = bytearray(choose.choice(files))
        start = read_head(bytes(data)).dataset_offset
        for _ in range(choose.choice((1, 2, 9))):
            at = choose.randrange(start, len(data))
            match choose.randrange(3):
                case 0:
                    data[at : at + 4] = choose.choice(odd)
                case 1:
                    del data[at : at + choose.randrange(1, 30)]
                case _:
                    data[at:at] = b"Doe^Jane"
        said = refusal_of(bytes(data), choose.choice((100, MEGABYTE)))
        assert re.fullmatch(r"[a-zA-Z ,:0-9]{0,150}", said)
        assert "Doe" not in said
