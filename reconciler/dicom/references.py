"""What an instance refers to: gathered from its dataset, in whatever form that is read.

Of a dataset nothing is held but UIDs that somebody asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import chain

from reconciler.dicom.byte_stream import inflate
from reconciler.dicom.encoding import BIG_ENDIAN, DEFLATED, LITTLE_ENDIAN, Encoding, encoding_of
from reconciler.dicom.examination import take_head
from reconciler.dicom.file_head import read_head
from reconciler.dicom.walk import ADDRESS, ITEM, LONGEST_UID, PIXEL_DATA, Level, Walk

REFERENCED_INSTANCE = 0x00081155
"""Referenced SOP Instance UID."""
SERIES = 0x0020000E
"""Series Instance UID; in an item it is that of a referenced series."""
FRAMES_OF_REFERENCE = frozenset({0x00200052, 0x30060024, 0x300600C2})
"""Frame of Reference UID, and those of RT structure sets and of their related frames."""
NOTED = FRAMES_OF_REFERENCE | {REFERENCED_INSTANCE, SERIES}
"""The elements that are looked at."""

_UNKNOWN = frozenset({b"UN", b""})
"""What stands where the VR of a sequence would: in Implicit VR nothing does."""
_SHORTEST_SEQUENCE = 8
"""Bytes of an item's header."""


class References:
    """The references of one dataset, noted element by element in their order.

    Of ``instances`` and ``series`` there are those that are ``among`` the UIDs asked about. A
    series counts where an item names it and neither that item nor one in it names an instance;
    ``names_series_alone`` says that there is any.
    """

    def __init__(self, among: Set[str]) -> None:
        self.instances: set[str] = set()
        self.series: set[str] = set()
        self.names_series_alone = False
        self._among = among
        self._names_any = False
        self._has_frame = False
        self._items: list[tuple[str, bool]] = []
        """The items that are open: the series each names, and whether it names an instance."""

    @property
    def is_by_frame_alone(self) -> bool:
        """Whether it names no instance and no series, and has a frame of reference."""
        return self._has_frame and not self._names_any

    def note(self, tag: int, uid: str) -> None:
        """Take the value of an element that is among those `NOTED`."""
        if not uid:
            return
        if tag == REFERENCED_INSTANCE:
            self._names_any = True
            if self._items:
                self._items[-1] = (self._items[-1][0], True)
            if uid in self._among:
                self.instances.add(uid)
        elif tag == SERIES:
            if self._items:
                self._items[-1] = (uid, self._items[-1][1])
        else:
            self._has_frame = True

    def begin_item(self) -> None:
        """An item of a sequence begins."""
        self._items.append(("", False))

    def end_item(self) -> None:
        """The item that began last ends."""
        series_uid, names_instance = self._items.pop()
        if series_uid and not names_instance:
            self._names_any = self.names_series_alone = True
            if series_uid in self._among:
                self.series.add(series_uid)
        if self._items and names_instance:
            self._items[-1] = (self._items[-1][0], True)


def references_in(pieces: Iterable[bytes], among: Set[str]) -> tuple[References, tuple[str, ...]]:
    """Read a DICOM file up to its pixel data; its references, and its own three UIDs.

    Raises:
        NotDicomFileError: it is no DICOM file.
        DamagedError: it is not whole, so far as it was read.
    """
    rest = iter(pieces)
    head = take_head(rest)
    meta = read_head(head)
    dataset: Iterator[bytes] = chain([head[meta.dataset_offset :]], rest)
    if meta.transfer_syntax_uid in DEFLATED:
        dataset = inflate(dataset)
    walk = _ReferenceWalk(dataset, encoding_of(meta.transfer_syntax_uid), References(among))
    walk.to_pixel_data()
    return walk.references, tuple(walk.uids.get(tag, "") for tag in ADDRESS)


class _PixelDataReachedError(Exception):
    """What comes now is pixels, and nothing after them refers to anything."""


class _ReferenceWalk(Walk):
    """Notes references on its way."""

    def __init__(self, pieces: Iterator[bytes], encoding: Encoding, references: References) -> None:
        super().__init__(pieces, encoding)
        self.references = references
        self._open_items: list[int] = []
        """How deep the items lie that the references take for open."""

    def to_pixel_data(self) -> None:
        """Read up to the pixel data, or to the end. Raises as `to_end`."""
        try:
            self.to_end()
        except _PixelDataReachedError:
            """The rest need not come."""
        self._end_items(0)

    def _open(
        self, level: Level, length: int | None, *, holds_items: bool, encoding: Encoding
    ) -> None:
        super()._open(level, length, holds_items=holds_items, encoding=encoding)
        if not holds_items:
            depth = len(self._levels)
            self._end_items(depth - 1)
            self._open_items.append(depth)
            self.references.begin_item()

    def _end_items(self, depth: int) -> None:
        """End the items that lie deeper."""
        while self._open_items and self._open_items[-1] > depth:
            self._open_items.pop()
            self.references.end_item()

    def _undefined(self, level: Level, tag: int, vr: bytes) -> None:
        self._stop_before_pixels(tag)
        super()._undefined(level, tag, vr)

    def _value(self, level: Level, length: int, tag: int, vr: bytes) -> None:
        self._stop_before_pixels(tag)
        if tag in NOTED and length <= LONGEST_UID:
            self._end_items(len(self._levels))
            for uid in self._text(length).split("\\"):
                self.references.note(tag, uid)
        elif vr in _UNKNOWN and length >= _SHORTEST_SEQUENCE and self._is_item_next():
            self._open(level, length, holds_items=True, encoding=self._unknown(level.encoding))
            return
        super()._value(level, length, tag, vr)

    def _is_item_next(self) -> bool:
        """Whether a value whose VR is not known holds items (PS3.5 section 6.2.2)."""
        orders = (LITTLE_ENDIAN, BIG_ENDIAN)
        return self._stream.has(_SHORTEST_SEQUENCE) and ITEM in map(self._tag_at, orders)

    def _stop_before_pixels(self, tag: int) -> None:
        if tag in PIXEL_DATA and len(self._levels) == 1:
            raise _PixelDataReachedError
