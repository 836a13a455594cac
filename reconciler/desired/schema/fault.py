"""What the schema has against a value, freed from `jsonschema`'s own classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from reconciler.desired.yaml_tree.tree import Steps


@dataclass(frozen=True, slots=True)
class Fault:
    """What the schema has against a value: the keyword, what it wanted, what it found.

    ``keys`` are those that the mapping may have; ``steps`` lead to the value.
    """

    keyword: str
    wanted: Any
    value: Any
    keys: tuple[str, ...]
    steps: Steps

    @classmethod
    def of(cls, error: ValidationError) -> Fault:
        """What an error of ``jsonschema`` says."""
        schema = error.schema if isinstance(error.schema, Mapping) else {}
        keys = tuple(schema.get("properties", ()))
        keyword, steps = str(error.validator), tuple(error.absolute_path)
        return cls(keyword, error.validator_value, error.instance, keys, steps)

    @property
    def key(self) -> str:
        """The key that the value, or the list around it, stands under; empty for the file."""
        keys = [step for step in self.steps if isinstance(step, str)]
        return keys[-1] if keys else ""

    @property
    def is_item(self) -> bool:
        """Whether the value is an item of a list."""
        return bool(self.steps) and isinstance(self.steps[-1], int)

    @property
    def name(self) -> str:
        """What the value is called in a message."""
        if self.is_item:
            is_entry = self.key in {"remove", "keep"}
            return f"this {self.key} entry" if is_entry else f"this item of {self.key}"
        return self.key or "the file"
