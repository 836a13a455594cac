"""Random stores and rules, and what must be listed: sets alone, and not a line of the product.

Each condition makes two sets: what it certainly holds for, and what it possibly does, where what is
missing or malformed could be anything. A rule joins them; what is certain is removed, what is
possible is kept.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from hypothesis import strategies as st

from .conftest import Made

AS_OF = date(2022, 3, 1)
DATES = (
    *(None, "", "2010", "20120230", "2012.02.29"),
    *("19000101", "20100101", "20110101", "20120228", "20120229", "20120301", "20211231"),
)
PATIENTS = ("P1", "P1", "P2", "", None)
ACCESSIONS = (None, "A1", "A2")
MODALITIES = (None, "US", "MG", "SR")

Key = tuple[str, ...]
"""A study, or a series behind its study."""


class Sets(NamedTuple):
    """What is certainly so, and what is possibly so."""

    certain: frozenset[Key]
    possible: frozenset[Key]


@dataclass(frozen=True)
class Case:
    """A store, a rule as YAML has it, what becomes of it, and the lists that it names."""

    studies: tuple[Made, ...]
    level: str
    select: Mapping[str, Any]
    exceptions: Sequence[Mapping[str, Any]]
    intent: str
    cohort: frozenset[str]
    numbers: frozenset[str]
    listed: frozenset[str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    series = st.tuples(st.sampled_from(MODALITIES), st.integers(1, 2))
    studies = tuple(
        Made(
            f"1.2.{number}",
            draw(st.sampled_from(DATES)),
            draw(st.sampled_from(PATIENTS)),
            draw(st.sampled_from(ACCESSIONS)),
            tuple(draw(st.lists(series, min_size=1, max_size=2))),
        )
        for number in range(1, draw(st.integers(1, 5)) + 1)
    )
    conditions = conditions_of()
    return Case(
        studies,
        draw(st.sampled_from(["study", "series"])),
        draw(conditions),
        draw(st.lists(conditions, max_size=2)),
        draw(st.sampled_from(["remove", "keep"])),
        draw(st.frozensets(st.sampled_from(["P1", "P2", "P9"]))),
        draw(st.frozensets(st.sampled_from(["A1", "A9"]))),
        draw(st.frozensets(st.sampled_from(["1.2.1", "1.2.2", "1.2.9"]))),
    )


def conditions_of() -> st.SearchStrategy[dict[str, Any]]:
    """One condition or two: more of them seldom hold together."""
    codes = st.lists(st.sampled_from(["US", "MG", "SR"]), min_size=1, max_size=2, unique=True)
    bounds = st.fixed_dictionaries(
        {},
        optional={
            "olderThan": st.sampled_from(["10y", "120m", "1d", "3m", "3652d"]),
            "before": st.sampled_from(["2012-02-29", "2022-01-01"]),
        },
    ).filter(bool)
    modalities = st.fixed_dictionaries({}, optional={"only": codes, "any": codes, "none": codes})
    said = {
        "studyDate": bounds,
        "modalities": modalities.filter(bool),
        "patients": st.just({"keyed": "p.keyed"}),
        "lastStudyOfPatient": bounds,
        "studies": st.just({"csv": "s.csv", "column": "Study UID"}),
        "accessions": st.just({"keyed": "a.keyed"}),
    }
    names = st.lists(st.sampled_from(sorted(said)), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({one: said[one] for one in chosen}))


def expected(case: Case) -> Sets:
    """What the rule certainly, and possibly, selects."""
    keys = frozenset(keys_of(case))
    select = joined([sets_of(case, keys, *one) for one in case.select.items()], keys)
    certain, possible = select
    for exception in case.exceptions:
        found = joined([sets_of(case, keys, *one) for one in exception.items()], keys)
        certain, possible = certain - found.possible, possible - found.certain
    return Sets(certain, possible)


def keys_of(case: Case) -> Iterator[Key]:
    for study in case.studies:
        if case.level == "study":
            yield (study.uid,)
        else:
            yield from ((study.uid, f"{study.uid}.{n + 1}") for n in range(len(study.series)))


def joined(parts: Sequence[Sets], keys: frozenset[Key]) -> Sets:
    certain = possible = keys
    for part in parts:
        certain, possible = certain & part.certain, possible & part.possible
    return Sets(certain, possible)


def sets_of(case: Case, keys: frozenset[Key], name: str, said: Any) -> Sets:
    by_uid = {study.uid: study for study in case.studies}
    yes, perhaps = set(), set()
    for key in keys:
        study = by_uid[key[0]]
        known, is_certain = [*modalities_of(study, key)], True
        match name:
            case "studyDate":
                found = None if day(study) is None else is_older(day(study), said)
            case "lastStudyOfPatient":
                found = is_last_older(case, study, said)
            case "patients":
                found = study.patient in case.cohort if study.patient else None
            case "accessions":
                found = study.accession in case.numbers if study.accession else None
            case "studies":
                found = study.uid in case.listed
            case _:
                is_certain = None not in known
                for kind, codes in said.items():
                    held = {one for one in known if one is not None}
                    sure, maybe = modality_sets(kind, set(codes), held, is_certain=is_certain)
                    if kind == next(iter(said)):
                        both = [sure, maybe]
                    else:
                        both = [both[0] and sure, both[1] and maybe]
                yes |= {key} if both[0] else set()
                perhaps |= {key} if both[1] else set()
                continue
        yes |= {key} if found else set()
        perhaps |= {key} if found is not False else set()
    return Sets(frozenset(yes), frozenset(perhaps))


def modality_sets(
    kind: str, codes: set[str], held: set[str], *, is_certain: bool
) -> tuple[bool, bool]:
    """Whether it certainly, and possibly, holds of what has these modalities."""
    if kind == "only":
        return is_certain and held <= codes, held <= codes
    if kind == "any":
        return bool(held & codes), bool(held & codes) or not is_certain
    return is_certain and not held & codes, not held & codes


def modalities_of(study: Made, key: Key) -> Iterator[str | None]:
    for number, (modality, _) in enumerate(study.series, start=1):
        if len(key) == 1 or key[1] == f"{study.uid}.{number}":
            yield modality


def is_last_older(case: Case, study: Made, said: Mapping[str, str]) -> bool | None:
    if not study.patient:
        return None
    days = [day(one) for one in case.studies if one.patient == study.patient]
    if any(one is not None and not is_older(one, said) for one in days):
        return False
    return None if None in days else True


def day(study: Made) -> date | None:
    try:
        text = study.date or ""
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if len(text) == 8 else None
    except ValueError:
        return None


def is_older(found: date | None, said: Mapping[str, str]) -> bool:
    assert found is not None
    older = said.get("olderThan")
    if "before" in said and not found.isoformat() < said["before"]:
        return False
    if older is None:
        return True
    count = int(older[:-1])
    if older.endswith("d"):
        return (AS_OF - found).days > count
    months = found.month - 1 + count * (12 if older.endswith("y") else 1)
    year, month = found.year + months // 12, months % 12 + 1
    anniversary = date(year, month, min(found.day, calendar.monthrange(year, month)[1]))
    return anniversary < AS_OF


def as_yaml(case: Case) -> tuple[str, str, str]:
    """What is selected, what becomes of it, and the exceptions, in flow style."""
    terms = {"remove": {"reason": {"code": "113039"}}, "keep": {}}
    return (
        json.dumps({"level": case.level, **case.select}),
        json.dumps({case.intent: terms[case.intent]}),
        json.dumps(list(case.exceptions)),
    )
