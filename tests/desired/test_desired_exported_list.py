"""A list that another system exported: its UIDs are read, and nothing else of it is seen."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.inventory.exported_list import (
    ExportedRow,
    columns_by_level,
    read_exported_list,
)
from reconciler.desired.problems import Problems
from reconciler.model.problem import Problem, Severity

NAMES = ("StudyInstanceUID", "Series UID", "SOPInstanceUID")
OTHERS = ("Patient's Name", "Remark", "AccessionNumber", "Größe")
SENTINEL = "SENTINEL^XQZ"


def read(
    file: Path, data: bytes, columns: Sequence[str] = NAMES[:1]
) -> tuple[list[ExportedRow], tuple[Problem, ...]]:
    file.write_bytes(data)
    problems = Problems()
    rows = list(read_exported_list(file, "list.csv", columns, problems))
    return rows, problems.sorted()


def written(rows: Sequence[Sequence[str]], delimiter: str, end: str) -> str:
    """Rows as Python's own module writes them."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


# Any list against Python's own module

uids = st.from_regex(r"[12](\.(0|[1-9][0-9]{0,5})){3,8}", fullmatch=True, alphabet="0123456789.")
words = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=12
) | st.sampled_from([SENTINEL, 'a "quoted" one', "two\r\nlines", "a;b,c\td", "=1+1", "19450102"])


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[list[str]], list[str], str, str]:
    """A header and rows, the columns of UIDs among them, a delimiter and a line end."""
    columns = list(NAMES[: draw(st.integers(1, 3))])
    header = draw(st.permutations([*columns, *draw(st.sets(st.sampled_from(OTHERS)))]))
    rows = [
        [draw(uids if name in columns else words) for name in header]
        for _ in range(draw(st.integers(0, 5)))
    ]
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    return [header, *rows], columns, delimiter, draw(st.sampled_from(["\n", "\r\n"]))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists") / "list.csv"


encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])


@given(lists(), encodings, st.sampled_from(["", "sep=", '"sep="']), st.sampled_from(["", "\n\n"]))
def test_the_uids_of_any_list_are_read_with_their_lines(
    file: Path,
    wanted: tuple[list[list[str]], list[str], str, str],
    encoding: str,
    note: str,
    tail: str,
) -> None:
    rows, columns, delimiter, end = wanted
    text = written(rows, delimiter, end)
    model = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = next(model)
    places, expected, line = [header.index(one) for one in columns], [], model.line_num + 1
    for cells in model:
        expected.append(ExportedRow(line + bool(note), tuple(cells[at] for at in places)))
        line = model.line_num + 1
    top = note.replace("sep=", f"sep={delimiter}") + end if note else ""
    found, problems = read(file, (top + text + tail).encode(encoding), columns)
    assert found == expected
    assert {problem.severity for problem in problems} <= {Severity.WARNING}
    identifying = {"Patient's Name", "AccessionNumber"}
    assert len(problems) == len(identifying.intersection(header))
    assert all(one.source.line == 1 + bool(note) for one in problems)


@given(lists(), st.data())
def test_a_cell_that_is_no_uid_is_placed_and_never_quoted(
    file: Path, wanted: tuple[list[list[str]], list[str], str, str], data: st.DataObject
) -> None:
    rows, columns, delimiter, end = wanted
    if len(rows) == 1:
        return
    number = data.draw(st.integers(1, len(rows) - 1), label="row")
    name = data.draw(st.sampled_from(columns), label="column")
    place = rows[0].index(name)
    rows[number][place] = SENTINEL
    found, problems = read(file, written(rows, delimiter, end).encode(), columns)
    (error,) = [one for one in problems if one.severity is Severity.ERROR]
    before = written([*rows[:number], [*rows[number][:place], "x"]], delimiter, end)
    before = before.removesuffix(f"x{end}")
    lines = re.split(r"\r\n|\r|\n", before)
    assert (error.source.line, error.source.column) == (len(lines), len(lines[-1]) + 1)
    assert len(found) == len(rows) - 2
    assert not any(SENTINEL in str(problem) for problem in problems)


# What spreadsheets and databases write


@pytest.mark.parametrize(
    "data",
    [
        b"Name;StudyInstanceUID\r\nM\xfcller;1.2.3\r\n\r\n",
        b"sep=;\r\nName;StudyInstanceUID\r\nx;1.2.3\r\n;\r\n",
        "Name\tStudyInstanceUID\r\nMüller\t1.2.3\r\n".encode("utf-16"),
        b'\xef\xbb\xbf"StudyInstanceUID","Report"\n"1.2.3","line\nline; ""so"""\n',
        b"Name, StudyInstanceUID \n x , 1.2.3 \n",
        b"StudyInstanceUID\rx\r".replace(b"x", b"1.2.3"),
        b"Name;StudyInstanceUID\nx;1.2.3;;\n",
        b"StudyInstanceUID\n1.2.3",
    ],
    ids=["code page", "sep", "Unicode text", "report", "spaces", "CR", "more separators", "alone"],
)
def test_the_usual_dialects_are_read(file: Path, data: bytes) -> None:
    rows, problems = read(file, data)
    assert [row.uids for row in rows] == [("1.2.3",)]
    assert {problem.severity for problem in problems} <= {Severity.WARNING}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("1.28E+20", "a spreadsheet rounded it"),
        ('"1,28E+20"', "a spreadsheet rounded it"),
        ("128400000000E15", "a spreadsheet rounded it"),
        ('="1.2.3"', "it is a formula"),
        ('"=""1.2.3"""', "it is a formula"),
        ('""', "is empty"),
        ("19450102", "is not a UID"),
        ("2.1.1945", "is not a UID"),
        ("4711", "is not a UID"),
        ("3.1.2.3", "is not a UID"),
        ("1.2." + "3" * 64, "is not a UID"),
        ("1.2.3\x00", "is not a UID"),
        ("1.2.\xe4", "is not a UID"),
    ],
)
def test_what_is_no_uid_any_more_is_refused_with_a_hint(file: Path, cell: str, said: str) -> None:
    rows, (problem,) = read(file, f"a,StudyInstanceUID\nx,1.2.3\ny,{cell}\n".encode("latin-1"))
    assert [row.line for row in rows] == [2]
    assert (problem.source.line, problem.source.column) == (3, 3)
    assert said in problem.message
    assert problem.hint
    assert cell not in str(problem)


@pytest.mark.parametrize(
    ("data", "place", "said"),
    [
        (b"", (1, 1), "no column is named 'StudyInstanceUID'"),
        (b"\n\n", (1, 1), "no column is named"),
        (b"SENTINEL;1.2.3\n", (1, 1), "no column is named"),
        (b"studyinstanceuid\n1.2.3\n", (1, 1), "no column is named"),
        (b"a|StudyInstanceUID\n", (1, 1), "no column is named"),
        (b"StudyInstanceUID,StudyInstanceUID\n", (1, 1), "2 columns are named"),
        (b"a,StudyInstanceUID\nSENTINEL,1.2.3,b\n", (2, 1), "3 cells, and the header 2"),
        (b"a,StudyInstanceUID\nSENTINEL\n", (2, 1), "1 cell, and the header 2"),
        (b'a,StudyInstanceUID\n"SENTINEL,1.2.3\n', (2, 1), "quotes of the row do not match"),
        (b'a,StudyInstanceUID\n"SENTINEL"x,1.2.3\n', (2, 1), "quotes of the row do not match"),
        (b"a,StudyInstanceUID\n" + b"x" * 3_000_000, (2, 1), "too long"),
        (b'a,StudyInstanceUID\n"' + b"SENTINEL\n" * 300_000, (2, 1), "too long"),
        (b"\x00" * 5_000_000, (1, 1), "too long"),
    ],
)
def test_what_is_no_such_list_is_refused(
    file: Path, data: bytes, place: tuple[int, int], said: str
) -> None:
    rows, (problem,) = read(file, data)
    assert rows == []
    assert (problem.source.line, problem.source.column) == place
    assert said in problem.message
    assert "SENTINEL" not in str(problem)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PatientName", "a patient's name"),
        ("Patient's Name", "a patient's name"),
        ("PATIENT ID", "a patient's number"),
        ("MRN", "a patient's number"),
        ("PatientBirthDate", "a date of birth"),
        ("Geburtsdatum", "a date of birth"),
        ("DOB", "a date of birth"),
        ("Accession No.", "an accession number"),
        ("Modality", None),
        ("StudyDate", None),
        ("Inpatients", None),
    ],
)
def test_a_column_that_may_say_who_a_patient_is_is_a_warning(
    file: Path, name: str, said: str | None
) -> None:
    rows, problems = read(file, f"StudyInstanceUID;{name}\n1.2.3;{SENTINEL}\n".encode())
    assert len(rows) == 1
    if said is None:
        assert problems == ()
        return
    (problem,) = problems
    assert (problem.severity, problem.rule) == (Severity.WARNING, "export-identifies")
    assert (problem.source.line, problem.source.column) == (1, 18)
    assert said in problem.message
    assert SENTINEL not in str(problem)


# Which columns


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        (["StudyInstanceUID"], ("StudyInstanceUID",)),
        (["studiesId"], ("studiesId",)),
        (["studiesId=Study UID"], ("Study UID",)),
        (["SeriesInstanceUID", "studiesId=a=b"], ("a=b", "SeriesInstanceUID")),
        (["SOPInstanceUID", "StudyInstanceUID=S", "seriesId=T"], ("S", "T", "SOPInstanceUID")),
        ([], ()),
    ],
)
def test_a_column_says_its_level(asked: list[str], columns: tuple[str, ...]) -> None:
    assert columns_by_level(asked) == columns


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["Study UID"], "'Study UID' does not name"),
        (["study=Study UID"], "does not name"),
        (["SeriesInstanceUID"], "the column of studiesId is not named"),
        (["StudyInstanceUID", "SOPInstanceUID"], "the column of seriesId is not named"),
        (["studiesId="], "the column of studiesId is not named"),
        (["studiesId", "StudyInstanceUID"], "two columns are those of studiesId"),
    ],
)
def test_columns_that_name_nothing_whole_are_refused(asked: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        columns_by_level(asked)
