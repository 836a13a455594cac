"""Which of the patients, accession numbers and studies that a rule names no row has shown yet."""

from __future__ import annotations

from collections.abc import Mapping, Set

from reconciler.model.selection.resolution import Named
from reconciler.model.selection.selector import (
    Accessions,
    Condition,
    Patients,
    SelectionRule,
    Studies,
)

Name = str | bytes
"""A pseudonym, or a packed UID."""


class Unseen:
    """What is named, less what was shown; in ``select`` and exceptions together."""

    def __init__(self, rule: SelectionRule) -> None:
        self._left: dict[str, set[Name]] = {}
        for condition in rule.conditions:
            names = _names(condition)
            if names is not None:
                self._left.setdefault(condition.key, set()).update(names)
        self._counts = {key: len(left) for key, left in self._left.items()}

    def show(self, patient: str | None, accession: str | None, uid: bytes | None) -> None:
        """Take what a row says; None is what it does not say."""
        shown = {Patients.key: patient, Accessions.key: accession, Studies.key: uid}
        for key, left in self._left.items():
            name = shown[key]
            if name is not None:
                left.discard(name)

    def named(self) -> Mapping[str, Named]:
        """How much is named, and how much of it was not shown, by the key of the condition."""
        return {key: Named(self._counts[key], len(left)) for key, left in self._left.items()}


def _names(condition: Condition) -> Set[Name] | None:
    """What a condition names, if it is of that kind."""
    match condition:
        case Patients() | Accessions():
            return condition.pseudonyms
        case Studies():
            return condition.uids
        case _:
            return None
