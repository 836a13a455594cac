"""Reads a YAML document from the parser's events: raw scalars, positions, and nothing clever.

YAML 1.1 as PyYAML builds it turns ``1.10`` into 1.1 and ``012`` into 10, keeps the last of two
equal keys silently, and expands aliases without bound. Here scalars stay text, and whatever could
make two readers see two documents is refused: duplicate keys, anchors, aliases, merge keys, tags,
several documents, and collections more than 16 deep. libyaml parses where it is there, the pure
Python parser elsewhere; both give the same events.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping
from typing import BinaryIO

import yaml

from reconciler.desired.problems import Problems
from reconciler.desired.progress import ReadProgress
from reconciler.desired.yaml_tree.builder import Stopped, Taker, TreeBuilder
from reconciler.desired.yaml_tree.syntax import decode, report_yaml_error
from reconciler.desired.yaml_tree.tree import Value

_PARSER = getattr(yaml, "CLoader", yaml.Loader)
"""Only its events are taken; it constructs nothing."""

_CHUNK = 1 << 16


class SourceText:
    """A file as text while it is parsed, so that it never lies in memory whole.

    The digest is of the very bytes that the parser got.
    """

    def __init__(self, file: BinaryIO, progress: ReadProgress | None = None) -> None:
        self._file = file
        self._progress = progress or ReadProgress()
        self._digest = hashlib.sha256()
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode

    def read(self, size: int = _CHUNK, /) -> str:
        """At least one character of the text, and about ``size``; none at its end.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        while chunk := self._file.read(size):
            self._digest.update(chunk)
            self._progress.read(len(chunk))
            if text := self._decode(chunk):
                return text
        return self._decode(b"", final=True)

    def whole(self) -> bytes:
        """All bytes of the file, for someone who must show what is wrong with it."""
        self._file.seek(0)
        return self._file.read()

    def sha256(self) -> str:
        """The digest of the whole file, what the parser left unread included."""
        while chunk := self._file.read(_CHUNK):
            self._digest.update(chunk)
        return self._digest.hexdigest()


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
