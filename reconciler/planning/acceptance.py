"""Whether a saved plan may still be applied: nothing it rests on may have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from reconciler.errors import PlanRefused
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, InputFile
from reconciler.model.patient import PatientKey
from reconciler.model.plan import GitState, SavedPlan
from reconciler.model.service import is_one_service
from reconciler.model.shards.manifest import Manifest
from reconciler.planning.kept import KeptDeletions, kept_deletions

_NAMED = 5
"""So many keeps or changed files are named in a refusal; the rest are counted."""


def require_digest(digest: str, expected: str) -> None:
    """Go on only with the reviewed digest.

    Raises:
        PlanRefused: it is another.
    """
    if digest != expected:
        raise PlanRefused(
            f"the plan's digest is {digest}, expected was {expected}",
            hint="the files or the store changed since the review; review the new plan",
        )


def require_unexpired(saved: SavedPlan | Manifest, now: datetime) -> None:
    """Refuse a plan whose time is over.

    Raises:
        PlanRefused: it has expired, or was made in the future.
    """
    if now >= saved.expires:
        raise PlanRefused(
            f"the plan expired at {saved.expires:%Y-%m-%d %H:%M:%S} UTC",
            hint="make the plan again",
        )
    if now < saved.created and (saved.created - now).total_seconds() > _CLOCK_SKEW:
        raise PlanRefused(
            f"the plan was made at {saved.created:%Y-%m-%d %H:%M:%S} UTC, which is in the future",
            hint="check the clocks of both machines",
        )


_CLOCK_SKEW = 300.0
"""Seconds by which two machines' clocks may differ."""


def require_whole(saved: SavedPlan) -> None:
    """Refuse a shard by itself: its gates are those of a part.

    Raises:
        PlanRefused: it is one.
    """
    if saved.part_of is not None:
        raise PlanRefused(
            f"this is shard {saved.part_of.number} of plan {saved.part_of.plan_id}",
            hint="apply the plan.json in the folder above it, which is the manifest",
        )


def require_endpoint(saved: SavedPlan | Manifest, endpoint: str) -> None:
    """Refuse a plan that was made by asking another service.

    Raises:
        PlanRefused: the configured origin is that of another.
    """
    stores = (store.store for store in saved.plan.stores)
    if not is_one_service(stores, saved.endpoint, endpoint):
        raise PlanRefused(
            f"the plan was made for the service at {saved.endpoint}, this run is set to {endpoint}",
            hint="set the endpoint that was reviewed (--endpoint; in Python: endpoint=), or make"
            " the plan again",
        )


def require_key(saved: SavedPlan | Manifest, key: PatientKey | None) -> None:
    """Refuse a plan that is bound to what can only be compared with a key, without that key.

    Raises:
        PlanRefused: no key is given, or another one.
    """
    keys = saved.plan.keys if isinstance(saved, SavedPlan) else set(saved.keys)
    if keys and key is None:
        raise PlanRefused(
            "what the plan deletes is bound to what was listed, and no key is given to compare it",
            hint="give the key that the lists were resolved with (--patient-key; in Python:"
            " patient_key=)",
        )
    if key is not None and keys - {key.check}:
        raise PlanRefused(
            "what the plan deletes is bound to what was listed, by another key than the given one",
            hint="give the key that the lists were resolved with; of several keys, plan each alone",
        )


def require_nothing_kept(saved: SavedPlan, keeps: Mapping[StoreAddress, Claims]) -> None:
    """Refuse a plan that deletes what the project's files keep now, whatever the plan says itself.

    Raises:
        PlanRefused: it does; the message names the first few keeps.
    """
    found = kept_deletions(saved.plan, keeps)
    if not found:
        return
    raise PlanRefused(
        f"the plan deletes what the files keep: {_first([*map(_kept, found)], 'more keeps')}",
        hint="make the plan again: it then omits what is kept, or reports the contradiction",
    )


def _first(found: Sequence[str], more: str) -> str:
    rest = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {rest} {more}" if rest > 0 else "")


def _kept(kept: KeptDeletions) -> str:
    noun = "instance" if kept.deletions == 1 else "instances"
    hold = f" (hold: {kept.hold})" if kept.hold else ""
    return f"{kept.deletions:,} {noun} by {kept.source}{hold}"


def require_same_inputs(saved: SavedPlan | Manifest, now: Sequence[InputFile]) -> None:
    """Refuse a plan whose PATHs expand to added, missing or changed files.

    Raises:
        PlanRefused: they do; the message names the first few.
    """
    differences = list(_differences(saved.plan.inputs, now))
    if not differences:
        return
    raise PlanRefused(
        f"the input files are not those that were planned: {_first(differences, 'more')}",
        hint="make the plan again; if the project is elsewhere, name its root (--root; in Python:"
        " Project.open)",
    )


def _differences(planned: Sequence[InputFile], now: Sequence[InputFile]) -> Iterator[str]:
    before = {file.path: file for file in planned}
    after = {file.path: file for file in now}
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"{path} is missing"
        elif path not in before:
            yield f"{path} was added"
        elif before[path].sha256 != after[path].sha256:
            yield f"{path} was changed"
        elif before[path].role is not after[path].role:
            yield f"{path} is now {after[path].role.value}"


def require_clean(saved: SavedPlan | Manifest, now: GitState | None) -> None:
    """Refuse a plan whose input files are not what a commit holds, then and now.

    Their tree is compared, not the commit: a squash merge keeps the one and changes the other.

    Raises:
        PlanRefused: they are not, or there is no repository.
    """
    if saved.git is None or now is None:
        raise PlanRefused(
            "the input files are not known to be clean: there is no git repository with a commit",
            hint="plan and apply in a checkout, or leave out --require-clean (in Python:"
            " require_clean=)",
        )
    if saved.git.dirty or now.dirty:
        when = "when the plan was made" if saved.git.dirty else "now"
        raise PlanRefused(
            f"the input files are not what the commit holds: {when} one differs, is in no commit,"
            " or is deleted",
            hint="commit the files, have them reviewed and plan again",
        )
    if saved.git.tree != now.tree:
        raise PlanRefused(
            "the commit holds other input files than the one that was planned from",
            hint="make the plan again",
        )
