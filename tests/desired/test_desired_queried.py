"""A statement in the place of files: its removes alone, and everything that files hold against."""

from __future__ import annotations

from array import array

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.errors import DesiredStateError
from reconciler.model.address import StoreAddress
from reconciler.model.desired import (
    DesiredState,
    Entry,
    EntryKind,
    InputFile,
    InputRole,
    InstanceList,
    QueriedRemoves,
    Reason,
    ReasonCode,
)
from reconciler.model.problem import Source

from .conftest import Project

STORE = StoreAddress("p", "europe-west4", "d", "s")
STATEMENT = InputFile("<query>", "0" * 64, InputRole.QUERY)
REMOVE = "remove: [{studiesId: 9.9}]\n"


def queried(*uids: str, store: StoreAddress = STORE) -> QueriedRemoves:
    places = array("I", range(3, 3 + len(uids)))
    listed = InstanceList(uids, places, places)
    reason = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED)
    entry = Entry(EntryKind.REMOVE, "1.2", "1.2.3", listed, Source("<query>", 3, 3), reason)
    return QueriedRemoves(STATEMENT, (store, (entry,)))


def load(project: Project, *paths: str, removes: QueriedRemoves) -> DesiredState:
    given = [project.root / path for path in paths]
    return load_desired_state(given, root=project.root, queried=removes)


def test_without_any_file_the_statement_stands_alone(project: Project) -> None:
    desired = load(project, removes=queried("1.2.3.4"))
    (store,) = desired.stores
    assert store.store == STORE
    assert store.limits.max_deletions == 100
    assert [entry.study_uid for entry in store.removes.entries] == ["1.2"]
    assert desired.inputs == (STATEMENT,)
    assert desired.paths == ()


def test_files_add_their_keeps_and_limits_and_never_their_removes(project: Project) -> None:
    project.spec(
        "specs/a.yaml", f"limits: {{maxDeletions: 7}}\n{REMOVE}keep: [{{studiesId: 1.9}}]\n"
    )
    project.spec(
        "elsewhere/b.yaml", f"limits: {{maxDeletions: 5}}\n{REMOVE}keep: [{{studiesId: 1.8}}]\n"
    )
    desired = load(project, "elsewhere", removes=queried("1.2.3.4"))
    (store,) = desired.stores
    assert store.removes.studies() == {"1.2"}
    assert store.keeps.studies() == {"1.8", "1.9"}
    assert store.limits.max_deletions == 5
    roles = {file.path: file.role for file in desired.inputs}
    assert roles == {
        "<query>": InputRole.QUERY,
        "elsewhere/b.yaml": InputRole.KEEPS,
        "specs/a.yaml": InputRole.KEEPS,
    }


@pytest.mark.parametrize("kept", ["{studiesId: 1.2}", "{studiesId: 1.2, seriesId: 1.2.3}"])
def test_a_keep_that_covers_it_is_a_contradiction_that_names_both_places(
    project: Project, kept: str
) -> None:
    project.spec("specs/a.yaml", f"keep: [{kept}]\n")
    with pytest.raises(DesiredStateError) as caught:
        load(project, removes=queried("1.2.3.4"))
    (problem,) = caught.value.problems
    assert problem.source.path == "<query>"
    assert "specs/a.yaml:4" in str(problem)


def test_a_hold_spares_it(project: Project) -> None:
    project.spec("specs/a.yaml", "keep: [{studiesId: 1.2, hold: Litigation}]\n")
    (store,) = load(project, removes=queried("1.2.3.4")).stores
    assert store.keeps.whole_study("1.2") is not None


def test_keeps_of_another_store_do_not_count(project: Project) -> None:
    project.spec("specs/a.yaml", "keep: [{studiesId: 1.2}]\n")
    other = StoreAddress("p", "europe-west4", "d", "other")
    (store,) = load(project, removes=queried("1.2.3.4", store=other)).stores
    assert store.store == other
    assert store.keeps.entries == ()


def test_an_invalid_file_under_specs_is_an_error_here_too(project: Project) -> None:
    project.spec("specs/a.yaml", "keep: [{studiesId: one}]\n")
    with pytest.raises(DesiredStateError):
        load(project, removes=queried("1.2.3.4"))


def test_what_its_files_expect_of_the_endpoint_counts(project: Project) -> None:
    head = """\
version: 1
store: {projectsId: p, locationsId: europe-west4, datasetsId: d, dicomStoresId: s, endpoint: "https://a.example"}
"""
    project.spec("specs/a.yaml", "keep: [{studiesId: 1.7}]\n", head=head)
    assert list(load(project, removes=queried("1.2.3.4")).endpoints) == ["https://a.example"]


def test_its_inputs_can_be_read_again_without_its_removes(project: Project) -> None:
    project.spec("specs/a.yaml", "keep: [{studiesId: 1.7}]\n")
    then = load(project, removes=queried("1.2.3.4")).inputs
    now = load(project, removes=QueriedRemoves(STATEMENT))
    assert now.inputs == then
    assert now.stores == ()
