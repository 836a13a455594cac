"""How a dataset is encoded (PS3.5 section 7 and annex A), as far as its lengths go."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"})
LONG_VRS |= {b"UR", b"UT", b"UV"}
"""Value representations with a length of four bytes (PS3.5 section 7.1.2)."""

DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
"""Syntaxes whose whole dataset is compressed (PS3.5 sections A.5, A.7 and A.11)."""

_IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"


class ByteOrder(NamedTuple):
    """Reads tags and lengths: a tag with four bytes of length, one with VR and two, a length."""

    implicit: Struct
    explicit: Struct
    length: Struct


LITTLE_ENDIAN = ByteOrder(Struct("<HHL"), Struct("<HH2sH"), Struct("<L"))
BIG_ENDIAN = ByteOrder(Struct(">HHL"), Struct(">HH2sH"), Struct(">L"))


class Encoding(NamedTuple):
    """The byte order of a dataset, and whether its elements name their VR."""

    order: ByteOrder
    is_implicit: bool


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """The encoding of a transfer syntax; one that is not known is Explicit VR Little Endian."""
    if transfer_syntax_uid == _EXPLICIT_VR_BIG_ENDIAN:
        return Encoding(BIG_ENDIAN, is_implicit=False)
    return Encoding(LITTLE_ENDIAN, transfer_syntax_uid == _IMPLICIT_VR_LITTLE_ENDIAN)


def is_vr(text: bytes) -> bool:
    """Whether two bytes can be a value representation: two capital letters."""
    return text.isalpha() and text.isupper()
