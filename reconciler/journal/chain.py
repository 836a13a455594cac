"""A record as a line of a run file, chained by SHA-256 to the line before it.

A line is one JSON object in ASCII with a newline at its end. ``seq`` counts the lines from 0;
``prev`` is the SHA-256 of the bytes of the line before, without its newline (null in the first).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from reconciler.journal.codec import to_json
from reconciler.journal.records import Record

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


def body_of(record: Record) -> bytes:
    """The line without its place in the chain, which may be made outside of any lock.

    Control characters and all that is not ASCII are escaped, so that nothing breaks a line.
    """
    return _encode(to_json(record)).encode("ascii")


def chained(body: bytes, seq: int, prev: str | None) -> bytes:
    """The line itself: ``body`` with its place in the chain."""
    link = f'"{prev}"' if prev else "null"
    return b'{"seq":%d,"prev":%b,%b\n' % (seq, link.encode("ascii"), body[1:])


def hash_of(line: bytes) -> str:
    """The hash by which the next line names this one."""
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def fields_of(line: bytes) -> Mapping[str, object] | None:
    """The JSON object of a line; None if the line is torn: no newline, or no JSON.

    Raises:
        ValueError: it is JSON, but not an object, or something follows the object. A torn write
            does not end so; a newline that was changed does.
    """
    try:
        text = line.decode("ascii")
        fields, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    if end == len(text):
        return None
    if text[end:] != "\n" or not isinstance(fields, dict):
        raise ValueError("the line is not one JSON object")
    return fields
