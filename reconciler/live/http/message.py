"""A request as it is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.live.http.file_body import FileBody

_SEGMENT = r"/(?!\.\.?(?:[/?]|\Z))[A-Za-z0-9._:-]+"
_TARGET = re.compile(rf"(?P<path>(?:{_SEGMENT})+)(?:\?[A-Za-z0-9._:=&,-]+)?")


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves: ``target`` is path and query as they stand in the request line.

    The headers have Content-Length where there is a body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | FileBody | None = None


def target_of(path: str, query: str = "") -> str:
    """The target of a request (RFC 9112 section 3.2.1) that no library and no server rewrites.

    There are no dot segments and no empty ones, and nothing is encoded or needs to be: all
    characters but the delimiters are unreserved (RFC 3986 section 2.3), or colons.

    Raises:
        ValueError: the path or the query cannot be sent so.
    """
    target = f"{path}?{query}" if query else path
    match = _TARGET.fullmatch(target)
    if match is None or match["path"] != path:
        raise ValueError(f"not the target of a request: {target!r}")
    return target
