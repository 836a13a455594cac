"""UIDs by the million, in half the memory of their text, and in its order."""

from __future__ import annotations

_TEXT = ".0123456789"
_PACK = str.maketrans(_TEXT, "0123456789a")
_UNPACK = str.maketrans("0123456789a", _TEXT)


def pack(uid: str) -> bytes:
    """A UID (PS3.5 section 9.1), two characters a byte.

    Packed UIDs compare as their texts do: none ends with a period, which is what fills up the
    last byte.
    """
    digits = uid.translate(_PACK)
    return bytes.fromhex(digits + "0" * (len(digits) % 2))


def unpack(packed: bytes) -> str:
    """The UID that was packed."""
    return packed.hex().translate(_UNPACK).removesuffix(".")
