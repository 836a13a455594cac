"""From a text to its statements, by sqlglot's parser; whatever is refused is named."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Mapping, Sequence

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token

from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.query.conditions import (
    Conditions,
    find_column,
    offset_of,
    read_conditions,
    unknown_column,
)
from reconciler.query.problems import Places, Problems
from reconciler.query.resource import NAME, PARAMETERS, RETRIEVED, STORE_PARAMETERS
from reconciler.query.statement import (
    Column,
    Delete,
    Describe,
    Output,
    Removal,
    Select,
    ShowMethods,
    Statement,
)
from reconciler.query.tokens import read_tokens

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of is refused below

_SHOW = ["SHOW", "METHODS", "IN"]
_COMMENT = re.compile(r"--.*|/\*.*?\*/", re.DOTALL)
_CLAUSES = {
    "joins": "a join",
    "distinct": "DISTINCT",
    "limit": "LIMIT",
    "offset": "OFFSET",
    "order": "ORDER BY",
    "group": "GROUP BY",
    "having": "HAVING",
    "with_": "WITH",
    "with": "WITH",
    "using": "USING",
    "returning": "RETURNING",
}


_BROKEN = (ArithmeticError, AttributeError, LookupError, SqlglotError, TypeError, ValueError)
"""What sqlglot's parser raises besides, where a text surprises it."""


def read_statements(text: str, *, path: str, variables: Mapping[str, str]) -> tuple[Statement, ...]:
    """Read every statement of a text; ``path`` is how messages name it.

    Raises:
        StatementError: with every problem and its place; nothing of it may be run.
    """
    places = Places(path, text)
    problems = Problems(places)
    groups = read_tokens(text, places, variables)
    if not groups:
        problems.add(0, "empty", "there is no statement", "SELECT, DELETE, SHOW METHODS, DESCRIBE")
    read = [_statement(tokens, text, places, problems) for tokens in groups]
    problems.raise_if_any()
    statements = tuple(statement for statement in read if statement is not None)
    _check_together(statements, groups, problems)
    problems.raise_if_any()
    return statements


def _statement(
    tokens: Sequence[Token], text: str, places: Places, problems: Problems
) -> Statement | None:
    # Of SHOW, sqlglot's tokenizer makes one token of all that follows.
    words = _COMMENT.sub("", " ".join(token.text for token in tokens)).split() or [""]
    if [word.upper() for word in words[:3]] == _SHOW:
        _check_resource("".join(words[3:]), tokens[-1].start, problems)
        return ShowMethods()
    if words[0].upper() in {"DESCRIBE", "DESC"}:
        _check_resource("".join(words[1:]), tokens[-1].start, problems)
        return Describe()
    tree = _parse(tokens, text, problems)
    if isinstance(tree, exp.Select):
        return _select(tree, tokens[0].start, problems)
    if isinstance(tree, exp.Delete):
        return _delete(tree, tokens[0].start, places, problems)
    if tree is not None:
        problems.add(
            tokens[0].start,
            "unsupported",
            f"a statement that begins with {tokens[0].text[:40]!r} is not supported",
            "SELECT, DELETE, SHOW METHODS and DESCRIBE are",
        )
    return None


def _parse(tokens: Sequence[Token], text: str, problems: Problems) -> exp.Expr | None:
    try:
        (tree,) = Parser().parse(list(tokens), text)
    except ParseError as error:
        told = error.errors[0] if error.errors else {}
        near = next(
            (
                token.start
                for token in tokens
                if (token.line, token.col) == (told.get("line"), told.get("col"))
            ),
            tokens[-1].start,
        )
        what = str(told.get("description") or "it cannot be read").rstrip(".")
        problems.add(near, "not-sql", f"not a statement: {what}", "values stand in single quotes")
    except RecursionError:
        problems.add(tokens[0].start, "too-deep", "the statement is nested too deep")
    except _BROKEN:
        problems.add(tokens[0].start, "not-sql", "the statement cannot be read")
    else:
        if tree is None:
            problems.add(tokens[0].start, "not-sql", "the statement cannot be read")
        return tree
    return None


def _check_resource(name: str, offset: int, problems: Problems) -> None:
    if name != ".".join(NAME):
        problems.add(offset, *_unknown_resource(name))


def _unknown_resource(name: str) -> tuple[str, str, str]:
    known = ".".join(NAME)
    close = difflib.get_close_matches(name.lower(), [known], n=1, cutoff=0.4)
    hint = f"did you mean {known}?" if close else f"the one resource here is {known}"
    return "unknown-resource", f"there is no resource {name[:80]!r}", hint


def _select(tree: exp.Select, start: int, problems: Problems) -> Select | None:
    _check_clauses(tree, {"expressions", "from_", "from", "where", "kind"}, start, problems)
    source = tree.args.get("from_") or tree.args.get("from")
    _check_table(source.this if source is not None else None, start, problems)
    outputs = _outputs(tree, start, problems)
    conditions = read_conditions(tree.args.get("where"), problems)
    retrieves = any(output.column in RETRIEVED for output in outputs)
    needed = PARAMETERS if retrieves else PARAMETERS[:5]
    if Column.INSTANCES_ID in conditions:
        needed = PARAMETERS
    if not _has_all(conditions, needed, start, problems):
        return None
    return Select(
        outputs,
        _store(conditions),
        _uids(conditions, Column.STUDIES_ID),
        _uids(conditions, Column.SERIES_ID) or None,
        _uids(conditions, Column.INSTANCES_ID) or None,
    )


def _delete(tree: exp.Delete, start: int, places: Places, problems: Problems) -> Delete | None:
    _check_clauses(tree, {"this", "where"}, start, problems)
    _check_table(tree.this, start, problems)
    conditions = read_conditions(tree.args.get("where"), problems)
    if not _has_all(conditions, PARAMETERS, start, problems):
        return None
    for column in (Column.STUDIES_ID, Column.SERIES_ID):
        several = conditions[column][1:]
        if several:
            problems.add(
                several[0].offset,
                "several-series",
                f"a DELETE names one series, so {column.value} takes one value",
                "write one DELETE for each series",
            )
    series = SeriesAddress(*(conditions[c][0].value for c in (Column.STUDIES_ID, Column.SERIES_ID)))
    listed = {text.value: text.offset for text in reversed(conditions[Column.INSTANCES_ID])}
    return Delete(
        _store(conditions),
        series,
        tuple(
            Removal(InstanceAddress(*series, uid), places.at(listed[uid]))
            for uid in _uids(conditions, Column.INSTANCES_ID)
        ),
    )


def _check_clauses(tree: exp.Expr, known: set[str], start: int, problems: Problems) -> None:
    for key, value in tree.args.items():
        if not value or key in known:
            continue
        node = value[0] if isinstance(value, list) else value
        offset = offset_of(node, start) if isinstance(node, exp.Expr) else start
        named = _CLAUSES.get(key, key.upper().replace("_", " ").strip())
        problems.add(offset, "unsupported", f"{named} is not supported")


def _check_table(table: object, start: int, problems: Problems) -> None:
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        offset = offset_of(table, start) if isinstance(table, exp.Expr) else start
        problems.add(
            offset, "unsupported", "only a resource can be queried", f"FROM {'.'.join(NAME)}"
        )
        return
    name = tuple(part.name for part in table.parts)
    if name != NAME:
        problems.add(offset_of(table, start), *_unknown_resource(".".join(name)))
    for key, value in table.args.items():
        if value and key not in {"this", "db", "catalog"}:
            node = value[0] if isinstance(value, list) else value
            offset = offset_of(node, start) if isinstance(node, exp.Expr) else start
            named = "an alias of the resource" if key == "alias" else _CLAUSES.get(key, key)
            problems.add(offset, "unsupported", f"{named} is not supported")


def _outputs(tree: exp.Select, start: int, problems: Problems) -> tuple[Output, ...]:
    outputs: list[Output] = []
    for node in tree.expressions:
        if isinstance(node, exp.Star) and not any(node.args.values()):
            outputs += [Output(column, column.value) for column in RETRIEVED]
            continue
        output = _output(node, start, problems)
        if output is not None:
            outputs.append(output)
    names = [output.name for output in outputs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(start, "twice", f"two columns of the result are named {name!r}")
    return tuple(outputs)


def _output(node: exp.Expr, start: int, problems: Problems) -> Output | None:
    inner, name = (node.this, node.alias) if isinstance(node, exp.Alias) else (node, "")
    if (
        not isinstance(inner, exp.Column)
        or not isinstance(inner.this, exp.Identifier)
        or inner.table
    ):
        problems.add(
            offset_of(node, start),
            "unsupported",
            "only columns can be selected",
            "neither functions nor values; DESCRIBE lists the columns",
        )
        return None
    column = find_column(inner.name)
    if column is None:
        problems.add(offset_of(inner, start), "unknown-column", *unknown_column(inner.name))
        return None
    return Output(column, name or column.value)


def _has_all(
    conditions: Conditions, needed: Sequence[Column], start: int, problems: Problems
) -> bool:
    missing = [column.value for column in needed if not conditions.get(column)]
    # What stands there and cannot be read is a problem already.
    if missing and not problems.is_any_since(start):
        problems.add(
            start,
            "missing-parameter",
            f"the statement needs {', '.join(missing)}",
            "each as PARAMETER = 'VALUE' in its WHERE",
        )
    return not missing


def _store(conditions: Conditions) -> StoreAddress:
    values = {column.value: conditions[column][0].value for column in STORE_PARAMETERS}
    return StoreAddress.from_parameters(values)


def _uids(conditions: Conditions, column: Column) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.value for text in conditions.get(column, ())))


def _check_together(
    statements: Sequence[Statement], groups: Sequence[Sequence[Token]], problems: Problems
) -> None:
    """Several statements make one document only if all are SELECTs of the same columns."""
    first = statements[0]
    for statement, tokens in zip(statements[1:], groups[1:], strict=True):
        if not isinstance(statement, Select) or not isinstance(first, Select):
            problems.add(
                tokens[0].start,
                "several-statements",
                "only SELECTs can stand together",
                "run each of the others by itself",
            )
        elif statement.outputs != first.outputs:
            problems.add(
                tokens[0].start,
                "several-statements",
                "this SELECT has other columns than the first",
                "the rows of all make one result; select the same columns",
            )
