"""Every kind of thing that git holds, at every kind of place: nothing is passed over."""

from __future__ import annotations

from itertools import product

import pytest

from reconciler.checkout.lacks import Lack, lack_of, report
from reconciler.checkout.repository import Held, Kind, Tracked
from reconciler.checkout.work_tree import Place
from reconciler.desired.problems import Problems
from reconciler.model.problem import Severity

MODES = {Kind.FILE: "100644", Kind.LINK: "120000", Kind.SUBMODULE: "160000"}
AS_HELD = {
    (Kind.FILE, Place.FILE),
    (Kind.LINK, Place.LINK),
    (Kind.SUBMODULE, Place.REPOSITORY),
}
FLAGS = ("", "skip_worktree", "assume_unchanged")


def tracked(kind: Kind, flag: str = "", *, staged: bool = True) -> Tracked:
    held = Held(MODES[kind], "0" * 40)
    flags = {flag: True} if flag else {}
    return Tracked(held, held if staged else None, **flags)


@pytest.mark.parametrize(("kind", "place"), list(product(Kind, Place)))
@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("is_same", [True, False])
def test_what_is_not_as_held_is_never_silent(
    kind: Kind, place: Place, flag: str, is_same: bool
) -> None:
    lack = lack_of(tracked(kind, flag), place, is_same=is_same)
    if (kind, place) not in AS_HELD:
        assert lack is not None
        if flag or kind is Kind.SUBMODULE or place is Place.CLOSED:
            assert lack is not Lack.DELETED
    elif flag and not is_same:
        assert lack is Lack.HIDDEN_CHANGE
    else:
        assert lack is None


@pytest.mark.parametrize(
    ("kind", "place", "flag", "is_same", "lack"),
    [
        (Kind.FILE, Place.NOTHING, "", True, Lack.DELETED),
        (Kind.FILE, Place.LINK, "", True, Lack.DELETED),
        (Kind.FILE, Place.FOLDER, "", True, Lack.DELETED),
        (Kind.FILE, Place.NOTHING, "skip_worktree", True, Lack.SPARSE),
        (Kind.FILE, Place.NOTHING, "assume_unchanged", True, Lack.ASSUMED),
        (Kind.FILE, Place.FILE, "assume_unchanged", False, Lack.HIDDEN_CHANGE),
        (Kind.LINK, Place.FILE, "", True, Lack.PLAIN_LINK),
        (Kind.LINK, Place.FILE, "", False, Lack.DELETED),
        (Kind.LINK, Place.LINK, "skip_worktree", False, Lack.HIDDEN_CHANGE),
        (Kind.SUBMODULE, Place.FOLDER, "", True, Lack.SUBMODULE),
        (Kind.SUBMODULE, Place.NOTHING, "", True, Lack.SUBMODULE),
        (Kind.SUBMODULE, Place.NOTHING, "skip_worktree", True, Lack.SPARSE),
    ],
)
def test_the_reason_says_what_brings_it_back(
    kind: Kind, place: Place, flag: str, is_same: bool, lack: Lack
) -> None:
    assert lack_of(tracked(kind, flag), place, is_same=is_same) is lack


def test_a_submodule_that_was_taken_out_of_the_index_is_deleted_as_all_can_see() -> None:
    gone = tracked(Kind.SUBMODULE, staged=False)
    assert lack_of(gone, Place.NOTHING, is_same=True) is Lack.DELETED


@pytest.mark.parametrize("lack", Lack)
def test_a_reason_names_the_first_few_paths_and_what_to_do(lack: Lack) -> None:
    problems = Problems()
    report(lack, [f"specs/legal/{number} x.yaml" for number in range(7)], problems)
    (problem,) = problems.sorted()
    assert problem.source.path == "specs/legal/0 x.yaml"
    assert "specs/legal/4 x.yaml and 2 more are" in problem.message
    assert problem.hint
    assert "{" not in problem.hint
    is_note = problem.severity is Severity.WARNING
    assert is_note is (lack is Lack.DELETED)
