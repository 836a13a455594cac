"""SELECT against a store over real HTTP: what it asks for, and what it answers."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Mapping
from importlib import resources

import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.live.dicomweb import confirmation
from reconciler.model.address import InstanceAddress, SeriesAddress

from .conftest import STORE, TABLE, Site, where

Real = Mapping[InstanceAddress, str]
SERIES = SeriesAddress("1.2.826.0.1", "1.2.826.0.1.1")
MISSING = InstanceAddress("9.9", "9.9.1", "9.9.1.1")


def fill(site: Site, count: int) -> list[str]:
    uids = [f"1.2.826.0.1.1.{number}" for number in range(count)]
    site.emulator.ingest_synthetic(DEMO_STORE, SERIES, uids)
    site.emulator.clear_requests()
    return uids


def of_series(series: SeriesAddress = SERIES) -> str:
    return (
        f"FROM {TABLE} WHERE {STORE} AND studiesId = '{series.study_uid}'"
        f" AND seriesId = '{series.series_uid}'"
    )


def test_every_real_file_comes_as_it_is_stored(site: Site, real: Real) -> None:
    for address, digest in list(real.items())[:25]:
        answer = site.query(
            f"SELECT contentType, data, extensions {where(address)}", "--format", "jsonl"
        )
        assert answer.code == 0, answer.err
        row = json.loads(answer.out)
        assert hashlib.sha256(base64.b64decode(row["data"])).hexdigest() == digest
        assert row["contentType"].startswith("application/dicom; transfer-syntax=")
        assert row["extensions"] == []


def test_the_documented_examples_run_verbatim_from_a_file(site: Site) -> None:
    (uid,) = fill(site, 1)
    file = site.folder / "select.sql"
    names = DEMO_STORE.as_parameters() | {
        "studiesId": SERIES.study_uid,
        "seriesId": SERIES.series_uid,
    }
    conditions = "\n".join(f"AND {name} = '{{{{ {name} }}}}' -- required" for name in names)
    file.write_text(
        f"SELECT\ncontentType,\ndata,\nextensions\nFROM {TABLE}\n"
        f"WHERE {conditions.removeprefix('AND ')}\n"
        "AND instancesId = '{{ instancesId }}' -- required;\n"
    )
    given = [f"--var={name}={value}" for name, value in (names | {"instancesId": uid}).items()]
    answer = site.run("query", "--file", file, *given, "--format", "json")
    assert answer.code == 0, answer.err
    assert len(json.loads(answer.out)) == 1
    missing = site.run("query", "--file", file, *given[1:])
    assert missing.code == 1
    assert "select.sql:6:20: the variable projectsId has no value" in missing.err


@pytest.mark.parametrize(
    ("columns", "asked"),
    [
        ("presence", "/metadata"),
        ("sizeBytes, storageClass", ":getStorageInfo"),
        ("instancesId", "/metadata"),
    ],
)
def test_only_what_the_columns_need_is_asked_for(site: Site, columns: str, asked: str) -> None:
    (uid,) = fill(site, 1)
    assert site.query(f"SELECT {columns} {where(InstanceAddress(*SERIES, uid))}").code == 0
    paths = [one.path for one in site.emulator.requests() if uid in one.path]
    assert len(paths) == 1
    assert paths[0].endswith(asked)
    assert set(site.methods()) == {"GET", "POST"}  # the POST asks for permissions


def test_what_no_one_else_tells_without_the_image(site: Site, real: Real) -> None:
    address = next(iter(real))
    columns = "presence, sizeBytes, storageClass, sopClassUid, transferSyntaxUid"
    row = json.loads(site.query(f"SELECT {columns} {where(address)}", "--format", "jsonl").out)
    assert row["presence"] == "present"
    assert row["sizeBytes"] > 100
    assert row["storageClass"] == "STANDARD"
    assert row["sopClassUid"].startswith("1.2.840.10008.5.1.4.1.1")
    assert row["transferSyntaxUid"].startswith("1.2.840.10008.1.2")


def test_a_series_and_a_study_are_listed(site: Site) -> None:
    uids = fill(site, 250)
    answer = site.query(f"SELECT instancesId {of_series()}", "--format", "csv")
    assert [row["instancesId"] for row in csv.DictReader(io.StringIO(answer.out))] == sorted(uids)
    assert not [one for one in site.emulator.requests() if "/instances/" in one.path]
    study = of_series().partition(" AND seriesId")[0]
    answer = site.query(f"SELECT seriesId, instancesId, presence {study}", "--format", "json")
    assert [row["instancesId"] for row in json.loads(answer.out)] == sorted(uids)
    assert {row["presence"] for row in json.loads(answer.out)} == {"present"}


def test_rows_come_in_the_order_of_the_statement(site: Site) -> None:
    uids = fill(site, 60)
    wanted = [*reversed(uids[:50]), "1.2.826.0.1.1.999"]
    listed = ", ".join(f"'{uid}'" for uid in wanted)
    text = f"SELECT instancesId, sizeBytes {of_series()} AND instancesId IN ({listed})"
    answer = site.query(text, "--format", "json")
    assert answer.code == 0
    assert [row["instancesId"] for row in json.loads(answer.out)] == wanted[:-1]
    assert "note: 1 instance absent" in answer.err


def test_an_absent_instance_has_a_row_only_where_presence_is_asked(site: Site) -> None:
    fill(site, 1)
    answer = site.query(f"SELECT presence, data {where(MISSING)}", "--format", "jsonl")
    assert (answer.code, json.loads(answer.out)) == (0, {"presence": "absent", "data": None})
    for columns in ("data", "instancesId", "sizeBytes", "sopClassUid", "contentType"):
        answer = site.query(f"SELECT {columns} {where(MISSING)}", "--format", "json")
        assert (answer.code, json.loads(answer.out)) == (0, [])
        assert "1 instance absent" in answer.err


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule(FaultKind.STATUS, "GET", path="/instances/", status=403),
        FaultRule(FaultKind.HTML, "GET", path="/instances/", status=200),
        FaultRule(FaultKind.HTML, "GET", path="/instances/", status=404),
    ],
)
def test_what_is_not_clear_is_unknown_and_an_error(site: Site, rule: FaultRule) -> None:
    (uid,) = fill(site, 1)
    site.emulator.set_faults(Faults((rule,)))
    one = where(InstanceAddress(*SERIES, uid))
    answer = site.query(f"SELECT presence, sizeBytes {one}", "--format", "jsonl")
    assert answer.code == 1
    assert json.loads(answer.out) == {"presence": "unknown", "sizeBytes": None}
    answer = site.query(f"SELECT data {one}", "--format", "json")
    assert (answer.code, json.loads(answer.out)) == (1, [])
    assert uid in answer.err
    assert "Traceback" not in answer.err


def test_a_store_that_goes_away_does_not_make_things_absent(site: Site) -> None:
    """A 404 counts only between two pre-flights that succeed: the probe breaks the second one."""
    fill(site, 1)
    answer = site.query(f"SELECT presence {where(MISSING)}")
    assert answer.code == 0
    preflights = [one.path for one in site.emulator.requests() if one.method == "POST"]
    assert len(preflights) == 2
    site.emulator.set_faults(
        Faults((FaultRule(FaultKind.STATUS, "POST", path="testIamPermissions", status=403),))
    )
    assert site.query(f"SELECT presence {where(MISSING)}").code == 1


def test_instances_are_written_as_files_and_never_over_another(site: Site, real: Real) -> None:
    address, digest = next(iter(real.items()))
    text = f"SELECT data, instancesId {where(address)}"
    answer = site.query(text, "--output", "images", "--format", "jsonl")
    assert answer.code == 0, answer.err
    path = site.folder / json.loads(answer.out)["data"]
    assert path == site.folder / "images" / f"{address}.dcm".lstrip("/")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    path.write_bytes(b"mine")
    again = site.query(text, "--output", "images")
    assert again.code == 1
    assert "is not replaced" in again.err
    assert path.read_bytes() == b"mine"
    assert not list((site.folder / "images").rglob("*.part"))


def test_a_body_that_breaks_off_leaves_no_file(site: Site) -> None:
    (uid,) = fill(site, 1)
    rule = FaultRule(FaultKind.TRUNCATE, "GET", path=r"/instances/[0-9.]+$", body_bytes=50)
    site.emulator.set_faults(Faults((rule,)))
    answer = site.query(f"SELECT data {where(InstanceAddress(*SERIES, uid))}", "--output", "images")
    assert answer.code == 1
    assert not [path for path in (site.folder / "images").rglob("*") if path.is_file()]


def test_the_table_shows_sizes_and_hides_nothing_else(site: Site) -> None:
    (uid,) = fill(site, 1)
    answer = site.query(f"SELECT instancesId, data {where(InstanceAddress(*SERIES, uid))}")
    head, line, row = answer.out.splitlines()
    assert head.split() == ["instancesId", "data"]
    assert set(line) == {"-", " "}
    assert row.startswith(uid)
    assert row.endswith(" bytes>")


def test_the_resource_tells_of_itself(site: Site) -> None:
    answer = site.query(f"DESCRIBE {TABLE}", "--format", "json")
    assert [row["name"] for row in json.loads(answer.out)][:3] == [
        "contentType",
        "data",
        "extensions",
    ]
    answer = site.query(f"SHOW METHODS IN {TABLE}", "--format", "json")
    assert [(row["MethodName"], row["SQLVerb"]) for row in json.loads(answer.out)] == [
        ("retrieve_instance", "SELECT"),
        ("delete", "DELETE"),
    ]
    extended = site.query(f"show extended methods in {TABLE}", "--format", "json")
    for row, other in zip(json.loads(answer.out), json.loads(extended.out), strict=True):
        assert other == row | {"description": other["description"]}
    describe = [site.query(f"DESCRIBE {word}{TABLE}").out for word in ("", "EXTENDED ")]
    assert describe[0] == describe[1] != ""
    assert site.methods() == {}


@pytest.mark.parametrize("limit", [0, 1, 7, 40])
def test_a_limit_bounds_the_rows_and_the_requests(site: Site, limit: int) -> None:
    """Absent ones are no rows. Tried out: looking ahead as without a limit, it asks for 64."""
    uids = fill(site, 30)
    wanted = [SERIES.study_uid + ".99", *uids]
    listed = ", ".join(f"'{uid}'" for uid in wanted)
    text = f"SELECT i.instancesId, data FROM {TABLE} AS i {of_series().partition(TABLE)[2]}"
    answer = site.query(
        f"{text} AND I.INSTANCESID IN ({listed}) LIMIT {limit}",
        *("--format", "csv", "--output", "out"),
    )
    assert answer.code == 0, answer.err
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["instancesId"] for row in rows] == uids[:limit]
    written = [path.stem for path in (site.folder / "out").rglob("*.dcm")]
    assert sorted(written) == sorted(uids[:limit])


def test_a_text_that_names_a_sql_file_is_that_file(site: Site) -> None:
    (uid,) = fill(site, 1)
    file = site.folder / "my select.SQL"
    file.write_text(f"SELECT instancesId\n{of_series()} AND instancesId = '{{{{ uid }}}}'")
    answer = site.query(file.name, f"--var=uid={uid}", "--format", "csv")
    assert (answer.code, answer.out.splitlines()) == (0, ["instancesId", uid])
    answer = site.query(file.name, "--var=uid=..")
    assert answer.code == 1
    assert answer.err.startswith("my select.SQL:2:")
    for name, reason in (("none.sql", "No such file"), ("specs.sql", "Is a directory")):
        (site.folder / "specs.sql").mkdir(exist_ok=True)
        answer = site.query(name)
        assert answer.code == 1
        assert f"cannot read {name}: {reason}" in answer.err
    both = site.query(file.name, "--file", file)
    assert "not both" in both.err


def test_no_field_of_csv_is_a_formula(site: Site) -> None:
    """Names, paths and base64 are neutralised alike."""
    file = resources.files("pydicom.data").joinpath("test_files", "CT_small.dcm").read_bytes()
    stored = site.emulator.ingest(DEMO_STORE, b"\xf8\x00\x00" + file[3:])
    text = f'SELECT data AS "=1+1", data AS "+2" {where(stored)}'
    rows = site.query(text, "--format", "csv").out.splitlines()
    assert rows[0] == "'=1+1,'+2"
    assert all(field.startswith("'+AAA") for field in rows[1].split(","))
    for folder in ("=x", "@y", "-z", "\tt"):
        row = site.query(text, "--format", "csv", f"--output={folder}").out.splitlines()[1]
        assert all(field.startswith("'") for field in row.split(","))


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT data FROM {TABLE} WHERE {STORE} AND studiesId='../..' AND seriesId='1'"
        " AND instancesId='1'",
        f"DELETE FROM {TABLE}",
        f"DELETE FROM {TABLE} WHERE {STORE} AND studiesId='1' OR '1'='1'",
        "SELECT 'x",
        "x" * 1_000_000,
        "\0",
        "",
    ],
)
def test_bad_input_is_one_message_and_sends_nothing(site: Site, text: str) -> None:
    answer = site.query(text)
    assert answer.code == 1
    assert "<query>:1:" in answer.err
    assert "Traceback" not in answer.err
    assert site.emulator.requests() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "113039"], "--reason belongs to a DELETE"),
        (["--apply"], "--apply belongs to a DELETE"),
        (["--out", "p.json"], "--out belongs to a DELETE"),
        (["--output", "d"], "--output writes what the column data holds"),
        (["--var", "a"], "is not NAME=VALUE"),
        (["--file", "x.sql"], "and not both"),
        (["--format", "xml"], "xml"),
    ],
)
def test_options_that_do_not_fit_are_refused(site: Site, arguments: list[str], said: str) -> None:
    answer = site.query(f"SELECT presence {where(MISSING)}", *arguments)
    assert answer.code == 1
    assert said in answer.err
    assert site.emulator.requests() == []


@pytest.mark.parametrize("body", ['{"message": "no Route matched"}', '"No"', '{"code": 404}'])
def test_the_404_of_a_gateway_is_unknown(
    site: Site, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "SEARCH_LAG", 0.3)
    (uid,) = fill(site, 1)
    on_instances = r"/instances/[0-9.]+(/metadata)?$"
    rule = FaultRule(FaultKind.STATUS, "GET", on_instances, status=404, body=body)
    site.emulator.set_faults(Faults((rule,)))
    one = where(InstanceAddress(*SERIES, uid))
    answer = site.query(f"SELECT presence {one}", "--format", "jsonl")
    assert (answer.code, json.loads(answer.out)) == (1, {"presence": "unknown"})
