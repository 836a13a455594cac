"""What may be on record of a patient: a keyed pseudonym, and nothing else."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from reconciler.model.bound import Attribute, Attributes

PATIENT = "hmac-sha256:"
ACCESSION = "accession-hmac-sha256:"
"""How pseudonyms begin: of a Patient ID, and of an Accession Number."""
KEY_LINE = "# key "
"""How the line of a file of pseudonyms begins that says by which key they were made."""

_PATIENT = Attribute.PATIENT
_SECRET = re.compile(r"([0-9A-Fa-f]{64})\r?\n?")


@dataclass(frozen=True, slots=True)
class PatientSeen:
    """Whose an instance is, as it was read."""

    pseudonym: str | None
    """HMAC-SHA256 of its Patient ID with the key that was given; null where it has none."""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """The secret that turns a patient id into a pseudonym, 32 bytes.

    Whoever has it can find the deletions of a patient whose id they know; without it the
    pseudonyms lead to nobody, and tell only that two studies are of one patient.
    """

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> PatientKey | None:
        """The key that 64 hexadecimal digits spell, None where the text is something else."""
        match = _SECRET.fullmatch(text)
        return cls(bytes.fromhex(match[1])) if match else None

    def pseudonym(self, patient_id: str) -> str:
        """HMAC-SHA256 (RFC 2104) of the id in UTF-8, less the spaces around it.

        The spaces are padding of the value representation LO (PS3.5 section 6.2).
        """
        return PATIENT + self._mac(patient_id.strip(" "))

    def accession_pseudonym(self, number: str) -> str:
        """The same of an Accession Number (SH), as no Patient ID has it: behind a NUL."""
        return ACCESSION + self._mac(f"\0accession\0{number.strip(' ')}")

    def hashed(self, texts: Attributes) -> Attributes:
        """The same attributes with the pseudonym in the place of the Patient ID."""
        patient_id = texts.get(Attribute.PATIENT)
        return texts if patient_id is None else {**texts, _PATIENT: self.pseudonym(patient_id)}

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
