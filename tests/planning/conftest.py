"""Reads the planner's cases: ``cases/*.yaml``, explained in ``cases/README.md``."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.errors import DesiredStateError
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.desired import (
    LIMIT_KEYS,
    Claims,
    DesiredState,
    DesiredStore,
    Entry,
    EntryKind,
    Hold,
    InputFile,
    InputRole,
    InstanceList,
    Limits,
    Reason,
    ReasonCode,
)
from reconciler.model.live import (
    ABSENT,
    LISTED,
    PRESENT,
    LiveStore,
    Observation,
    StudyContents,
    unknown,
)
from reconciler.model.plan import Plan, SavedPlan, StorePlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Source
from reconciler.planning.gates import evaluate_gates
from reconciler.planning.plan_file import digest_of
from reconciler.planning.planner import make_plan
from reconciler.reporting.wording import summary_line

CASES = Path(__file__).parent / "cases"
SPEC = "specs/retention.yaml"
"""The file of every line that names none."""

CREATED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One case: what is wanted, what is there, and what the plan must say."""

    desired: DesiredState
    live: Mapping[StoreAddress, LiveStore]
    expected: Mapping[str, Any]

    def plan(self) -> Plan:
        return make_plan(self.desired, self.live)

    def outcome(self) -> dict[str, Any]:
        """What the planner makes of it, in the words of a case's ``expect``."""
        try:
            plan = self.plan()
        except DesiredStateError as error:
            return {"errors": [str(problem) for problem in error.problems]}
        stores = {store.store.dicom_store_id: _describe(plan, store) for store in plan.stores}
        said = {"summary": summary_line(PlanSummary.of_plan(plan))}
        return said | (stores if len(stores) > 1 else next(iter(stores.values())))


@pytest.fixture(params=sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest) -> Case:
    """Every case in turn."""
    return _read_case(request.param)


@pytest.fixture
def named_case() -> Callable[[str], Case]:
    """The case of that name."""
    return lambda name: _read_case(CASES / f"{name}.yaml")


@pytest.fixture
def saved_plan() -> Callable[[Plan], SavedPlan]:
    """A plan with all that a plan file says besides."""
    return lambda plan: SavedPlan(
        plan=plan,
        digest=digest_of(plan),
        plan_id="5f0c7a52",
        created=CREATED,
        expires=EXPIRES,
        tool_version="0.1.0",
        endpoint="https://healthcare.googleapis.com",
    )


def _read_case(path: Path) -> Case:
    document = yaml.safe_load(path.read_text("utf-8"))
    stores = document.get("stores") or {"archive": document}
    wanted = [_desired_store(name, part["desired"]) for name, part in sorted(stores.items())]
    live = [
        live_store(one, part["live"])
        for one, (_, part) in zip(wanted, sorted(stores.items()), strict=True)
    ]
    files = {entry.source.path for one in wanted for entry in _entries(one)}
    inputs = (InputFile(name, "0" * 64, InputRole.SELECTED) for name in sorted(files))
    state = DesiredState(tuple(wanted), ("specs",), tuple(inputs), {}, {})
    return Case(state, {one.store: one for one in live}, _expected(document, stores))


def _expected(document: Any, stores: Mapping[str, Any]) -> dict[str, Any]:
    if "stores" not in document:
        return _complete(document["expect"])
    return {"summary": document["summary"]} | {
        name: _complete(part["expect"]) for name, part in stores.items()
    }


def _complete(expect: Mapping[str, Any]) -> dict[str, Any]:
    """What a case leaves out must not be there."""
    if "errors" in expect:
        return dict(expect)
    nothing: dict[str, Any] = {"delete": {}, "of": {}, "findings": [], "kept": [], "overridden": []}
    return nothing | {"blocking": []} | dict(expect)


# What is wanted


def _desired_store(name: str, wanted: Mapping[str, Any]) -> DesiredStore:
    return DesiredStore(
        StoreAddress("imaging-prod", "europe-west4", "radiology", name),
        Limits(**{_LIMITS[key]: value for key, value in wanted.get("limits", {}).items()}),
        Claims(tuple(_read_entries(EntryKind.REMOVE, wanted.get("remove", {})))),
        Claims(tuple(_read_entries(EntryKind.KEEP, wanted.get("keep", {})))),
    )


_LIMITS = {key: name for name, key in LIMIT_KEYS.items()}


def _read_entries(intent: EntryKind, lines: Mapping[int, Any]) -> Iterator[Entry]:
    for line, value in lines.items():
        extra = value if isinstance(value, dict) else {"what": value}
        what = extra["what"]
        address = _address(what[0] if isinstance(what, list) else what)
        reason = Reason(ReasonCode(extra.get("code", "113039")), ticket=extra.get("ticket"))
        yield Entry(
            intent,
            *address[:2],
            _instances(what, line, 1 if isinstance(what, list) else 0),
            Source(extra.get("file", SPEC), line, 5),
            reason if intent is EntryKind.REMOVE else None,
            Hold(extra["hold"]) if "hold" in extra else None,
            str(extra.get("file")).endswith(".csv"),
        )


def _instances(what: str | list[str], line: int, offset: int) -> InstanceList | None:
    addresses = [_address(text) for text in (what if isinstance(what, list) else [what])]
    if addresses[0][2] is None:
        return None
    uids = tuple(str(address[2]) for address in addresses)
    lines = [line + offset * number for number in range(1, len(uids) + 1)] if offset else [line]
    return InstanceList(uids, array("l", lines), array("l", [9] * len(uids)))


def _address(text: str) -> tuple[str, str | None, str | None]:
    """``1/`` a study, ``1/1.1/`` a series, ``1/1.1/1.1.1`` an instance."""
    study, _, rest = text.partition("/")
    series, _, instance = rest.partition("/")
    return study, series or None, instance or None


def _instance(text: str) -> InstanceAddress:
    study, series, instance = _address(text)
    assert series, text
    assert instance, text
    return InstanceAddress(study, series, instance)


def _entries(store: DesiredStore) -> Iterator[Entry]:
    yield from (*store.removes.entries, *store.keeps.entries)


# What is there


def live_store(desired: DesiredStore, live: Mapping[str, Any]) -> LiveStore:
    """What a look at the store gives when it holds this and answers so."""
    holds = {_instance(text) for text in live.get("holds", ())}
    stale = {_instance(text) for text in live.get("stale", ())}
    unlisted = {_instance(text) for text in live.get("unlisted", ())}
    silent = {_address(text): unknown(why) for text, why in live.get("unknown", {}).items()}

    def look(instance: InstanceAddress) -> Observation:
        return silent.get(instance) or (PRESENT if instance in holds | unlisted else ABSENT)

    instances: dict[SeriesAddress, dict[str, Observation]] = {}
    for entry in _entries(desired):
        for found in _named(entry, holds | stale):
            seen = LISTED if entry.is_whole and found in holds - silent.keys() else look(found)
            instances.setdefault(found.series, {})[found.instance_uid] = seen
    return LiveStore(
        desired.store,
        instances,
        {(e.study_uid, e.series_uid): _whole(e, holds, silent) for e in _targets(desired)},
        {uid: _contents(uid, holds | stale, silent) for uid in desired.removes.studies()},
        {
            _instance(text): tuple(map(_instance, others))
            for text, others in live.get("misplaced", {}).items()
        },
    )


def _named(entry: Entry, listed: Iterable[InstanceAddress]) -> Iterator[InstanceAddress]:
    if entry.instances is not None:
        assert entry.series_uid
        for uid in entry.instances.uids:
            yield InstanceAddress(entry.study_uid, entry.series_uid, uid)
    else:
        yield from (one for one in listed if _covers(entry, one))


def _covers(entry: Entry, one: InstanceAddress) -> bool:
    return one.study_uid == entry.study_uid and entry.series_uid in {None, one.series_uid}


def _targets(desired: DesiredStore) -> list[Entry]:
    return [entry for entry in _entries(desired) if entry.is_whole]


def _whole(
    entry: Entry, holds: Iterable[InstanceAddress], silent: Mapping[Any, Observation]
) -> Observation:
    key = (entry.study_uid, entry.series_uid, None)
    return silent.get(key) or (PRESENT if any(_covers(entry, one) for one in holds) else ABSENT)


def _contents(
    study_uid: str, listed: Iterable[InstanceAddress], silent: Mapping[Any, Observation]
) -> StudyContents:
    hidden = silent.get((study_uid, None, None))
    if hidden:
        return StudyContents(problem=hidden.detail)
    series: dict[str, set[str]] = {}
    for one in listed:
        if one.study_uid == study_uid:
            series.setdefault(one.series_uid, set()).add(one.instance_uid)
    return StudyContents({uid: frozenset(uids) for uid, uids in series.items()})


# What the plan says


def _describe(plan: Plan, store: StorePlan) -> dict[str, Any]:
    return {
        "delete": dict(_deletions(store)),
        "of": dict(_effects(store)),
        "findings": list(_findings(store)),
        "kept": [
            f"{entry.instances} by {_line(entry.source)}{_hold(entry.hold)}" for entry in store.kept
        ],
        "overridden": [
            f"{entry.instances} of {_line(entry.removal)}, by {_line(entry.keep)}"
            f"{_hold(entry.hold)}"
            for entry in store.overridden
        ],
        "blocking": [
            f"{gate.name.value} {gate.actual} of {gate.allowed}"
            for gate in evaluate_gates(plan)
            if gate.store == store.store and not gate.is_passed
        ],
    }


def _deletions(store: StorePlan) -> Iterator[tuple[str, str]]:
    order = list(store.deletions())
    for study in store.studies:
        for series in study.series:
            for group in series.groups:
                assert all(a < b for a, b in pairwise(group.instances)), "instances are sorted"
                for uid, line in group.instances.items():
                    assert InstanceAddress(study.study_uid, series.series_uid, uid) in order
                    words = [_line(Source(group.path, line))]
                    words += ["as a whole"] if group.expanded else []
                    words += (
                        [group.reason.code.value] if group.reason.code.value != "113039" else []
                    )
                    words += [group.reason.ticket] if group.reason.ticket else []
                    yield f"{study.study_uid}/{series.series_uid}/{uid}", ", ".join(words)


def _effects(store: StorePlan) -> Iterator[tuple[str, str]]:
    for study in store.studies:
        words = f"{study.deletions} of {study.instances}"
        words += f", {study.unmanaged} unmanaged" if study.unmanaged else ""
        yield f"{study.study_uid}/", words + (", emptied" if study.emptied else "")
        for series in study.series:
            words = f"{series.deletions} of {series.instances}"
            name = f"{study.study_uid}/{series.series_uid}/"
            yield name, words + (", emptied" if series.emptied else "")


def _findings(store: StorePlan) -> Iterator[str]:
    for finding in store.findings:
        parts = (finding.study_uid, finding.series_uid or "", finding.instance_uid or "")
        words = f"{'/'.join(parts).replace('//', '/')} {finding.why.value}, {_line(finding.source)}"
        words += f", found at {', '.join('/'.join(a) for a in finding.elsewhere)}" * bool(
            finding.elsewhere
        )
        yield words + (f" ({finding.detail})" if finding.detail else "")


def _line(source: Source) -> str:
    return f"line {source.line}" if source.path == SPEC else str(source)


def _hold(hold: Hold | None) -> str:
    return f", hold {hold}" if hold else ""
