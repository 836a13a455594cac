"""What a reviewer must see of a plan, as problems with a place, for editors and CI systems.

Deletions as such are no problem: they are what was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.model.desired import InputRole
from reconciler.model.gate import Gate
from reconciler.model.plan import Finding, Plan, Reappeared, SavedPlan, SeriesPlan, StorePlan, Why
from reconciler.model.problem import Problem, ProblemRule, Severity, Source
from reconciler.model.shards.notices import Notices
from reconciler.reporting.plan.by_reason import first_lines
from reconciler.reporting.wording import (
    describe_freed,
    describe_gate,
    describe_overdue,
    describe_reappeared,
    describe_referred,
    describe_staying,
    describe_subject,
    plural,
)

MOST = 1000
"""So many problems of one rule are listed one by one; the rest is counted."""


class PlanRule(ProblemRule):
    """What a problem of a plan is about that no gate is; a gate has a rule of its own."""

    PROBE_FAILED = ("probe-failed", "The store gave no clear answer")
    MISPLACED = ("misplaced", "An instance to remove is stored under another study or series")
    KEPT_MISSING = ("kept-missing", "A kept instance, series or study is not in the store")
    NEVER_SEEN = (
        "never-seen",
        "A remove is not in the store, and no run on record removed it",
    )
    STUDY_EMPTIED = ("study-emptied", "A study would be emptied")
    SERIES_EMPTIED = ("series-emptied", "A series would be emptied")
    KEPT_DANGLING = ("kept-dangling", "A kept instance refers to instances that would be deleted")
    DANGLING = ("dangling", "An instance in no file refers to instances that would be deleted")
    REAPPEARED = ("reappeared", "An instance that an earlier run removed is in the store again")
    HOLD_OVERDUE = ("hold-overdue", "A hold is past its review date; it still applies")
    FREED = ("freed", "An instance to delete was kept by a hold before")


_FINDING_RULES = {
    Why.PROBE_FAILED: (PlanRule.PROBE_FAILED, Severity.ERROR, "the store gave no clear answer"),
    Why.MISPLACED: (PlanRule.MISPLACED, Severity.ERROR, "stored under another study or series"),
    Why.MISSING: (PlanRule.KEPT_MISSING, Severity.WARNING, "must be kept, and is not in the store"),
    Why.NEVER_SEEN: (
        PlanRule.NEVER_SEEN,
        Severity.WARNING,
        "a file asks to remove it, but it is not in the store, and no run on record removed it",
    ),
}
"""What is absent already is as it should be, so it is no problem."""


def plan_problems(saved: SavedPlan, gates: Sequence[Gate]) -> tuple[Problem, ...]:
    """Blocking gates first, then findings, what is emptied, what reappeared, and what of holds."""
    return tuple(_capped(_problems(saved, gates)))


def gate_problem(gate: Gate, home: Source) -> Problem:
    """A blocking gate as a problem of the file that limits its store."""
    message = f"blocking gate {describe_gate(gate)} ({gate.store})"
    return Problem(home, gate.name.rule, message, gate.hint)


def _problems(saved: SavedPlan, gates: Sequence[Gate]) -> Iterator[Problem]:
    homes = {store.store: _home(store, saved.plan) for store in saved.plan.stores}
    for gate in gates:
        if not gate.is_passed:
            yield gate_problem(gate, homes[gate.store])
    for store in saved.plan.stores:
        for finding in store.findings:
            if finding.why in _FINDING_RULES:
                yield _finding(finding)
        yield from _emptied(store)
        yield from _dangling(store)
    for reappeared in saved.reappeared:
        yield _reappeared(reappeared)
    notices = Notices.of(saved)
    for freed in notices.freed:
        yield _warning(PlanRule.FREED, homes[freed.store], describe_freed(freed))
    for overdue in notices.overdue_holds:
        yield _warning(PlanRule.HOLD_OVERDUE, overdue.source, describe_overdue(overdue))


def _home(store: StorePlan, plan: Plan) -> Source:
    """The first line of a file that limits the store, as far as the plan names it."""
    selected = [file.path for file in plan.inputs if file.role is InputRole.SELECTED]
    speaking = _paths(store)
    about = [path for path in selected if path in speaking] or selected
    return Source(min(about or [file.path for file in plan.inputs]), 1)


def _paths(store: StorePlan) -> set[str]:
    """Every file that the plan of a store rests on."""
    series = [member for study in store.studies for member in study.series]
    groups = {group.path for member in series for group in member.groups}
    sources = [one.source for one in store.findings] + [one.source for one in store.kept]
    return groups | {source.path for source in sources}


def _capped(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The first of each rule, then how many more there are."""
    counts: Counter[str] = Counter()
    last = {}
    for problem in problems:
        counts[problem.rule] += 1
        last[problem.rule] = problem
        if counts[problem.rule] <= MOST:
            yield problem
    for rule, count in counts.items():
        if count > MOST:
            message = f"{count - MOST:,} more problems of this kind ({rule}) are not shown"
            yield replace(last[rule], message=message, hint=None)


def _finding(finding: Finding) -> Problem:
    rule, severity, words = _FINDING_RULES[finding.why]
    message = f"{describe_subject(finding)}: {finding.detail or words}"
    hint = None
    if finding.elsewhere:
        hint = f"it is stored at {', '.join(map(str, finding.elsewhere))}"
    return Problem(finding.source, rule, message, hint, severity)


def _dangling(store: StorePlan) -> Iterator[Problem]:
    """At the line that keeps it; what is in no file at the first line that asks for a deletion."""
    series = [member for study in store.studies for member in study.series]
    for one in store.dangling:
        refers = "; ".join(map(describe_referred, one.refers_to))
        message = f"instance {one.instance_uid} {describe_staying(one)}, {refers}"
        rule = PlanRule.KEPT_DANGLING if one.kept_by else PlanRule.DANGLING
        yield _warning(rule, one.kept_by or _declared(series), message)


def _emptied(store: StorePlan) -> Iterator[Problem]:
    """Emptied studies, and emptied series of the others."""
    for study in store.studies:
        if study.emptied:
            yield _warning(
                PlanRule.STUDY_EMPTIED,
                _declared(study.series),
                f"this empties study {study.study_uid} ({plural(study.instances, 'instance')})",
            )
            continue
        for series in study.series:
            if series.emptied:
                yield _warning(
                    PlanRule.SERIES_EMPTIED,
                    _declared([series]),
                    f"this empties series {series.series_uid}"
                    f" ({plural(series.instances, 'instance')})",
                )


def _declared(members: Iterable[SeriesPlan]) -> Source:
    """The first line that asks for any of the deletions."""
    return first_lines(group for series in members for group in series.groups)[0]


def _reappeared(reappeared: Reappeared) -> Problem:
    how = describe_reappeared(reappeared)
    message = f"instance {reappeared.instance.instance_uid} is in the store again: {how}"
    return _warning(PlanRule.REAPPEARED, reappeared.source, message)


def _warning(rule: PlanRule, source: Source, message: str) -> Problem:
    return Problem(source, rule, message, severity=Severity.WARNING)
