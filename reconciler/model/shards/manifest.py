"""The manifest of a plan in shards: what is reviewed, and which shards are applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.model.as_json import as_json
from reconciler.model.desired import InputFile
from reconciler.model.gate import Gate, GateCounts
from reconciler.model.plan import GitState, PartOf, SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.shards.notices import Notices

FOLDER = "shards"
"""The folder beside the manifest in which its shards lie."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of a plan: a plan of whole studies with a digest of its own.

    ``number`` begins with 1; ``findings`` counts what else somebody should look at in it.
    """

    number: int
    digest: str
    studies: int
    deletions: int
    findings: int

    @classmethod
    def of(cls, saved: SavedPlan, number: int) -> Shard:
        """A plan as the shard of this number."""
        stores = saved.plan.stores
        return cls(
            number,
            saved.digest,
            sum(len(store.studies) for store in stores),
            sum(study.deletions for store in stores for study in store.studies),
            sum(len(store.findings) for store in stores),
        )

    @property
    def path(self) -> str:
        """Where it lies, relative to the folder of the manifest."""
        return f"{FOLDER}/{self.number:05}.json"


@dataclass(frozen=True, slots=True)
class ShardedPlan:
    """What the digest of a manifest names; as `Plan`, with shards in the place of what they hold.

    ``stores`` are those of the whole, sorted; ``shards`` are in the order of their numbers, and of
    the stores and studies in them.
    """

    paths: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    stores: tuple[GateCounts, ...]
    shards: tuple[Shard, ...]

    @property
    def deletions(self) -> int:
        """How many instances are deleted."""
        return sum(shard.deletions for shard in self.shards)

    @property
    def has_deletions(self) -> bool:
        """Whether anything is deleted."""
        return self.deletions > 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plan in shards, as it stands in ``plan.json``.

    What it has in common with a `SavedPlan` is as there; ``summary``, ``notices`` and ``gates`` are
    of the whole. ``keys`` are the checks of the keys by which something in it is bound, sorted.
    """

    plan: ShardedPlan = field(metadata=as_json(is_left=True))
    digest: str
    plan_id: str
    created: datetime
    expires: datetime
    tool_version: str
    endpoint: str
    git: GitState | None
    keys: tuple[str, ...]
    summary: PlanSummary
    notices: Notices
    gates: tuple[Gate, ...] = field(metadata=as_json(is_left=True))


def plan_id_of(part: PartOf) -> str:
    """The plan id of a shard, which may be applied once as that of any other plan."""
    return f"{part.plan_id}-{part.number:05}"
