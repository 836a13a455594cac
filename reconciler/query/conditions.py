"""The WHERE of a statement: which values each parameter may have."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from reconciler.model.address import is_location_id, is_project_id, is_resource_id, is_uid
from reconciler.query.problems import Problems
from reconciler.query.resource import PARAMETERS, STORE_PARAMETERS
from reconciler.query.statement import Column

_CHECKS = {
    Column.PROJECTS_ID: is_project_id,
    Column.LOCATIONS_ID: is_location_id,
    Column.DATASETS_ID: is_resource_id,
    Column.DICOM_STORES_ID: is_resource_id,
    Column.STUDIES_ID: is_uid,
    Column.SERIES_ID: is_uid,
    Column.INSTANCES_ID: is_uid,
}
_REFUSED: Mapping[type[exp.Expr], str] = {
    exp.Or: "OR",
    exp.Not: "NOT",
    exp.NEQ: "<>",
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Between: "BETWEEN",
    exp.Is: "IS",
    exp.Exists: "EXISTS",
}
_SHOWN = 80
"""Characters of a bad value that a message shows."""

_QUOTED = "write it in quotes: 'VALUE'"
_FORMS = {
    "UID": "digits in groups with single dots between them, at most 64 characters",
    "id": "it is in the store's resource name, projects/P/locations/L/datasets/D/dicomStores/S",
}
_ONLY = "only = 'VALUE' and IN ('VALUE', …), joined by AND, can be answered exactly"


@dataclass(frozen=True, slots=True)
class Text:
    """A string of the statement, and the offset at which it stands."""

    value: str
    offset: int


Conditions = Mapping[Column, tuple[Text, ...]]


def offset_of(value: object, default: int = 0) -> int:
    """Where in the text a node, or the first of a list of them, begins.

    That is at the first of its tokens that is known.
    """
    node = value[0] if isinstance(value, list) else value
    if not isinstance(node, exp.Expr):
        return default
    starts = [one.meta["start"] for one in node.walk() if "start" in one.meta]
    return min(starts, default=default)


def read_conditions(
    where: exp.Expr | None, names: Collection[str], problems: Problems
) -> Conditions:
    """Read which values the parameters may have; what cannot be answered exactly is a problem.

    ``names`` are those of the resource, as `is_plain_column` takes them.
    """
    found: dict[Column, tuple[Text, ...]] = {}
    for term in _terms(where.this if where is not None else None):
        read = _condition(term, names, problems)
        if read is None:
            continue
        column, texts = read
        if column in found:
            message = f"{column.value} is constrained twice"
            problems.add(offset_of(term), "twice", message, "write one of them")
        found[column] = texts
        _check(column, texts, problems)
    return found


def is_plain_column(node: exp.Expr | None, names: Collection[str]) -> bool:
    """Whether it is a column of the resource, by its name or behind one of ``names`` (lower case).

    ``names`` are its alias, or without one its own names, whole or in part.
    """
    if not isinstance(node, exp.Column):
        return False
    resource = ".".join(part.name for part in node.parts[:-1]).lower()
    return not resource or resource in names


def find_column(name: str) -> Column | None:
    """The column of this name, in upper or lower case."""
    return next((column for column in Column if column.value.lower() == name.lower()), None)


def unknown_column(name: str) -> tuple[str, str]:
    """The message and the hint for a column that does not exist."""
    known = {column.value.lower(): column.value for column in Column}
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {known[close[0]]}?" if close else "DESCRIBE lists the columns"
    return f"there is no column {name!r}", hint


def _terms(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """What AND joins, from left to right; without recursion, since a text may hold thousands."""
    waiting = [] if condition is None else [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, exp.Paren):
            waiting.append(node.this)
        elif isinstance(node, exp.And):
            waiting += [node.expression, node.this]
        else:
            yield node


def _condition(
    term: exp.Expr, names: Collection[str], problems: Problems
) -> tuple[Column, tuple[Text, ...]] | None:
    if type(term) in _REFUSED:
        problems.add(
            offset_of(term), "unsupported", f"{_REFUSED[type(term)]} is not supported", _ONLY
        )
        return None
    given: list[exp.Expr] | None = None
    if isinstance(term, exp.EQ):
        given = [term.expression]
    elif isinstance(term, exp.In) and not any(
        term.args.get(key) for key in ("query", "unnest", "field")
    ):
        given = term.expressions
    if given is None or not is_plain_column(term.this, names):
        problems.add(offset_of(term), "unsupported", "this condition is not supported", _ONLY)
        return None
    column = _parameter(term.this, problems)
    if column is None:
        return None
    if isinstance(term, exp.In) and column in STORE_PARAMETERS:
        problems.add(
            offset_of(term), "unsupported", f"{column.value} takes one value, not a list", _ONLY
        )
        return None
    texts = [_text(value, column, problems) for value in given]
    return column, tuple(text for text in texts if text is not None)


def _parameter(node: exp.Column, problems: Problems) -> Column | None:
    column = find_column(node.name)
    if column is None:
        problems.add(offset_of(node), "unknown-column", *unknown_column(node.name))
    elif column not in PARAMETERS:
        problems.add(
            offset_of(node),
            "unsupported",
            f"{column.value} cannot be used in WHERE",
            "only the seven parameters can",
        )
        return None
    return column


def _text(node: exp.Expr, column: Column, problems: Problems) -> Text | None:
    if isinstance(node, exp.Literal) and node.is_string:
        return Text(node.this, offset_of(node))
    problems.add(
        offset_of(node), "not-a-string", f"the value of {column.value} is not a string", _QUOTED
    )
    return None


def _check(column: Column, texts: tuple[Text, ...], problems: Problems) -> None:
    kind = "UID" if _CHECKS[column] is is_uid else "id"
    for text in texts:
        if not _CHECKS[column](text.value):
            problems.add(
                text.offset,
                "invalid-value",
                f"not a {kind} for {column.value}: {_shown(text.value)}",
                _FORMS[kind],
            )


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
