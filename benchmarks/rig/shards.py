"""A plan in shards for a benchmark."""

from __future__ import annotations

from pathlib import Path

from rig.measuring import RECONCILER, run


def plan_in_shards(folder: Path, size: int, options: list[str]) -> None:
    """Plan what is under ``specs/`` as ``plan/plan.json``, in shards of ``size`` deletions."""
    command = [*RECONCILER, "plan", "--shard-size", str(size), "--out", "plan/", *options]
    run(command, cwd=folder)
