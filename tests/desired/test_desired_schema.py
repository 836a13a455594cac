from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.desired.schema.fast_path import plain_checks, plain_file
from reconciler.desired.schema.published import (
    SELECTOR,
    desired_state_schema,
    free_text,
    keys_of,
    published_schema,
    scalar_types,
)
from reconciler.desired.wording import NOUNS, UID_KEYS
from reconciler.desired.yaml_tree.tree import Value, YamlMapping, YamlSequence
from reconciler.model import address
from reconciler.model.desired import LIMIT_KEYS, Limits, ReasonCode

SCHEMA = desired_state_schema()
CODES = ("only", "any", "none")
"""The lists of a selector whose items have a form."""
DEFS = SCHEMA["$defs"]


def objects(schema: Any = SCHEMA) -> Iterator[dict[str, Any]]:
    """Every subschema that describes a mapping's keys."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from objects(inner)


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for schema in objects():
        yield from schema["properties"].items()


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DEFS})


def test_the_schema_is_a_json_schema_of_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_mapping_is_closed() -> None:
    assert all(schema["additionalProperties"] is False for schema in objects())
    assert all(one["additionalProperties"] is False for one in objects(published_schema(SELECTOR)))


def test_every_property_explains_itself_and_its_examples_are_valid() -> None:
    for name, schema in properties():
        assert schema["title"], name
        assert schema["description"], name
        for example in schema["examples"]:
            Draft202012Validator({**schema, "$defs": DEFS}).validate(example)


def test_the_codes_are_those_of_the_model() -> None:
    codes = DEFS["reason"]["properties"]["code"]["enum"]
    assert codes == [code.value for code in ReasonCode]


def test_every_text_with_a_form_has_words_for_its_message() -> None:
    both = (*objects(SCHEMA), *objects(published_schema(SELECTOR)))
    with_form = {
        name
        for one in both
        for name, schema in one["properties"].items()
        if "pattern" in schema or schema.get("$ref") == "#/$defs/ticket"
    }
    assert with_form | set(CODES) == set(NOUNS)


def test_what_the_schema_says_of_keys() -> None:
    refer_to_uid = {n for n, s in properties() if s.get("$ref") in {"#/$defs/uid", "#/$defs/uids"}}
    assert refer_to_uid == UID_KEYS
    assert free_text() >= {"reason", "text", "hold"}
    assert keys_of()[:2] == ("version", "store")
    assert keys_of("keep")[:3] == ("studiesId", "seriesId", "instancesId")
    assert keys_of("remove", "reason") == keys_of("reason") == ("code", "text", "ticket")


def test_the_integers_are_known() -> None:
    integers = {key for key, kind in scalar_types().items() if kind == "integer"}
    counts = {"count", "studies", "series", "instances", "notJudged", "years", "modalities"}
    counts |= {"patients", "accessions"}  # of what was not found
    assert integers == {"version", *counts, *LIMIT_KEYS.values()}
    assert scalar_types().keys() - integers == {"allowDamaged"}


def test_each_limit_says_its_default() -> None:
    for name, key in LIMIT_KEYS.items():
        said = DEFS["limits"]["properties"][key]["description"]
        assert f"({getattr(Limits(), name)} if no file says)" in said


NEARLY = st.text("019azAZ.-_:/\n\r é１", max_size=70) | st.from_regex(r"[0-9.]{60,70}")
STORE = DEFS["store"]["properties"]


@pytest.mark.parametrize(
    ("schema", "accepts"),
    [
        (DEFS["uid"], address.is_uid),
        (STORE["projectsId"], address.is_project_id),
        (STORE["locationsId"], address.is_location_id),
        (STORE["datasetsId"], address.is_resource_id),
        (STORE["dicomStoresId"], address.is_resource_id),
    ],
    ids=["uid", "projectsId", "locationsId", "datasetsId", "dicomStoresId"],
)
@given(text=NEARLY | st.sampled_from(["a" * n for n in (63, 64, 65, 128, 129, 256, 257)]))
def test_the_patterns_agree_with_the_model(schema: dict[str, Any], accepts: Any, text: str) -> None:
    for candidate in (text, text + "\n"):
        assert Draft202012Validator(schema).is_valid(candidate) == accepts(candidate)


@pytest.mark.parametrize(
    "origin",
    [
        "https://healthcare.googleapis.com",
        "https://10.0.0.1:8443",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:80",
    ],
)
def test_an_origin_is_https_or_loopback(origin: str) -> None:
    assert Draft202012Validator(STORE["endpoint"]).is_valid(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://healthcare.googleapis.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost@example.com",
        "https://user@example.com",
        "https://example.com/path",
        "https://example.com?x",
        "https://example.com\n",
        "ftp://localhost",
        "https://",
    ],
)
def test_anything_else_is_no_origin(origin: str) -> None:
    assert not Draft202012Validator(STORE["endpoint"]).is_valid(origin)


@pytest.mark.parametrize("path", ["a.csv", "../lists/a b.csv", "ü.csv"])
def test_an_inventory_path_is_relative(path: str) -> None:
    assert re.search(DEFS["inventory"]["properties"]["path"]["pattern"], path)


def mapping(items: dict[str, Value]) -> YamlMapping:
    made = YamlMapping(1, 1)
    made.update(items)
    return made


def sequence(items: list[Value]) -> YamlSequence:
    made = YamlSequence(1, 1)
    made.extend(items)
    return made


SCALARS = (
    st.sampled_from(["1.2.3", "1.2\n", "", "..", "0", "01.1", "113039", "113002", "a b", " "])
    | st.text(max_size=5)
    | st.sampled_from(["1." * 31 + "11", "1." * 32 + "1", "x" * 64, "x" * 65, "x" * 1001])
    | st.none()
    | st.integers()
)
REASONS = st.dictionaries(st.sampled_from(["code", "text", "ticket", "odd"]), SCALARS).map(mapping)
ARCHIVES = st.fixed_dictionaries(
    {"path": st.sampled_from(["/srv/a", "srv", "/\n"]) | SCALARS},
    optional={"allowDamaged": st.booleans() | SCALARS, "odd": SCALARS},
).map(mapping) | st.sampled_from(["none", "None"])
VALUES = SCALARS | st.lists(SCALARS, max_size=3).map(sequence) | REASONS
KEYS = st.sampled_from(["studiesId", "seriesId", "instancesId", "reason", "hold", "odd"])
ADDRESSES = st.fixed_dictionaries(
    {"studiesId": st.just("1.2") | SCALARS},
    optional={
        "seriesId": st.just("1.3") | SCALARS,
        "instancesId": st.lists(st.just("1.4") | SCALARS, max_size=3).map(sequence) | SCALARS,
        "reason": REASONS | SCALARS,
        "archive": ARCHIVES | SCALARS,
        "hold": SCALARS,
        "inventory": SCALARS,
    },
)
ENTRIES = ADDRESSES.map(mapping) | st.dictionaries(KEYS, VALUES).map(mapping) | VALUES


@pytest.mark.parametrize("name", ["remove", "keep"])
@given(entry=ENTRIES)
def test_the_fast_check_and_the_schema_give_one_verdict(name: str, entry: Value) -> None:
    is_inventory = isinstance(entry, YamlMapping) and "inventory" in entry
    assert plain_checks()[name](entry) == (validator(name).is_valid(entry) and not is_inventory)


LIMITS = st.dictionaries(
    st.sampled_from([*LIMIT_KEYS, "odd"]), st.integers(-1, 101) | st.booleans() | SCALARS
).map(mapping)
STORES = st.fixed_dictionaries(
    {
        "projectsId": st.just("p") | SCALARS,
        "locationsId": st.just("l") | SCALARS,
        "datasetsId": st.just("d") | SCALARS,
        "dicomStoresId": st.just("s") | SCALARS,
    },
    optional={"provider": st.sampled_from(["google", "orthanc", "odd"]), "odd": SCALARS},
).map(mapping)
FILES = st.fixed_dictionaries(
    {"version": st.just(1) | st.booleans() | SCALARS, "store": STORES | SCALARS},
    optional={
        "reason": REASONS | SCALARS,
        "archive": ARCHIVES | SCALARS,
        "limits": LIMITS | SCALARS,
        "remove": st.lists(ADDRESSES.map(mapping), max_size=1).map(sequence) | SCALARS,
        "keep": st.just(sequence([])) | SCALARS,
        "resolvedFrom": st.just(mapping({})) | SCALARS,
        "odd": SCALARS,
    },
).map(mapping)


@given(file=FILES | SCALARS)
def test_the_fast_check_of_a_file_and_the_schema_give_one_verdict(file: Value) -> None:
    """But for entries, which it leaves to the schema."""
    has_entries = isinstance(file, YamlMapping) and bool(file.get("remove"))
    is_valid = Draft202012Validator(SCHEMA).is_valid(file)
    assert plain_file()(file) == (is_valid and not has_entries)


def examples(schema: Any) -> Iterator[Any]:
    """What a key may have: its examples, and of a mapping one for each key that it may have."""
    yield from schema["examples"]
    for example in [one for one in schema["examples"] if isinstance(one, dict)]:
        for key, inner in resolved(schema)["properties"].items():
            yield from ({**example, key: value} for value in examples(inner))


def resolved(schema: Any) -> Any:
    """The schema with what it refers to."""
    reference = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**DEFS[reference], **schema} if reference else schema


def entries_by_key() -> Iterator[tuple[str, str, Any]]:
    """Valid entries: one at least for each key of each list, and of a mapping in it."""
    for name in ("remove", "keep"):
        for key, schema in DEFS[name]["properties"].items():
            address = {"studiesId": "1.2", "seriesId": "1.3"}
            if key in {"inventory", "bind"}:
                (inventory,) = DEFS[name]["properties"]["inventory"]["examples"]
                address = {"inventory": inventory}
            for value in examples(schema):
                yield name, key, {**address, key: value}


@pytest.mark.parametrize(("name", "key", "entry"), [*entries_by_key()])
def test_every_key_of_an_entry_passes_both_checks(name: str, key: str, entry: Any) -> None:
    assert validator(name).is_valid(entry)
    assert plain_checks()[name](tree(entry)) is ("inventory" not in entry)


def tree(value: Any) -> Value:
    if isinstance(value, dict):
        return mapping({key: tree(inner) for key, inner in value.items()})
    return sequence([tree(inner) for inner in value]) if isinstance(value, list) else value


NAME = "Zoë Müller"


def keys_of_words(schema: Any = SCHEMA, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each key whose value may be a name, and to each mapping around one.

    A path may be one too, but it has to be found, so messages quote it.
    """
    for key, inner in resolved(schema).get("properties", {}).items():
        found, steps = resolved(inner), (*way, key)
        if "properties" in found:
            inside = [*keys_of_words(found, steps)]
            yield from [steps, *inside] if inside else []
        elif "items" in found:
            yield from keys_of_words(found["items"], (*steps, 0))
        elif key not in {"path", "selector"} and Draft202012Validator(
            {**found, "$defs": DEFS}
        ).is_valid(NAME):
            yield steps


def test_the_keys_of_words_are_found() -> None:
    reasons = [("reason",), ("reason", "text"), ("remove", 0, "reason")]
    assert [*keys_of_words()][:3] == reasons
    assert ("keep", 0, "hold") in keys_of_words()


@pytest.mark.parametrize("wrong", [NAME + "\a", NAME * 200, [NAME], {"odd": NAME}, f"\n{NAME}"])
@pytest.mark.parametrize("way", [*keys_of_words()], ids=lambda way: ".".join(map(str, way)))
def test_no_message_quotes_words(project, way: tuple[Any, ...], wrong: Any) -> None:
    document = {"version": 1, "store": SCHEMA["properties"]["store"]["examples"][0]}
    node, schema = document, SCHEMA
    for step in way[:-1]:
        if step == 0:
            node, schema = node[0], schema["items"]
        else:
            schema = resolved(schema)["properties"][step]
            if isinstance(node.get(step, ""), str):
                example = next(one for one in schema["examples"] if not isinstance(one, str))
                node[step] = copy.deepcopy(example)
            node = node[step]
    node[way[-1]] = wrong
    project.write("a.yaml", json.dumps(document))
    said = "".join(f"{one.message} {one.hint}" for one in project.problems("a.yaml"))
    assert said
    assert not any(part in said for part in NAME.split())


def test_a_problem_among_plain_entries_stands_at_its_own_line(project) -> None:
    body = "remove:\n" + "".join(f"  - studiesId: 1.{n}\n" for n in range(40))
    body += "keep:\n" + "".join(f"  - studiesId: 2.{n}\n" for n in range(40))
    project.spec("a.yaml", body.replace("1.20\n", "1.x\n").replace("2.30\n", "2.30\n    odd: 1\n"))
    assert project.found("a.yaml") == [(25, 16, "invalid-uid"), (77, 5, "unknown-key")]
