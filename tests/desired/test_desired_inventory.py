from __future__ import annotations

import hashlib

import pytest

from reconciler.model.desired import Hold, InputRole, listed_sources
from reconciler.model.problem import Source

SHA = "0" * 64


def pin(name: str, data: bytes, *, count: int) -> str:
    return f"{{path: {name}, sha256: {hashlib.sha256(data).hexdigest()}, count: {count}}}"


def test_an_inventory_gives_one_entry_a_series(project) -> None:
    rows = "1.2,1.2.1,1.2.1.1\n1.2,1.2.2,1.2.2.1\n1.2,1.2.1,1.2.1.2\n"
    project.spec(
        "specs/a.yaml", f"remove:\n  - inventory: {project.inventory('specs/i.csv', rows)}\n"
    )
    state = project.load("specs")
    first, second = state.stores[0].removes.entries
    assert first.source == Source("specs/i.csv", 2, 11)
    assert first.from_inventory
    assert first.reason.ticket == "RET-1"
    assert list(listed_sources(first)) == [
        ("1.2.1.1", Source("specs/i.csv", 2, 11)),
        ("1.2.1.2", Source("specs/i.csv", 4, 11)),
    ]
    assert second.series_uid == "1.2.2"
    assert [(file.path, file.role) for file in state.inputs] == [
        ("specs/a.yaml", InputRole.SELECTED),
        ("specs/i.csv", InputRole.INVENTORY),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"instancesId,studiesId,seriesId\n1.2.1.1,1.2,1.2.1\n",
        b"\xef\xbb\xbfinstancesId,studiesId,seriesId\r\n1.2.1.1,1.2,1.2.1\r\n",
        b"instancesId,studiesId,seriesId\n1.2.1.1,1.2,1.2.1",
        b'"instancesId","studiesId","seriesId"\n"1.2.1.1","1.2","1.2.1"\n',
    ],
    ids=["any order", "as Excel writes it", "no last newline", "quoted"],
)
def test_the_usual_dialects_are_read(project, data: bytes) -> None:
    project.write("i.csv", data)
    project.spec(
        "a.yaml", f"keep:\n  - inventory: {pin('i.csv', data, count=1)}\n    hold: Trial 7\n"
    )
    (entry,) = project.load("a.yaml").stores[0].keeps.entries
    assert (entry.study_uid, entry.series_uid, entry.instances.uids) == (
        "1.2",
        "1.2.1",
        ("1.2.1.1",),
    )
    assert entry.hold == Hold("Trial 7")


def test_another_digest_or_count_is_an_error_that_says_both_values(project) -> None:
    written = project.inventory("i.csv", "1.2,1.2.1,1.2.1.1\n")
    project.spec("a.yaml", f"remove:\n  - inventory: {written}\n")
    data = b"studiesId,seriesId,instancesId\n1.2,1.2.1,1.2.1.1\n1.2,1.2.1,1.2.1.2\n"
    project.write("i.csv", data)
    digest, count = project.problems("a.yaml")
    assert (digest.rule, digest.source) == ("inventory-digest", Source("a.yaml", 5, 38))
    assert hashlib.sha256(data).hexdigest() in digest.message
    assert written[21:85] in digest.message
    assert (count.rule, count.message) == ("inventory-count", "i.csv has 2 rows, not 1")


def test_a_digest_in_capitals_is_the_same_digest(project) -> None:
    written = project.inventory("i.csv", "1.2,1.2.1,1.2.1.1\n")
    head, digest, rest = written.partition("sha256: ")
    project.spec(
        "a.yaml", f"remove:\n  - inventory: {head}{digest}{rest[:64].upper()}{rest[64:]}\n"
    )
    assert project.load("a.yaml").stores


def test_bad_rows_are_problems_at_their_cells(project) -> None:
    rows = (
        "1.2,1.3,\n1.2,1..3,1.4\n1.2,1.3\n\n1.2,1.3,1.4,1.5\n"
        '1.2,"1.3","x"\n"1.2,1.3,1.4\n\xff,1.3,1.4\n'
    )
    project.spec("a.yaml", f"remove:\n  - inventory: {project.inventory('i.csv', rows)}\n")
    assert project.found("a.yaml") == [
        (2, 9, "inventory-row"),
        (3, 5, "invalid-uid"),
        (4, 1, "inventory-row"),
        (5, 1, "inventory-row"),
        (6, 1, "inventory-row"),
        (7, 11, "invalid-uid"),
        (8, 1, "inventory-row"),
        (9, 1, "invalid-uid"),
    ]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", (1, 1)),
        (b"seriesId,instancesId\n", (1, 1)),
        (b"studiesId,seriesId,instancesId,PatientName\n", (1, 32)),
        (b"studiesId;seriesId;instancesId\n", (1, 1)),
        (b"studiesId,studiesId,seriesId,instancesId\n", (1, 1)),
        (b"1.2,1.3,1.4\n", (1, 1)),
    ],
)
def test_any_other_header_is_refused(project, data: bytes, place: tuple[int, int]) -> None:
    project.write("i.csv", data)
    project.spec("a.yaml", f"remove:\n  - inventory: {pin('i.csv', data, count=7)}\n")
    assert project.found("a.yaml") == [(*place, "inventory-header")]


def test_a_binary_file_without_lines_is_refused_and_still_hashed(project) -> None:
    data = b"studiesId,seriesId,instancesId\n" + b"\x00" * 5_000_000
    project.write("i.csv", data)
    project.spec("a.yaml", f"remove:\n  - inventory: {pin('i.csv', data, count=7)}\n")
    assert project.found("a.yaml") == [(2, 1, "inventory-row")]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("none.csv", "path-not-found"),
        ("../../i.csv", "path-outside-root"),
        ("/etc/passwd", "invalid-value"),
        ("folder", "unreadable-file"),
        ("x" * 900, "unreadable-file"),
    ],
)
def test_an_inventory_lies_inside_the_project(project, path: str, rule: str) -> None:
    (project.root / "specs/folder").mkdir(parents=True)
    project.spec(
        "specs/a.yaml", f"remove:\n  - inventory: {{path: {path}, sha256: {SHA}, count: 1}}\n"
    )
    assert project.found("specs") == [(5, 23, rule)]


def test_a_link_does_not_lead_out_of_the_project(project, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "i.csv"
    outside.write_text("studiesId,seriesId,instancesId\n")
    (project.root / "i.csv").symlink_to(outside)
    project.spec("a.yaml", f"remove:\n  - inventory: {{path: i.csv, sha256: {SHA}, count: 0}}\n")
    assert project.found("a.yaml") == [(5, 23, "path-outside-root")]


def test_lines_of_an_inventory_are_overridden_by_a_keep_without_an_error(project) -> None:
    rows = "1.2,1.2.1,1.2.1.1\n"
    project.spec(
        "a.yaml",
        f"remove:\n  - inventory: {project.inventory('i.csv', rows)}\n"
        "keep:\n  - {studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.1}\n"
        "  - studiesId: 1.2\n",
    )
    assert project.load("a.yaml").stores[0].removes.entries


def test_a_row_that_occurs_twice_is_a_warning(project) -> None:
    rows = "1.2,1.2.1,1.2.1.1\n1.2,1.2.1,1.2.1.1\n"
    project.spec("a.yaml", f"remove:\n  - inventory: {project.inventory('i.csv', rows)}\n")
    state = project.load("a.yaml")
    assert [(p.rule, p.source.line) for p in state.warnings] == [("duplicate-entry", 3)]
    assert state.stores[0].removes.entries[0].instances.uids == ("1.2.1.1",)


def test_removes_of_a_file_that_no_path_selects_are_not_read(project) -> None:
    project.spec("specs/a.yaml", "remove: []\n")
    project.spec(
        "specs/b.yaml",
        f"remove:\n  - inventory: {{path: none.csv, sha256: {SHA}, count: 1}}\n"
        f"keep:\n  - inventory: {project.inventory('specs/k.csv', '1.2,1.3,1.4')}\n",
    )
    state = project.load("specs/a.yaml")
    assert [file.path for file in state.inputs] == ["specs/a.yaml", "specs/b.yaml", "specs/k.csv"]
    assert not state.stores[0].removes.entries
    assert state.stores[0].keeps.entries[0].from_inventory


@pytest.mark.parametrize(("pinned", "there"), [(b"\n", b"\r\n"), (b"\r\n", b"\n")])
def test_line_ends_that_were_converted_are_named(project, pinned: bytes, there: bytes) -> None:
    data = b"studiesId,seriesId,instancesId\n1.2,1.2.1,1.2.1.1\n1.2,1.2.1,1.2.1.2"
    written = pin("i.csv", data.replace(b"\n", pinned), count=2)
    project.write("i.csv", data.replace(b"\n", there))
    project.spec("a.yaml", f"remove:\n  - inventory: {written}\n")
    (digest,) = project.problems("a.yaml")
    assert digest.rule == "inventory-digest"
    assert digest.message.endswith("; its line ends were converted")
    assert "'i.csv -text'" in digest.hint


def test_another_list_with_other_line_ends_is_not_taken_for_converted(project) -> None:
    data = b"studiesId,seriesId,instancesId\n1.2,1.2.1,1.2.1.1\n"
    written = pin("i.csv", data, count=1)
    project.write("i.csv", data.replace(b"1.1\n", b"1.2\r\n"))
    project.spec("a.yaml", f"remove:\n  - inventory: {written}\n")
    (digest,) = project.problems("a.yaml")
    assert "converted" not in digest.message


def test_a_pointer_of_git_lfs_is_that_one_problem(project) -> None:
    written = project.inventory("i.csv", "1.2,1.2.1,1.2.1.1\n")
    project.write("i.csv", f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\n")
    project.spec("a.yaml", f"remove:\n  - inventory: {written}\n")
    (pointer,) = project.problems("a.yaml")
    assert (pointer.rule, pointer.hint) == ("lfs-pointer", "git lfs pull")
    assert "is a Git LFS pointer" in pointer.message


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("/a/" + "b" * 256, "a part of it has 256 bytes"),
        ("/" + "ü" * 128, "a part of it has 256 bytes"),
        ("/" + ("漢" * 80 + "/") * 12, "it has 2893 bytes"),
        ("/" + "b" * 255, None),
    ],
)
def test_an_archive_that_is_too_long_for_a_file_system_is_refused(
    project, folder: str, said: str | None
) -> None:
    project.spec("a.yaml", f"archive: {{path: {folder}}}\nremove: [{{studiesId: '1.2'}}]\n")
    if said is None:
        assert project.load("a.yaml").stores
        return
    (problem,) = project.problems("a.yaml")
    assert (problem.rule, problem.source) == ("invalid-value", Source("a.yaml", 4, 17))
    assert said in problem.message
    assert problem.hint == "name a folder with a shorter path"


def test_a_text_that_is_too_long_is_said_to_be_that(project) -> None:
    project.spec("a.yaml", f"archive: {{path: {'/a' * 600}}}\nremove: [{{studiesId: '1.2'}}]\n")
    (problem,) = project.problems("a.yaml")
    assert problem.message == "path has 1200 characters; it has 1000 at most"


def listing_of(project, name: str, data: str, key: str = "remove", extra: str = "") -> str:
    """A list of one entry: an inventory of this content."""
    project.write(name, data)
    written = pin(name.rpartition("/")[2], data.encode(), count=data.count("\n") - 1)
    return f"{key}:\n  - inventory: {written}\n{extra}"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("studiesId\n1.2\n1.3\n", [("1.2", None, 2, 1), ("1.3", None, 3, 1)]),
        (
            "studiesId,seriesId\n1.2,1.2.1\n1.2,1.2.2\n",
            [("1.2", "1.2.1", 2, 5), ("1.2", "1.2.2", 3, 5)],
        ),
        ("seriesId,studiesId\n1.2.10,1.2\n", [("1.2", "1.2.10", 2, 1)]),
        ('"studiesId","seriesId"\n"1.2","1.2.1"\n', [("1.2", "1.2.1", 2, 7)]),
        ("studiesId\n", []),
    ],
)
def test_a_row_may_name_a_series_or_a_study_as_a_whole(
    project, data: str, expected: list[object]
) -> None:
    project.spec("a.yaml", listing_of(project, "i.csv", data))
    state = project.load("a.yaml")
    found = state.stores[0].removes.entries
    assert [(e.study_uid, e.series_uid, e.source.line, e.source.column) for e in found] == expected
    assert all(entry.is_whole and entry.from_inventory for entry in found)
    assert {entry.source.path for entry in found} <= {"i.csv"}
    assert state.warnings == ()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("studiesId\n\n", [(2, 1, "inventory-row")]),
        ("studiesId\n1.2,1.3\n", [(2, 1, "inventory-row")]),
        ("studiesId\n1.2\nDOE^JANE\n", [(3, 1, "invalid-uid")]),
        ("studiesId,seriesId\n1.2,\n", [(2, 5, "inventory-row")]),
        ("studiesId,seriesId\n1.2\n", [(2, 1, "inventory-row")]),
        ("studiesId,seriesId\nx,y\n", [(2, 1, "invalid-uid"), (2, 3, "invalid-uid")]),
    ],
)
def test_a_bad_row_of_studies_or_series_is_a_problem_at_its_cell(
    project, data: str, found: list[object]
) -> None:
    project.spec("a.yaml", listing_of(project, "i.csv", data))
    assert project.found("a.yaml") == found


def test_leading_zeros_are_said_once_for_neighbours(project) -> None:
    data = "studiesId,seriesId\n1.02,1.2\n1.02,1.03\n"
    project.spec("a.yaml", listing_of(project, "i.csv", data))
    warnings = project.load("a.yaml").warnings
    assert [(p.rule, p.source.line, p.source.column) for p in warnings] == [
        ("leading-zero", 2, 1),
        ("leading-zero", 3, 6),
    ]


def test_what_is_named_twice_is_a_warning_with_both_places(project) -> None:
    project.spec("a.yaml", listing_of(project, "i.csv", "studiesId\n1.2\n1.2\n1.3\n1.4\n"))
    project.spec("b.yaml", listing_of(project, "j.csv", "studiesId\n1.3\n"))
    project.spec("c.yaml", "remove:\n  - studiesId: 1.4\n")
    state = project.load("a.yaml", "b.yaml", "c.yaml")
    assert [str(problem).splitlines()[0] for problem in state.warnings] == [
        "i.csv:3:1: warning: study 1.2 is named a second time; it is first at i.csv:2",
        "i.csv:5:1: warning: study 1.4 is named a second time; it is first at c.yaml:5",
        "j.csv:2:1: warning: study 1.3 is named a second time; it is first at i.csv:4",
    ]


def test_what_lies_in_a_named_whole_is_a_warning_with_both_places(project) -> None:
    rows = "1.2,1.2.1,1.2.1.1\n1.2,1.2.1,1.2.1.2\n1.3,1.3.1,1.3.1.1\n"
    project.spec("a.yaml", listing_of(project, "i.csv", f"studiesId,seriesId,instancesId\n{rows}"))
    project.spec("b.yaml", listing_of(project, "j.csv", "studiesId,seriesId\n1.2,1.2.1\n"))
    project.spec("c.yaml", "remove:\n  - studiesId: 1.3\n")
    state = project.load("a.yaml", "b.yaml", "c.yaml")
    assert [str(problem).splitlines()[0] for problem in state.warnings] == [
        "i.csv:2:11: warning: instances of series 1.2.1 are removed here,"
        " and at j.csv:2 with all of series 1.2.1",
        "i.csv:4:11: warning: instances of series 1.3.1 are removed here,"
        " and at c.yaml:5 with all of study 1.3",
    ]


def test_one_study_in_two_lists_for_two_reasons_is_an_error_with_both_places(project) -> None:
    project.spec("a.yaml", listing_of(project, "i.csv", "studiesId\n1.1\n1.2\n"))
    other = '    reason: {code: "113037"}\n'
    project.spec("b.yaml", listing_of(project, "j.csv", "studiesId\n1.2\n", extra=other))
    (problem,) = project.problems("a.yaml", "b.yaml")
    assert (problem.rule, problem.source) == ("different-reasons", Source("j.csv", 2, 1))
    assert "i.csv:3" in problem.message


def test_a_listed_study_inside_a_keep_is_overridden_and_a_listed_keep_contradicts(project) -> None:
    project.spec("a.yaml", listing_of(project, "i.csv", "studiesId\n1.2\n"))
    keep = listing_of(project, "k.csv", "studiesId\n1.2\n1.3\n", key="keep")
    project.spec("specs/k.yaml", keep.replace("path: k.csv", "path: ../k.csv"))
    state = project.load("a.yaml")
    assert state.stores[0].keeps.whole_study("1.2").source == Source("k.csv", 2, 1)
    project.spec("b.yaml", "remove:\n  - {studiesId: 1.3, seriesId: 1.3.1}\n")
    (problem,) = project.problems("b.yaml")
    assert (problem.rule, problem.source) == ("contradiction", Source("b.yaml", 5, 5))
    assert problem.message == "series 1.3.1 is removed here and kept at k.csv:3"
