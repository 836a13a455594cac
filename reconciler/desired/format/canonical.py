"""The canonical form of a desired-state file: one way to write the same, comments included."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import yaml

from reconciler.desired.problems import Problems
from reconciler.desired.schema.published import keys_of, scalar_types
from reconciler.desired.yaml_tree.comments import Commentary, Notes, read_comments
from reconciler.desired.yaml_tree.reader import SourceText, read_document
from reconciler.desired.yaml_tree.tree import Steps, Value, YamlMapping, YamlSequence

_INDENT = "  "
_PLAIN = re.compile(r"[A-Za-z0-9/](?:[A-Za-z0-9 ._/@+-]*[A-Za-z0-9_/])?")
_RESOLVER = yaml.resolver.Resolver()
_TEXT = "tag:yaml.org,2002:str"


class NotCanonicalError(Exception):
    """Formatting would have changed what the file says: a defect, and nothing is written."""


def canonical(text: str, path: str) -> str:
    """The same file in canonical form; ``path`` is for messages.

    The text must be a valid desired-state file. Keys stand in one order, everything in block
    style, entries sorted by study, series and inventory, entries on one series that agree in
    everything else joined, UIDs sorted and one a line. A comment moves with what it speaks of.

    Raises:
        NotCanonicalError: the outcome would not say the same.
    """
    document = _read(text, path)
    notes = Commentary(text, document)
    lines = [*notes.header]
    for number, key in enumerate(_sorted_keys(document, ())):
        value = document[key]
        # Above the first key an empty line would make another header of what is said of it.
        blank = number > 0
        if key in {"remove", "keep"} and value:
            _write(lines, 0, f"{key}:", notes.of((key,)), blank=blank)
            for entry in _entries(cast(YamlSequence, value), key, notes):
                entry.write(lines)
        else:
            _write_value(lines, 0, (key,), value, notes, blank=blank)
    result = "\n".join([*lines, *notes.footer, ""])
    _require_same(text, result, document, path)
    return result


def quoted(value: str) -> str:
    """A scalar as it is written: plain where every YAML reader takes it for the same text."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    if _PLAIN.fullmatch(value) and tag == _TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class _Line:
    """One instance of an entry, with what is said around it."""

    uid: str
    notes: Notes


@dataclass(slots=True)
class _Entry:
    """One entry, ready to be sorted, joined and written."""

    value: YamlMapping
    steps: Steps
    notes: Commentary
    instances: list[_Line] | None

    @property
    def sort_key(self) -> tuple[str, ...]:
        inventory = self.value.get("inventory")
        if isinstance(inventory, YamlMapping):
            return ("1", str(inventory["path"]))
        series = str(self.value.get("seriesId", ""))
        uids = min((line.uid for line in self.instances), default="") if self.instances else ""
        return ("0", str(self.value["studiesId"]), series, uids)

    @property
    def join_key(self) -> str | None:
        """Entries with an equal one can be joined; None for those that cannot."""
        if self.instances is None:
            return None
        rest = {key: value for key, value in self.value.items() if key != "instancesId"}
        return json.dumps(rest, sort_keys=True)

    def join(self, other: _Entry) -> None:
        """Take over the instances of another entry, and all that is said in it."""
        assert self.instances is not None  # noqa: S101 - of one join key
        assert other.instances  # noqa: S101 - the schema allows no empty list
        said = Notes()
        for steps in _steps_of(other.value, other.steps):
            if steps[-2:-1] != ("instancesId",):
                said += other.notes.of(steps)
        said += other.notes.of(other.steps)
        first = other.instances[0].notes
        first.before[:0] = [*said.before, *said.behind]
        self.instances += other.instances

    def write(self, lines: list[str]) -> None:
        head = self.notes.of(self.steps)
        first = True
        for key in _sorted_keys(self.value, self.steps):
            steps = (*self.steps, key)
            start = len(lines)
            if key == "instancesId":
                self._write_instances(lines, steps)
            else:
                _write_value(lines, 2, steps, self.value[key], self.notes)
            if first:
                _begin_item(lines, start, head)
                first = False

    def _write_instances(self, lines: list[str], steps: Steps) -> None:
        _write(lines, 2, "instancesId:", self.notes.of(steps))
        for line in sorted(self.instances or (), key=lambda one: one.uid):
            _write(lines, 3, f"- {quoted(line.uid)}", line.notes)


def _begin_item(lines: list[str], start: int, notes: Notes) -> None:
    """Put the dash before the first key of an entry, and what is said of the entry above it."""
    at = next(n for n in range(start, len(lines)) if not lines[n].lstrip().startswith("#"))
    lines[at] = f"{_INDENT}- {lines[at].lstrip()}"
    for number in range(start, at):
        lines[number] = _INDENT + lines[number].lstrip()
    lines[start:start] = [_INDENT + said for said in (*notes.before, *notes.behind)]
    if notes.blank:
        lines.insert(start, "")


def _entries(value: YamlSequence, key: str, notes: Commentary) -> list[_Entry]:
    entries: list[_Entry] = []
    joined: dict[str, _Entry] = {}
    for number, item in enumerate(value):
        entry = _entry(cast(YamlMapping, item), (key, number), notes)
        join_key = entry.join_key
        if join_key is not None and join_key in joined:
            joined[join_key].join(entry)
            continue
        if join_key is not None:
            joined[join_key] = entry
        entries.append(entry)
    return sorted(entries, key=lambda entry: entry.sort_key)


def _entry(value: YamlMapping, steps: Steps, notes: Commentary) -> _Entry:
    listed = value.get("instancesId")
    if listed is None:
        return _Entry(value, steps, notes, None)
    if not isinstance(listed, YamlSequence):
        return _Entry(value, steps, notes, [_Line(str(listed), Notes())])
    inside = (*steps, "instancesId")
    lines = [_Line(str(uid), notes.of((*inside, n))) for n, uid in enumerate(listed)]
    return _Entry(value, steps, notes, lines)


def _write_value(
    lines: list[str],
    depth: int,
    steps: Steps,
    value: Value,
    notes: Commentary,
    *,
    blank: bool = False,
) -> None:
    key = str(steps[-1])
    own = notes.of(steps)
    written = quoted(key)
    if isinstance(value, YamlSequence) and value:
        _write(lines, depth, f"{written}:", own, blank=blank)
        for number, item in enumerate(value):
            _write(lines, depth + 1, f"- {_scalar(key, item)}", notes.of((*steps, number)))
        return
    if not isinstance(value, YamlMapping):
        scalar = "[]" if isinstance(value, YamlSequence) else _scalar(key, value)
        _write(lines, depth, f"{written}: {scalar}", own, blank=blank)
        return
    _write(lines, depth, f"{written}:", own, blank=blank)
    for inner in _sorted_keys(value, steps):
        _write_value(lines, depth + 1, (*steps, inner), value[inner], notes)


def _scalar(key: str, value: Value) -> str:
    if isinstance(value, int):
        return json.dumps(value)
    text = str(value)
    return json.dumps(text) if key == "code" else quoted(text)


def _write(lines: list[str], depth: int, text: str, notes: Notes, *, blank: bool = False) -> None:
    indent = _INDENT * depth
    if blank and notes.blank:
        lines.append("")
    above = [*notes.before, *notes.behind[1:]]
    lines += [indent + said for said in above]
    behind = f"  {notes.behind[0]}" if notes.behind else ""
    lines.append(f"{indent}{text}{behind}")


def _sorted_keys(value: YamlMapping, steps: Steps) -> list[str]:
    """The keys of a mapping in the order of the schema."""
    order = keys_of(*(step for step in steps if isinstance(step, str)))
    return sorted(value, key=lambda key: order.index(key) if key in order else len(order))


def _steps_of(value: Value, steps: Steps) -> Iterator[Steps]:
    if isinstance(value, YamlMapping):
        for key, inner in value.items():
            yield (*steps, key)
            yield from _steps_of(inner, (*steps, key))
    elif isinstance(value, YamlSequence):
        for number, inner in enumerate(value):
            yield (*steps, number)
            yield from _steps_of(inner, (*steps, number))


def _read(text: str, path: str) -> YamlMapping:
    problems = Problems()
    source = SourceText(io.BytesIO(text.encode()))
    document = read_document(source, path, scalar_types=scalar_types(), problems=problems)
    if not isinstance(document, YamlMapping) or problems.has_errors:
        raise NotCanonicalError(path)
    return document


def _require_same(text: str, result: str, document: YamlMapping, path: str) -> None:
    """Compare what the two say, and what is said about it."""
    said = Counter(comment.text for comment in read_comments(text))
    if said != Counter(comment.text for comment in read_comments(result)):
        raise NotCanonicalError(path)
    if _meaning(document) != _meaning(_read(result, path)):
        raise NotCanonicalError(path)


def _meaning(document: YamlMapping) -> object:
    """What a file says, whatever the order in which it does."""
    lists = {"remove", "keep"} & document.keys()
    rest = {key: value for key, value in document.items() if key not in lists}
    return rest, {key: Counter(_claims(cast(YamlSequence, document[key]))) for key in lists}


def _claims(entries: YamlSequence) -> Iterator[str]:
    for item in entries:
        entry = cast(YamlMapping, item)
        listed = entry.get("instancesId")
        uids = listed if isinstance(listed, YamlSequence) else [listed]
        rest = json.dumps({k: v for k, v in entry.items() if k != "instancesId"}, sort_keys=True)
        for uid in uids:
            yield f"{rest} {uid}"
