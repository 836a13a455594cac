"""What of a plan file rests on the local history, as JSON and back.

It stands beside the stable part, which another machine with another history must find equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import ReasonCode
from reconciler.model.plan import Finding, Plan, Returned, SavedPlan, Why
from reconciler.planning.decoding import decode_flag, decode_source, decode_text
from reconciler.planning.encoding import Json, encode_source
from reconciler.planning.never_seen import marked


def encode_returned(returned: Returned) -> Json:
    """One deletion of what an earlier run removed."""
    return {
        **returned.store.as_parameters(),
        **returned.instance.as_parameters(),
        "run": returned.run,
        "code": returned.code.value,
        "source": encode_source(returned.source),
        "restored": returned.restored,
    }


def decode_returned(value: Json) -> Returned:
    """Read what `encode_returned` gives."""
    return Returned(
        StoreAddress.from_parameters(value),
        InstanceAddress.from_parameters(value),
        decode_text(value["run"]),
        ReasonCode(value["code"]),
        decode_source(value["source"]),
        decode_flag(value["restored"]),
    )


def encode_never_seen(saved: SavedPlan) -> Iterator[Json]:
    """Each store with something never seen, and what that is."""
    for store in saved.plan.stores:
        found = [
            {
                "studiesId": finding.study_uid,
                "seriesId": finding.series_uid,
                "instancesId": finding.instance_uid,
                "source": encode_source(finding.source),
            }
            for finding in store.findings
            if finding.why is Why.NEVER_SEEN
        ]
        if found:
            yield {
                "store": store.store.as_parameters(),
                "on_record": store.store not in saved.unrecorded,
                "findings": found,
            }


def decode_never_seen(plan: Plan, value: Sequence[Json]) -> tuple[Plan, tuple[StoreAddress, ...]]:
    """Read what `encode_never_seen` gives: the plan, marked, and the stores without a record.

    Raises ValueError where something is named that is not already absent by the plan.
    """
    by_store = {StoreAddress.from_parameters(one["store"]): one for one in value}
    told = replace(
        plan,
        stores=tuple(
            marked(store, _is_among(by_store[store.store])) if store.store in by_store else store
            for store in plan.stores
        ),
    )
    if told.count(Why.NEVER_SEEN) != sum(len(one["findings"]) for one in value):
        raise ValueError("something is never seen that is not already absent")
    unrecorded = (store for store, one in by_store.items() if not decode_flag(one["on_record"]))
    return told, tuple(unrecorded)


def _is_among(one: Json) -> Callable[[Finding], bool]:
    subjects = {
        (found["studiesId"], found["seriesId"], found["instancesId"]) for found in one["findings"]
    }
    return lambda finding: finding.subject in subjects
