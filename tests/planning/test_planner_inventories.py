"""A row of an inventory that names a study or a series plans as the same entry in YAML does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.desired.load import load_desired_state
from reconciler.model.gate import GateName
from reconciler.model.plan import Plan
from reconciler.model.problem import Source
from reconciler.planning.gates import evaluate_gates
from reconciler.planning.planner import make_plan

from .conftest import live_store

HEAD = """\
version: 1
store: {projectsId: p, locationsId: europe-west4, datasetsId: d, dicomStoresId: s}
"""
HELD = "hold: Trial 7"
FIRST = "reason: {code: '113039'}"
SECOND = "reason: {code: '113001', ticket: RET-2}, archive: {path: /srv/archive}"


class Named(NamedTuple):
    """A study, or a series of it, and what an entry says of it besides."""

    key: str
    extra: str
    study: str
    series: str | None


@st.composite
def wanted(draw: st.DrawFn) -> list[Named]:
    """Entries of which none is there twice, so that each has the one place."""
    studies = st.sampled_from(["1", "2", "3"])
    kinds = st.sampled_from([("remove", FIRST), ("remove", SECOND), ("keep", HELD)])
    found = {}
    for _ in range(draw(st.integers(1, 7))):
        (key, extra), study = draw(kinds), draw(studies)
        series = draw(st.none() | st.sampled_from([f"{study}.1", f"{study}.2"]))
        found[key, study, series] = Named(key, extra, study, series)
    return list(found.values())


stores = st.sets(
    st.sampled_from([f"{s}/{s}.{n}/{s}.{n}.{i}" for s in "123" for n in "12" for i in "123"])
)


def typed(folder: Path, entries: Sequence[Named]) -> dict[Source, Named]:
    """One line for each; gives which is where."""
    lines = HEAD.splitlines()
    places = {}
    for key in ("remove", "keep"):
        lines.append(f"{key}:" if any(one.key == key for one in entries) else f"{key}: []")
        for one in entries:
            if one.key == key:
                series = f"seriesId: '{one.series}', " if one.series else ""
                lines.append(f"  - {{studiesId: '{one.study}', {series}{one.extra}}}")
                places[Source("a.yaml", len(lines))] = one
    folder.joinpath("a.yaml").write_text("\n".join(lines) + "\n")
    return places


def listed(folder: Path, entries: Sequence[Named]) -> dict[Source, Named]:
    """One row for each, in an inventory for all that agree in the rest; gives which is where."""
    inventories: dict[tuple[str, str, bool], list[Named]] = {}
    for one in entries:
        inventories.setdefault((one.key, one.extra, one.series is None), []).append(one)
    lists: dict[str, list[str]] = {"remove": [], "keep": []}
    places = {}
    for (key, extra, are_studies), rows in inventories.items():
        text = "studiesId\n" if are_studies else "seriesId,studiesId\n"
        text += "".join(f"{r.study}\n" if are_studies else f"{r.series},{r.study}\n" for r in rows)
        name = f"{len(places)}.csv"
        folder.joinpath(name).write_text(text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        pin = f"{{path: {name}, sha256: {sha256}, count: {len(rows)}}}"
        lists[key].append(f"  - {{inventory: {pin}, {extra}}}\n")
        places |= {Source(name, number): row for number, row in enumerate(rows, 2)}
    text = "".join(f"{key}:{''.join([chr(10), *found]) if found else ' []' + chr(10)}"
                   for key, found in lists.items())  # fmt: skip
    folder.joinpath("a.yaml").write_text(HEAD + text)
    return places


def described(plan: Plan, places: Mapping[Source, Named]) -> dict[str, object]:
    """What a plan says, with the entry that is meant in the place of the line that names it."""
    (store,) = plan.stores
    deletions = {
        instance: (places[Source(group.path, line)], group.expanded, group.reason, group.archive)
        for instance, group, line in store.declared_deletions()
    }
    studies = [
        (
            *(one.study_uid, one.instances, one.unmanaged, one.emptied, one.listed_deletions),
            [(series.series_uid, series.instances, series.emptied) for series in one.series],
        )
        for one in store.studies
    ]
    return {
        "deletions": deletions,
        "studies": studies,
        "findings": {(f.why, f.subject, places[f.source], f.detail) for f in store.findings},
        "kept": {(places[one.source], one.instances, one.hold) for one in store.kept},
        "overridden": {
            (places[o.removal], places[o.keep], o.instances, o.hold) for o in store.overridden
        },
        "gates": [(gate.name, gate.actual, gate.allowed) for gate in evaluate_gates(plan)],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@settings(deadline=None)
@given(wanted(), stores)
def test_a_listed_study_or_series_plans_as_a_typed_one(
    folder: Path, entries: list[Named], holds: set[str]
) -> None:
    plans = []
    for write in (typed, listed):
        places = write(folder, entries)
        state = load_desired_state([folder / "a.yaml"], root=folder)
        (store,) = state.stores
        plan = make_plan(state, {store.store: live_store(store, {"holds": holds})})
        plans.append(described(plan, places))
    assert plans[0] == plans[1]
    event(f"{min(len(plans[0]['deletions']), 4)} deletions at least")


def test_a_listed_study_is_expanded_and_counts_for_no_share_of_it(folder: Path) -> None:
    listed(folder, [Named("remove", FIRST, "1", None)])
    state = load_desired_state([folder / "a.yaml"], root=folder)
    (store,) = state.stores
    plan = make_plan(state, {store.store: live_store(store, {"holds": ["1/1.1/1.1.1"]})})
    percent = [g for g in evaluate_gates(plan) if g.name is GateName.MAX_STUDY_PERCENT]
    assert [gate.actual for gate in percent] == [0]
    ((_, group, line),) = plan.stores[0].declared_deletions()
    assert (group.path, line, group.expanded) == ("0.csv", 2, True)
