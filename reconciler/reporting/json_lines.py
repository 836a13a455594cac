"""A long JSON document in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping


def json_in_lines(
    header: Mapping[str, object], key: str, items: Iterable[Mapping[str, object]]
) -> Iterator[str]:
    """An object, a member a line, of which the last is an array with an item a line."""
    yield "{\n" + "".join(f"  {json.dumps(name)}: {json.dumps(header[name])},\n" for name in header)
    yield f"  {json.dumps(key)}: ["
    separator = "\n    "
    for item in items:
        yield separator + json.dumps(item)
        separator = ",\n    "
    yield "]\n}\n" if separator == "\n    " else "\n  ]\n}\n"
