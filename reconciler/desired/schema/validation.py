"""Checks a document against the published schema, which is the authority."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from reconciler.desired.problems import MOST, Problems
from reconciler.desired.schema.fast_path import plain_checks, plain_file
from reconciler.desired.schema.messages import Explanation, Fault, explanations
from reconciler.desired.schema.published import DESIRED_STATE, published_schema
from reconciler.desired.yaml_tree.tree import Place, Steps, Value, YamlMapping, YamlSequence, walk
from reconciler.model.problem import Source

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


def check_document(root: Value, path: str, problems: Problems, schema: str = DESIRED_STATE) -> bool:
    """Whether the schema of this name accepts the document; if not, the problems say why."""
    residue = _Residue.of(root)
    if schema == DESIRED_STATE and plain_file()(residue.root):
        return True
    reporter = _Reporter(root, residue, path, problems, problems.sources(path))
    is_valid = True
    looked_at = 0
    for error in _validator(schema).iter_errors(residue.root):
        is_valid = False
        for finding in explanations(Fault.of(error)):
            if looked_at == MOST:
                last = max((source for source, _ in reporter.reported), default=Source(path, 1))
                problems.stopped(last)
                return False
            looked_at += 1
            reporter.report(error, finding)
    return is_valid


@dataclass(frozen=True, slots=True)
class _Residue:
    """A document without its plain entries, and where the others stand in the whole document.

    Entries are judged one by one, so the schema accepts it exactly if it accepts the whole.
    """

    root: Value
    indices: Mapping[str, list[int]]

    @classmethod
    def of(cls, root: Value) -> _Residue:
        if not isinstance(root, YamlMapping):
            return cls(root, {})
        rest = YamlMapping(root.line, root.column)
        rest.update(root)
        indices: dict[str, list[int]] = {}
        for key, is_plain in plain_checks().items():
            entries = root.get(key)
            if isinstance(entries, YamlSequence):
                indices[key] = [i for i, entry in enumerate(entries) if not is_plain(entry)]
                others = YamlSequence(entries.line, entries.column)
                others.extend(entries[i] for i in indices[key])
                rest[key] = others
        return cls(rest, indices)

    def whole_steps(self, steps: Steps) -> Steps:
        """The way to a value of this document as the way to it in the whole one."""
        match steps:
            case (str(key), int(index), *rest) if key in self.indices:
                return (key, self.indices[key][index], *rest)
            case _:
                return steps


@dataclass(frozen=True, slots=True)
class _Reporter:
    """Reports schema errors at their places, one for each value and for each key.

    ``refused`` are the places where the reader refused something: what the schema then has
    against that value is no news.
    """

    root: Value
    residue: _Residue
    path: str
    problems: Problems
    refused: set[Source]
    reported: set[tuple[Source, str | None]] = field(default_factory=set)

    def report(self, error: ValidationError, finding: Explanation) -> None:
        steps = self.residue.whole_steps(tuple(error.absolute_path))
        source = Source(self.path, *_place(self.root, steps, finding))
        is_known = finding.key is None and source in self.refused
        if not is_known and (source, finding.key) not in self.reported:
            self.reported.add((source, finding.key))
            self.problems.error(finding.rule, source, finding.message, finding.hint)


def _place(root: Value, steps: Steps, finding: Explanation) -> Place:
    node, place = walk(root, steps)
    if finding.key is None or not isinstance(node, YamlMapping) or finding.key not in node:
        return place
    return node.key_place(finding.key)


@cache
def _validator(schema: str) -> Draft202012Validator:
    # It takes a tenth of a second, which plain files need not take.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    return Draft202012Validator(published_schema(schema))
