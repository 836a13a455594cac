"""What a text of SQL asks; and what is refused, each with its place."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import StatementError
from reconciler.model.address import StoreAddress
from reconciler.model.problem import Problem
from reconciler.query.parsing import read_statements
from reconciler.query.statement import Column, Delete, Describe, Select, ShowMethods

TABLE = "google.healthcare.instances"
STORE = "projectsId='p' AND locationsId='l' AND datasetsId='d' AND dicomStoresId='s'"
SERIES = f"{STORE} AND studiesId='1.2' AND seriesId='1.2.3'"
ALL = f"{SERIES} AND instancesId='1.2.3.4'"

DOCUMENTED_SELECT = """SELECT contentType, data, extensions
FROM google.healthcare.instances
WHERE projectsId = 'p' -- required
AND locationsId = 'l' -- required
AND datasetsId = 'd' AND dicomStoresId = 's' AND studiesId = '1.2' AND seriesId = '1.2.3'
AND instancesId = '1.2.3.4' -- required;
"""
DOCUMENTED_DELETE = """DELETE FROM google.healthcare.instances
WHERE projectsId = 'p' --required
AND locationsId = 'l' --required
AND datasetsId = 'd' AND dicomStoresId = 's' AND studiesId = '1.2' AND seriesId = '1.2.3'
AND instancesId IN ('1.2.3.4', '1.2.3.5') --required;
"""


def read(text: str, **variables: str):
    return read_statements(text, path="<query>", variables=variables)


def problems(text: str, **variables: str) -> list[tuple[int, int, str]]:
    with pytest.raises(StatementError) as caught:
        read(text, **variables)
    return [(p.source.line, p.source.column, p.message) for p in caught.value.problems]


def test_the_documented_select_is_read_as_it_stands() -> None:
    (select,) = read(DOCUMENTED_SELECT)
    assert isinstance(select, Select)
    assert select.store == StoreAddress("p", "l", "d", "s")
    assert [one.column for one in select.outputs] == [
        Column.CONTENT_TYPE,
        Column.DATA,
        Column.EXTENSIONS,
    ]
    assert (select.study_uids, select.series_uids, select.instance_uids) == (
        ("1.2",),
        ("1.2.3",),
        ("1.2.3.4",),
    )


def test_the_documented_delete_is_read_as_it_stands_with_the_place_of_each_uid() -> None:
    (delete,) = read(DOCUMENTED_DELETE)
    assert isinstance(delete, Delete)
    assert delete.series == ("1.2", "1.2.3")
    assert [
        (one.instance.instance_uid, one.place.line, one.place.column) for one in delete.removals
    ] == [("1.2.3.4", 5, 21), ("1.2.3.5", 5, 32)]


@pytest.mark.parametrize("end", ["", ";", " ;\n", "-- the end;", "/* ; */", ";;"])
def test_a_statement_may_end_in_any_way(end: str) -> None:
    assert len(read(f"SELECT data FROM {TABLE} WHERE {ALL} {end}")) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"SHOW METHODS IN {TABLE}",
        f"show methods in {TABLE.upper()}; -- so",
        "SHOW /* all */ METHODS\nIN google . healthcare\n. instances",
        'SHOW METHODS IN "google"."healthcare"."instances"',
    ],
)
def test_show_methods(text: str) -> None:
    assert read(text) == (ShowMethods(),)
    assert read(text.lower().replace("methods", "Extended Methods")) == (ShowMethods(True),)


@pytest.mark.parametrize(
    "text", [f"DESCRIBE {TABLE};", f"describe {TABLE.title()}", f"DESC {TABLE}"]
)
@pytest.mark.parametrize("extended", ["", "EXTENDED ", "-- all of it\nextended\t"])
def test_describe(text: str, extended: str) -> None:
    verb, _, name = text.partition(" ")
    assert read(f"{verb} {extended}{name}") == (Describe(),)


def test_keywords_and_names_may_be_in_any_case() -> None:
    in_capitals = re.compile(r"'[^']*'|\w+")
    for text in (
        DOCUMENTED_SELECT,
        DOCUMENTED_DELETE,
        f"SELECT * FROM {TABLE} WHERE {ALL} LIMIT 7",
    ):
        capitals = in_capitals.sub(lambda one: one[0] if "'" in one[0] else one[0].upper(), text)
        assert read(capitals) == read(text.lower()) == read(text)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("AS i", "i"),
        ("i", "I"),
        ('AS "I"', "i"),
        ("", "instances"),
        ("", "healthcare.instances"),
        ("", "GOOGLE.healthcare.instances"),
    ],
)
def test_columns_may_name_the_resource_or_its_alias(alias: str, name: str) -> None:
    where = re.sub(r"(\w+)=", rf"{name}.\1=", ALL)
    for columns, plain in (
        (f"{name}.data d, {name}.presence", "data d, presence"),
        (f"{name}.*", "*"),
    ):
        text = f"SELECT {columns} FROM {TABLE} {alias} WHERE {where}"
        assert read(text) == read(f"SELECT {plain} FROM {TABLE} WHERE {ALL}")
    (delete,) = read(f"DELETE FROM {TABLE} {alias} WHERE {where}")
    assert isinstance(delete, Delete)
    assert [one.instance.instance_uid for one in delete.removals] == ["1.2.3.4"]


@pytest.mark.parametrize(("text", "limit"), [("", None), ("LIMIT 0", 0), ("limit 10;", 10)])
def test_a_limit_is_how_many_rows_there_are_at_most(text: str, limit: int | None) -> None:
    (select,) = read(f"SELECT presence FROM {TABLE} WHERE {ALL} {text}")
    assert isinstance(select, Select)
    assert select.limit == limit


def test_columns_may_be_named_anew_and_a_star_is_what_retrieve_gives() -> None:
    (select,) = read(f'SELECT presence AS p, studiesId "study" FROM {TABLE} WHERE {ALL}')
    assert [(one.column, one.name) for one in select.outputs] == [
        (Column.PRESENCE, "p"),
        (Column.STUDIES_ID, "study"),
    ]
    (star,) = read(f"SELECT * FROM {TABLE} WHERE {ALL}")
    assert [one.name for one in star.outputs] == ["contentType", "data", "extensions"]


def test_uids_may_be_lists_and_each_counts_once() -> None:
    (select,) = read(
        f"SELECT presence FROM {TABLE} WHERE {STORE} AND studiesId IN ('1', '2', '1')"
        " AND (seriesId IN ('3', '4') AND instancesId = '5')"
    )
    assert (select.study_uids, select.series_uids, select.instance_uids) == (
        ("1", "2"),
        ("3", "4"),
        ("5",),
    )


def test_a_listing_may_leave_out_instances_and_series() -> None:
    for where, series in ((SERIES, ("1.2.3",)), (f"{STORE} AND studiesId='1.2'", None)):
        (select,) = read(f"SELECT instancesId FROM {TABLE} WHERE {where}")
        assert (select.series_uids, select.instance_uids) == (series, None)


def test_several_selects_of_the_same_columns_make_one_result() -> None:
    text = f"SELECT presence FROM {TABLE} WHERE {ALL};"
    assert len(read(text * 3)) == 3


# Templates


def test_a_variable_is_filled_in_inside_its_quotes() -> None:
    text = DOCUMENTED_SELECT.replace("'1.2.3.4'", "'{{ instancesId }}'").replace("'p'", "'{{p}}'")
    (select,) = read(text, instancesId="9.8", p="project")
    assert (select.instance_uids, select.store.project_id) == (("9.8",), "project")


@pytest.mark.parametrize("value", ["x' OR '1'='1", "';--", "\\'", "1.2\n", "{{ b }}", '"', "../.."])
def test_a_value_never_leaves_its_quotes(value: str) -> None:
    text = DOCUMENTED_DELETE.replace("'1.2.3.4'", "'{{ a }}'")
    ((line, column, message),) = problems(text, a=value)
    assert (line, column) == (5, 21)
    assert message.startswith("not a UID for instancesId")


def test_every_missing_variable_is_named_and_so_is_one_that_is_not_used() -> None:
    text = DOCUMENTED_SELECT.replace("'p'", "'{{ project }}'").replace("'l'", "'{{ place }}'")
    assert problems(text, plaze="x") == [
        (1, 1, "the variable plaze is not used"),
        (3, 20, "the variable project has no value"),
        (4, 19, "the variable place has no value"),
    ]


# What is refused


REFUSED = [
    ("", 1, "there is no statement"),
    ("-- only a comment", 1, "there is no statement"),
    (f"SELECT data FROM {TABLE}", 1, "the statement needs projectsId, locationsId, datasetsId,"),
    (f"SELECT data FROM {TABLE} WHERE {SERIES}", 1, "the statement needs instancesId"),
    (f"SELECT * FROM {TABLE} WHERE {SERIES}", 1, "the statement needs instancesId"),
    (f"SELECT extensions FROM {TABLE} WHERE {SERIES}", 1, "the statement needs instancesId"),
    (f"SELECT presence FROM {TABLE} WHERE {STORE}", 1, "the statement needs studiesId"),
    (
        f"SELECT presence FROM {TABLE} WHERE {STORE} AND studiesId='1' AND instancesId='2'",
        1,
        "the statement needs seriesId",
    ),
    (f"DELETE FROM {TABLE} WHERE {SERIES}", 1, "the statement needs instancesId"),
    (f"DELETE FROM {TABLE}", 1, "the statement needs projectsId"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} OR 1=1", 52, "OR is not supported"),
    (f"SELECT data FROM {TABLE} WHERE NOT ({ALL})", 57, "NOT is not supported"),
    (f"SELECT data FROM {TABLE} WHERE studiesId LIKE '1%' AND {ALL}", 52, "LIKE is"),
    (f"SELECT data FROM {TABLE} WHERE studiesId > '1' AND {ALL}", 52, "> is not supported"),
    (f"SELECT data FROM {TABLE} WHERE studiesId <> '1' AND {ALL}", 52, "<> is not supported"),
    (f"SELECT data FROM {TABLE} WHERE studiesId IS NULL AND {ALL}", 52, "IS is not supported"),
    (f"SELECT data FROM {TABLE} WHERE studiesId BETWEEN '1' AND '2' AND {ALL}", 52, "BETWEEN"),
    (f"SELECT data FROM {TABLE} WHERE '1' = studiesId AND {ALL}", 52, "this condition is not"),
    (f"SELECT data FROM {TABLE} WHERE studiesId = 1.2 AND {STORE}", 64, "the value of studiesId"),
    (f"SELECT data FROM {TABLE} WHERE studiesId = seriesId AND {ALL}", 64, "the value of"),
    (f"SELECT data FROM {TABLE} WHERE studiesId IN (SELECT 1) AND {ALL}", 52, "this condition"),
    (f"SELECT data FROM {TABLE} WHERE projectsId IN ('p') AND {ALL}", 52, "projectsId takes one"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} AND seriesId='1.2.3'", 199, "seriesId is constrained"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} AND modality='CT'", 199, "there is no column 'modal"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} AND presence='absent'", 199, "presence cannot be"),
    (f"SELECT contentype FROM {TABLE} WHERE {ALL}", 8, "there is no column 'contentype'"),
    (f"SELECT data, DATA FROM {TABLE} WHERE {ALL}", 1, "two columns of the result are named"),
    (f"SELECT data, data FROM {TABLE} WHERE {ALL}", 1, "two columns of the result are named"),
    (f"SELECT count(*) FROM {TABLE} WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT 1 FROM {TABLE} WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT a.data FROM {TABLE} WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT DISTINCT data FROM {TABLE} WHERE {ALL}", 1, "DISTINCT is not supported"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT 1 + 2", 201, "LIMIT takes one whole number"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT '3'", 201, "LIMIT takes one whole number"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT -1", 202, "LIMIT takes one whole number"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT 1.5", 201, "LIMIT takes one whole number"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT {'9' * 5000}", 201, "LIMIT takes one whole"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} LIMIT 3 OFFSET 2", 210, "OFFSET is not supported"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} FETCH FIRST 3 ROWS ONLY", 207, "LIMIT takes one"),
    (f"DELETE FROM {TABLE} WHERE {ALL} LIMIT 1", 196, "LIMIT is not supported"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} ORDER BY data", 204, "ORDER BY is not supported"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} GROUP BY data", 204, "GROUP BY is not supported"),
    (f"SELECT data FROM {TABLE} i(x) WHERE {ALL}", 46, "a list of columns is not supported"),
    (f"SELECT j.data FROM {TABLE} i WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT j.* FROM {TABLE} i WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT instances.data FROM {TABLE} i WHERE {ALL}", 8, "only columns can be selected"),
    (f"SELECT data FROM {TABLE} i WHERE j.studiesId='1' AND {ALL}", 54, "this condition is not"),
    (f"SELECT data FROM {TABLE}, b WHERE {ALL}", 47, "a join is not supported"),
    (f"SELECT data FROM {TABLE} JOIN b WHERE {ALL}", 51, "a join is not supported"),
    (f"WITH x AS (SELECT 1) SELECT data FROM {TABLE} WHERE {ALL}", 6, "WITH is not supported"),
    (f"SELECT data FROM (SELECT 1) WHERE {ALL}", 26, "only a resource can be queried"),
    (f"SELECT data FROM google.healthcare.instance WHERE {ALL}", 18, "there is no resource"),
    (f"SELECT data FROM instances WHERE {ALL}", 18, "there is no resource 'instances'"),
    ("SHOW METHODS IN google.healthcare.stores", 17, "there is no resource 'google.healthcare.s"),
    (f"SHOW METHODS IN {TABLE} x", 17, f"there is no resource '{TABLE} x'"),
    (f"SHOW METHODS {TABLE}", 1, "a statement that begins with 'SHOW'"),
    (f"SHOW METHODS EXTENDED IN {TABLE}", 1, "a statement that begins with 'SHOW'"),
    ("SHOW METHODS IN", 16, "no resource is named"),
    ("DESCRIBE a.b", 10, "there is no resource 'a.b'"),
    ("DESCRIBE EXTENDED a.b", 19, "there is no resource 'a.b'"),
    (f"DESCRIBE {TABLE} EXTENDED", 10, f"there is no resource '{TABLE} EXTENDED'"),
    ("DESCRIBE", 9, "no resource is named"),
    (f"SELCT data FROM {TABLE} WHERE {ALL}", 1, "there is no statement 'SELCT'"),
    (f"SELECT data FRM {TABLE} WHERE {ALL}", 17, "'google' is not expected here"),
    (f"SELECT data FROM {TABLE} WHERE {ALL} AND", 195, "something is missing after 'AND'"),
    (f"SELECT data FROM {TABLE} WHERE", 46, "something is missing after 'WHERE'"),
    (
        f"SELECT data FROM {TABLE} WHERE {ALL} UNION SELECT data FROM {TABLE} WHERE {ALL}",
        1,
        "a statement that begins with 'SELECT'",
    ),
    (f"INSERT INTO {TABLE} VALUES ('1')", 1, "a statement that begins with 'INSERT'"),
    (f"UPDATE {TABLE} SET data='x'", 1, "a statement that begins with 'UPDATE'"),
    (f"DROP TABLE {TABLE}", 1, "a statement that begins with 'DROP'"),
    ("TRUNCATE TABLE x", 1, "a statement that begins with 'TRUNCATE'"),
    (f"DELETE FROM {TABLE} WHERE {ALL} RETURNING data", 200, "RETURNING is not supported"),
    (
        f"DELETE FROM {TABLE} WHERE {STORE} AND studiesId='1' AND seriesId IN ('1', '2')"
        " AND instancesId='3'",
        163,
        "a DELETE names one series, so seriesId takes one value",
    ),
    ("SELECT 'x", 8, "the quote that opens here is not closed"),
    ('SELECT "x', 8, "the quote that opens here is not closed"),
    (f"SELECT data\0 FROM {TABLE}", 12, "a statement cannot contain a NUL character"),
    ("SELECT " + "(" * 5000 + "data" + ")" * 5000, 1, "the statement is nested too deep"),
    ("x" * 1_000_000, 1, "the text has 1,000,000 characters"),
    (f"{{{{ a }}}} FROM {TABLE}", 9, ""),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSED, ids=[t[:60] for t, *_ in REFUSED])
def test_what_is_refused_is_named_where_it_stands(text: str, column: int, message: str) -> None:
    found = problems(text)
    assert any(said.startswith(message) for _, _, said in found), found
    assert (1, column) in {(line, at) for line, at, said in found if said.startswith(message)}


@pytest.mark.parametrize(
    "bad", ["1..2", "1.2.", "a", "", "..", "1/2", "1.2\n", "1" * 65, "\uff11.2"]
)
def test_what_is_no_uid_is_never_asked_for(bad: str) -> None:
    text = f"DELETE FROM {TABLE} WHERE {SERIES} AND instancesId IN ('1.2', '{bad}')"
    assert len(problems(text)) == 1


def test_a_delete_stands_alone() -> None:
    one = f"DELETE FROM {TABLE} WHERE {ALL};"
    other = f"SELECT data FROM {TABLE} WHERE {ALL};"
    for text in (one + one, one + other, other + one, other + f"DESCRIBE {TABLE}"):
        (problem,) = problems(text)
        assert problem[2] == "only SELECTs can be combined"
    (problem,) = problems(other + other.replace("data ", "presence "))
    assert problem[2].startswith("this SELECT has other columns")


def test_every_problem_of_a_text_is_named_at_once() -> None:
    text = f"SELECT dada FROM {TABLE}\nWHERE {ALL}\nAND x='1'\nLIMIT x"
    assert [line for line, *_ in problems(text)] == [1, 3, 4]


KEYWORDS = "SELECT DELETE FROM WHERE AND OR IN NOT LIMIT AS UNION SHOW EXTENDED METHODS DESCRIBE"
SIGNS = ["*", "(", ")", ",", ";", "'", '"', "=", "--", "/*", "*/", "{{ a }}", "\n"]
NAMES = [TABLE, *(column.value for column in Column)]
WORDS = st.sampled_from([*KEYWORDS.split(), *SIGNS, *NAMES, "'1.2.3'", "1.2"])


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.lists(WORDS, max_size=30).map(" ".join), st.text(max_size=60)))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    found: Sequence[Problem] = ()
    try:
        assert read_statements(text, path="<query>", variables={})
    except StatementError as error:
        found = error.problems
    assert all(problem.hint for problem in found)
    assert "sqlglot" not in str([problem.message for problem in found])


def test_many_columns_and_many_problems_cost_no_square() -> None:
    columns = ", ".join(f"contentType AS a{number}" for number in range(4_000))
    began = time.process_time()
    (select,) = read(f"SELECT {columns} FROM {TABLE} WHERE {ALL}")
    assert len(select.outputs) == 4_000
    found = problems(f"SELECT {columns.replace('contentType', 'unknown')} FROM {TABLE} WHERE {ALL}")
    assert len(found) == 101
    assert found[-1][2] == "3,900 more problems are not shown"
    assert time.process_time() - began < 10
