"""To what a removal may be bound: attributes of its instances, by a keyed hash of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from reconciler.model.as_json import as_json

_SEEN = re.compile(r"[0-9a-f]{64}")


class Attribute(Enum):
    """An attribute by which it shows that an instance is no longer what was listed."""

    PATIENT = "patient"
    """The Patient ID (0010,0020)."""
    STUDY_DATE = "studyDate"
    """The Study Date (0008,0020)."""
    MODALITY = "modality"
    """The Modality (0008,0060)."""


Attributes: TypeAlias = Mapping[Attribute, str | None]
"""Texts without the spaces around them, None for what an instance or a row does not have.

What could not be read is not in it.
"""


def is_seen(text: str) -> bool:
    """Whether it has the form of what `PatientKey.seen` gives."""
    return _SEEN.fullmatch(text) is not None


def _checked_seen(text: str) -> str:
    if not is_seen(text):
        raise ValueError(f"not what was seen: {text!r}")
    return text


@dataclass(frozen=True, slots=True)
class Bound:
    """What the instances of a removal must still be when it is applied.

    ``seen`` is what `PatientKey.seen` gave of the attributes ``to`` when the list was resolved, by
    the key that ``key`` is the check of.
    """

    to: tuple[Attribute, ...]
    key: str
    seen: str = field(metadata=as_json(check=_checked_seen))
