"""``reconciler schema``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import click

from reconciler.cli.output.console import write_document

_ENDING = ".schema.json"
_FOLDER = files("reconciler") / "schemas"
_NAMES = sorted(
    file.name.removesuffix(_ENDING) for file in _FOLDER.iterdir() if file.name.endswith(_ENDING)
)


@click.command(name="schema")
@click.argument("name", required=False, type=click.Choice(_NAMES), metavar="[NAME]")
def command(name: str | None) -> None:
    """Print the JSON Schema of a file format, or the names of all formats.

    Editors can use a schema to complete and check desired-state files, and programs can rely on it:
    everything that the tool writes conforms to these schemas.

    \b
    Examples:
      reconciler schema
      reconciler schema desired-state > desired-state.schema.json
      reconciler schema plan
    """
    write_document(_names() if name is None else [_read(name)])


def _read(name: str) -> str:
    return (_FOLDER / f"{name}{_ENDING}").read_text(encoding="utf-8")


def _names() -> Iterator[str]:
    width = max(map(len, _NAMES))
    for name in _NAMES:
        yield f"{name:{width}}  {json.loads(_read(name))['title']}\n"
