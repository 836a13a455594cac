"""From YAML files and inventories to the desired state, with every problem at its place.

What reads them is in `load`, with the packages that it takes; a command that reads none does
without.
"""

from __future__ import annotations

from reconciler.desired.rules import Rule
from reconciler.desired.schema.published import desired_state_schema
from reconciler.desired.selection import SPECS, has_specs

__all__ = ["SPECS", "Rule", "desired_state_schema", "has_specs"]
