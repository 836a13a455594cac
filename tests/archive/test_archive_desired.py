"""What a file says of archives: the most specific wins, and none is possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.desired.format.canonical import canonical
from reconciler.desired.load import load_desired_state
from reconciler.errors import DesiredStateError
from reconciler.model.problem import Problem

HEAD = """\
version: 1
store: {projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s}
reason: {code: "113039"}
"""


def load(tmp_path: Path, body: str) -> dict[str, str | None]:
    """The archive of each remove entry, by its study."""
    specs = tmp_path / "project" / "specs"
    specs.mkdir(parents=True, exist_ok=True)
    (specs / "a.yaml").write_text(HEAD + body)
    state = load_desired_state([specs], root=specs.parent)
    return {entry.study_uid: entry.archive for entry in state.stores[0].removes.entries}


def problems(tmp_path: Path, body: str) -> tuple[Problem, ...]:
    with pytest.raises(DesiredStateError) as caught:
        load(tmp_path, body)
    return caught.value.problems


def test_without_one_nothing_is_kept(tmp_path: Path) -> None:
    assert load(tmp_path, "remove:\n  - studiesId: '1'\n") == {"1": None}


def test_the_most_specific_wins(tmp_path: Path) -> None:
    body = """\
archive: {path: /srv/a}
remove:
  - studiesId: '1'
  - {studiesId: '2', archive: {path: /srv/b}}
  - {studiesId: '3', archive: none}
  - {studiesId: '4', seriesId: '4.1', instancesId: [4.1.1], archive: none}
"""
    assert load(tmp_path, body) == {"1": "/srv/a", "2": "/srv/b", "3": None, "4": None}


def test_an_entry_may_have_one_under_a_file_without(tmp_path: Path) -> None:
    body = """\
archive: none
remove:
  - studiesId: '1'
  - {studiesId: '2', archive: {path: /srv/b}}
"""
    assert load(tmp_path, body) == {"1": None, "2": "/srv/b"}


def test_instances_of_one_series_with_two_archives_are_two_entries(tmp_path: Path) -> None:
    body = """\
remove:
  - {studiesId: '1', seriesId: '1.1', instancesId: 1.1.1, archive: {path: /srv/a}}
  - {studiesId: '1', seriesId: '1.1', instancesId: 1.1.2}
"""
    specs = tmp_path / "project" / "specs"
    load(tmp_path, body)
    (store,) = load_desired_state([specs], root=specs.parent).stores
    found = {entry.instances.uids: entry.archive for entry in store.removes.entries}
    assert found == {("1.1.1",): "/srv/a", ("1.1.2",): None}


@pytest.mark.parametrize(
    ("archive", "rule", "said"),
    [
        ("archives/a", "invalid-value", "an archive"),
        ("None", "invalid-value", "an archive"),
        ("", "empty-value", "archive"),
        ("{}", "missing-key", "path"),
        ("{path: srv/a}", "invalid-value", "an absolute path"),
        ("{path: ''}", "empty-value", "path"),
        ("{path: /srv/a, x: 1}", "unknown-key", "'x'"),
        ("[/srv/a]", "wrong-type", "archive"),
        ("{allowDamaged: true}", "missing-key", "path"),
        ("{path: /srv/a, allowDamaged: 'true'}", "wrong-type", "it must be true or false"),
        ("{path: /srv/a, allowDamaged: yes}", "wrong-type", "it must be true or false"),
        ("{path: /srv/a, allowDamaged: True}", "wrong-type", "it must be true or false"),
        ("{path: /srv/a, allowDamaged: 1}", "wrong-type", "it must be true or false"),
        ("{path: /srv/a, allowDamaged: }", "empty-value", "allowDamaged"),
        ("{path: /srv/a, allowdamaged: true}", "unknown-key", "'allowdamaged'"),
    ],
)
@pytest.mark.parametrize("place", ["file", "entry"])
def test_what_is_no_archive(tmp_path: Path, place: str, archive: str, rule: str, said: str) -> None:
    entry = f"\n    archive: {archive}" if place == "entry" else ""
    head = f"archive: {archive}\n" if place == "file" else ""
    found = problems(tmp_path, f"{head}remove:\n  - studiesId: '1'{entry}\n")
    assert [problem.rule for problem in found] == [rule]
    assert said in found[0].message


def test_damaged_copies_are_allowed_where_the_archive_says_so(tmp_path: Path) -> None:
    body = """\
archive: {path: /srv/a, allowDamaged: true}
remove:
  - studiesId: '1'
  - {studiesId: '2', archive: {path: /srv/a}}
  - {studiesId: '3', archive: {path: /srv/a, allowDamaged: false}}
  - {studiesId: '4', archive: none}
  - {studiesId: '5', seriesId: '5.1', instancesId: 5.1.1}
  - {studiesId: '5', seriesId: '5.1', instancesId: 5.1.2, archive: {path: /srv/a}}
"""
    assert load(tmp_path, body)["5"] == "/srv/a"
    (store,) = load_desired_state([tmp_path / "project/specs"], root=tmp_path / "project").stores
    allowed = {
        (entry.study_uid, entry.instances and entry.instances.uids)
        for entry in store.removes.entries
        if entry.allow_damaged
    }
    assert allowed == {("1", None), ("5", ("5.1.1",))}


def test_fmt_writes_the_flag_behind_the_path() -> None:
    text = (
        HEAD
        + """archive:
  allowDamaged: true  # until the old archive is gone
  path: /srv/a
remove:
  - archive: {allowDamaged: false, path: /srv/b}
    studiesId: '1'
"""
    )
    written = canonical(text, "a.yaml")
    assert "  path: /srv/a\n  allowDamaged: true  # until the old archive is gone\n" in written
    assert "      path: /srv/b\n      allowDamaged: false\n" in written
    assert canonical(written, "a.yaml") == written


def test_a_keep_has_no_archive(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "keep:\n  - {studiesId: '1', archive: none}\n")
    assert found.rule == "unknown-key"
    assert "archive" in (found.hint or "")


@pytest.mark.parametrize("inside", ["", "specs", "archive", "../project/archive", "../link/x"])
def test_a_place_in_the_project_is_refused(tmp_path: Path, inside: str) -> None:
    project = tmp_path / "project"
    (tmp_path / "link").symlink_to(project)
    body = f"archive: {{path: {project}/{inside}}}\nremove:\n  - studiesId: '1'\n"
    (found,) = problems(tmp_path, body)
    assert (found.rule, found.source.line) == ("archive-in-project", 4)


def test_a_place_in_the_git_tree_around_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    body = f"remove:\n  - {{studiesId: '1', archive: {{path: {tmp_path}/archive}}}}\n"
    (found,) = problems(tmp_path, body)
    assert found.rule == "archive-in-project"


def test_one_thing_with_two_archives_is_an_error(tmp_path: Path) -> None:
    body = """\
remove:
  - {studiesId: '1', archive: {path: /srv/a}}
  - studiesId: '1'
"""
    (found,) = problems(tmp_path, body)
    assert (found.rule, found.source.line) == ("different-archives", 6)


def test_one_thing_that_may_and_may_not_be_damaged_is_an_error(tmp_path: Path) -> None:
    body = """\
remove:
  - {studiesId: '1', archive: {path: /srv/a}}
  - {studiesId: '1', archive: {path: /srv/a, allowDamaged: true}}
"""
    (found,) = problems(tmp_path, body)
    assert (found.rule, found.source.line) == ("different-archives", 6)
