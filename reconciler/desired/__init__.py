"""From YAML files and inventories to the desired state, with every problem at its place."""

from __future__ import annotations

from reconciler.desired.load import load_desired_state
from reconciler.desired.rules import Rule
from reconciler.desired.schema.published import desired_state_schema
from reconciler.desired.selection import SPECS, has_specs

__all__ = ["SPECS", "Rule", "desired_state_schema", "has_specs", "load_desired_state"]
