"""What one rule says of each study, as rows arrive: a few bytes for each.

A study keeps its answers to the conditions, and what the last ones need that cannot be answered
before everything was seen. Tuples of answers are few, so each is held once.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import date

from reconciler.model.live import OddRow, StudyRow
from reconciler.model.patient import Attribute, Attributes
from reconciler.model.selection.packed_uid import pack
from reconciler.model.selection.selector import LastStudyOfPatient, Modalities, SelectionRule
from reconciler.selecting.judgement import Answer, Facts, Last, agreed, answer
from reconciler.selecting.studies import Seen, Shared
from reconciler.selecting.unseen import Unseen

Answers = tuple[Answer, ...]

_WAITING = (LastStudyOfPatient, Modalities)
"""What cannot be answered before everything was seen."""


class StudyAnswers:
    """The answers of a rule on a day, by the numbers of the studies.

    ``bind`` is what the list is bound to.
    """

    def __init__(self, rule: SelectionRule, as_of: date, bind: Sequence[Attribute] = ()) -> None:
        self._conditions, self._as_of = rule.conditions, as_of
        self._bind = tuple(one for one in bind if one is not Attribute.MODALITY)
        self._bound: list[tuple[str | None, ...] | None] = []  # by study, where a list is bound
        self._answers = Shared[Answers]((None,) * len(rule.conditions))
        self._answered = array("I")
        self._waits = rule.asks(*_WAITING)
        self.unseen = Unseen(rule)

    def take(self, number: int | None, row: StudyRow) -> None:
        """Take a row of a search for studies; one that differs from an earlier one leaves doubt."""
        if number is None or isinstance(row.study_uid, OddRow):
            self.unseen.show(row.patient, row.accession, None)
            return
        uid = pack(row.study_uid)
        self.unseen.show(row.patient, row.accession, uid)
        facts = Facts(uid, row.day, row.patient, row.accession)
        answers = tuple(answer(one, facts, self._as_of) for one in self._conditions)
        bound = self._bound_of(row)
        if number == len(self._answered):
            self._answered.append(self._answers.number(answers))
            if self._bind:
                self._bound.append(bound)
            return
        both = agreed(self._answers.values[self._answered[number]], answers)
        self._answered[number] = self._answers.number(both)
        if self._bind and self._bound[number] != bound:
            self._bound[number] = None

    def _bound_of(self, row: StudyRow) -> tuple[str | None, ...] | None:
        """What the row says of what the list is bound to; None where that cannot be read."""
        said = dict(row.attributes)
        return tuple(said[one] for one in self._bind) if said.keys() >= set(self._bind) else None

    def attributes(self, number: int) -> Attributes:
        """What the rows say in one voice of what the list is bound to, the modality apart."""
        bound = self._bound[number] if self._bind else ()
        return {} if bound is None else dict(zip(self._bind, bound, strict=True))

    def of(self, number: int, last: Last | None, modalities: Seen) -> Answers:
        """The answers of a study, with those that had to wait until all was seen.

        For a series of it, ``modalities`` are its own.
        """
        answers = self._answers.values[self._answered[number]]
        if not self._waits:
            return answers
        facts = Facts(b"", None, None, None, last, modalities)
        return tuple(
            answer(one, facts, self._as_of) if isinstance(one, _WAITING) else found
            for one, found in zip(self._conditions, answers, strict=True)
        )
