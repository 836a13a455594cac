"""Content negotiation of instances, frames and bulk data (PS3.18 section 8.7).

An Accept without ``transfer-syntax`` means Explicit VR Little Endian. The emulator decodes frames
into it. It does not transcode instances, so those in another transfer syntax are not acceptable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OCTET_STREAM = "application/octet-stream"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_AS_STORED = "*"

_IMAGE_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.8.1": "application/x-deflate",
}
"""The media types in which the service gives frames of a transfer syntax as they are stored."""

DECODABLE = frozenset(_IMAGE_TYPES) | {
    "1.2.840.10008.1.2",
    EXPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.111",
}
"""The transfer syntaxes that the service transcodes from."""


class Form(Enum):
    """How DICOM files are put into a body."""

    SINGLE_PART = "application/dicom"
    MULTIPART = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header; parameter names are lower-case, values unquoted."""

    media_type: str
    parameters: dict[str, str]

    @property
    def weight(self) -> float:
        """Its ``q``, from 0 to 1; 1 where it has none that can be read."""
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 1.0


def media_ranges(accept: str) -> list[MediaRange]:
    """Read an Accept header (RFC 9110 section 12.5.1), the preferred elements first.

    What is equally preferred stays in the order in which it was written, and what has the weight 0
    is left out.
    """
    ranges = [_media_range(element) for element in _split(accept, ",") if element.strip()]
    return sorted((one for one in ranges if one.weight > 0), key=lambda one: -one.weight)


def chosen_form(accept: str, transfer_syntax_uid: str, *, single: bool) -> Form | None:
    """The form for what is stored in this transfer syntax, None for 406.

    ``single`` says that exactly one instance is asked for. The first acceptable element counts.
    """
    for media_range in media_ranges(accept):
        form = _form(media_range, single=single)
        asked = media_range.parameters.get("transfer-syntax", EXPLICIT_VR_LITTLE_ENDIAN)
        if form is not None and asked in {_AS_STORED, transfer_syntax_uid}:
            return form
    return None


def _form(media_range: MediaRange, *, single: bool) -> Form | None:
    match media_range.media_type:
        case "*/*" | "multipart/*":
            return Form.MULTIPART
        case "multipart/related":
            dicom = media_range.parameters.get("type", "application/dicom") == "application/dicom"
            return Form.MULTIPART if dicom else None
        case "application/dicom" | "application/*" if single:
            return Form.SINGLE_PART
        case _:
            return None


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are given: the media type of the parts, and whether they are decoded first."""

    media_type: str
    decoded: bool = False


def chosen_frame_form(accept: str, transfer_syntax_uid: str) -> FrameForm | None:
    """The form for frames of what is stored in this transfer syntax, None for 406."""
    forms = (_frame_form(media_range, transfer_syntax_uid) for media_range in media_ranges(accept))
    return next(filter(None, forms), None)


def _frame_form(media_range: MediaRange, stored: str) -> FrameForm | None:
    wanted = _type_of_parts(media_range)
    syntax = media_range.parameters.get("transfer-syntax", EXPLICIT_VR_LITTLE_ENDIAN)
    if wanted == OCTET_STREAM and syntax == _AS_STORED:
        return FrameForm(OCTET_STREAM)
    if wanted == OCTET_STREAM and syntax == EXPLICIT_VR_LITTLE_ENDIAN and stored in DECODABLE:
        return FrameForm(OCTET_STREAM, decoded=True)
    image_type = _IMAGE_TYPES.get(stored)
    if image_type is not None and (wanted, syntax) == (image_type, stored):
        return FrameForm(image_type)
    return None


def _type_of_parts(media_range: MediaRange) -> str | None:
    match media_range.media_type:
        case "*/*" | "multipart/*":
            return OCTET_STREAM
        case "multipart/related":
            parts = media_range.parameters.get("type", OCTET_STREAM)
            return OCTET_STREAM if parts == "*/*" else parts
        case _:
            return None


def bulk_data_form(accept: str) -> Form | None:
    """The form for bulk data, which are only given as they are stored; None for 406."""
    for media_range in media_ranges(accept):
        if media_range.parameters.get("transfer-syntax", _AS_STORED) != _AS_STORED:
            continue
        if _type_of_parts(media_range) == OCTET_STREAM:
            return Form.MULTIPART
        if media_range.media_type in {OCTET_STREAM, "application/*"}:
            return Form.SINGLE_PART
    return None


def accepts(accept: str, *media_types: str) -> bool:
    """Whether one of the media types is acceptable."""
    wanted = {"*/*", "application/*", *media_types}
    return any(media_range.media_type in wanted for media_range in media_ranges(accept))


def _media_range(element: str) -> MediaRange:
    media_type, *parameters = _split(element, ";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return MediaRange(
        media_type.strip().lower(),
        {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs},
    )


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quoted strings."""
    parts = [""]
    quoted = False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts
