"""Whether a study, or a series, is what a rule selects: yes, no, or it cannot be judged.

Three-valued logic (Kleene's): what is not known stays unknown unless the rest decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import TypeAlias, assert_never

from reconciler.model.selection.selector import (
    Accessions,
    Condition,
    LastStudyOfPatient,
    Modalities,
    Patients,
    SelectionRule,
    Studies,
    StudyDate,
)

Answer: TypeAlias = bool | None
"""Whether a condition holds; None where that cannot be judged."""


@dataclass(frozen=True, slots=True)
class Last:
    """What is known of the studies of one patient: the latest date, and whether one has none."""

    day: date | None
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions look at; None is what is not known, or not usable.

    ``uid`` is packed; ``patient`` and ``accession`` are pseudonyms. ``modalities`` are those of
    the series, None for one that has none.
    """

    uid: bytes
    day: date | None
    patient: str | None
    accession: str | None
    last: Last | None = None
    modalities: frozenset[str | None] = frozenset()


def answer(condition: Condition, facts: Facts, as_of: date) -> Answer:
    """Whether a condition holds on a day."""
    match condition:
        case StudyDate(bound):
            return None if facts.day is None else facts.day < bound.on(as_of)
        case LastStudyOfPatient(bound):
            return _answer_of_last(facts.last, bound.on(as_of))
        case Modalities():
            return _answer_of_modalities(condition, facts.modalities)
        case Patients(pseudonyms):
            return None if facts.patient is None else facts.patient in pseudonyms
        case Accessions(pseudonyms):
            return None if facts.accession is None else facts.accession in pseudonyms
        case Studies(uids):
            return facts.uid in uids
        case _:
            assert_never(condition)


def _answer_of_last(last: Last | None, before: date) -> Answer:
    if last is None or last.day is None:
        return None
    if last.day >= before:
        return False
    return True if last.is_certain else None


def _answer_of_modalities(condition: Modalities, seen: frozenset[str | None]) -> Answer:
    known = {one for one in seen if one is not None}
    is_certain = bool(seen) and None not in seen
    answers: list[Answer] = []
    if condition.only is not None:
        answers.append(False if known - condition.only else (True if is_certain else None))
    if condition.any_of is not None:
        answers.append(_any(condition.any_of, known, is_certain=is_certain))
    if condition.none_of is not None:
        answers.append(_not(_any(condition.none_of, known, is_certain=is_certain)))
    return _all(answers)


def _any(wanted: frozenset[str], known: set[str], *, is_certain: bool) -> Answer:
    if known & wanted:
        return True
    return False if is_certain else None


def verdict(rule: SelectionRule, answers: Sequence[Answer]) -> Answer:
    """Whether the rule selects what gave these answers to its conditions, in their order."""
    rest = iter(answers)
    select, *exceptions = (_all(islice(rest, len(group))) for group in rule.groups)
    return _all([select, *map(_not, exceptions)])


def undecided(rule: SelectionRule, answers: Iterable[Answer]) -> Iterator[str]:
    """The conditions that could not be judged, by their keys, each once and in order."""
    pairs = zip(rule.conditions, answers, strict=True)
    yield from dict.fromkeys(condition.key for condition, found in pairs if found is None)


def agreed(first: Sequence[Answer], second: Sequence[Answer]) -> tuple[Answer, ...]:
    """What two rows of one study agree in; the rest cannot be judged."""
    return tuple(a if a is b else None for a, b in zip(first, second, strict=True))


def _all(answers: Iterable[Answer]) -> Answer:
    found = set(answers)
    if False in found:
        return False
    return None if None in found else True


def _not(found: Answer) -> Answer:
    return None if found is None else not found
