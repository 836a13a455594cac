"""The plan file: written once, reviewed, applied once.

Three names stand in it. The ``digest`` covers the stable part and is equal for equal inputs and
answers on any machine; the ``plan_id`` is this one making of it; the ``seal`` covers every byte
before it, so that any edit is seen. Against a forger, who can seal anew, there is
``--expect-digest``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from reconciler.errors import PlanFileError
from reconciler.json_codec import codec_of
from reconciler.model.gate import Gate
from reconciler.model.plan import OverdueHold, Plan, SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.objects.path import AnyPath
from reconciler.planning.gates import gates_of
from reconciler.planning.never_seen import NeverSeen, never_seen_of, with_never_seen
from reconciler.planning.plan_json import decode_plan, encode_plan
from reconciler.planning.seal import PLAN
from reconciler.planning.sealed_file import (
    OnProgress,
    digest_of_pieces,
    read_sealed,
    write_sealed,
)


def digest_of(plan: Plan) -> str:
    """The name of the stable part: ``sha256:`` and 64 hexadecimal digits."""
    return digest_of_pieces(encode_plan(plan))


def write_plan(saved: SavedPlan) -> Iterator[str]:
    """The text of the plan file, in pieces."""
    header = codec_of(SavedPlan).write(saved)
    del header["plan"]
    header |= {
        "summary": codec_of(PlanSummary).write(PlanSummary.of(saved)),
        "gates": [
            codec_of(Gate).write(gate, {"passed": gate.is_passed}) for gate in gates_of(saved)
        ],
        "never_seen": [codec_of(NeverSeen).write(one) for one in never_seen_of(saved.plan)],
        "overdue_holds": [codec_of(OverdueHold).write(one) for one in saved.overdue_holds],
    }
    return write_sealed(header, PLAN, encode_plan(saved.plan))


def read_plan(path: AnyPath, on_progress: OnProgress | None = None) -> SavedPlan:
    """Read a plan file, as a stream, and check that it is as it was written.

    Raises:
        PlanFileError: it cannot be read, or is not a plan file.
        PlanRefused: it was edited, or another major version of the format wrote it.
    """
    return read_sealed(path, partial(plan_from, path), {"plan": decode_plan}, on_progress)


def plan_from(path: AnyPath, document: Mapping[str, Any]) -> SavedPlan:
    """The plan that the members of a file are.

    Raises:
        PlanFileError: it is the manifest of a plan in shards.
        ValueError, KeyError, TypeError: it is no plan.
    """
    if "manifest" in document:
        raise PlanFileError(
            f"{path} is the manifest of a plan in shards",
            hint="name one of its shards; `reconciler show` and `apply` take the manifest",
        )
    saved = codec_of(SavedPlan).read(document)
    never_seen = [codec_of(NeverSeen).read(one) for one in document["never_seen"]]
    return replace(saved, plan=with_never_seen(saved.plan, never_seen))
