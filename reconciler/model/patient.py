"""What may be on record of a patient: a keyed pseudonym, and nothing else."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

_PREFIX = "hmac-sha256:"
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
        mac = hmac.new(self.secret, patient_id.strip(" ").encode("utf-8", "replace"), "sha256")
        return _PREFIX + mac.hexdigest()
