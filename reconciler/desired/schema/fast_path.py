"""Accepts plain entries and files without `jsonschema`, whose walk is the cost of loading.

It only ever accepts: what it does not accept is not wrong, it is for the published schema to
judge. The checks are made of that schema, of the keywords that are known here; a
property test holds both to one verdict.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from reconciler.desired.schema.published import definition, desired_state_schema, resolved
from reconciler.desired.yaml_tree.tree import Value, YamlMapping, YamlSequence

Accepts = Callable[[Value], bool]


@cache
def plain_checks() -> Mapping[str, Accepts]:
    """For each list of a file, whether the schema would accept an item; False means "ask it"."""
    return {name: _check_of(_plain_entry(definition(name))) for name in ("remove", "keep")}


@cache
def plain_file() -> Accepts:
    """Whether the schema would accept a file without entries; False means "ask it"."""
    return _check_of(desired_state_schema())


def _plain_entry(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What holds of an entry without an inventory, in place of what it refers to."""
    needed = entry.get("dependentRequired", {})
    keys = {
        key: inner
        for key, inner in entry["properties"].items()
        if "inventory" not in {key, *needed.get(key, ())}
    }
    rest = {keyword: said for keyword, said in entry.items() if keyword != "$ref"}
    return {**rest, **resolved(entry)["else"], "properties": keys}


def _check_of(schema: Mapping[str, Any]) -> Accepts:
    """A check that accepts nothing but what the schema does."""
    said = schema.keys() - _SILENT
    if said == {"$ref"}:
        return _check_of(definition(schema["$ref"]))
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    is_known = said <= _KEYWORDS and ("enum" not in said or len(types) == 1)
    checks = [_CHECKS[name](schema) for name in types if is_known and name in _CHECKS]
    return checks[0] if len(checks) == 1 else lambda value: any(one(value) for one in checks)


def _text(schema: Mapping[str, Any]) -> Accepts:
    longest = schema.get("maxLength", sys.maxsize)
    search = re.compile(schema.get("pattern", "")).search
    listed = schema.get("enum")

    def accepts(value: Value) -> bool:
        if not isinstance(value, str) or len(value) > longest or not search(value):
            return False
        return listed is None or value in listed

    return accepts


def _integer(schema: Mapping[str, Any]) -> Accepts:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    listed = schema.get("enum")

    def accepts(value: Value) -> bool:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            return False
        return listed is None or value in listed

    return accepts


def _list(schema: Mapping[str, Any]) -> Accepts:
    fewest, is_item = schema.get("minItems", 0), _check_of(schema["items"])
    return lambda value: (
        isinstance(value, YamlSequence) and len(value) >= fewest and all(map(is_item, value))
    )


def _mapping(schema: Mapping[str, Any]) -> Accepts:
    checks = {key: _check_of(inner) for key, inner in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    dependent = schema.get("dependentRequired", {}).items()

    def accepts(value: Value) -> bool:
        if not isinstance(value, YamlMapping) or not value.keys() >= required:
            return False
        for key, others in dependent:
            if key in value and not value.keys() >= set(others):
                return False
        for key, inner in value.items():
            check = checks.get(key)
            if check is None or not check(inner):
                return False
        return True

    return accepts


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Accepts]] = {
    "string": _text,
    "integer": _integer,
    "array": _list,
    "object": _mapping,
    "boolean": lambda _: lambda value: isinstance(value, bool),
}
_KEYWORDS = {
    *("type", "enum", "pattern", "maxLength", "minimum", "maximum", "items", "minItems"),
    *("properties", "required", "dependentRequired", "additionalProperties"),
}
"""What the checks heed; where the schema says anything else, it is asked."""
_SILENT = {"$schema", "$id", "$defs", "title", "description", "examples"}
"""What says nothing of a value."""
