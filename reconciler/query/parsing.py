"""From a text to its statements, by sqlglot's parser; whatever is refused is named."""

from __future__ import annotations

import difflib
import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token

from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.query.conditions import (
    Conditions,
    find_column,
    is_plain_column,
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

_KEYWORDS = ("SELECT", "DELETE", "SHOW", "DESCRIBE")
_STATEMENTS = "SELECT, DELETE, SHOW METHODS and DESCRIBE are"
_FORM = (
    "the form is SELECT COLUMN, … FROM RESOURCE WHERE PARAMETER = 'VALUE' AND …, with values in"
    " single quotes"
)
_ABOUT_RESOURCE = re.compile(
    r"(?P<verb>SHOW\s+(?P<extended>EXTENDED\s+)?METHODS\s+IN|DESC(RIBE)?(\s+EXTENDED)?)\b(?P<name>.*)",
    re.DOTALL | re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_SHOWN = 40
"""Characters of a text that a message shows."""
_LONGEST_LIMIT = 18
"""Digits; there are no more rows."""
_UNDERSTOOD = "use FROM and WHERE, and in a SELECT also LIMIT"
_NAMING = {"this", "db", "catalog", "alias"}
_OWN_NAMES = frozenset(".".join(NAME[start:]) for start in range(len(NAME)))
"""How a column may name the resource that has no alias."""
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
        problems.add(0, "empty", "there is no statement", _STATEMENTS)
    read = [_statement(tokens, text, places, problems) for tokens in groups]
    problems.raise_if_any()
    statements = tuple(statement for statement in read if statement is not None)
    _check_together(statements, groups, problems)
    problems.raise_if_any()
    return statements


def _statement(
    tokens: Sequence[Token], text: str, places: Places, problems: Problems
) -> Statement | None:
    about = _about_resource(tokens, text, problems)
    if about is not None:
        return about
    tree = _parse(tokens, text, problems)
    if isinstance(tree, exp.Select):
        return _select(tree, tokens[0].start, problems)
    if isinstance(tree, exp.Delete):
        return _delete(tree, tokens[0].start, places, problems)
    if tree is not None:
        problems.add(
            tokens[0].start,
            "unsupported",
            f"a statement that begins with {tokens[0].text[:_SHOWN]!r} is not supported",
            _STATEMENTS,
        )
    return None


def _about_resource(
    tokens: Sequence[Token], text: str, problems: Problems
) -> ShowMethods | Describe | None:
    """A statement about the resource itself, which is no SQL to sqlglot; None for any other."""
    start = tokens[0].start
    code = _COMMENT.sub(lambda one: " " * len(one[0]), text[start : tokens[-1].end + 1])
    found = _ABOUT_RESOURCE.fullmatch(code)
    if found is None:
        return None
    given = found["name"]
    name = re.sub(r"\s*\.\s*", ".", given.strip().replace('"', ""))
    at = start + found.start("name") + len(given) - len(given.lstrip())
    if name.lower() != ".".join(NAME):
        problems.add(at, *_unknown_resource(name))
    return ShowMethods(bool(found["extended"])) if found["verb"][0] in "sS" else Describe()


def _parse(tokens: Sequence[Token], text: str, problems: Problems) -> exp.Expr | None:
    try:
        (tree,) = Parser().parse(list(tokens), text)
    except ParseError as error:
        problems.add(*_not_sql(tokens, error.errors[0] if error.errors else {}))
    except RecursionError:
        problems.add(tokens[0].start, "too-deep", "the statement is nested too deep", _FORM)
    except _BROKEN:
        problems.add(tokens[0].start, "not-sql", "the statement cannot be read", _FORM)
    else:
        if tree is None:
            problems.add(tokens[0].start, "not-sql", "the statement cannot be read", _FORM)
        return tree
    return None


def _not_sql(tokens: Sequence[Token], error: Mapping[str, object]) -> tuple[int, str, str, str]:
    """What sqlglot's parser could not take, in plain words, at the token where it gave up."""
    first = tokens[0]
    close = difflib.get_close_matches(first.text.upper(), _KEYWORDS, n=1)
    if close and first.text.upper() not in _KEYWORDS:
        message = f"there is no statement {first.text[:_SHOWN]!r}"
        return first.start, "not-sql", message, f"did you mean {close[0]}?"
    places = ((token.start, (token.line, token.col)) for token in tokens)
    near = (start for start, place in places if place == (error.get("line"), error.get("col")))
    at = next(near, tokens[-1].start)
    shown = repr(str(error.get("highlight") or tokens[-1].text)[:_SHOWN])
    is_missing = "missing" in str(error.get("description"))
    what = f"something is missing after {shown}" if is_missing else f"{shown} is not expected here"
    return at, "not-sql", what, _FORM


def _unknown_resource(name: str) -> tuple[str, str, str]:
    known = ".".join(NAME)
    close = difflib.get_close_matches(name.lower(), [known], n=1, cutoff=0.4)
    hint = f"did you mean {known}?" if close else f"the one resource here is {known}"
    message = f"there is no resource {name[:80]!r}" if name else "no resource is named"
    return "unknown-resource", message, hint


def _select(tree: exp.Select, start: int, problems: Problems) -> Select | None:
    known = {"expressions", "from_", "from", "where", "kind", "limit"}
    _check_clauses(tree, known, start, problems)
    source = tree.args.get("from_") or tree.args.get("from")
    names = _resource_names(source.this if source is not None else None, start, problems)
    outputs = _outputs(tree, names, start, problems)
    conditions = read_conditions(tree.args.get("where"), names, problems)
    limit = _limit(tree.args.get("limit"), start, problems)
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
        limit,
    )


def _limit(node: exp.Expr | None, start: int, problems: Problems) -> int | None:
    if node is None:
        return None
    count = node.args.get("expression")
    is_alone = not any(value for key, value in node.args.items() if key != "expression")
    if isinstance(count, exp.Literal) and not count.is_string and is_alone:
        text = str(count.this)
        if text.isdecimal() and len(text) <= _LONGEST_LIMIT:
            return int(text)
    problems.add(offset_of(node, start), "unsupported", "LIMIT takes one whole number", "LIMIT 10")
    return None


def _delete(tree: exp.Delete, start: int, places: Places, problems: Problems) -> Delete | None:
    _check_clauses(tree, {"this", "where"}, start, problems)
    names = _resource_names(tree.this, start, problems)
    conditions = read_conditions(tree.args.get("where"), names, problems)
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
        offset = offset_of(value, start)
        named = _CLAUSES.get(key, key.upper().replace("_", " ").strip())
        problems.add(offset, "unsupported", f"{named} is not supported", _UNDERSTOOD)


def _resource_names(table: object, start: int, problems: Problems) -> Collection[str]:
    """Check that it is the resource; how columns may name it, in lower case."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        offset, hint = offset_of(table, start), f"FROM {'.'.join(NAME)}"
        problems.add(offset, "unsupported", "only a resource can be queried", hint)
        return ()
    name = tuple(part.name.lower() for part in table.parts)
    if name != NAME:
        written = ".".join(part.name for part in table.parts)
        problems.add(offset_of(table, start), *_unknown_resource(written))
    alias = table.args.get("alias")
    plain = {"this", "db", "catalog"} if alias and alias.args.get("columns") else _NAMING
    for key, value in table.args.items():
        if value and key not in plain:
            offset = offset_of(value, start)
            named = "a list of columns" if key == "alias" else _CLAUSES.get(key, key)
            problems.add(offset, "unsupported", f"{named} is not supported", _UNDERSTOOD)
    return {table.alias.lower()} if table.alias else _OWN_NAMES


def _outputs(
    tree: exp.Select, names: Collection[str], start: int, problems: Problems
) -> tuple[Output, ...]:
    outputs: list[Output] = []
    for node in tree.expressions:
        star = node.this if is_plain_column(node, names) else node
        if isinstance(star, exp.Star) and not any(star.args.values()):
            outputs += [Output(column, column.value) for column in RETRIEVED]
            continue
        output = _output(node, names, start, problems)
        if output is not None:
            outputs.append(output)
    counts = Counter(output.name for output in outputs)
    for name in sorted(name for name, count in counts.items() if count > 1):
        message = f"two columns of the result are named {name!r}"
        problems.add(start, "twice", message, "rename one of them: COLUMN AS NAME")
    return tuple(outputs)


def _output(
    node: exp.Expr, names: Collection[str], start: int, problems: Problems
) -> Output | None:
    inner, name = (node.this, node.alias) if isinstance(node, exp.Alias) else (node, "")
    if not is_plain_column(inner, names) or not isinstance(inner.this, exp.Identifier):
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
                "only SELECTs can be combined",
                "run each of the others by itself",
            )
        elif statement.outputs != first.outputs:
            problems.add(
                tokens[0].start,
                "several-statements",
                "this SELECT has other columns than the first",
                "the rows of all make one result; select the same columns",
            )
