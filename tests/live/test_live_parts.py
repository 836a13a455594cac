"""The one part of a multipart body, in pieces of any size, as the email package reads it too."""

from __future__ import annotations

from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import LiveError
from reconciler.live.dicomweb.multipart import read_single_part

BOUNDARY = "b-1"
KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
HEADERS = b"Content-Type: application/dicom\r\nContent-Length: %d\r\nMIME-Version: 1.0\r\n"


def multipart(*contents: bytes, preamble: bytes = b"", end: bytes = b"--\r\n") -> bytes:
    parts = [
        b"--b-1\r\n" + HEADERS % len(content) + b"\r\n" + content + b"\r\n" for content in contents
    ]
    return preamble + b"".join(parts) + b"--b-1" + end


def pieces(body: bytes, size: int):
    return iter([body[at : at + size] for at in range(0, len(body), size)])


near_misses = st.lists(
    st.sampled_from([b"\r\n", b"--b-", b"--b", b"-", b"\r", b"\n--b-2", b"DICM", b"\0"]),
    max_size=12,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(
    content=st.one_of(st.binary(max_size=300), near_misses),
    size=st.integers(1, 64),
    preamble=st.sampled_from([b"", b"\r\n", b"ignored\r\n"]),
)
def test_it_reads_what_the_email_package_reads(content: bytes, size: int, preamble: bytes) -> None:
    body = multipart(content, preamble=preamble)
    part = read_single_part(KIND, pieces(body, size))
    assert (part.content_type, part.length) == ("application/dicom", len(content))
    assert b"".join(part.chunks) == content
    whole = BytesParser().parsebytes(b"Content-Type: " + KIND.encode() + b"\r\n\r\n" + body)
    if b"\r" not in content and b"\n" not in content:  # the package normalises line ends
        (oracle,) = whole.get_payload()
        assert oracle.get_payload(decode=True) == content


@settings(deadline=None)
@given(cut=st.integers(0, 10_000), size=st.integers(1, 64))
def test_a_body_that_breaks_off_anywhere_is_never_whole(cut: int, size: int) -> None:
    body = multipart(b"x" * 100)
    closing = body.rindex(b"--\r\n")
    with pytest.raises(LiveError):
        b"".join(read_single_part(KIND, pieces(body[: cut % (closing + 2)], size)).chunks)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (KIND, multipart(b"one", b"two")),
        (KIND, multipart()),
        (KIND, b"no part at all" * 10_000),
        (KIND, b""),
        ("multipart/related", multipart(b"one")),
        ("multipart/related; boundary=other", multipart(b"one")),
    ],
)
def test_what_is_not_exactly_one_part_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(LiveError):
        b"".join(read_single_part(kind, pieces(body, 50)).chunks)
