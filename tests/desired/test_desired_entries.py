from __future__ import annotations

from datetime import date

import pytest

from reconciler.desired.load import load_desired_state
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import Hold, Limits, Reason, ReasonCode, listed_sources
from reconciler.model.problem import Source

RETENTION = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, None, "RET-1")


def test_an_instance_is_found_with_the_place_that_names_it(project) -> None:
    project.spec("specs/a.yaml", "remove:\n  - studiesId: 1.2\n    seriesId: 1.2.1\n"
                 "    instancesId:\n      - 1.2.1.9\n      - 1.2.1.3\n")  # fmt: skip
    (store,) = project.load("specs").stores
    assert store.store == StoreAddress("p", "europe-west4", "d", "s")
    (entry,) = store.removes.entries
    assert entry.source == Source("specs/a.yaml", 5, 5)
    assert entry.reason == RETENTION
    assert list(listed_sources(entry)) == [
        ("1.2.1.9", Source("specs/a.yaml", 8, 9)),
        ("1.2.1.3", Source("specs/a.yaml", 9, 9)),
    ]


def test_one_entry_an_instance_makes_one_entry_a_series(project) -> None:
    project.spec(
        "specs/a.yaml",
        "remove:\n"
        + "".join(
            f"  - {{studiesId: '1.2', seriesId: 1.2.{n % 2}, instancesId: 1.2.{n % 2}.{n}}}\n"
            for n in range(10)
        ),
    )
    (store,) = project.load("specs").stores
    assert [(entry.series_uid, len(entry.instances.uids)) for entry in store.removes.entries] == [
        ("1.2.0", 5),
        ("1.2.1", 5),
    ]
    claim = store.removes.listed(SeriesAddress("1.2", "1.2.1"))["1.2.1.7"]
    assert claim.source == Source("specs/a.yaml", 12, 54)


def test_another_reason_or_hold_makes_another_entry(project) -> None:
    project.spec(
        "specs/a.yaml",
        """\
remove:
  - {studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.1}
  - {studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.2, reason: {code: 113037, text: wrong}}
keep:
  - {studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.3}
  - {studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.4, hold: Trial 7}
""",
    )
    (store,) = project.load("specs").stores
    safety = Reason(ReasonCode.REJECTED_FOR_PATIENT_SAFETY_REASONS, "wrong", None)
    assert [entry.reason for entry in store.removes.entries] == [RETENTION, safety]
    assert [entry.hold for entry in store.keeps.entries] == [None, Hold("Trial 7")]


def test_entries_that_spell_the_default_out_join_the_plain_ones_in_the_files_order(project) -> None:
    reason = "{code: '113039', ticket: RET-1}"
    project.spec(
        "specs/a.yaml",
        f"""\
remove:
  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.4, reason: {reason}}}
  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.5}}
  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: [1.2.1.3], reason: {reason}}}
  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.4}}
""",
    )
    state = project.load("specs")
    ((entry,),) = [store.removes.entries for store in state.stores]
    assert entry.source == Source("specs/a.yaml", 5, 5)
    assert [uid for uid, _ in listed_sources(entry)] == ["1.2.1.4", "1.2.1.5", "1.2.1.3"]
    (warning,) = state.warnings
    assert (warning.source.line, warning.rule) == (8, "duplicate-entry")
    assert "specs/a.yaml:5" in warning.message


def test_each_plain_entry_without_a_reason_is_an_error(project) -> None:
    body = "remove:\n" + "".join(
        f"  - {{studiesId: '1.2', seriesId: 1.2.1, instancesId: 1.2.1.{n}}}\n" for n in range(3)
    )
    head = "version: 1\nstore: {projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s}\n"
    project.spec("specs/a.yaml", body, head=head)
    assert project.found("specs") == [(n, 5, "missing-reason") for n in (4, 5, 6)]


def test_wide_entries_and_the_order(project) -> None:
    project.spec("specs/b.yaml", "remove:\n  - studiesId: 1.2\n  - studiesId: 1.10\n")
    project.spec("specs/a.yaml", "remove:\n  - studiesId: 1.3\n    seriesId: 1.3.1\n"
                 "  - studiesId: 1.3\n")  # fmt: skip
    (store,) = project.load("specs").stores
    found = [(e.study_uid, e.series_uid, str(e.source)) for e in store.removes.entries]
    assert found == [
        ("1.10", None, "specs/b.yaml:6"),
        ("1.2", None, "specs/b.yaml:5"),
        ("1.3", None, "specs/a.yaml:7"),
        ("1.3", "1.3.1", "specs/a.yaml:5"),
    ]
    assert all(entry.is_whole for entry in store.removes.entries)


def test_a_hold_spares_and_the_remove_stays(project) -> None:
    project.spec("specs/a.yaml", "remove:\n  - studiesId: 1.2\n")
    project.spec("specs/b.yaml", "keep:\n  - {studiesId: '1.2', hold: Trial 7}\n")
    state = project.load("specs/a.yaml")
    (store,) = state.stores
    assert [entry.study_uid for entry in store.removes.entries] == ["1.2"]
    assert store.keeps.whole_study("1.2").hold == Hold("Trial 7")


def test_an_outer_hold_spares_what_an_inner_keep_would_refuse(project) -> None:
    project.spec(
        "specs/a.yaml",
        """\
remove:
  - {studiesId: '1.2', seriesId: 1.2.1}
keep:
  - {studiesId: '1.2', seriesId: 1.2.1}
  - {studiesId: '1.2', hold: Trial 7}
""",
    )
    assert project.load("specs").stores[0].removes.entries


def test_the_smallest_written_limit_counts_of_selected_files_only(project) -> None:
    project.spec("specs/a.yaml", "limits: {maxDeletions: 500, maxKeptMissing: 3}\nremove: []\n")
    project.spec("specs/b.yaml", "limits: {maxDeletions: 200, maxStudyPercent: 80}\n")
    project.spec("specs/c.yaml", "limits: {maxDeletions: 0, maxSeriesEmptied: 9}\n")
    (store,) = project.load("specs/a.yaml", "specs/b.yaml").stores
    assert store.limits == Limits(max_deletions=200, max_study_percent=80, max_kept_missing=3)


def test_several_stores_are_sorted_and_apart(project) -> None:
    head = (
        "version: 1\nstore: {{projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: {}}}\n"
    )
    for name, store in (("a", "z"), ("b", "y"), ("c", "x")):
        project.spec(f"specs/{name}.yaml", "keep:\n  - studiesId: 1.2\n", head=head.format(store))
    state = project.load("specs/a.yaml", "specs/b.yaml")
    assert [store.store.dicom_store_id for store in state.stores] == ["y", "z"]


def test_the_endpoints_that_selected_files_expect(project) -> None:
    head = (
        "version: 1\nstore: {{projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s,\n"
        "        endpoint: '{}'}}\n"
    )
    for name, origin in (
        ("a", "https://b.example"),
        ("b", "http://127.0.0.1:80"),
        ("c", "https://c"),
    ):
        project.spec(f"specs/{name}.yaml", "remove: []\n", head=head.format(origin))
    state = project.load("specs/a.yaml", "specs/b.yaml")
    assert state.endpoints == {
        "http://127.0.0.1:80": Source("specs/b.yaml", 3, 19),
        "https://b.example": Source("specs/a.yaml", 3, 19),
    }


def test_a_hold_is_a_text_or_says_who_owns_it(project) -> None:
    project.spec(
        "specs/a.yaml",
        """\
keep:
  - {studiesId: '1.1', hold: {text: Trial 7}}
  - {studiesId: '1.2', hold: {reviewBy: 2028-02-29, text: 2026, ticket: T-7, owner: legal}}
  - {studiesId: '1.3', seriesId: 1.3.1, instancesId: 1.3.1.1, hold: Trial 7}
  - {studiesId: '1.3', seriesId: 1.3.1, instancesId: 1.3.1.2, hold: {text: Trial 7}}
  - {studiesId: '1.3', seriesId: 1.3.1, instancesId: 1.3.1.3, hold: {text: Trial 7, owner: a}}
""",
    )
    (store,) = project.load("specs").stores
    assert [entry.hold for entry in store.keeps.entries] == [
        Hold("Trial 7"),
        Hold("2026", "legal", "T-7", date(2028, 2, 29)),
        Hold("Trial 7"),
        Hold("Trial 7", "a"),
    ]
    assert str(store.keeps.entries[1].hold) == "2026; owner legal; ticket T-7; review by 2028-02-29"


KEPT_UNTIL = "keep: [{{studiesId: '1.1', hold: {{text: a, reviewBy: {}}}}}]\n"


@pytest.mark.parametrize("day", ["2026-02-29", "2026-13-01", "0000-01-01"])
def test_a_day_of_review_that_no_calendar_has_is_an_error(project, day: str) -> None:
    project.spec(
        "specs/a.yaml", f"keep: [{{studiesId: '1.1', hold: {{text: a, reviewBy: {day}}}}}]\n"
    )
    (problem,) = project.problems("specs")
    assert f"reviewBy '{day}' is no day of the calendar" in problem.message
    assert problem.source.column > 40


@pytest.mark.parametrize("day", ["2026-2-28", "20260228", "2026-W09-6", "28.02.2026"])
def test_a_day_of_review_has_one_form(project, day: str) -> None:
    project.spec(
        "specs/a.yaml", f"keep: [{{studiesId: '1.1', hold: {{text: a, reviewBy: {day}}}}}]\n"
    )
    (problem,) = project.problems("specs")
    assert problem.message == f"reviewBy '{day}' is not a day"


def test_a_hold_is_overdue_after_its_day_and_never_an_error(project) -> None:
    project.spec(
        "specs/a.yaml",
        """\
keep:
  - {studiesId: '1.1', hold: {text: Trial 7, ticket: T-7, reviewBy: 2026-02-28}}
  - {studiesId: '1.2', seriesId: 1.2.1, hold: {text: Trial 7, ticket: T-7, reviewBy: 2026-02-28}}
  - studiesId: '1.3'
    seriesId: 1.3.1
    instancesId: [1.3.1.1, 1.3.1.2]
    hold: {text: Trial 7, ticket: T-7, reviewBy: 2026-02-28}
""",
    )

    def warnings(today: date) -> list[str]:
        state = load_desired_state(
            [project.root / "specs"], root=project.root, today=today, with_reviews=True
        )
        assert len(state.keeps) == 1
        return [str(one) for one in state.warnings]

    assert warnings(date(2026, 2, 28)) == []
    (warned,) = warnings(date(2026, 3, 1))
    assert warned.splitlines() == [
        "specs/a.yaml:5:5: warning: this hold is past its review (1 day overdue; keeps 2 instances,"
        " 1 series, 1 study): Trial 7; ticket T-7; review by 2026-02-28",
        "  hint: it still applies: remove the keep, or set a later reviewBy",
    ]
    assert "(366 days overdue;" in warnings(date(2027, 3, 1))[0]
