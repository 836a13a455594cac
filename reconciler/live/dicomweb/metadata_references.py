"""What instances refer to, by their metadata (PS3.18 annex F), read while they arrive.

Metadata may leave things out: bulk data have a URI in place of their value, and the Healthcare API
leaves sequences out that are larger than about 1 MiB, without a word. Whether something is left out
that may hold a reference is said of each dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass

from reconciler.dicom.references import NOTED, References
from reconciler.dicom.walk import ADDRESS
from reconciler.json_stream import JsonStream
from reconciler.live.http.faults import AttemptError

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_LONGEST = 1024 * 1024
"""Characters of a key or of a UID with what arrived with it; all else is passed over."""

_MAY_HOLD_ITEMS = frozenset({"SQ", "UN", "UI", ""})
"""VRs of what may hold a reference where it is left out; "" stands for none."""

_WITH: tuple[tuple[int, frozenset[int]], ...] = (
    (0x52009229, frozenset({0x52009230})),
    # Shared Functional Groups: with them go those of each frame (PS3.3 C.7.6.16)
    (0x0040A050, frozenset({0x0040A730})),
    # Continuity of Content: an SR document has a Content Sequence (C.17.3)
    (0x30060020, frozenset({0x30060039})),
    # Structure Set ROI: with them go their contours (C.8.8.6)
    (0x300A0070, frozenset({0x300A00B0, 0x300A0230, 0x300A03A2})),
    # Fraction Group: it is of beams, of applicators, or of ion beams (C.8.8.13)
    (0x00700080, frozenset({0x00081115, 0x00700308, 0x00640002, 0x0070031C, 0x00409094})),
    # Content Label: a presentation state has Referenced Series (C.11.11), a registration its own
    # sequence (C.20), fiducials (C.21) and real world values (C.7.6.16.2.11) theirs
)
"""Where the first stands in a dataset, one of the others stands, too, by the standard."""
_LOOKED_FOR = frozenset({tag for tag, others in _WITH for tag in (tag, *others)})


@dataclass(frozen=True, slots=True)
class MetadataReferences:
    """The references in one dataset, whose ``uids`` are those of study, series and instance.

    ``is_whole`` says that nothing is left out that may hold more of them.
    """

    uids: tuple[str, ...]
    references: References
    is_whole: bool


def read_references(chunks: Iterator[bytes], among: Set[str]) -> Iterator[MetadataReferences]:
    """Read an array of datasets; of each nothing is held but the UIDs that are asked about.

    Raises:
        AttemptError: the body is not an array of datasets.
    """
    stream = JsonStream(chunks, longest=_LONGEST)
    try:
        for _ in stream.items():
            yield _Reading(stream, among).dataset()
        stream.end()
    except (ValueError, RecursionError):
        raise AttemptError("the metadata are not a JSON array of datasets") from None


class _Reading:
    """One reading of one dataset."""

    def __init__(self, stream: JsonStream, among: Set[str]) -> None:
        self._stream = stream
        self._references = References(among)
        self._depth = 0
        self._address: dict[int, str] = {}
        self._seen: set[int] = set()
        self._leaves_out = False

    def dataset(self) -> MetadataReferences:
        self._elements()
        left_out = any(tag in self._seen and others.isdisjoint(self._seen) for tag, others in _WITH)
        return MetadataReferences(
            tuple(self._address.get(tag, "") for tag in ADDRESS),
            self._references,
            is_whole=not (left_out or self._leaves_out),
        )

    def _elements(self) -> None:
        for key in self._stream.members():
            if self._stream.peek() == "{" and _TAG.fullmatch(key):
                self._element(int(key, 16))
            else:
                self._stream.skip()

    def _element(self, tag: int) -> None:
        stream, vr, is_elsewhere = self._stream, "", False
        for key in stream.members():
            if key == "Value" and stream.peek() == "[":
                self._values(tag)
            elif key == "vr" and stream.peek() == '"':
                vr = stream.value()
            else:
                is_elsewhere |= key in {"BulkDataURI", "InlineBinary"}
                stream.skip()
        if self._depth == 0 and tag in _LOOKED_FOR and not is_elsewhere:
            self._seen.add(tag)
        self._leaves_out |= is_elsewhere and vr in _MAY_HOLD_ITEMS

    def _values(self, tag: int) -> None:
        """Look at UIDs and go into items; a list of numbers may have millions."""
        stream = self._stream
        is_address = self._depth == 0 and tag in ADDRESS
        if tag in NOTED or is_address:
            for uid in self._texts():
                if is_address:
                    self._address[tag] = uid
                else:
                    self._references.note(tag, uid)
        elif stream.peek_inside() == "{":
            for _ in stream.items():
                self._item()
        else:
            stream.skip()

    def _texts(self) -> Iterator[str]:
        for _ in self._stream.items():
            if self._stream.peek() == '"':
                yield self._stream.value().strip(" \0")
            else:
                self._stream.skip()

    def _item(self) -> None:
        if self._stream.peek() != "{":
            self._stream.skip()
            return
        self._depth += 1
        self._references.begin_item()
        self._elements()
        self._references.end_item()
        self._depth -= 1
