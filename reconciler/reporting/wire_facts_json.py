"""What a selftest found out of the wire of a store, as a block that can be sent in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def wire_facts_as_json(
    facts: Mapping[str, Any], *, provider: str, version: str, tool_version: str, complete: bool
) -> Iterator[str]:
    """The facts, one a line where they are short; ``complete`` says that all were asked."""
    head = {
        "reconciler": tool_version,
        "provider": provider,
        "version": version,
        "complete": complete,
    }
    members = [_member(name, value, 2) for name, value in head.items()]
    found = ",\n".join(_member(name, value, 4) for name, value in facts.items())
    members.append('  "facts": {\n' + found + "\n  }")
    yield "{\n" + ",\n".join(members) + "\n}\n"


def _member(name: str, value: Any, indent: int) -> str:
    return f"{' ' * indent}{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
