"""The published schema, which is the authority, and what it says of keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_DEFS = "#/$defs/"
_WORDS = f"{_DEFS}words"


@cache
def desired_state_schema() -> Mapping[str, Any]:
    """The published schema, as the package carries it."""
    text = files("reconciler").joinpath("schemas", "desired-state.schema.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the schema with what it refers to; what it says itself goes before that."""
    if "$ref" not in schema:
        return schema
    return {**resolved(definition(schema["$ref"])), **schema}


def definition(name: str) -> Mapping[str, Any]:
    """The part of the schema that others refer to by this name, or as ``$ref`` has it."""
    found: Mapping[str, Any] = desired_state_schema()["$defs"][name.removeprefix(_DEFS)]
    return found


@cache
def keys_of(*way: str) -> tuple[str, ...]:
    """The keys that a mapping may have, in the order of the schema.

    ``way`` leads to the mapping by keys alone; without one it is the file. Of a list, its items
    are meant.
    """
    schema = desired_state_schema()
    for key in way:
        schema = resolved(schema.get("properties", {}).get(key, {}))
        schema = resolved(schema.get("items", schema))
    return tuple(schema.get("properties", ()))


@cache
def scalar_types() -> Mapping[str, str]:
    """The keys whose values the schema wants as ``integer`` or ``boolean``, and which of them."""
    wanted = {"integer", "boolean"}
    return {key: one["type"] for key, one in _properties() if one.get("type") in wanted}


@cache
def free_text() -> frozenset[str]:
    """Where words stand, which messages never quote: somebody may have written a name.

    A mapping that has such a key is among them: the words may stand in its place.
    """
    return frozenset(key for key, schema in _properties() if _has_words(schema))


def _has_words(schema: Mapping[str, Any]) -> bool:
    inside = resolved(schema).get("properties", {}).values()
    return _WORDS in {one.get("$ref") for one in (schema, *inside)}


def _properties() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key of every mapping in a file, and what the schema says of its value."""
    for part in (desired_state_schema(), *desired_state_schema()["$defs"].values()):
        yield from part.get("properties", {}).items()
