"""Reads a dataset through to its end, by the lengths that stand in it (PS3.5 section 7).

No value is decoded. Where real files depart from their transfer syntax, pydicom's reading of them
is followed: elements without a VR in a dataset that names them, and a dataset that names them
under a syntax that does not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.dicom.byte_stream import ByteStream, DamagedError
from reconciler.dicom.encoding import (
    BIG_ENDIAN,
    LITTLE_ENDIAN,
    LONG_VRS,
    ByteOrder,
    Encoding,
    is_vr,
)
from reconciler.dicom.file_head import uid_of

ADDRESS = (0x0020000D, 0x0020000E, 0x00080018)
"""Study, Series and SOP Instance UID."""

LONGEST_UID = 256
"""Bytes of a value that is looked at; a UID has 64 (PS3.5 section 9.1)."""

_UNDEFINED_LENGTH = 0xFFFFFFFF
_COMMAND_GROUP = 0x0000
"""Its elements stand in messages and never in a file (PS3.7 section 6.3); zeros look like one."""
_DELIMITER_GROUP = 0xFFFE
ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_GROUPS_APART = frozenset({_COMMAND_GROUP, _DELIMITER_GROUP})
_PLAIN_VRS = frozenset({b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS"})
_PLAIN_VRS |= {b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UL", b"US"}
"""Those with a length of two bytes, except UI."""
_NO_VR = b""
_SHORT_HEADER, _LONG_HEADER = 8, 12
_MOST_LEVELS = 512
"""Two for a sequence, of which pydicom itself reads about a hundred in one another."""
_NO_LIMIT = sys.maxsize


class Level(NamedTuple):
    """A dataset, or the items of a sequence, that is open at a position.

    ``end`` is where it ends, None for one that a delimiter ends; ``limit`` is the nearest end of
    it and of all around it.
    """

    holds_items: bool
    encoding: Encoding
    end: int | None = None
    limit: int = _NO_LIMIT


class Walk:
    """One reading of one dataset; ``uids`` are those of its top level, by tag."""

    def __init__(self, pieces: Iterator[bytes], encoding: Encoding) -> None:
        self.uids: dict[int, str] = {}
        self._stream = ByteStream(pieces)
        self._levels = [Level(holds_items=False, encoding=encoding)]

    def to_end(self) -> None:
        """Read everything.

        Raises:
            DamagedError: it is not whole.
        """
        stream, levels = self._stream, self._levels
        levels[0] = levels[0]._replace(encoding=self._as_found(levels[0].encoding))
        while True:
            level = levels[-1]
            if stream.position == level.end:
                levels.pop()
            elif not stream.has(_SHORT_HEADER):
                if len(levels) == 1 and not stream.has(1):
                    return
                raise self._cut_off("a data element" if len(levels) == 1 else "a sequence")
            elif level.holds_items:
                self._item(level)
            elif not self._pass_plain(level):
                self._element(level)

    def _pass_plain(self, level: Level) -> bool:
        """Go past the elements that are whole in memory and need no second look; whether any is.

        Most are so, and it takes a quarter of the time of looking at each.
        """
        stream, unpack = self._stream, level.encoding.order.explicit.unpack_from
        data, at = stream.data, stream.at
        end = 0 if level.encoding.is_implicit else min(len(data), level.limit - stream.gone)
        while at + _SHORT_HEADER <= end:
            group, _, vr, length = unpack(data, at)
            following = at + _SHORT_HEADER + length
            if vr not in _PLAIN_VRS or group in _GROUPS_APART or following > end:
                break
            at = following
        is_any = at > stream.at
        stream.at = at
        return is_any

    def _element(self, level: Level) -> None:
        order, is_implicit = level.encoding
        tag, vr, length = self._implicit(order) if is_implicit else self._explicit(order)
        group = tag >> 16
        if group == _DELIMITER_GROUP:
            self._close(level, tag)
        elif group == _COMMAND_GROUP:
            raise self._misplaced()
        elif length == _UNDEFINED_LENGTH:
            self._undefined(level, tag, vr)
        elif vr == b"SQ":
            self._open(level, length, holds_items=True, encoding=level.encoding)
        elif tag in ADDRESS and len(self._levels) == 1:
            self._uid(tag, length)
        else:
            self._value(level, length, tag, vr)

    def _value(self, level: Level, length: int, tag: int, vr: bytes) -> None:  # noqa: ARG002
        """Go past a value; what looks at some of them needs ``vr``."""
        self._skip(level, length, tag)

    def _implicit(self, order: ByteOrder) -> tuple[int, bytes, int]:
        stream = self._stream
        group, element, length = order.implicit.unpack_from(stream.data, stream.at)
        stream.at += _SHORT_HEADER
        return group << 16 | element, _NO_VR, length

    def _explicit(self, order: ByteOrder) -> tuple[int, bytes, int]:
        stream = self._stream
        group, element, vr, length = order.explicit.unpack_from(stream.data, stream.at)
        if vr in LONG_VRS:
            if not stream.has(_LONG_HEADER):
                raise self._cut_off("a data element")
            (length,) = order.length.unpack_from(stream.data, stream.at + _SHORT_HEADER)
            stream.at += _LONG_HEADER
        elif is_vr(vr):
            stream.at += _SHORT_HEADER
        else:
            return self._implicit(order)
        return group << 16 | element, vr, length

    def _undefined(self, level: Level, tag: int, vr: bytes) -> None:
        is_named = vr not in {_NO_VR, b"UN"}
        if vr == b"SQ" or (not is_named and tag not in PIXEL_DATA):
            encoding = self._unknown(level.encoding) if vr == b"UN" else level.encoding
            self._open(level, None, holds_items=True, encoding=encoding)
        else:
            self._fragments(level, tag)

    def _unknown(self, encoding: Encoding) -> Encoding:
        """That of the items of an unknown sequence: Implicit VR Little Endian (PS3.5 6.2.2).

        Some are encoded like the dataset around them: each item shows whether it names VRs, and
        the first tag the byte order.
        """
        stream = self._stream
        if encoding.order is LITTLE_ENDIAN or not stream.has(_SHORT_HEADER):
            return encoding
        tag = self._tag_at(BIG_ENDIAN)
        order = BIG_ENDIAN if tag in {ITEM, _SEQUENCE_END} else LITTLE_ENDIAN
        return Encoding(order, is_implicit=False)

    def _fragments(self, level: Level, tag: int) -> None:
        """The items of encapsulated pixel data (PS3.5 section A.4)."""
        stream, order = self._stream, level.encoding.order
        what = _name_of(tag)
        while stream.has(_SHORT_HEADER):
            item, _, length = self._implicit(order)
            if item == _SEQUENCE_END:
                self._skip(level, 0, tag)
                return
            if item != ITEM or length == _UNDEFINED_LENGTH:
                raise self._misplaced()
            self._skip(level, length, tag)
        raise self._cut_off(what)

    def _item(self, level: Level) -> None:
        tag, _, length = self._implicit(level.encoding.order)
        if tag != ITEM:
            self._close(level, tag)
            return
        encoding = level.encoding
        if not encoding.is_implicit:
            encoding = self._as_found(encoding)
        size = None if length == _UNDEFINED_LENGTH else length
        self._open(level, size, holds_items=False, encoding=encoding)

    def _as_found(self, encoding: Encoding) -> Encoding:
        """The encoding of the dataset that begins here, as its first element shows it."""
        stream = self._stream
        if not stream.has(_SHORT_HEADER) or self._tag_at(encoding.order) == _ITEM_END:
            return encoding
        return Encoding(encoding.order, not is_vr(stream.data[stream.at + 4 : stream.at + 6]))

    def _tag_at(self, order: ByteOrder) -> int:
        group, element, _ = order.implicit.unpack_from(self._stream.data, self._stream.at)
        return int(group) << 16 | int(element)

    def _open(
        self, level: Level, length: int | None, *, holds_items: bool, encoding: Encoding
    ) -> None:
        if len(self._levels) == _MOST_LEVELS:
            raise DamagedError("its sequences are nested too deeply")
        end = self._end(level, length or 0)
        if length is None:
            self._levels.append(Level(holds_items, encoding, None, level.limit))
        else:
            self._levels.append(Level(holds_items, encoding, end, end))

    def _close(self, level: Level, tag: int) -> None:
        """End a level at its delimiter; one of defined length may have one as its last bytes."""
        is_own = tag == (_SEQUENCE_END if level.holds_items else _ITEM_END)
        if not is_own or len(self._levels) == 1 or level.end not in {None, self._stream.position}:
            raise self._misplaced()
        self._end(level, 0)
        self._levels.pop()

    def _uid(self, tag: int, length: int) -> None:
        uid = self._text(length) if length <= LONGEST_UID else ""
        if self.uids.setdefault(tag, uid) != uid:
            raise DamagedError("it says two different UIDs of the instance, its series or study")
        self._skip(self._levels[0], length, tag)

    def _text(self, length: int) -> str:
        """The UID, or UIDs, that come next; what they are is not passed."""
        stream = self._stream
        if not stream.has(length):
            raise self._cut_off("a data element")
        return uid_of(stream.data[stream.at : stream.at + length])

    def _skip(self, level: Level, length: int, tag: int) -> None:
        self._end(level, length)
        if not self._stream.skip(length):
            raise self._cut_off(_name_of(tag))

    def _end(self, level: Level, length: int) -> int:
        """Where what begins here ends, which is not beyond what is around it."""
        end = self._stream.position + length
        if end > level.limit:
            raise DamagedError(
                f"a sequence or item of its dataset, at byte {self._stream.position}, is shorter"
                " than what it holds"
            )
        return end

    def _cut_off(self, what: str) -> DamagedError:
        self._stream.skip(_NO_LIMIT)
        size = self._stream.position
        return DamagedError(f"its dataset ends after {size} bytes, in the middle of {what}")

    def _misplaced(self) -> DamagedError:
        at = self._stream.position
        return DamagedError(f"before byte {at} of its dataset stands what is no data element")


def _name_of(tag: int) -> str:
    return "its pixel data" if tag in PIXEL_DATA else "a data element"
