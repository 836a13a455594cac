from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.model.desired import InputRole

from .conftest import HEAD

EMPTY = "remove: []\n"


def names(project, *paths: str) -> list[tuple[str, str]]:
    return [(file.path, file.role.value) for file in project.load(*paths).inputs]


def test_a_folder_is_every_yaml_file_below_it_but_no_hidden_folder(project) -> None:
    for name in ("b.yaml", "a.yml", "deep/er/c.YAML", ".git/d.yaml", "deep/.x/e.yaml"):
        project.spec(f"lists/{name}", EMPTY)
    project.write("lists/README.md", "no yaml: [")
    assert names(project, "lists") == [
        ("lists/a.yml", "selected"),
        ("lists/b.yaml", "selected"),
        ("lists/deep/er/c.YAML", "selected"),
    ]


def test_the_neighbours_under_specs_add_their_keeps(project) -> None:
    project.spec("specs/a.yaml", "remove:\n  - studiesId: 1.2\n")
    project.spec("specs/team/b.yaml", "remove:\n  - studiesId: 1.3\nkeep:\n  - studiesId: 1.4\n")
    state = project.load("specs/a.yaml")
    (store,) = state.stores
    assert store.removes.studies() == {"1.2"}
    assert store.keeps.studies() == {"1.4"}
    assert state.paths == ("specs/a.yaml",)
    assert [(file.path, file.role) for file in state.inputs] == [
        ("specs/a.yaml", InputRole.SELECTED),
        ("specs/team/b.yaml", InputRole.KEEPS),
    ]


def test_files_outside_specs_add_nothing_unless_selected(project) -> None:
    project.spec("lists/a.yaml", EMPTY)
    project.spec("lists/b.yaml", "keep:\n  - studiesId: 1.4\n")
    assert names(project, "lists/a.yaml") == [("lists/a.yaml", "selected")]


def test_a_keep_of_a_neighbour_contradicts(project) -> None:
    project.spec("lists/a.yaml", "remove:\n  - studiesId: 1.2\n")
    project.spec("specs/b.yaml", "keep:\n  - studiesId: 1.2\n")
    (problem,) = project.problems("lists/a.yaml")
    assert str(problem).startswith(
        "lists/a.yaml:5:5: study 1.2 is removed here and kept at specs/b.yaml:5\n"
    )


def test_an_invalid_neighbour_is_an_error_for_a_hold_could_hide_there(project) -> None:
    project.spec("lists/a.yaml", EMPTY)
    project.write("specs/b.yaml", "keep: [")
    project.spec("specs/c.yaml", "remove:\n  - studiesId: 1.2\n    hodl: x\n")
    assert [p.source.path for p in project.problems("lists/a.yaml")] == [
        "specs/b.yaml",
        "specs/c.yaml",
    ]


def test_inputs_carry_the_digest_of_what_was_read(project) -> None:
    file = project.spec("specs/a.yaml", EMPTY)
    (read,) = project.load("specs").inputs
    assert read.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_paths_are_recorded_relative_to_the_root_and_sorted(project, monkeypatch) -> None:
    project.spec("specs/b/x.yaml", EMPTY)
    project.spec("specs/a.yaml", EMPTY)
    monkeypatch.chdir(project.root / "specs")
    paths = [Path("b"), Path("./a.yaml"), project.root / "specs/b", Path("../specs")]
    state = load_desired_state(paths, root=Path(".."))
    assert state.paths == ("specs", "specs/a.yaml", "specs/b")
    assert [file.path for file in state.inputs] == ["specs/a.yaml", "specs/b/x.yaml"]


def test_the_root_itself_may_be_selected(project) -> None:
    project.spec("lists/a.yaml", EMPTY)
    assert project.load("").paths == (".",)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("none", "path-not-found"),
        ("none.yaml", "path-not-found"),
        ("empty", "no-desired-state-file"),
        ("a.csv", "no-desired-state-file"),
        ("..", "path-outside-root"),
        ("a\0b", "path-outside-root"),
        ("x" * 300, "unreadable-file"),
        ("a.csv/b.yaml", "path-not-found"),
    ],
)
def test_a_path_without_a_desired_state_file_is_an_error(project, path: str, rule: str) -> None:
    (project.root / "empty").mkdir()
    project.write("a.csv", "")
    (problem,) = project.problems(path)
    assert problem.rule == rule
    assert problem.hint


def test_a_link_out_of_the_project_is_an_error_also_under_specs(project, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "b.yaml").write_text("")
    project.spec("specs/a.yaml", EMPTY)
    (project.root / "specs/link.yaml").symlink_to(outside / "b.yaml")
    (project.root / "specs/folder").symlink_to(outside)
    assert [(p.source.path, p.rule) for p in project.problems("specs/a.yaml")] == [
        ("specs/folder", "path-outside-root"),
        ("specs/link.yaml", "path-outside-root"),
    ]


def test_links_inside_the_project_are_followed_once(project) -> None:
    project.spec("lists/a.yaml", EMPTY)
    (project.root / "specs").mkdir()
    (project.root / "specs/again").symlink_to(project.root / "specs")
    (project.root / "specs/lists").symlink_to(project.root / "lists")
    assert names(project, "specs") == [("lists/a.yaml", "selected")]


def write_volume(folder: Path, moment: str, files: dict[str, str]) -> None:
    """Write files as Kubernetes projects a ConfigMap, or an update of it."""
    for name, text in files.items():
        path = folder / f"..{moment}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        shown = folder / name.partition("/")[0]
        if not shown.is_symlink():
            shown.symlink_to(f"..data/{shown.name}")
    (folder / "..new").symlink_to(f"..{moment}")
    (folder / "..new").replace(folder / "..data")


@pytest.mark.parametrize("mount", ["specs", "mounted/here"])
def test_a_kubernetes_volume_names_its_files_alike_in_every_pod(project, mount: str) -> None:
    rows = "1.2,1.2.1,1.2.1.1\n"
    pin = project.inventory("pinned/list.csv", rows)
    files = {
        "a.yaml": HEAD + f"remove:\n  - inventory: {pin}\n",
        "deep/b.yaml": HEAD + EMPTY,
        "list.csv": f"studiesId,seriesId,instancesId\n{rows}",
    }
    expected = [f"{mount}/{name}" for name in files]
    for moment in ("2026_11_29_22_53_54.1", "2026_11_30_01_02_03.2"):
        write_volume(project.root / mount, moment, files)
        whole = project.load(mount)
        assert [one.path for one in whole.inputs] == expected
        assert whole.paths == (mount,)
        assert project.load(f"{mount}/a.yaml").paths == (f"{mount}/a.yaml",)
        assert project.load(f"{mount}/deep").paths == (f"{mount}/deep",)


def test_a_link_to_nothing_is_an_error(project) -> None:
    project.spec("specs/a.yaml", EMPTY)
    (project.root / "specs/b.yaml").symlink_to("nowhere.yaml")
    assert [p.rule for p in project.problems("specs")] == ["unreadable-file"]


def test_a_file_name_that_is_not_text_is_an_error_that_can_be_printed(project) -> None:
    project.spec("specs/a.yaml", EMPTY)
    try:
        Path(os.fsdecode(os.fsencode(project.root) + b"/specs/\xff.yaml")).touch()
    except OSError:
        pytest.skip("the file system takes only text")
    (problem,) = project.problems("specs")
    assert "not text in UTF-8" in problem.message
    str(problem).encode("utf-8")


def test_problems_of_all_files_come_in_one_pass_sorted(project) -> None:
    project.spec("specs/b.yaml", "remove:\n  - studiesId: x\n")
    project.write("specs/a.yaml", "version: [")
    project.write("specs/c.yaml", b"\xff")
    assert [(p.source.path, p.rule) for p in project.problems("specs", "none")] == [
        ("none", "path-not-found"),
        ("specs/a.yaml", "yaml-syntax"),
        ("specs/b.yaml", "invalid-uid"),
        ("specs/c.yaml", "not-utf8"),
    ]
