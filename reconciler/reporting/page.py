"""Pages that stand alone: one HTML file, rendered in pieces, that asks for nothing else.

What a page shows is text, whatever it holds: every value is made plain and escaped, and its
Content-Security-Policy names the one style and the one script that may run by their hashes
(https://www.w3.org/TR/CSP3/#grammardef-hash-source).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from reconciler.reporting.wording import plain, plural

if TYPE_CHECKING:
    from jinja2 import Environment

_PIECES_AT_ONCE = 500
_PAGE_FOOT = """@page { margin: 16mm 14mm 18mm;
@bottom-left { font: 7pt system-ui, sans-serif; content: "%s"; }
@bottom-right { font: 7pt system-ui, sans-serif; content: counter(page) " / " counter(pages); } }"""


def render_page(template: str, values: Mapping[str, object], page_foot: str = "") -> Iterator[str]:
    """The page in pieces; no value and no loop of it is ever held as one text.

    ``page_foot`` stands at the foot of each page that is printed, beside its number.
    """
    foot = Markup(_PAGE_FOOT % _css_string(page_foot))  # noqa: S704 - nothing of it ends the string
    styles = {"foot": foot, "foot_hash": _hash_source(foot)}
    stream = _environment().get_template(template).stream({**values, **styles})
    stream.enable_buffering(_PIECES_AT_ONCE)
    return iter(stream)


@cache
def _environment() -> Environment:
    # Only who wants a page pays for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    loader = PackageLoader("reconciler.reporting")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plural"] = plural
    environment.filters["count"] = lambda number: f"{number:,}"
    for name, file in {"style": "page.css", "script": "page.js"}.items():
        text = loader.get_source(environment, file)[0]
        environment.globals[name] = Markup(text)  # noqa: S704 - it is this package's own file
        environment.globals[f"{name}_hash"] = _hash_source(text)
    return environment


def _css_string(text: str) -> str:
    """A text in quotes, each character that could end them by its number (css-syntax-3, 4.3.7)."""
    return "".join(char if char.isalnum() else f"\\{ord(char):06x}" for char in plain(text))


def _hash_source(text: str) -> str:
    """The hash by which a browser takes a style or a script of the page."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: object) -> str:
    """A value from a file or a server on one line, without what steers or hides text."""
    return value if isinstance(value, Markup) else plain(str(value))
