"""The manifest: the plan file of a plan in shards, under the same names and the same seal.

Its digest covers the digest of each shard, and all that the gates count which do not rest on the
local history. So the digest that was reviewed names every deletion, and a gate that stops the whole
cannot be taken out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from reconciler.errors import PlanFileError, PlanRefused
from reconciler.json_codec import codec_of
from reconciler.json_stream import JsonStream
from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import PartOf, SavedPlan
from reconciler.model.shards.manifest import Manifest, Shard, ShardedPlan, plan_id_of
from reconciler.objects.path import AnyPath
from reconciler.planning.gates import gates_on_counts
from reconciler.planning.plan_file import digest_of, plan_from, read_plan
from reconciler.planning.plan_json import canonical, decode_plan
from reconciler.planning.seal import MANIFEST
from reconciler.planning.sealed_file import (
    OnProgress,
    digest_of_pieces,
    read_sealed,
    write_sealed,
)

_AGAIN = "make the plan again"


def digest_of_shards(plan: ShardedPlan) -> str:
    """The name of the stable part of a manifest: ``sha256:`` and 64 hexadecimal digits."""
    return digest_of_pieces([_stable(plan)])


def require_unchanged(saved: SavedPlan | Manifest) -> None:
    """Refuse a plan whose digest is not that of what it plans, however it came here.

    Raises:
        PlanRefused: it was changed since it was made or read, or its gates are others.
    """
    if isinstance(saved, SavedPlan):
        digest = digest_of(saved.plan)
    else:
        digest = digest_of_shards(saved.plan)
        try:
            _require_consistent(saved)
        except ValueError as error:
            raise PlanRefused(f"the plan was changed: {error}", hint=_AGAIN) from error
    if digest != saved.digest:
        raise PlanRefused(
            "the plan was changed: its digest does not match what it plans", hint=_AGAIN
        )


def write_manifest(manifest: Manifest) -> Iterator[str]:
    """The text of the manifest, in pieces."""
    header = codec_of(Manifest).write(manifest)
    del header["plan"]
    header["gates"] = [
        codec_of(Gate).write(gate, {"passed": gate.is_passed}) for gate in manifest.gates
    ]
    return write_sealed(header, MANIFEST, [_stable(manifest.plan)])


def _stable(plan: ShardedPlan) -> str:
    return canonical(codec_of(ShardedPlan).write(plan))


def read_manifest(path: AnyPath, on_progress: OnProgress | None = None) -> Manifest:
    """Read a manifest, and check that it is as it was written; not its shards.

    Raises:
        PlanFileError: it cannot be read, or is not a manifest.
        PlanRefused: it was edited, or another major version of the format wrote it.
    """
    found = read_plan_or_manifest(path, on_progress)
    if isinstance(found, Manifest):
        return found
    raise PlanFileError(
        f"{path} is a plan of its own, not the manifest of a plan in shards",
        hint="the manifest is the plan.json in the folder that `plan --shard-size --out` wrote",
    )


def read_plan_or_manifest(
    path: AnyPath, on_progress: OnProgress | None = None
) -> SavedPlan | Manifest:
    """Read what somebody names as a plan, be it in shards or not; raises as `read_plan`."""
    stable = {"plan": decode_plan, "manifest": JsonStream.value}
    return read_sealed(path, partial(_decode, path), stable, on_progress)


def _decode(path: AnyPath, document: Mapping[str, Any]) -> SavedPlan | Manifest:
    if "manifest" not in document:
        return plan_from(path, document)
    if "plan" in document:  # its digest would be that of the one, and what is shown the other
        raise ValueError("it is a plan and a manifest at once")
    plan = codec_of(ShardedPlan).read(document["manifest"])
    gates = tuple(codec_of(Gate).read(one) for one in document["gates"])
    found = codec_of(Manifest).read({**document, "plan": plan, "gates": gates})
    _require_consistent(found)
    return found


def _require_consistent(manifest: Manifest) -> None:
    """Require that what is shown and judged is that of the stable part, as far as it goes.

    Raises:
        ValueError: something is not.
    """
    plan, gates = manifest.plan, manifest.gates
    allowed = {
        (store.store, name, name.allowed(store.limits))
        for store in plan.stores
        for name in GateName
    }
    if (
        len(gates) != len(allowed)
        or {(gate.store, gate.name, gate.allowed) for gate in gates} != allowed
        or not set(gates_on_counts(plan.stores)) <= set(gates)
    ):
        raise ValueError("its gates are not those of what it counts")
    if [shard.number for shard in plan.shards] != list(range(1, len(plan.shards) + 1)):
        raise ValueError("its shards are not numbered from 1 without a gap")
    counted = sum(store.deletions for store in plan.stores)
    if not plan.deletions == manifest.summary.listed == counted:
        raise ValueError("its shards, its stores and its summary differ in how much is deleted")


def read_shard(
    folder: AnyPath, manifest: Manifest, shard: Shard, on_progress: OnProgress | None = None
) -> SavedPlan:
    """Read a shard of a manifest that lies in this folder, and check that it is the one named.

    Raises:
        PlanFileError: it cannot be read, or is not a plan file.
        PlanRefused: it was edited, or is the shard of another plan.
    """
    path = folder / shard.path
    try:
        saved = read_plan(path, on_progress)
    except PlanFileError as error:
        raise PlanFileError(
            str(error), hint="keep shards/ beside the manifest, as they were written together"
        ) from error
    if not _is_shard(saved, manifest, shard):
        raise PlanRefused(
            f"{path} is not shard {shard.number} of plan {manifest.plan_id}",
            hint="the manifest and its shards are written together; make the plan again",
        )
    return saved


def _is_shard(saved: SavedPlan, manifest: Manifest, shard: Shard) -> bool:
    """Whether a plan is the shard, made with this manifest, and holds what was reviewed of it."""
    part = PartOf(manifest.plan_id, shard.number)
    stores = {store.store for store in saved.plan.stores}
    return (
        Shard.of(saved, shard.number) == shard
        and (saved.part_of, saved.plan_id) == (part, plan_id_of(part))
        and _made_with(saved) == _made_with(manifest)
        and stores <= {store.store for store in manifest.plan.stores}
    )


def _made_with(saved: SavedPlan | Manifest) -> tuple[object, ...]:
    """What a manifest and its shards have in common."""
    plan = saved.plan
    return (
        plan.paths,
        plan.inputs,
        saved.created,
        saved.expires,
        saved.tool_version,
        saved.endpoint,
        saved.git,
    )
