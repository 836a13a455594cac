"""What the schema has against a value, freed from `jsonschema`'s own classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from reconciler.desired.tree import Steps


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
    def name(self) -> str:
        """The key that the value stands under; items are named by their list's key."""
        keys: list[Any] = [step for step in self.steps if isinstance(step, str)]
        if not keys:
            return "the file"
        is_entry = isinstance(self.steps[-1], int) and keys[-1] in {"remove", "keep"}
        return f"this {keys[-1]} entry" if is_entry else str(keys[-1])
