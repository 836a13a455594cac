"""Reads a YAML document from the parser's events: raw scalars, positions, and nothing clever.

YAML 1.1 as PyYAML builds it turns ``1.10`` into 1.1 and ``012`` into 10, keeps the last of two
equal keys silently, and expands aliases without bound. Here scalars stay text, and whatever could
make two readers see two documents is refused: duplicate keys, anchors, aliases, merge keys, tags,
several documents, and collections more than 16 deep. libyaml parses where it is there, the pure
Python parser elsewhere; both give the same events.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from reconciler.desired.problems import Problems
from reconciler.desired.yaml_tree.builder import Stopped, Taker, TreeBuilder
from reconciler.desired.yaml_tree.source_text import SourceText
from reconciler.desired.yaml_tree.syntax import decode, report_yaml_error
from reconciler.desired.yaml_tree.tree import Value

_PARSER = getattr(yaml, "CLoader", yaml.Loader)
"""Only its events are taken; it constructs nothing."""


def read_document(
    source: SourceText,
    path: str,
    *,
    scalar_types: Mapping[str, str],
    problems: Problems,
    takers: Mapping[str, Taker] | None = None,
) -> Value:
    """The one document of a file; None if there is none, which is a problem already.

    ``scalar_types`` are the keys whose plain decimal whole numbers become ``int`` (``integer``),
    or whose plain ``true`` and ``false`` become ``bool`` (``boolean``). ``takers`` take items of
    the lists under these keys of the document, which are then not part of the result. It may be
    incomplete where ``problems`` says so.
    """
    try:
        parser = _PARSER(source)
        return TreeBuilder(parser.get_event, path, scalar_types, problems, takers or {}).document()
    except UnicodeDecodeError:
        decode(source.whole(), path, problems)
    except yaml.YAMLError as error:
        text = decode(source.whole(), path, problems)
        if text is not None:
            report_yaml_error(error, text, path, problems)
    except Stopped:
        pass
    return None
