"""DELETE becomes a plan like any other: shown, saved, held by keeps and gates, applied, proven."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from reconciler.emulator import DEMO_STORE
from reconciler.model.address import InstanceAddress, SeriesAddress

from .conftest import STORE, TABLE, Site

SCHEMA = Path(__file__).parents[2] / "schemas" / "plan.schema.json"
SERIES = SeriesAddress("1.2.826.0.1", "1.2.826.0.1.1")
UIDS = [f"1.2.826.0.1.1.{number}" for number in range(1, 11)]


def delete(*uids: str) -> str:
    listed = ", ".join(f"'{uid}'" for uid in uids)
    return (
        f"DELETE FROM {TABLE}\nWHERE {STORE}\nAND studiesId = '{SERIES.study_uid}'"
        f" AND seriesId = '{SERIES.series_uid}'\nAND instancesId IN ({listed}) --required;\n"
    )


@pytest.fixture(autouse=True)
def filled(site: Site) -> None:
    site.emulator.ingest_synthetic(DEMO_STORE, SERIES, UIDS)
    site.emulator.clear_requests()


def left(site: Site) -> set[str]:
    return {one.instance_uid for one in site.emulator.instances(DEMO_STORE)}


REASON = ("--reason", "113039", "--ticket", "RET-1")


def test_a_delete_is_shown_and_deletes_nothing(site: Site) -> None:
    answer = site.query(delete(*UIDS[:2]), *REASON)
    assert answer.code == 0, answer.err
    assert "Plan: 2 to delete" in answer.out
    assert "<query>:4" in answer.out
    assert "RET-1" in answer.out
    assert site.methods().get("DELETE") is None
    assert left(site) == set(UIDS)


def test_its_plan_is_saved_shown_and_applied_like_any_other(site: Site) -> None:
    (site.folder / "d.sql").write_text(delete(*UIDS[:3]))
    assert site.run("query", "--file", "d.sql", *REASON, "--out", "plan.json").code == 0
    saved = json.loads((site.folder / "plan.json").read_text())
    assert [(one["path"], one["role"]) for one in saved["plan"]["inputs"]] == [("d.sql", "query")]
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(saved)
    assert "d.sql:4" in site.run("show", "plan.json").out
    assert site.run("apply", "plan.json", "--expect-digest", "sha256:0").code == 3
    done = site.run("apply", "plan.json", "--expect-digest", saved["digest"])
    assert done.code == 0, done.err
    assert "3 deleted" in done.out
    assert left(site) == set(UIDS[3:])
    again = site.run("apply", "plan.json")
    assert (again.code, "has been applied" in again.err) == (0, True)


def test_a_plan_is_refused_when_a_keep_came_since(site: Site) -> None:
    assert site.query(delete(UIDS[0]), *REASON, "--out", "plan.json").code == 0
    site.keep(f"keep: [{{studiesId: {SERIES.study_uid}}}]\n")
    answer = site.run("apply", "plan.json")
    assert answer.code == 3
    assert "the plan deletes what the files keep: 1 instance by specs/keep.yaml:7" in answer.err
    assert left(site) == set(UIDS)


def test_apply_needs_a_yes_or_the_word_of_a_machine(site: Site) -> None:
    answer = site.query(delete(UIDS[0]), *REASON, "--apply")
    assert answer.code == 3
    assert "cannot ask for a yes" in answer.err
    assert site.emulator.requests() == []
    answer = site.query(
        delete(UIDS[0]), *REASON, "--apply", "--auto-approve", "--report", "report.json"
    )
    assert answer.code == 0, answer.err
    assert left(site) == set(UIDS[1:])
    assert json.loads((site.folder / "report.json").read_text())["counts"]["deleted"] == 1


@pytest.mark.parametrize("where", ["specs", "elsewhere"])
def test_a_keep_vetoes_it_and_both_places_are_named(site: Site, where: str) -> None:
    site.keep(f"keep: [{{studiesId: {SERIES.study_uid}}}]\n")
    (site.folder / "specs").rename(site.folder / where)
    given = [] if where == "specs" else ["--specs", where]
    answer = site.query(delete(UIDS[0]), *REASON, *given, "--apply", "--auto-approve")
    assert answer.code == 1
    assert "<query>:4:21" in answer.err
    assert f"{where}/keep.yaml:7" in answer.err
    assert site.methods().get("DELETE") is None


def test_a_hold_spares_it(site: Site) -> None:
    site.keep(f"keep: [{{studiesId: {SERIES.study_uid}, hold: Litigation}}]\n")
    answer = site.query(delete(UIDS[0]), *REASON, "--apply", "--auto-approve")
    assert answer.code == 0, answer.err
    assert "Plan: 0 to delete" in answer.out
    assert left(site) == set(UIDS)


def test_the_gates_hold_for_it_too(site: Site) -> None:
    for count, gate in ((10, "maxSeriesEmptied"), (6, "maxStudyPercent")):
        answer = site.query(delete(*UIDS[:count]), *REASON, "--apply", "--auto-approve")
        assert answer.code == 3
        assert gate in answer.err
    site.keep("limits: {maxDeletions: 1}\nkeep: []\n")
    answer = site.query(delete(*UIDS[:2]), *REASON, "--apply", "--auto-approve")
    assert answer.code == 3
    assert "maxDeletions" in answer.err
    assert left(site) == set(UIDS)


def test_the_digest_covers_the_statement_and_not_its_name(site: Site) -> None:
    def digest(text: str, *arguments: str) -> str:
        assert site.query(text, *arguments, "--out", "plan.json").code == 0
        return str(json.loads((site.folder / "plan.json").read_text())["digest"])

    first = digest(delete(*UIDS[:2]), *REASON)
    assert digest(delete(*UIDS[:2]), *REASON) == first
    assert digest(delete(*UIDS[:3]), *REASON) != first
    assert digest(delete(*UIDS[:2]), "--reason", "113001") != first


def test_a_variable_is_part_of_what_was_asked(site: Site) -> None:
    text = delete("{{ uid }}")
    for uid in UIDS[:2]:
        assert site.query(text, f"--var=uid={uid}", *REASON, "--apply", "--auto-approve").code == 0
    assert left(site) == set(UIDS[2:])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a DELETE needs a reason"),
        (["--reason", "1"], "1"),
        ([*REASON, "--ticket", "é"], "--ticket takes"),
        ([*REASON, "--text", "a\nb"], "--text takes"),
        ([*REASON, "--output", "d"], "--output belongs to a SELECT"),
        ([*REASON, "--format", "json"], "a DELETE becomes a plan"),
        ([*REASON, "--auto-approve"], "--auto-approve belongs to --apply"),
        ([*REASON, "--apply", "--out", "p.json"], "--out saves the plan"),
    ],
)
def test_options_of_a_delete_that_do_not_fit(site: Site, arguments: list[str], said: str) -> None:
    answer = site.query(delete(UIDS[0]), *arguments)
    assert answer.code == 1
    assert said in answer.err
    assert site.emulator.requests() == []


def test_an_instance_that_was_never_there_is_no_success(site: Site) -> None:
    wrong = InstanceAddress(*SERIES, "1.2.826.0.1.1.99").instance_uid
    answer = site.query(delete(wrong), *REASON)
    assert answer.code == 3
    assert "BLOCKING  What to remove was never seen (maxNeverSeen: 1 of at most 0)" in answer.out
    assert f"check the SOP Instance UID {wrong}" in " ".join(answer.out.split())
    assert answer.out.splitlines()[-1] == (
        "Plan: 0 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown, 1 never seen"
        " (0 studies, 0 series)."
    )
    applied = site.query(delete(wrong), *REASON, "--apply", "--auto-approve")
    assert applied.code == 3
    assert "maxNeverSeen" in applied.err


def test_an_instance_that_a_run_removed_is_already_absent(site: Site) -> None:
    assert site.query(delete(UIDS[0]), *REASON, "--apply", "--auto-approve").code == 0
    answer = site.query(delete(UIDS[0]), *REASON)
    assert answer.code == 0
    assert "Plan: 0 to delete, 1 already absent" in answer.out
    assert "never seen" not in answer.out
