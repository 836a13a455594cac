"""What may be on record of a patient, and stand in lists: keyed hashes, and nothing else."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from reconciler.model.as_json import as_json

PATIENT = "hmac-sha256:"
ACCESSION = "accession-hmac-sha256:"
"""How pseudonyms begin: of a Patient ID, and of an Accession Number."""
KEY_LINE = "# key "
"""How the line of a file of pseudonyms begins that says by which key they were made."""

_PADDING = " \0\t\n\r"
"""What stands around a text to fill it up, and what does by mistake (PS3.5 section 6.2)."""

SECRET_BYTES = 32
_SECRET = re.compile(r"([0-9A-Fa-f]{64})\r?\n?")
_SEEN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PatientSeen:
    """The pseudonym of an instance's patient, as read from the instance."""

    pseudonym: str | None
    """HMAC-SHA256 of its Patient ID with the given key; null if it has no Patient ID."""


class Attribute(Enum):
    """An attribute by which it shows that an instance is no longer what was listed."""

    PATIENT = "patient"
    """The Patient ID (0010,0020)."""
    STUDY_DATE = "studyDate"
    """The Study Date (0008,0020)."""
    MODALITY = "modality"
    """The Modality (0008,0060)."""


Attributes: TypeAlias = Mapping[Attribute, str | None]
"""Texts as `bare` gives them, None for what an instance or a row does not have.

What could not be read is not in it.
"""


def bare(text: str) -> str:
    """The text of an element without the padding around it: servers and devices pad as they like.

    An exception that names a patient must find what is padded, and two that are alike be alike.
    """
    return text.strip(_PADDING)


def is_seen(text: str) -> bool:
    """Whether it has the form of what `PatientKey.seen` gives."""
    return _SEEN.fullmatch(text) is not None


def _checked_seen(text: str) -> str:
    if not is_seen(text):
        raise ValueError(f"not what was seen: {text!r}")
    return text


def _checked_to(to: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    if not to:
        raise ValueError("bound to nothing")
    return to


@dataclass(frozen=True, slots=True)
class Binding:
    """What the instances of a removal must still be when it is applied.

    ``seen`` is what `PatientKey.seen` gave of the attributes ``to`` when the list was resolved, by
    the key that ``key`` is the check of.
    """

    to: tuple[Attribute, ...] = field(metadata=as_json(check=_checked_to))
    key: str
    seen: str = field(metadata=as_json(check=_checked_seen))


@dataclass(frozen=True, slots=True)
class PatientKey:
    """The secret of 32 bytes that turns a patient id into a pseudonym.

    Whoever has it can find the deletions of a patient whose id they know; without it the
    pseudonyms identify nobody, and show only that two studies are of one patient.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is guessed as fast as the ids themselves.

        Raises:
            ValueError: the secret has another length.
        """
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"the secret of a patient key has {SECRET_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> PatientKey | None:
        """The key that 64 hexadecimal digits spell, None where the text is something else."""
        match = _SECRET.fullmatch(text)
        return cls(bytes.fromhex(match[1])) if match else None

    def pseudonym(self, patient_id: str) -> str:
        """HMAC-SHA256 (RFC 2104) of the id in UTF-8, less the padding around it."""
        return PATIENT + self._mac(bare(patient_id))

    def accession_pseudonym(self, number: str) -> str:
        """The same of an Accession Number (SH), as no Patient ID has it: behind a NUL."""
        return ACCESSION + self._mac(f"\0accession\0{bare(number)}")

    def hashed(self, texts: Attributes) -> Attributes:
        """The same attributes with the pseudonym in the place of the Patient ID."""
        patient_id = texts.get(Attribute.PATIENT)
        return (
            texts
            if patient_id is None
            else {**texts, Attribute.PATIENT: self.pseudonym(patient_id)}
        )

    def seen(self, hashed: Attributes, to: Collection[Attribute]) -> str | None:
        """The HMAC of what `hashed` gave of these attributes; None if one could not be read.

        It is that of the JSON array of their names and values, in the order of `Attribute` and
        behind a NUL, as no Patient ID has it.
        """
        if not hashed.keys() >= set(to):
            return None
        said = [(one.value, hashed[one]) for one in Attribute if one in to]
        return self._mac(f"\0seen\0{json.dumps(said)}")

    @property
    def check(self) -> str:
        """What tells that two files were made with one key, and nothing else."""
        return self._mac("\0check")[:16]

    def _mac(self, text: str) -> str:
        return hmac.new(self.secret, text.encode("utf-8", "replace"), "sha256").hexdigest()
