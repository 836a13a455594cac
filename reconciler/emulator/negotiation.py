"""Content negotiation of RetrieveInstance, RetrieveSeries and RetrieveStudy (PS3.18 section 8.7).

The emulator does not transcode: it serves the stored transfer syntax, which is also what it takes
an Accept without ``transfer-syntax`` to mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
        asked = media_range.parameters.get("transfer-syntax", "*")
        if form is not None and asked in {"*", transfer_syntax_uid}:
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
