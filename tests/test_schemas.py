"""The published schemas explain themselves, and the editor finds them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from reconciler.json_codec import ADDRESSES, members_of
from reconciler.model.audit import (
    ChangingRun,
    Coverage,
    DanglingOnRecord,
    ImagesRead,
    LastSeen,
    PutBack,
    Reappearance,
    Refusal,
    RefusedApply,
)
from reconciler.model.deletion import RecordedDeletion
from reconciler.model.desired import Hold, InputFile, Limits, Reason
from reconciler.model.gate import Gate, GateCounts
from reconciler.model.outcome import InstanceResult
from reconciler.model.plan import (
    Dangling,
    DeletionGroup,
    Finding,
    KeptEntry,
    MayRefer,
    NotLookedAt,
    OverdueHold,
    OverriddenEntry,
    OverriddenInstances,
    PartOf,
    Plan,
    Reappeared,
    ReferredSeries,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    StudySeen,
    Unread,
)
from reconciler.model.plan_summary import HoldTally, PlanSummary, ReasonTally
from reconciler.model.problem import Problem, Source
from reconciler.model.shards.manifest import Shard, ShardedPlan
from reconciler.model.shards.notices import FreedHold, Notices
from reconciler.model.status import LockStatus, StandingHold, UnfinishedRun
from reconciler.planning.never_seen import NeverSeen
from reconciler.reporting.validation.tally import Tally

ROOT = Path(__file__).parents[1]
SCHEMAS = {path.name: json.loads(path.read_text("utf-8")) for path in ROOT.glob("schemas/*.json")}
EDITOR_LINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)


WRITTEN: dict[str, dict[str, type]] = {
    "plan": {
        "summary": PlanSummary,
        "reasonTally": ReasonTally,
        "holdTally": HoldTally,
        "plan": Plan,
        "storePlan": StorePlan,
        "study": StudyPlan,
        "series": SeriesPlan,
        "group": DeletionGroup,
        "finding": Finding,
        "kept": KeptEntry,
        "overridden": OverriddenEntry,
        "dangling": Dangling,
        "referredSeries": ReferredSeries,
        "mayRefer": MayRefer,
        "notLookedAt": NotLookedAt,
        "unread": Unread,
        "limits": Limits,
        "reason": Reason,
        "source": Source,
        "gate": Gate,
        "reappeared": Reappeared,
        "neverSeen": NeverSeen,
        "hold": Hold,
        "freed": OverriddenInstances,
        "overdueHold": OverdueHold,
        "studySeen": StudySeen,
        "partOf": PartOf,
    },
    "manifest": {
        "manifest": ShardedPlan,
        "shard": Shard,
        "gateCounts": GateCounts,
        "notices": Notices,
        "freedHold": FreedHold,
        "summary": PlanSummary,
        "overdueHold": OverdueHold,
        "limits": Limits,
    },
    "audit-report": {
        "coverage": Coverage,
        "change": ChangingRun,
        "refusal": Refusal,
        "refusedApply": RefusedApply,
        "reappearance": Reappearance,
        "leftDangling": DanglingOnRecord,
        "putBack": PutBack,
        "kept": LastSeen,
        "Hold": Hold,
        "imagesRead": ImagesRead,
        "deletion": RecordedDeletion,
    },
    "status": {"unfinished": UnfinishedRun, "lock": LockStatus, "hold": StandingHold},
    "validation": {"problem": Problem, "file": InputFile, "tally": Tally},
    "event": {
        "gate": Gate,
        "result": InstanceResult,
        "planned_change": Finding,
        "dangling": Dangling,
        "referredSeries": ReferredSeries,
    },
}
"""The classes that write the objects of each schema."""


def properties(schema: Any, way: str = "#") -> Iterator[tuple[str, Any]]:
    """Every property that is published, with the way to it; what ``if`` asks is none."""
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield f"{way}/properties/{name}", value
        for key, value in schema.items():
            if key not in {"if", "examples"}:
                yield from properties(value, f"{way}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from properties(value, f"{way}/{number}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_says_what_it_is_of(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    # It stays as long as the major version of the format does: others refer to it.
    assert schema["$id"] == f"urn:dicom-reconciler:schema:{name.removesuffix('.schema.json')}:1"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_has_a_description_and_an_example(name: str) -> None:
    found = dict(properties(SCHEMAS[name]))
    assert found
    for way, schema in found.items():
        assert schema.get("description"), f"{name}{way}"
        assert schema.get("examples"), f"{name}{way}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_what_its_property_takes(name: str) -> None:
    resource = Resource.from_contents(SCHEMAS[name])
    registry = Registry().with_resource("schema", resource)
    for way, schema in properties(SCHEMAS[name]):
        validator = jsonschema.Draft202012Validator({"$ref": f"schema{way}"}, registry=registry)
        for example in schema["examples"]:
            problems = [error.message for error in validator.iter_errors(example)]
            assert problems == [], f"{name}{way}: {example}"


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, parts in WRITTEN.items() for part in parts]
)
def test_an_object_has_the_keys_of_its_class(name: str, part: str) -> None:
    schema = SCHEMAS[f"{name}.schema.json"]["$defs"][part]
    keys = dict(keys_of(WRITTEN[name][part]))
    assert keys.keys() <= schema["properties"].keys()
    for key, is_required in keys.items():
        assert (key in schema["required"]) is is_required, key


def keys_of(kind: type) -> Iterator[tuple[str, bool]]:
    """Each key that the codec writes for a class, and whether it always stands."""
    for member in members_of(kind):
        if member.is_flat:
            yield from ((key, key != "provider") for key in ADDRESSES[member.kind])
        elif not member.is_left:
            yield member.key, member.is_required


def test_the_editor_line_of_every_example_leads_to_the_schema() -> None:
    examples = list(ROOT.glob("specs/**/*.y*ml"))
    assert examples
    for path in examples:
        assert EDITOR_LINE.search(path.read_text("utf-8")), f"{path} has no such line"
    others = [*ROOT.glob("docs/**/*.y*ml"), *ROOT.glob("*.y*ml")]
    for path in [*examples, *others]:
        for target in EDITOR_LINE.findall(path.read_text("utf-8")):
            published = ROOT / "schemas" / "desired-state.schema.json"
            assert (path.parent / target).resolve() == published, f"{path}: {target}"


def test_the_editor_line_that_the_docs_show_fits_a_file_under_specs() -> None:
    page = ROOT / "docs" / "reference" / "desired-state.md"
    (target,) = set(EDITOR_LINE.findall(page.read_text("utf-8")))
    assert (ROOT / "specs" / target).resolve() == ROOT / "schemas" / "desired-state.schema.json"
