"""Removes that are absent, and that neither the store nor the record has ever known.

A wrong UID is absent too, so such a remove may be a mistake that reads as success. Which ones they
are rests on the local history: in the digest they are already absent, and beside it they are
marked, counted and held to a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.model.address import INSTANCE, SERIES, STUDY, StoreAddress
from reconciler.model.desired import InputFile, InputRole, Limits
from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import Finding, Plan, StorePlan, Why
from reconciler.model.problem import Source

Knows = Callable[..., bool]
"""Whether a run ever set out to delete something of a store: the instance of these UIDs, or one of
this study and series, or of this study."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about, and the place that declares it."""

    study_uid: str = field(metadata=STUDY)
    series_uid: str | None = field(metadata=SERIES)
    instance_uid: str | None = field(metadata=INSTANCE)
    source: Source


@dataclass(frozen=True, slots=True)
class NeverSeen:
    """What of a store was never seen, as it stands in a plan file beside the stable part.

    Another machine with another history must find the stable part equal.
    """

    store: StoreAddress
    findings: tuple[Subject, ...]


def never_seen_of(plan: Plan) -> Iterator[NeverSeen]:
    """Each store with something never seen, and what that is."""
    for store in plan.stores:
        found = tuple(
            Subject(*finding.subject, finding.source)
            for finding in store.findings
            if finding.why is Why.NEVER_SEEN
        )
        if found:
            yield NeverSeen(store.store, found)


def with_never_seen(plan: Plan, marks: Sequence[NeverSeen]) -> Plan:
    """The plan, in which that is marked which `never_seen_of` gave.

    Raises:
        ValueError: something is named that is not already absent by the plan.
    """
    subjects = {
        one.store: {(each.study_uid, each.series_uid, each.instance_uid) for each in one.findings}
        for one in marks
    }
    stores = tuple(
        _marked(store, partial(_is_among, subjects.get(store.store, frozenset())))
        for store in plan.stores
    )
    marked = replace(plan, stores=stores)
    if marked.count(Why.NEVER_SEEN) != sum(len(one.findings) for one in marks):
        raise ValueError("something is never seen that is not already absent")
    return marked


def _is_among(subjects: Set[object], finding: Finding) -> bool:
    return finding.subject in subjects


def mark_never_seen(plan: Plan, knows: Mapping[StoreAddress, Knows]) -> Plan:
    """The plan, in which each absent remove that the record does not know is `Why.NEVER_SEEN`.

    The record knows a series or study if it knows an instance of it.
    """
    return replace(
        plan,
        stores=tuple(
            _marked(store, partial(_is_unknown, knows[store.store])) for store in plan.stores
        ),
    )


def _marked(plan: StorePlan, is_never_seen: Callable[[Finding], bool]) -> StorePlan:
    """The store's plan, in which these of its absent removes are `Why.NEVER_SEEN`."""
    return replace(
        plan,
        findings=tuple(
            replace(finding, why=Why.NEVER_SEEN)
            if finding.why is Why.ALREADY_ABSENT and is_never_seen(finding)
            else finding
            for finding in plan.findings
        ),
    )


def _is_unknown(knows: Knows, finding: Finding) -> bool:
    return not knows(*filter(None, finding.subject))


def unrecorded_stores(plan: Plan, recorded: Set[StoreAddress]) -> tuple[StoreAddress, ...]:
    """The stores with something never seen that are not among those on record."""
    return tuple(
        store.store
        for store in plan.stores
        if store.count(Why.NEVER_SEEN) and store.store not in recorded
    )


def gates_on_never_seen(plan: Plan, unrecorded: Sequence[StoreAddress]) -> Iterator[Gate]:
    """One gate a store, on what somebody typed; a row of an inventory is counted elsewhere."""
    for store in plan.stores:
        typed = typed_and_never_seen(store, plan.inputs)
        yield gate_on_never_seen(
            store.store,
            store.limits,
            len(typed),
            typed[0] if typed else None,
            has_record=store.store not in unrecorded,
        )


def typed_and_never_seen(store: StorePlan, inputs: Iterable[InputFile]) -> list[Finding]:
    """What of a store was never seen and stands in no inventory."""
    inventories = {file.path for file in inputs if file.role is InputRole.INVENTORY}
    return [
        finding
        for finding in store.findings
        if finding.why is Why.NEVER_SEEN and finding.source.path not in inventories
    ]


def gate_on_never_seen(
    store: StoreAddress, limits: Limits, count: int, first: Finding | None, *, has_record: bool
) -> Gate:
    """The gate of one store on what somebody typed; ``first`` is the first of so many."""
    hint = "" if first is None else _hint(first, count, has_record=has_record)
    return Gate.of(GateName.MAX_NEVER_SEEN, store, limits, count, hint)


def _hint(first: Finding, count: int, *, has_record: bool) -> str:
    state = (
        ""
        if has_record
        else "the state folder has no record of this store: give the state of earlier applies"
        " (--state; in Python: state=), or "
    )
    more = f" (the first of {count:,})" if count > 1 else ""
    check = f"check the {_named(first)} at {first.source}{more}"
    return f"{state}{check}; only if it is right, {{raise_limit}}"


def _named(finding: Finding) -> str:
    """The UIDs that may be wrong; an instance was searched for in the whole store."""
    if finding.instance_uid is not None:
        return f"SOP Instance UID {finding.instance_uid}"
    if finding.series_uid is not None:
        return f"Series Instance UID {finding.series_uid} and its study {finding.study_uid}"
    return f"Study Instance UID {finding.study_uid}"
