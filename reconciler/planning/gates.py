"""The gates: what a plan may do to a store before someone must raise a limit in the file.

Evaluated after the plan is rendered and again at apply. There is no way past a blocking gate but a
reviewed change of the file, or of the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from reconciler.errors import GatesBlocking
from reconciler.model.gate import Gate, GateCounts, GateName
from reconciler.model.plan import Plan, SavedPlan, StorePlan, StudyPlan, Why
from reconciler.planning.limits import paths_of
from reconciler.planning.never_seen import gates_on_never_seen
from reconciler.planning.reappeared import gates_on_reappeared

_SEVERAL = 2
_SHARED = (
    "if this is meant, raise limits.{name} by {excess} in the file that is over it, since each is"
    " held to what it removes itself; or plan the files one by one"
)


def gates_of(saved: SavedPlan) -> tuple[Gate, ...]:
    """All gates of a saved plan, passed and blocking, store by store in one fixed order."""
    gates = (
        *evaluate_gates(saved.plan),
        *gates_on_never_seen(saved.plan, saved.unrecorded),
        *gates_on_reappeared(saved.plan, saved.reappeared),
    )
    return tuple(sorted(gates, key=lambda gate: gate.store))


def evaluate_gates(plan: Plan) -> tuple[Gate, ...]:
    """The gates of the stable part alone, without those that rest on the local history."""
    return tuple(gates_on_counts(map(count_for_gates, plan.stores)))


def gates_on_counts(counts: Iterable[GateCounts]) -> Iterator[Gate]:
    """The same gates, by what they count."""
    for store in counts:
        yield from _gates_of(store)


def count_for_gates(plan: StorePlan) -> GateCounts:
    """What the gates of the stable part count."""
    percents = {study.study_uid: study_percent(study) for study in plan.studies}
    allowed = plan.limits.max_study_percent
    return GateCounts(
        plan.store,
        plan.limits,
        files=len(paths_of(plan.studies)),
        deletions=plan.count(Why.LISTED),
        studies_emptied=sum(study.emptied for study in plan.studies),
        series_emptied=sum(series.emptied for study in plan.studies for series in study.series),
        study_percent=max(percents.values(), default=0),
        studies_over=tuple(uid for uid, percent in percents.items() if percent > allowed),
        missing=plan.count(Why.MISSING),
        misplaced=plan.count(Why.MISPLACED),
        probe_failed=plan.count(Why.PROBE_FAILED),
        dangling=sum(one.kept_by is not None for one in plan.dangling),
    )


def blocking_gates(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """The gates that stop a plan."""
    return tuple(gate for gate in gates if not gate.is_passed)


def require_passed_gates(gates: Iterable[Gate]) -> None:
    """Pass, or say which gates are blocking.

    Raises:
        GatesBlocking: at least one is.
    """
    blocking = blocking_gates(gates)
    if blocking:
        raise GatesBlocking(blocking)


def _gates_of(counts: GateCounts) -> Iterator[Gate]:
    gate = partial(Gate.of, store=counts.store, limits=counts.limits)
    yield gate(
        GateName.INCOMPLETE,
        actual=counts.probe_failed,
        hint="plan again when the store answers every question",
    )
    yield gate(
        GateName.MISPLACED,
        actual=counts.misplaced,
        hint="correct the study and series of these instances in the file",
    )
    together = {
        GateName.MAX_DELETIONS: counts.deletions,
        GateName.MAX_STUDIES_EMPTIED: counts.studies_emptied,
        GateName.MAX_SERIES_EMPTIED: counts.series_emptied,
    }
    for name, actual in together.items():
        excess = actual - name.allowed(counts.limits)
        is_of_one = counts.files < _SEVERAL
        hint = (
            "if this is meant, {raise_limit}"
            if is_of_one
            else _SHARED.format(name=name.value, excess=excess)
        )
        yield gate(name, actual=actual, hint=hint)
    yield gate(
        GateName.MAX_STUDY_PERCENT,
        actual=counts.study_percent,
        hint="if this is meant, {raise_limit}, or name the series as a whole",
        studies=counts.studies_over,
    )
    yield gate(
        GateName.MAX_KEPT_MISSING,
        actual=counts.missing,
        hint=(
            "find out first who removed what must be kept, or whether its UID is wrong; only if the"
            " loss is accepted, {raise_limit}"
        ),
    )
    yield gate(
        GateName.MAX_DANGLING,
        actual=counts.dangling,
        hint=(
            "keep the instances that they refer to, or remove the kept ones too; only if broken"
            " references are accepted, {raise_limit}"
        ),
    )


def study_percent(study: StudyPlan) -> int:
    """The share of the study that is deleted line by line, in percent, rounded up."""
    return -(-100 * study.listed_deletions // study.instances)
