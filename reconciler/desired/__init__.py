"""From YAML files and inventories to the desired state, with every problem at its place."""

from __future__ import annotations

from reconciler.desired.load import load_desired_state
from reconciler.desired.rules import Rule
from reconciler.desired.schema import desired_state_schema

__all__ = ["Rule", "desired_state_schema", "load_desired_state"]
