"""What may be on record of a patient: a keyed pseudonym, and nothing else."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

PATIENT = "hmac-sha256:"
ACCESSION = "accession-hmac-sha256:"
"""How pseudonyms begin: of a Patient ID, and of an Accession Number."""
KEY_LINE = "# key "
"""How the line of a file of pseudonyms begins that says by which key they were made."""

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

    @property
    def check(self) -> str:
        """What tells that two files were made with one key, and nothing else."""
        return self._mac("\0check")[:16]

    def _mac(self, text: str) -> str:
        return hmac.new(self.secret, text.encode("utf-8", "replace"), "sha256").hexdigest()
