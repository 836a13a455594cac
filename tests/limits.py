"""Limits that let everything pass, for tests that are about something else."""

from __future__ import annotations

from reconciler.model.desired import LIMIT_KEYS


def wide_open(*closed: str) -> dict[str, int]:
    """Every limit of a desired-state file at its widest; those named ``closed`` are not written."""
    widest = {key: 100 if key.endswith("Percent") else 100_000 for key in LIMIT_KEYS.values()}
    return {key: limit for key, limit in widest.items() if key not in closed}


def wide_open_line(*closed: str) -> str:
    """The same, as a line of a desired-state file."""
    pairs = ", ".join(f"{key}: {limit}" for key, limit in wide_open(*closed).items())
    return f"limits: {{{pairs}}}\n"
