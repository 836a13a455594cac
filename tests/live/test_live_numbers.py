"""No number and no date that a server writes ends a run: what cannot be used is no answer."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.errors import LiveError
from reconciler.live.dicomweb.multipart import read_single_part
from reconciler.live.dicomweb.qido_rows import read_counts, read_series
from reconciler.live.http.numbers import read_number, read_retry_after
from reconciler.model.address import InstanceAddress
from reconciler.model.live import PRESENT, Presence
from reconciler.model.reply import ReplyKind

from .test_live_store import metadata_of

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
ONE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")
WEB = f"/v1/{DEMO_STORE}/dicomWeb"
PATH = f"{WEB}{ONE}"
DICOM_JSON = "application/dicom+json"
ENDLESS = "9" * 5000
UNUSABLE = [ENDLESS, "9" * 4000, "9" * 19, "-1", "+5", "1_0", "0x10", "1e3", "soon", "²", "5, 6"]


@pytest.mark.parametrize(
    ("told", "number"),
    [
        (0, 0),
        ("0", 0),
        ("0042", 42),
        (10**18 - 1, 10**18 - 1),
        (10**18, None),
        (int("9" * 4000), None),
        (-1, None),
        (1.0, None),
        (True, None),
        (None, None),
        ([1], None),
        ("", None),
        (" 1", None),
        ("\uff17", None),
        *((text, None) for text in UNUSABLE),
    ],
)
def test_a_number_is_an_integer_or_digits(told: object, number: int | None) -> None:
    assert read_number(told) == number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Mon, 04 May 2026 12:00:30 GMT", 30.0),
        ("Monday, 04-May-26 12:00:30 GMT", 30.0),
        ("Mon May  4 12:00:30 2026", 30.0),
        ("Mon, 04 May 2026 11:59:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 251_624_491_139.0),
        ("-5", None),
        ("1.5", None),
        ("\uff17", None),
        *((text, None) for text in UNUSABLE),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, NOW) == seconds


def test_no_date_is_too_strange_to_be_read() -> None:
    """The dates of RFC 9110 section 5.6.7, with one or more of their words replaced."""
    forms = ["Mon, 04 May 2026 12:00:30 GMT", "Monday, 04-May-26 12:00:30 GMT"]
    words = ["", "0", "-1", "99999", "9" * 30, ENDLESS, "+" + "9" * 20, "24:61:61", "May", ",", ":"]
    chance = random.Random(1)
    for _ in range(20_000):
        text = chance.choice(forms).split(" ")
        for _ in range(chance.randint(1, 3)):
            text[chance.randrange(len(text))] = chance.choice(words)
        seconds = read_retry_after(" ".join(text), NOW)
        assert seconds is None or seconds >= 0


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("text", [*UNUSABLE, f"Mon, 04 May {ENDLESS} 12:00:30 GMT"])
@pytest.mark.parametrize("name", ["Retry-After", "Date"])
def test_no_header_ends_a_run(scripted, connect, name: str, text: str, status: int) -> None:
    body = metadata_of(ONE) if status == 200 else b"{}"
    headers = {"Content-Type": DICOM_JSON, name: text}
    scripted.replies["GET", f"{PATH}/metadata"] = (status, headers, body)
    scripted.replies["DELETE", PATH] = (status, headers, b"{}")
    store = connect(scripted.url).store(DEMO_STORE)
    seen = store.probe(ONE)
    assert (seen == PRESENT) is (status == 200)
    assert store.delete(ONE).status == status


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_reply_whose_length_is_no_number_is_no_answer(scripted, connect, text: str) -> None:
    """RFC 9112 section 6.3: it cannot be said where it ends."""
    headers = {"Content-Type": DICOM_JSON, "Content-Length": text}
    raw = head(headers) + metadata_of(ONE)
    scripted.raw["GET", f"{PATH}/metadata"] = raw
    scripted.raw["DELETE", PATH] = head(headers) + b"{}"
    store = connect(scripted.url).store(DEMO_STORE)
    assert store.probe(ONE).presence is Presence.UNKNOWN
    assert store.delete(ONE).kind is ReplyKind.UNCLEAR


@pytest.mark.parametrize("size", ["-1", "-5", "+2", "1_0", "0x2", "", "f" * 5000, "g", " 2"])
def test_a_chunk_whose_size_is_no_number_ends_no_run(scripted, connect, size: str) -> None:
    headers = {"Content-Type": DICOM_JSON, "Transfer-Encoding": "chunked"}
    body = metadata_of(ONE)
    raw = head(headers) + size.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n"
    scripted.raw["GET", f"{PATH}/metadata"] = raw
    scripted.raw["GET", PATH] = raw.replace(DICOM_JSON.encode(), b"application/dicom")
    scripted.raw["DELETE", PATH] = raw
    store = connect(scripted.url).store(DEMO_STORE)
    assert store.probe(ONE).presence is Presence.UNKNOWN
    assert store.delete(ONE).kind is ReplyKind.UNCLEAR
    with pytest.raises(LiveError), store.retrieve(ONE) as image:
        b"".join(image.chunks)


def head(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode("latin-1")


@pytest.mark.parametrize("told", [f'"{ENDLESS}"', '"-1"', "-1", "1.5", "true", '"²"', "9" * 4000])
def test_a_count_that_cannot_be_used_is_no_count(told: str) -> None:
    row = f'[{{"0020000E": {{"Value": ["1.2"]}}, "00201209": {{"Value": [{told}]}}}}]'
    (series,) = read_series(iter([row.encode()]))
    assert series.instances is None
    with pytest.raises(LiveError, match="00201209 is not a number"):
        list(read_counts(iter([row.encode()]), "00201209"))


@pytest.mark.parametrize(
    "parameter",
    [
        f"boundary*{ENDLESS}*=x",
        f"boundary*0=x; boundary*{ENDLESS}=y",
        "boundary*=\0''%00",
        "boundary*=idna''%ff",
        "boundary*=undefined''x",
        "boundary=",
        'boundary=""',
        "boundary=ä",
        "boundary=" + "x" * 71,
    ],
)
def test_no_boundary_ends_a_run(parameter: str) -> None:
    with pytest.raises(LiveError, match="names no boundary"):
        read_single_part(f"multipart/related; {parameter}", iter([b"--x\r\n\r\n\r\n--x--"]))


@pytest.mark.parametrize("length", [b"\xff5", *(text.encode() for text in UNUSABLE)])
def test_no_header_of_a_part_ends_a_run(length: bytes) -> None:
    body = b"--x\r\nContent-Type: \xff\r\nContent-Length: " + length + b"\r\n\r\n12345\r\n--x--"
    part = read_single_part('multipart/related; boundary="x"', iter([body]))
    assert (part.content_type, part.length) == ("", None)
    assert b"".join(part.chunks) == b"12345"
