"""The published schema, which is the authority, and what it says of keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

DESIRED_STATE = "desired-state"
SELECTOR = "selector"
"""The formats that people write, by the names of their schemas."""

_DEFS = "#/$defs/"
_WORDS = f"{_DEFS}words"
_KEYED = f"{_DEFS}keyed"


@cache
def published_schema(name: str) -> Mapping[str, Any]:
    """A published schema, as the package carries it."""
    text = files("reconciler").joinpath("schemas", f"{name}.schema.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def desired_state_schema() -> Mapping[str, Any]:
    """The schema of desired-state files."""
    return published_schema(DESIRED_STATE)


def resolved(schema: Mapping[str, Any], of: str = DESIRED_STATE) -> Mapping[str, Any]:
    """The part of the schema with what it refers to; what it says itself goes before that."""
    if "$ref" not in schema:
        return schema
    return {**resolved(definition(schema["$ref"], of), of), **schema}


def definition(name: str, of: str = DESIRED_STATE) -> Mapping[str, Any]:
    """The part of the schema that others refer to by this name, or as ``$ref`` has it."""
    found: Mapping[str, Any] = published_schema(of)["$defs"][name.removeprefix(_DEFS)]
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
def scalar_types(of: str = DESIRED_STATE) -> Mapping[str, str]:
    """The keys whose values the schema wants as ``integer`` or ``boolean``, and which of them.

    Of a mapping with keys of any name, its values are meant.
    """
    wanted = {"integer", "boolean"}
    kinds = {key: (one.get("additionalProperties") or one) for key, one in _properties(of)}
    return {key: one["type"] for key, one in kinds.items() if one.get("type") in wanted}


@cache
def free_text() -> frozenset[str]:
    """Where words stand, which messages never quote: somebody may have written a name.

    A mapping that has such a key is among them: the words may stand in its place. So may ids of
    patients in that of a file of pseudonyms.
    """
    return frozenset(
        key
        for name in (DESIRED_STATE, SELECTOR)
        for key, schema in _properties(name)
        if _has_words(schema, name)
    )


def _has_words(schema: Mapping[str, Any], name: str) -> bool:
    if schema.get("$ref") in {_WORDS, _KEYED}:
        return True
    inside = resolved(schema, name).get("properties", {}).values()
    return any(_has_words(one, name) for one in inside)


def _properties(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key of every mapping in a file, and what the schema says of its value."""
    schema = published_schema(name)
    waiting = [schema, *schema["$defs"].values()]
    while waiting:
        part = waiting.pop()
        for key, value in part.get("properties", {}).items():
            yield key, value
            waiting += [value, value.get("items", {})]
