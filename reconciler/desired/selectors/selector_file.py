"""A selector as a file: its document, the files that it names, and the digest over all of them.

Whoever loads a resolved list needs no more of its selector than this.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import (
    is_pointer,
    relative_to_root,
    report_outside,
    report_pointer,
    report_unreadable,
)
from reconciler.desired.rules import Rule
from reconciler.desired.schema.published import SELECTOR, scalar_types
from reconciler.desired.schema.validation import check_document
from reconciler.desired.wording import FILE_KINDS, shown_file
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.desired.yaml_tree.tree import YamlMapping
from reconciler.model.desired import InputFile, InputRole
from reconciler.model.problem import Source
from reconciler.regular_file import open_regular


@dataclass(frozen=True, slots=True)
class SelectorFile:
    """A selector that the schema accepts; ``named`` is where each file that it names really is.

    ``inputs`` are the selector and those files, by path relative to the project's root. ``digest``
    is the SHA-256 of what ``sha256sum`` prints of the selector, by its bare name, and then of the
    files, by their paths as they are written and in the order of these.
    """

    path: str
    document: YamlMapping
    named: Mapping[str, str]
    inputs: tuple[InputFile, ...]
    digest: str


def groups_of(document: YamlMapping) -> Iterator[YamlMapping]:
    """What the document says of what is selected, then each exception."""
    yield cast(YamlMapping, document["select"])
    yield from cast(list[YamlMapping], document.get("except") or ())


def open_selector(
    root: Path, path: str, problems: Problems, asked: set[str] | None = None
) -> SelectorFile | None:
    """Read the file ``path`` of the project; None if it is not valid, which is a problem then.

    What it names is hashed, and not looked into; to ``asked`` its name is added.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(Path(root, path)) as file:
        source = SourceText(file)
        document = read_document(
            source, path, scalar_types=scalar_types(SELECTOR), problems=problems
        )
        digest = source.sha256()
    if isinstance(document, str) and is_pointer(document):
        report_pointer(Source(path, 1), path, problems)
        return None
    if document is None or not check_document(document, path, problems, SELECTOR):
        return None
    content = cast(YamlMapping, document)
    sums = {posixpath.basename(path): digest}
    inputs = [InputFile(path, digest, InputRole.SELECTOR)]
    named: dict[str, str] = {}
    for written, key, place in sorted(_named(content, path)):
        if written in named:
            continue
        full = Path(root, posixpath.dirname(path), written)
        name = relative_to_root(full, str(root))
        is_there = os.path.exists(full)  # noqa: PTH110 - a name may be too long for Path
        if name is None:
            report_outside(place, shown_file(key, written, is_there=is_there), problems)
            return None
        if asked is not None:
            asked.add(name)
        shown = shown_file(key, name, is_there=is_there)
        found = _hashed(root, name, shown, place, problems)
        if found is None:
            return None
        named[written] = found.path
        sums[written] = found.sha256
        inputs.append(found)
    printed = "".join(f"{sha256}  {name}\n" for name, sha256 in sums.items())
    combined = f"sha256:{hashlib.sha256(printed.encode()).hexdigest()}"
    return SelectorFile(path, content, named, tuple(inputs), combined)


def _named(document: YamlMapping, path: str) -> Iterator[tuple[str, str, Source]]:
    """The files that conditions name, each with its key and its place."""
    for group in groups_of(document):
        for condition in group.values():
            for key in FILE_KINDS:
                if isinstance(condition, YamlMapping) and key in condition:
                    yield str(condition[key]), key, Source(path, *condition.value_place(key))


def _hashed(
    root: Path, name: str, shown: str, place: Source, problems: Problems
) -> InputFile | None:
    try:
        with open_regular(Path(root, name)) as file:
            sha256 = SourceText(file).sha256()
    except FileNotFoundError:
        hint = "the path is relative to this file's folder"
        problems.error(Rule.PATH_NOT_FOUND, place, f"{shown} does not exist", hint)
    except OSError as error:
        report_unreadable(place, shown, error, problems)
    else:
        return InputFile(name, sha256, InputRole.SELECTOR)
    return None
