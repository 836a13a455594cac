"""Turns a selector into the rule that it says, with what the files hold that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import cast

from reconciler.desired.checks.archives import Archive, Archives
from reconciler.desired.inventory.exported_list import read_exported_list
from reconciler.desired.problems import Problems
from reconciler.desired.project_paths import report_unreadable
from reconciler.desired.rules import Rule
from reconciler.desired.selection import select_selectors
from reconciler.desired.selectors.cohort import read_cohort
from reconciler.desired.selectors.selector_file import (
    SelectorFile,
    groups_of,
    open_selector,
)
from reconciler.desired.wording import quoted
from reconciler.desired.yaml_tree.tree import YamlMapping, YamlSequence
from reconciler.errors import DesiredStateError
from reconciler.model.address import StoreAddress
from reconciler.model.desired import EntryKind
from reconciler.model.patient import ACCESSION, PATIENT, Attribute
from reconciler.model.problem import Problem, Source
from reconciler.model.selection.packed_uid import pack
from reconciler.model.selection.selector import (
    Accessions,
    Age,
    Bound,
    Condition,
    LastStudyOfPatient,
    ListLevel,
    Modalities,
    Patients,
    SelectionRule,
    Selector,
    Studies,
    StudyDate,
)


def load_selectors(
    paths: Sequence[Path], *, root: Path
) -> tuple[tuple[Selector, ...], tuple[Problem, ...]]:
    """Read the selectors that the PATHs name, sorted by path, and what is worth a look in them.

    Raises:
        DesiredStateError: with every problem of every file.
    """
    problems = Problems()
    real_root = Path(root).resolve()
    names = select_selectors(paths, real_root, problems)
    read = [_read(real_root, name, problems) for name in names]
    if problems.has_errors:
        raise DesiredStateError(problems.sorted())
    return tuple(one for one in read if one is not None), problems.sorted()


def _read(root: Path, path: str, problems: Problems) -> Selector | None:
    try:
        opened = open_selector(root, path, problems)
        return None if opened is None else _Reader(root, opened, problems).selector()
    except OSError as error:
        report_unreadable(Source(path, 1), path, error, problems)
        return None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one selector that the schema accepts."""

    root: Path
    file: SelectorFile
    problems: Problems
    key_checks: list[tuple[Source, str | None]] = field(default_factory=list)

    def selector(self) -> Selector:
        """The selector; it may lack something where there are problems.

        Raises:
            OSError: a file that it names cannot be read.
        """
        document = self.file.document
        store = cast(YamlMapping, document["store"])
        ((intent, terms),) = cast(dict[str, YamlMapping], document["then"]).items()
        Archives(self.root, self.file.path, self.problems).read(terms, Archive())
        select, *exceptions = [self._conditions(group) for group in groups_of(document)]
        level = ListLevel(cast(str, cast(YamlMapping, document["select"])["level"]))
        return Selector(
            self.file.path,
            self.file.digest,
            StoreAddress.from_parameters(cast(Mapping[str, str], store)),
            store,
            level,
            SelectionRule(select, tuple(exceptions)),
            EntryKind(intent),
            {key: said for key, said in terms.items() if key != "bind"},
            tuple(self.key_checks),
            self._bind(terms, level),
        )

    def _bind(self, terms: YamlMapping, level: ListLevel) -> tuple[Attribute, ...]:
        """What the list is bound to; a study has no one modality."""
        to = {Attribute(str(one)) for one in cast(YamlSequence, terms.get("bind", ()))}
        if Attribute.MODALITY in to and level is ListLevel.STUDY:
            place = Source(self.file.path, *terms.value_place("bind"))
            message = "a list of studies cannot be bound to the modality: each series has its own"
            self.problems.error(Rule.INVALID_VALUE, place, message, "list series: level: series")
        return tuple(one for one in Attribute if one in to)

    def _conditions(self, group: YamlMapping) -> tuple[Condition, ...]:
        conditions = cast(dict[str, YamlMapping], group).items()
        return tuple(self._condition(key, said) for key, said in conditions if key != "level")

    def _condition(self, key: str, said: YamlMapping) -> Condition:
        match key:
            case "studyDate":
                return StudyDate(self._bound(said))
            case "lastStudyOfPatient":
                return LastStudyOfPatient(self._bound(said))
            case "modalities":
                kinds = (_codes(said, kind) for kind in ("only", "any", "none"))
                return Modalities(*kinds)
            case "patients":
                return Patients(self._cohort(said, PATIENT))
            case "accessions":
                return Accessions(self._cohort(said, ACCESSION))
            case _:
                return Studies(self._listed(said))

    def _bound(self, said: YamlMapping) -> Bound:
        age, day = cast(str | None, said.get("olderThan")), cast(str | None, said.get("before"))
        try:
            before = None if day is None else date.fromisoformat(day)
        except ValueError:
            before = None
            message = f"before {quoted(str(day))} is not a day of the calendar"
            place = Source(self.file.path, *said.value_place("before"))
            self.problems.error(Rule.INVALID_VALUE, place, message)
        return Bound(None if age is None else Age(int(age[:-1]), age[-1]), before)

    def _cohort(self, said: YamlMapping, prefix: str) -> frozenset[str]:
        name = self.file.named[cast(str, said["keyed"])]
        found, check = read_cohort(Path(self.root, name), name, prefix, self.problems)
        self.key_checks.append((Source(self.file.path, *said.value_place("keyed")), check))
        return found

    def _listed(self, said: YamlMapping) -> frozenset[bytes]:
        name, column = self.file.named[cast(str, said["csv"])], cast(str, said["column"])
        rows = read_exported_list(Path(self.root, name), name, (column,), self.problems)
        return frozenset(pack(row.uids[0]) for row in rows)


def _codes(said: YamlMapping, key: str) -> frozenset[str] | None:
    listed = cast(YamlSequence | None, said.get(key))
    return None if listed is None else frozenset(map(str, listed))
