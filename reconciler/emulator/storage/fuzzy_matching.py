"""Fuzzy matching of Patient's Name, as the service documents it.

Query and stored value are normalised and split into words; the name matches if any word of the
query is the beginning of any word of it.
"""

from __future__ import annotations

import re
import unicodedata

IS_FUZZY_MATCH = "is_fuzzy_match"
"""The name under which SQL calls `is_fuzzy_match`."""


def is_fuzzy_match(stored: str, query: str) -> bool:
    """Whether a name matches a query; case and diacritics do not count."""
    words = _words(stored)
    return any(word.startswith(beginning) for beginning in _words(query) for word in words)


def _words(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in decomposed if not unicodedata.combining(one))
    return re.findall(r"\w+", plain)
