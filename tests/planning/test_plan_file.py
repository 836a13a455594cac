"""The plan file comes back as it was written, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ExitCode, PlanFileError, PlanRefused
from reconciler.json_codec import codec_of
from reconciler.json_stream import JsonStream
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.desired import Hold, InputFile, InputRole, Limits, Reason, ReasonCode
from reconciler.model.patient import Attribute, Binding
from reconciler.model.plan import (
    DeletionGroup,
    Finding,
    GitState,
    KeptEntry,
    OverriddenEntry,
    OverriddenInstances,
    Plan,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.plan_summary import PlanSummary
from reconciler.model.problem import Source
from reconciler.planning.gates import gates_of
from reconciler.planning.never_seen import mark_never_seen, unrecorded_stores
from reconciler.planning.plan_file import digest_of, read_plan, write_plan
from reconciler.planning.plan_json import decode_plan, encode_plan
from reconciler.planning.seal import PLAN as PLAN_MARK
from reconciler.planning.seal import SEAL
from reconciler.reporting.plan.markdown import plan_as_markdown
from reconciler.reporting.plan.text import plan_as_text

Case = Any  # the conftest's; a test module cannot import it

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "plan.schema.json"
SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

NO_PLAN = (PlanFileError, PlanRefused)
"""What every plan file that is not as it was written must end in."""

LINE = Source("specs/retention.yaml", 9)
HOLD = Hold("Litigation 2026-17", "legal, größer", "LIT-7", date(2026, 2, 28))
PLAN = Plan(
    paths=("specs",),
    inputs=(
        InputFile("specs/expired.csv", "e" * 64, InputRole.INVENTORY),
        InputFile("specs/retention.yaml", "a" * 64, InputRole.SELECTED),
    ),
    stores=(
        StorePlan(
            StoreAddress("imaging-prod", "europe-west4", "radiology", "archive"),
            Limits(5, 1, 4, 60, 2),
            (
                StudyPlan(
                    "1.2",
                    9,
                    3,
                    False,
                    (
                        SeriesPlan(
                            "1.2.1",
                            2,
                            True,
                            (
                                DeletionGroup(
                                    "specs/retention.yaml",
                                    Reason(
                                        ReasonCode.REJECTED_FOR_PATIENT_SAFETY_REASONS,
                                        "falscher Patient, größer",
                                        "QA-7",
                                    ),
                                    False,
                                    {"1.2.1.1": 12, "1.2.1.2": 13},
                                    bound=Binding((Attribute.PATIENT,), "0" * 16, "5" * 64),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
            (
                Finding(
                    Why.MISPLACED,
                    "1.2",
                    "1.2.1",
                    "1.2.1.9",
                    LINE,
                    "it is elsewhere",
                    (InstanceAddress("1.3", "1.3.1", "1.2.1.9"),),
                ),
                Finding(Why.ALREADY_ABSENT, "1.4", "1.4.1", None, LINE),
                Finding(Why.NEVER_SEEN, "1.5", None, None, LINE),
            ),
            (KeptEntry(LINE, "1.2", "1.2.3", 4, HOLD),),
            (OverriddenEntry(Source("specs/b.yaml", 3), LINE, "1.2", "1.2.3", 2, HOLD),),
        ),
    ),
)
SAVED = SavedPlan(
    plan=PLAN,
    digest=digest_of(PLAN),
    plan_id="5f0c7a52",
    created=datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
    expires=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    tool_version="0.1.0",
    endpoint="https://healthcare.googleapis.com",
    git=GitState("0123456789abcdef", "fedcba9876543210", dirty=True),
    unrecorded=(PLAN.stores[0].store,),
    freed=(OverriddenInstances(PLAN.stores[0].store, "1.2", "1.2.1", HOLD, ("1.2.1.1",)),),
)


def text_of(saved: SavedPlan) -> str:
    return "".join(write_plan(saved))


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for one plan file after the other."""
    return tmp_path_factory.mktemp("plans") / "plan.json"


def read(path: Path, content: str | bytes) -> SavedPlan:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_plan(path)


def sealed(document: Mapping[str, Any], *, digest: bool = True) -> str:
    """What a forger can do: the file with a right seal and, unless told, a right digest."""
    forged = {key: value for key, value in document.items() if key not in {"seal", "plan"}}
    stable = json.dumps(document.get("plan"), sort_keys=True, separators=(",", ":"))
    if digest:
        forged["digest"] = f"sha256:{hashlib.sha256(stable.encode()).hexdigest()}"
    body = "{\n" + ",\n".join(f"{json.dumps(key)}:{json.dumps(forged[key])}" for key in forged)
    if "plan" in document:
        body += f',\n"plan":\n{stable}'
    return f'{body},\n"seal":"sha256:{hashlib.sha256(body.encode()).hexdigest()}"}}\n'


WRITTEN = text_of(SAVED)


def document() -> dict[str, Any]:
    return json.loads(WRITTEN)


# Round trips


UIDS = st.lists(st.integers(0, 9999), min_size=1, max_size=4).map(
    lambda numbers: ".".join(map(str, numbers))
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
OPTIONAL_TEXTS = st.none() | TEXTS
COUNTS = st.integers(0, 2_000_000)
PATHS = TEXTS.filter(bool)
SOURCES = st.builds(Source, PATHS, st.integers(1, 1_000_000))
TICKETS = st.none() | st.text("!-~ #:".replace(" ", ""), min_size=1, max_size=64)
REASONS = st.builds(Reason, st.sampled_from(ReasonCode), OPTIONAL_TEXTS, TICKETS)
STORES = st.builds(
    StoreAddress,
    st.sampled_from(["imaging-prod", "example.com:imaging"]),
    st.sampled_from(["europe-west4", "us"]),
    st.sampled_from(["radiology", "R_1.x-y"]),
    st.sampled_from(["archive", "0"]),
)
BOUNDS = st.builds(
    Binding,
    st.lists(st.sampled_from(Attribute), min_size=1, unique=True).map(tuple),
    TEXTS,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)
GROUPS = st.builds(
    DeletionGroup,
    PATHS,
    REASONS,
    st.booleans(),
    st.dictionaries(UIDS, st.integers(1, 1_000_000), min_size=1, max_size=3),
    st.none() | TEXTS.map("/{}".format),
    st.booleans(),
    st.none() | BOUNDS,
)


def few(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=2).map(tuple)


SERIES = st.builds(SeriesPlan, UIDS, COUNTS, st.booleans(), few(GROUPS, 1))
STUDIES = st.builds(
    StudyPlan, UIDS, st.integers(100, 1_000_000), COUNTS, st.booleans(), few(SERIES, 1)
)
FINDINGS = st.builds(
    Finding,
    st.sampled_from([Why.MISSING, Why.ALREADY_ABSENT, Why.MISPLACED, Why.PROBE_FAILED]),
    UIDS,
    st.none() | UIDS,
    st.none() | UIDS,
    SOURCES,
    TEXTS,
    few(st.builds(InstanceAddress, UIDS, UIDS, UIDS)),
)
HOLDS = st.none() | st.builds(Hold, TEXTS, OPTIONAL_TEXTS, TICKETS, st.none() | st.dates())
KEPT = st.builds(KeptEntry, SOURCES, UIDS, st.none() | UIDS, COUNTS, HOLDS)
OVERRIDDEN = st.builds(OverriddenEntry, SOURCES, SOURCES, UIDS, st.none() | UIDS, COUNTS, HOLDS)
LIMITS = st.builds(Limits, COUNTS, COUNTS, COUNTS, st.integers(0, 100), COUNTS)
STORE_PLANS = st.builds(
    StorePlan, STORES, LIMITS, few(STUDIES), few(FINDINGS), few(KEPT), few(OVERRIDDEN)
)
INPUTS = st.builds(
    InputFile,
    PATHS,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.sampled_from(InputRole),
)
PLANS = st.builds(Plan, few(PATHS), few(INPUTS), few(STORE_PLANS))
TIMES = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
).map(lambda time: time.replace(microsecond=0))
SAVED_PLANS = st.builds(
    lambda plan, plan_id, created, hours, git: SavedPlan(
        plan=plan,
        digest=digest_of(plan),
        plan_id=plan_id,
        created=created,
        expires=created + timedelta(hours=hours),
        tool_version="0.1.0",
        endpoint="http://127.0.0.1:8080",
        git=git,
    ),
    PLANS,
    PATHS,
    TIMES,
    st.integers(1, 1000),
    st.none() | st.builds(GitState, TEXTS, TEXTS, st.booleans()),
)


@settings(max_examples=50, deadline=None)
@given(PLANS)
def test_a_plan_is_encoded_canonically_and_decoded_as_it_was(plan: Plan) -> None:
    text = "".join(encode_plan(plan))
    parsed = json.loads(text)
    assert text == json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert decode_plan(JsonStream([text.encode()])) == plan


@settings(max_examples=30, deadline=None)
@given(saved=SAVED_PLANS)
def test_a_plan_file_is_as_the_schema_says_and_read_as_it_was_written(
    plan_path: Path, saved: SavedPlan
) -> None:
    text = text_of(saved)
    VALIDATOR.validate(json.loads(text))
    assert read(plan_path, text) == saved


def test_the_plan_of_every_case_survives_its_file(
    case: Case, saved_plan: Callable[[Plan], SavedPlan], plan_path: Path
) -> None:
    if "errors" in case.expected:
        return
    saved = saved_plan(case.plan())
    text = text_of(saved)
    VALIDATOR.validate(json.loads(text))
    assert read(plan_path, text) == saved


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def objects_of(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects_of(value)


def test_the_schema_allows_nothing_that_the_writer_does_not_write() -> None:
    for one in objects_of(SCHEMA):
        assert one["additionalProperties"] is False
        assert set(one["required"]) == set(one["properties"]) - {"provider"}


def test_the_header_sums_the_plan_up() -> None:
    written = document()
    assert written["summary"] == codec_of(PlanSummary).write(PlanSummary.of(SAVED))
    assert written["summary"]["listed"] == 2
    assert written["summary"]["series_emptied"] == 1
    assert [gate["passed"] for gate in written["gates"]] == [
        gate.is_passed for gate in gates_of(SAVED)
    ]


def test_a_long_plan_is_written_in_pieces() -> None:
    many = tuple(replace(PLAN.stores[0].studies[0], study_uid=f"1.{n}") for n in range(50))
    long = replace(PLAN, stores=(replace(PLAN.stores[0], studies=many),))
    assert max(map(len, encode_plan(long))) < len(text_of(SAVED))


@pytest.mark.parametrize("cut", [1, 4, len(PLAN_MARK) - 1, 600])
def test_a_long_plan_is_read_in_pieces(plan_path: Path, cut: int) -> None:
    """The first one ends so many bytes behind the beginning of the mark of the stable part.

    What stands behind the mark counts wherever it is cut.
    """
    ending = len(SEAL) + 64 + len('"}\n')
    before = text_of(SAVED).encode().index(PLAN_MARK.encode())
    filler = (1 << 20) - ending - cut - before
    long = replace(SAVED, tool_version=SAVED.tool_version + "1" * filler)
    text = text_of(long)
    assert text.encode().index(PLAN_MARK.encode()) + cut + ending == 1 << 20
    assert read(plan_path, text) == long
    other = replace(long, digest=f"sha256:{'0' * 64}")
    with pytest.raises(PlanRefused, match="its digest does not match what it plans"):
        read(plan_path, text_of(other))


def test_times_are_written_in_utc_whatever_zone_they_come_in(plan_path: Path) -> None:
    east = timezone(timedelta(hours=2))
    written = text_of(replace(SAVED, created=SAVED.created.astimezone(east)))
    assert '"created":"2026-03-01T09:00:00.000Z"' in written
    assert read(plan_path, written) == SAVED


# What was never seen


def test_never_seen_stands_beside_the_stable_part_and_counts_as_its_own() -> None:
    written = document()
    whys = [one["why"] for one in written["plan"]["stores"][0]["findings"]]
    assert whys == ["misplaced", "already_absent", "already_absent"]
    assert written["never_seen"] == [
        {
            **PLAN.stores[0].store.as_parameters(),
            "findings": [
                {
                    "studiesId": "1.5",
                    "seriesId": None,
                    "instancesId": None,
                    "source": {"path": LINE.path, "line": LINE.line, "column": LINE.column},
                }
            ],
        }
    ]
    assert (written["summary"]["already_absent"], written["summary"]["never_seen"]) == (1, 1)


def knowing(instances: set[InstanceAddress]) -> Callable[..., bool]:
    """What knows these instances, and their series and studies."""
    known = {tuple(one)[:length] for one in instances for length in (1, 2, 3)}
    return lambda *uids: uids in known


def told_apart(stores: tuple[StorePlan, ...]) -> tuple[StorePlan, ...]:
    """Each store once, and of its findings one on each address, as a planner gives them."""
    return tuple(
        replace(store, findings=tuple({one.subject: one for one in store.findings}.values()))
        for store in {store.store: store for store in stores}.values()
    )


@settings(max_examples=30, deadline=None)
@given(saved=SAVED_PLANS, data=st.data())
def test_what_the_record_knows_changes_no_digest_and_survives_the_file(
    plan_path: Path, saved: SavedPlan, data: st.DataObject
) -> None:
    plan = replace(saved.plan, stores=told_apart(saved.plan.stores))
    absent = [
        (
            store.store,
            InstanceAddress(one.study_uid, one.series_uid or "1", one.instance_uid or "1"),
        )
        for store in plan.stores
        for one in store.findings
        if one.why is Why.ALREADY_ABSENT
    ]
    known: dict[StoreAddress, set[InstanceAddress]] = {}
    for store, instance in data.draw(st.lists(st.sampled_from(absent))) if absent else ():
        known.setdefault(store, set()).add(instance)
    knows = {one.store: knowing(known.get(one.store, set())) for one in plan.stores}
    told = mark_never_seen(plan, knows)
    assert digest_of(told) == digest_of(plan)
    assert told.count(Why.ALREADY_ABSENT) + told.count(Why.NEVER_SEEN) == len(absent)
    written = replace(
        saved, plan=told, digest=digest_of(plan), unrecorded=unrecorded_stores(told, known)
    )
    VALIDATOR.validate(json.loads(text_of(written)))
    assert read(plan_path, text_of(written)) == written


@pytest.mark.parametrize(
    ("study", "times"),
    [("1.4", 1), ("1.9", 1), ("1.5", 2)],
    ids=["known, or of a series", "no finding", "twice"],
)
def test_nothing_else_can_be_forged_to_be_never_seen(
    plan_path: Path, study: str, times: int
) -> None:
    forged = document()
    (found,) = forged["never_seen"][0]["findings"]
    forged["never_seen"][0]["findings"] = [found | {"studiesId": study}] * times
    with pytest.raises(PlanFileError, match="never seen that is not already absent"):
        read(plan_path, sealed(forged))


@pytest.mark.parametrize("why", ["never_seen", "listed", "kept"])
def test_no_other_finding_stands_in_the_stable_part(plan_path: Path, why: str) -> None:
    forged = document()
    forged["plan"]["stores"][0]["findings"][1]["why"] = why
    with pytest.raises(PlanFileError, match=f"not a finding: {why}"):
        read(plan_path, sealed(forged))


# The digest


def test_the_digest_of_a_plan_never_changes_its_meaning() -> None:
    """A reviewed digest stays good with the next version of the tool."""
    assert SAVED.digest == (
        "sha256:fbd29eab4918a662a4b8f56a96d9cd719ce4ccec16888e97aeb801a00fe0550f"
    )


def test_the_digest_is_the_sha256_of_the_canonical_form() -> None:
    text = json.dumps(document()["plan"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert SAVED.digest == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_equal_plans_have_one_digest() -> None:
    group = PLAN.stores[0].studies[0].series[0].groups[0]
    turned = replace(group, instances=dict(reversed(group.instances.items())))
    series = replace(PLAN.stores[0].studies[0].series[0], groups=(turned,))
    study = replace(PLAN.stores[0].studies[0], series=(series,))
    equal = replace(PLAN, stores=(replace(PLAN.stores[0], studies=(study,)),))
    assert equal == PLAN
    assert digest_of(equal) == digest_of(PLAN)


def test_the_digest_does_not_depend_on_this_making_of_the_plan(plan_path: Path) -> None:
    other = replace(
        SAVED,
        plan_id="another",
        created=SAVED.created + timedelta(days=1),
        expires=SAVED.expires + timedelta(days=1),
        tool_version="9.9",
        endpoint="http://127.0.0.1:1",
        git=None,
    )
    assert read(plan_path, text_of(other)).digest == SAVED.digest


def variants(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, for everything that can change."""
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
        case Enum():
            yield next(one for one in type(value) if one is not value)
        case str():
            yield value + "1"
        case None:
            yield "1"
        case Mapping():
            yield {**value, "1.9": 1}
            yield {key: line + 1 for key, line in value.items()}
            yield dict(list(value.items())[1:])
        case InstanceAddress():
            yield from (value._replace(**{name: "1.9"}) for name in value._fields)
        case tuple():
            yield from (value + value[:1], value[1:]) if value else ()
            for index, item in enumerate(value):
                yield from (
                    (*value[:index], other, *value[index + 1 :]) for other in variants(item)
                )
        case _:
            yield from variants_of_fields(value)


def variants_of_fields(value: Any) -> Iterator[Any]:
    if isinstance(value, date):
        yield value + timedelta(days=1)
        return
    assert is_dataclass(value), value
    for field in fields(value):
        for other in variants(getattr(value, field.name)):
            yield replace(value, **{field.name: other})


def test_the_digest_covers_every_field_of_the_stable_part() -> None:
    changed = list(variants(PLAN))
    assert len(changed) > 80
    for plan in changed:
        assert digest_of(plan) != SAVED.digest, plan


# Edits


def test_no_flipped_byte_is_accepted(plan_path: Path) -> None:
    original = text_of(SAVED).encode()
    plan_path.write_bytes(original)
    with plan_path.open("r+b", buffering=0) as file:
        for index, byte in enumerate(original):
            for mask in (0x01, 0x20, 0x80):
                file.seek(index)
                file.write(bytes([byte ^ mask]))
                with pytest.raises(NO_PLAN):
                    read_plan(plan_path)
            file.seek(index)
            file.write(bytes([byte]))
    assert read_plan(plan_path) == SAVED


def test_no_truncated_file_is_accepted(plan_path: Path) -> None:
    original = text_of(SAVED).encode()
    plan_path.write_bytes(original)
    with plan_path.open("r+b", buffering=0) as file:
        for length in reversed(range(len(original))):
            file.truncate(length)
            with pytest.raises(NO_PLAN):
                read_plan(plan_path)


@pytest.mark.parametrize("extra", ["\n", " ", "\0", "{}"])
def test_nothing_may_follow_the_seal(plan_path: Path, extra: str) -> None:
    with pytest.raises(NO_PLAN):
        read(plan_path, text_of(SAVED) + extra)


def test_an_edit_is_refused_and_says_what_to_do(plan_path: Path) -> None:
    with pytest.raises(PlanRefused, match="was edited: its seal does not match") as caught:
        read(plan_path, text_of(SAVED).replace('"plan_id":"5', '"plan_id":"6'))
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.hint == "make the plan again"


def test_an_edit_is_called_one_though_the_rest_of_a_long_file_makes_no_sense(
    plan_path: Path,
) -> None:
    """What cannot be read stands pieces before the seal."""
    long = text_of(replace(SAVED, tool_version="1" * (3 << 20)))
    with pytest.raises(PlanRefused, match="was edited: its seal does not match"):
        read(plan_path, long.replace('"plan_id":', '"plan_id"'))


def test_a_plan_sealed_anew_does_not_have_its_old_digest(plan_path: Path) -> None:
    forged = document()
    forged["plan"]["stores"][0]["limits"]["maxDeletions"] = 1_000_000
    with pytest.raises(PlanRefused, match="its digest does not match what it plans"):
        read(plan_path, sealed(forged, digest=False))


# Versions


def with_extra_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [with_extra_keys(one) for one in value]
    if isinstance(value, dict):
        more = {key: with_extra_keys(one) for key, one in value.items()}
        return more if any(key[0].isdigit() for key in value) else more | {"since_1_7": [1.5]}
    return value


def test_what_a_later_minor_version_added_is_ignored(plan_path: Path) -> None:
    later = with_extra_keys(document()) | {"format_version": "1.7"}
    saved = read(plan_path, sealed(later))
    assert saved.plan == PLAN
    assert replace(saved, digest=SAVED.digest) == SAVED


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "", "1x", 1, 1.0, None, ["1.0"]])
def test_another_major_version_is_refused(plan_path: Path, version: Any) -> None:
    with pytest.raises(PlanRefused, match=r"this version reads 1\.x"):
        read(plan_path, sealed(document() | {"format_version": version}))


# Forgeries and rubbish


@pytest.mark.parametrize(
    "uid",
    [
        "..",
        ".",
        "",
        "1.2\n",
        "1" * 65,
        "1..2",
        "1.2/../3",
        "1.2%2e",
        "\uff11.\uff12",
        "1.2 ",
        None,
        12,
    ],
    ids=repr,
)
def test_no_forged_uid_is_read(plan_path: Path, uid: Any) -> None:
    def study(plan: Any) -> Any:
        return plan["stores"][0]["studies"][0]

    def forge_study(plan: Any) -> None:
        study(plan)["studiesId"] = uid

    def forge_series(plan: Any) -> None:
        study(plan)["series"][0]["seriesId"] = uid

    def forge_instance(plan: Any) -> None:
        study(plan)["series"][0]["deletions"][0]["instances"] = {str(uid): 12}

    def forge_elsewhere(plan: Any) -> None:
        plan["stores"][0]["findings"][0]["elsewhere"][0]["seriesId"] = uid

    for forge in (forge_study, forge_series, forge_instance, forge_elsewhere):
        if forge is forge_instance and uid == 12:
            continue  # a key is always text
        forged = document()
        forge(forged["plan"])
        with pytest.raises(PlanFileError):
            read(plan_path, sealed(forged))
        assert not VALIDATOR.is_valid(json.loads(sealed(forged)))


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "archive\n", "archive?x"])
def test_no_forged_store_is_read(plan_path: Path, name: str) -> None:
    forged = document()
    forged["plan"]["stores"][0]["dicomStoresId"] = name
    with pytest.raises(PlanFileError, match="not the address of a DICOM store"):
        read(plan_path, sealed(forged))


def test_more_deletions_than_instances_is_no_plan(plan_path: Path) -> None:
    forged = document()
    forged["plan"]["stores"][0]["studies"][0]["instances"] = 0
    with pytest.raises(PlanFileError, match=r"more deletions than instances in study 1\.2"):
        read(plan_path, sealed(forged))


def places(value: Any, *steps: Any) -> Iterator[tuple[Any, ...]]:
    if steps:
        yield steps
    members = value.items() if isinstance(value, dict) else ()
    members = enumerate(value) if isinstance(value, list) else members
    for key, member in members:
        yield from places(member, *steps, key)


READ = [steps for steps in places(document()) if steps[0] not in {"seal", "summary", "gates"}]
WRONG = [None, [], {}, "\ud800", "\x1b[2J", 1.5, -1, 0, True, ["x"]]


@pytest.mark.parametrize("steps", READ, ids=lambda steps: "/".join(map(str, steps)))
def test_a_forged_value_is_refused_or_harmless(plan_path: Path, steps: tuple[Any, ...]) -> None:
    for wrong in WRONG:
        forged = document()
        parent = forged
        for step in steps[:-1]:
            parent = parent[step]
        parent[steps[-1]] = wrong
        try:
            saved = read(plan_path, sealed(forged, digest=steps[0] == "plan" and "plan" in forged))
        except NO_PLAN:
            continue
        gates = gates_of(saved)
        shown = "".join(plan_as_text(saved, gates)) + "".join(plan_as_markdown(saved, gates))
        assert "\x1b" not in shown
        assert (shown + text_of(saved)).encode()


DERIVED = {"summary", "gates", "overdue_holds"}
"""What stands there for readers alone."""


@pytest.mark.parametrize("key", [key for key in document() if key not in {"seal", *DERIVED}])
def test_no_member_may_be_missing(plan_path: Path, key: str) -> None:
    forged = document()
    del forged[key]
    with pytest.raises(PlanFileError, match=key):
        read(plan_path, sealed(forged, digest=False))


@pytest.mark.parametrize("opening", ["[", '{"format_version":', '{"a":['])
def test_endless_nesting_is_no_plan(plan_path: Path, opening: str) -> None:
    with pytest.raises(PlanFileError, match="is not a plan file: it is not JSON"):
        read(plan_path, opening * 100_000)


def test_nesting_in_what_is_ignored_never_surprises(plan_path: Path) -> None:
    for depth in (100, 300, 600, 800, 900, 950, 980, 990, 1000, 1100, 2000):
        nested = "[" * depth + "]" * depth
        body = text_of(SAVED).partition(',\n"seal"')[0]
        body = body.replace('"plan":\n{', f'"plan":\n{{"later":{nested},')
        seal = hashlib.sha256(body.encode()).hexdigest()
        with pytest.raises(NO_PLAN):
            read(plan_path, f'{body},\n"seal":"sha256:{seal}"}}\n')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 column 1"),
        (b"\xff\xfe{", "it is not UTF-8 text"),
        (b"\xef\xbb\xbf{}", "is not a plan file"),
        (b"version: 1\n", "line 1 column 1"),
        (b"[]", "it has no format_version"),
        (b'["format_version"]', "it has no format_version"),
        (b'"format_version"', "it has no format_version"),
        (b"{}", "it has no format_version"),
        (b"null", "it has no format_version"),
        (b"1" * 5000, "it is not JSON"),
        (b'{"format_version": "1.0"', "is not a plan file: line 1"),
    ],
)
def test_what_is_not_a_plan_file_is_an_error(plan_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(PlanFileError, match=message) as caught:
        read(plan_path, content)
    assert caught.value.exit_code is ExitCode.ERROR
    assert str(plan_path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match="No such file"):
        read_plan(tmp_path / "missing.json")
    with pytest.raises(PlanFileError, match="Is a directory") as caught:
        read_plan(tmp_path)
    assert "plan.json" in (caught.value.hint or "")
