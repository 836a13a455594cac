"""From text to the tokens of each statement, with the variables of a template filled in.

A variable is filled in after its string has become a token, so whatever its value holds, it can
never leave the quotes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from itertools import groupby

from sqlglot import Tokenizer
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from reconciler.query.problems import Places, Problems

LONGEST = 512 * 1024
"""Characters of a text: room for 7,000 UIDs; more belong in a desired-state file."""

_QUOTES = "write values in single quotes; double a quote inside one"
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_OPENING = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"[^\"]*\"|(?P<open>['\"])", re.DOTALL
)


def read_tokens(
    text: str, places: Places, variables: Mapping[str, str]
) -> tuple[tuple[Token, ...], ...]:
    """The tokens of each statement; those of the documented examples may end in a comment.

    Raises:
        StatementError: it is too long or cannot be split into tokens, or the variables do not fit.
    """
    problems = Problems(places)
    if len(text) > LONGEST:
        problems.add(
            0,
            "too-long",
            f"the text has {len(text):,} characters, more than {LONGEST:,}",
            "list so many instances in a desired-state file or an inventory",
        )
        problems.raise_if_any()
    tokens = _tokens(text, problems)
    _fill(tokens, variables, problems)
    problems.raise_if_any()
    return tuple(_statements(tokens))


def _tokens(text: str, problems: Problems) -> list[Token]:
    unclosed = next((found.start() for found in _OPENING.finditer(text) if found["open"]), None)
    if unclosed is not None:
        problems.add(unclosed, "unclosed-quote", "the quote that opens here is not closed", _QUOTES)
    elif "\0" in text:
        found = text.index("\0")
        problems.add(found, "not-sql", "a statement cannot contain a NUL character", "remove it")
    problems.raise_if_any()
    try:
        return Tokenizer().tokenize(text)
    except TokenError:
        problems.add(0, "not-sql", "the text cannot be read as SQL", _QUOTES)
        problems.raise_if_any()
        raise


def _fill(tokens: list[Token], variables: Mapping[str, str], problems: Problems) -> None:
    used = set()
    for token in tokens:
        if token.token_type is not TokenType.STRING:
            continue
        for name in _VARIABLE.findall(token.text):
            used.add(name)
            if name not in variables:
                problems.add(
                    token.start,
                    "missing-variable",
                    f"the variable {name} has no value",
                    f"give it with --var {name}=VALUE",
                )
        token.text = _VARIABLE.sub(lambda found: variables.get(found[1], ""), token.text)
    for name in sorted(variables.keys() - used):
        close = difflib.get_close_matches(name, used, n=1)
        problems.add(
            0,
            "unused-variable",
            f"the variable {name} is not used",
            f"did you mean {close[0]}?" if close else "write it in quotes: '{{ NAME }}'",
        )


def _statements(tokens: list[Token]) -> Iterator[tuple[Token, ...]]:
    parts = groupby(tokens, key=lambda token: token.token_type is TokenType.SEMICOLON)
    for is_end, statement in parts:
        if not is_end:
            yield tuple(statement)
