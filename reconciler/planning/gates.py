"""The gates: what a plan may do to a store before someone must raise a limit in the file.

Evaluated after the plan is rendered and again at apply. There is no way past a blocking gate but a
reviewed change of the file, or of the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from reconciler.errors import GatesBlocking
from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import Plan, SavedPlan, StorePlan, StudyPlan, Why
from reconciler.planning.limits import paths_of
from reconciler.planning.never_seen import gates_on_never_seen
from reconciler.planning.reappeared import gates_on_reappeared

_SEVERAL = 2
_SHARED = (
    "raise limits.{name} by {excess} in the file that is over it, since each is held to what it"
    " removes itself; or plan the files one by one"
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
    return tuple(gate for store in plan.stores for gate in _gates_of(store))


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


def _gates_of(plan: StorePlan) -> Iterator[Gate]:
    gate = partial(Gate.of, store=plan.store, limits=plan.limits)
    yield gate(
        GateName.INCOMPLETE,
        actual=plan.count(Why.PROBE_FAILED),
        hint="plan again when the store answers every question",
    )
    yield gate(
        GateName.MISPLACED,
        actual=plan.count(Why.MISPLACED),
        hint="correct the study and series of these instances in the file",
    )
    counts = {
        GateName.MAX_DELETIONS: plan.count(Why.LISTED),
        GateName.MAX_STUDIES_EMPTIED: sum(study.emptied for study in plan.studies),
        GateName.MAX_SERIES_EMPTIED: sum(
            series.emptied for study in plan.studies for series in study.series
        ),
    }
    is_of_one = len(paths_of(plan.studies)) < _SEVERAL
    for name, actual in counts.items():
        excess = actual - name.allowed(plan.limits)
        hint = "{raise_limit}" if is_of_one else _SHARED.format(name=name.value, excess=excess)
        yield gate(name, actual=actual, hint=hint)
    yield _percent_gate(plan)
    yield gate(
        GateName.MAX_KEPT_MISSING,
        actual=plan.count(Why.MISSING),
        hint="find out who removed what must be kept, or {raise_limit}",
    )
    yield gate(
        GateName.MAX_DANGLING,
        actual=sum(one.kept_by is not None for one in plan.dangling),
        hint="keep what they refer to, or {raise_limit}",
    )


def _percent_gate(plan: StorePlan) -> Gate:
    """The largest share of a study, and the studies that are over the limit."""
    percents = {study.study_uid: _percent(study) for study in plan.studies}
    allowed = plan.limits.max_study_percent
    return Gate.of(
        GateName.MAX_STUDY_PERCENT,
        plan.store,
        plan.limits,
        max(percents.values(), default=0),
        "{raise_limit}, or name the series as a whole",
        studies=tuple(uid for uid, percent in percents.items() if percent > allowed),
    )


def _percent(study: StudyPlan) -> int:
    """The share of the study that is deleted line by line, in percent, rounded up."""
    return -(-100 * study.listed_deletions // study.instances)
