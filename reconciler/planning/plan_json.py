"""The stable part of a plan as JSON text, in pieces, and back: what is held at a time is a series.

The pieces, joined, are its canonical form: keys sorted, no white space, so that the digest can be
taken while a long plan is being written. What a class leaves to the caller of its codec is written
and read member by member here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar, get_args

from reconciler.json_codec import codec_of
from reconciler.json_stream import JsonStream
from reconciler.model.plan import Finding, Plan, Why

T = TypeVar("T")


def canonical(value: object) -> str:
    """JSON with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def encode_plan(plan: Plan) -> Iterator[str]:
    """The canonical form of the stable part; a series at most in a piece."""
    return _encode(plan)


def _encode(value: Any) -> Iterator[str]:
    codec = codec_of(type(value))
    members = codec.write(_stable(value))
    if not codec.left:
        yield canonical(members)
        return
    for index, key in enumerate(sorted(members)):
        yield f"{',' if index else '{'}{canonical(key)}:"
        yield from _encode_items(members[key]) if key in codec.left else [canonical(members[key])]
    yield "}"


def _encode_items(values: Any) -> Iterator[str]:
    yield "["
    for index, value in enumerate(values):
        if index:
            yield ","
        yield from _encode(value)
    yield "]"


def _stable(value: Any) -> Any:
    """What the local history says is no part of the stable part."""
    if isinstance(value, Finding) and value.why is Why.NEVER_SEEN:
        return replace(value, why=Why.ALREADY_ABSENT)
    return value


def decode_plan(stream: JsonStream) -> Plan:
    """Read what `encode_plan` gives; keys that a later minor version added are ignored.

    Raises:
        ArithmeticError, RecursionError, TypeError, ValueError: it is not a plan.
    """
    return _decode(stream, Plan)


def _decode(stream: JsonStream, kind: type[T]) -> T:
    codec = codec_of(kind)
    if not codec.left:
        return codec.read(stream.value())
    members: dict[str, object] = {}
    for key in stream.members():
        if key in codec.left:
            (item, _) = get_args(codec.left[key])
            members[key] = tuple(_decode(stream, item) for _ in stream.items())
        else:
            members[key] = stream.value()
    return codec.read(members)
