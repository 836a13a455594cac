"""Says what a YAML parser means, and where: line, column, and how to correct it."""

from __future__ import annotations

import re

import yaml

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.yaml_tree.tree import Place
from reconciler.model.problem import Source

_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # YAML 1.1, 5.1
)

_DEPTH_OF_LIBYAML = "maximum nesting depth"
"""Words of libyaml from 0.2.6 on: it has a limit of its own, met while it looks ahead."""

_HINTS = (
    ("simple key", "a key needs a colon and a space after it, also on the lines before"),
    ("cannot start any token", "indent with spaces, not tabs; put quotes round a text that starts "
     "with a special character"),
    ("mapping values are not allowed", "put quotes round a text that holds ': ', and give every "
     "key of a mapping the same indentation"),
    ("end of stream", "a quote or bracket is opened and never closed"),
    ("',' or", "a bracket is opened and never closed, or a comma is missing"),
    ("node content", "a value is missing, or a bracket is opened and never closed"),
    ("'-' indicator", "items of a list start with '- ', all at the same indentation"),
    ("expected key", "give every key of a mapping the same indentation"),
    ("block end", "give every key of a mapping, or every item of a list, the same indentation"),
    ("escape character", "use single quotes where a backslash is meant as it is"),
    ("incompatible YAML", "leave the %YAML line out"),
)  # fmt: skip
"""Words of libyaml and of the pure Python parser, and what to do about them."""


def report_yaml_error(error: yaml.YAMLError, text: str, path: str, problems: Problems) -> None:
    """Turn an error of a YAML parser into a problem."""
    if isinstance(error, yaml.reader.ReaderError):
        _report_character(text, path, problems)
        return
    message, place = "the file cannot be parsed", Place(1, 1)
    if isinstance(error, yaml.MarkedYAMLError):
        message = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else place
    if _DEPTH_OF_LIBYAML in message:
        problems.error(
            Rule.NESTED_TOO_DEEP,
            Source(path, *place),
            "collections are nested too deeply for the parser",
            "the format needs four levels",
        )
        return
    hint = next((hint for words, hint in _HINTS if words in message), None)
    problems.error(Rule.YAML_SYNTAX, Source(path, *place), f"invalid YAML: {message}", hint)


def decode(data: bytes, path: str, problems: Problems) -> str | None:
    """The text of a file, or None if it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        problems.error(
            Rule.NOT_UTF8,
            Source(path, *_place_after(before)),
            f"byte 0x{data[error.start]:02x} is not text in UTF-8",
            "save the file as UTF-8; a desired-state file is never binary",
        )
        return None


def _report_character(text: str, path: str, problems: Problems) -> None:
    found = _NOT_PRINTABLE.search(text)
    before, name = (text[: found.start()], f"U+{ord(found[0]):04X}") if found else (text, "one")
    problems.error(
        Rule.YAML_SYNTAX,
        Source(path, *_place_after(before)),
        f"invalid YAML: the character {name} is not allowed",
        "remove it; a desired-state file is plain text",
    )


def _place_after(text: str) -> Place:
    line = text.count("\n") + 1
    return Place(line, len(text) - (text.rfind("\n") + 1) + 1)
