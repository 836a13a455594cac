"""What instances refer to, by their metadata (PS3.18 annex F), read while they arrive.

Metadata may leave things out: bulk data have a URI in place of their value, and the Healthcare API
leaves sequences out that are larger than about 1 MiB, at any depth and without a word. Whether
something is left out that may hold a reference is said of each dataset: by a URI, by what goes with
it, or by an item that names a series and no instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
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

_LABELLED = frozenset({0x00700308, 0x00640002, 0x0070031C, 0x00409094})
"""Registration, Deformable Registration, Fiducial Set and the mapping of real world values."""

_GO_WITH: tuple[tuple[int, frozenset[int]], ...] = (
    # Shared Functional Groups: with those of each frame (PS3.3 C.7.6.16)
    (0x52009229, frozenset({0x52009230})),
    # Continuity of Content: a container of an SR document with its Content Sequence (C.17.3)
    (0x0040A050, frozenset({0x0040A730})),
    # Structure Set ROI: with their contours (C.8.8.6)
    (0x30060020, frozenset({0x30060039})),
    # Fraction Group: with its beams, applicators or ion beams (C.8.8.13)
    (0x300A0070, frozenset({0x300A00B0, 0x300A0230, 0x300A03A2})),
    # Content Label: of a presentation state, with Referenced Series or Blending (C.11.11, C.11.14);
    # of segmentations with what each frame is; of registrations, fiducials and real world values
    # with a sequence of their own (C.20, C.21, C.7.6.16.2.11)
    (0x00700080, frozenset({0x00081115, 0x00700402, 0x52009230, *_LABELLED})),
)
"""Where the first stands in a dataset or item, one of the others stands there too."""

_ITEMS_HAVE: Mapping[int, frozenset[int]] = {
    0x0040A375: frozenset({0x00081115}),  # Current Requested Procedure Evidence (C.17.2)
    0x0040A385: frozenset({0x00081115}),  # Pertinent Other Evidence
    0x00081200: frozenset({0x00081115}),  # Studies Containing Other Referenced Instances (C.12.4)
    0x30060012: frozenset({0x30060014}),  # RT Referenced Study: RT Referenced Series (C.8.8.5)
    0x30060039: frozenset({0x30060040}),  # ROI Contour: Contour (C.8.8.6)
}
"""What stands in each item of a sequence."""

_NOTHING: frozenset[int] = frozenset()


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
        self._leaves_out = False

    def dataset(self) -> MetadataReferences:
        self._elements(_NOTHING)
        return MetadataReferences(
            tuple(self._address.get(tag, "") for tag in ADDRESS),
            self._references,
            is_whole=not (self._leaves_out or self._references.names_series_alone),
        )

    def _elements(self, has: frozenset[int]) -> None:
        """Read a dataset, or an item, which should have one of these elements, if any."""
        seen: set[int] = set()
        for key in self._stream.members():
            if not _TAG.fullmatch(key):  # a part of a person's name
                self._stream.skip()
            elif self._stream.peek() != "{":
                self._stream.skip()
                self._leaves_out = True
            elif self._element(tag := int(key, 16)):
                seen.add(tag)
        self._leaves_out |= bool(has) and has.isdisjoint(seen)
        self._leaves_out |= any(tag in seen and rest.isdisjoint(seen) for tag, rest in _GO_WITH)

    def _element(self, tag: int) -> bool:
        """Read an element; whether its value stands here."""
        stream, vr, is_elsewhere = self._stream, "", False
        for key in stream.members():
            if key == "Value" and stream.peek() == "[":
                self._values(tag)
            elif key == "vr" and stream.peek() == '"':
                vr = stream.value()
            else:  # BulkDataURI, InlineBinary, or in a form that is not known
                is_elsewhere = True
                stream.skip()
        self._leaves_out |= is_elsewhere and vr in _MAY_HOLD_ITEMS
        return not is_elsewhere

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
                self._item(_ITEMS_HAVE.get(tag, _NOTHING))
        else:
            stream.skip()

    def _texts(self) -> Iterator[str]:
        for _ in self._stream.items():
            if self._stream.peek() == '"':
                yield self._stream.value().strip(" \0")
            else:
                self._stream.skip()

    def _item(self, has: frozenset[int]) -> None:
        if self._stream.peek() != "{":
            self._stream.skip()
            return
        self._depth += 1
        self._references.begin_item()
        self._elements(has)
        self._references.end_item()
        self._depth -= 1
