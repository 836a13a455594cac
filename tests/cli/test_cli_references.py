"""Plans that would leave something pointing at nothing, from the files to the audit report."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy

import pytest
import yaml
from pydicom.dataset import Dataset

from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress, SeriesAddress

from ..answer import Answer
from ..derived import KINDS, by_hand, derived, file_of, image, images, reference
from ..limits import wide_open_line
from .conftest import REASON, Project

OPEN = wide_open_line("maxDangling")
CT_SERIES = "  - studiesId: 1.2.3\n    seriesId: 1.2.3.1\n"
REMOVE = REASON + OPEN + f"remove:\n{CT_SERIES}"
KEEP = "keep:\n  - studiesId: 1.2.3\n    seriesId: 1.2.3.2\n  - studiesId: 1.2.9\n"
OF = images("1.2.3", "1.2.3.1", 3)
KEPT = InstanceAddress("1.2.3", "1.2.3.2", "1.2.3.2.1")
ELSEWHERE = InstanceAddress("1.2.9", "1.2.9.2", "1.2.9.2.1")
LOOSE = InstanceAddress("1.2.3", "1.2.3.3", "1.2.3.3.1")


def ingest(project: Project, *datasets: Dataset) -> None:
    for dataset in datasets:
        project.emulator.ingest(project.store, file_of(dataset))


@pytest.fixture
def case(project: Project) -> Project:
    """A series to which two kept segmentations refer, one of another study, and a key object."""
    ingest(project, *OF)
    ingest(project, derived("SEG", OF[:2], *KEPT), derived("SEG", OF[:2], *ELSEWHERE))
    ingest(project, derived("KO", OF[1:2], *LOOSE))
    project.write("a.yaml", REMOVE + KEEP)
    project.emulator.clear_requests()
    return project


def by_series(uid: str) -> Dataset:
    """An item that names a series."""
    item = Dataset()
    item.SeriesInstanceUID = uid
    return item


def metadata_requests(project: Project) -> Counter[str]:
    """How often the metadata of what were asked for."""
    paths = (one.path for one in project.emulator.requests() if one.path.endswith("/metadata"))
    return Counter(path.partition("/studies/")[2].removesuffix("/metadata") for path in paths)


def dangling(answer: Answer) -> dict[str, dict[str, object]]:
    (store,) = answer.json["plan"]["stores"]
    return {one["instancesId"]: one for one in store["dangling"]}


def test_kept_objects_that_would_dangle_stop_the_plan(case: Project) -> None:
    planned = case.run("plan", "--out", "plan.json")
    assert planned.code == 3
    assert planned.out.startswith("3 instances of 1 whole series go for good.\n")
    assert (
        "What is odd\n"
        "  2 kept instances refer to instances that this plan deletes (specs/a.yaml:13,\n"
        "    specs/a.yaml:15)\n"
        "  1 instance in no file refers to instances that this plan deletes\n"
    ) in planned.out
    assert (
        "  Dangling: kept, and refers to instances that this plan deletes\n"
        "    instance 1.2.3.2.1\n"
        "      in series 1.2.3.2 of study 1.2.3, kept by specs/a.yaml:13\n"
        "      refers to 2 instances of series 1.2.3.1 in study 1.2.3: 1.2.3.1.1,\n"
        "        1.2.3.1.2\n"
        "    instance 1.2.9.2.1\n"
        "      in series 1.2.9.2 of study 1.2.9, kept by specs/a.yaml:15\n"
    ) in planned.out
    assert (
        "BLOCKING  Kept instances refer to instances that this plan deletes\n"
        "              (maxDangling: 2 of at most 0)\n"
    ) in planned.out
    assert "\nTo pass\n  maxDangling: keep the instances that they refer to" in planned.out
    applied = case.run("apply", "plan.json")
    assert applied.code == 3
    assert "maxDangling" in applied.err
    assert case.deletes() == []


def test_the_entries_that_are_offered_can_be_pasted(case: Project) -> None:
    planned = case.run("plan", "--format", "markdown").out
    (block,) = [part.partition("```")[0] for part in planned.split("```yaml\n")[1:]]
    assert yaml.safe_load(block) == [
        {"studiesId": "1.2.3", "seriesId": "1.2.3.3", "instancesId": ["1.2.3.3.1"]}
    ]
    for text in (case.run("plan").out, planned):
        assert block in text
    case.write("a.yaml", REMOVE + block + KEEP)
    removed = case.run("plan", "--format", "json")
    assert set(dangling(removed)) == {KEPT.instance_uid, ELSEWHERE.instance_uid}
    case.write("a.yaml", REMOVE + KEEP + block)
    kept = case.run("plan", "--format", "json")
    assert all(one["kept_by"] for one in dangling(kept).values())
    assert len(dangling(kept)) == 3


def test_a_limit_lets_them_pass_and_is_part_of_the_digest(case: Project) -> None:
    stopped = case.run("plan", "--format", "json")
    assert stopped.json["summary"]["dangling_kept"] == 2
    assert stopped.json["summary"]["dangling_unmanaged"] == 1
    found = dangling(stopped)
    assert found[LOOSE.instance_uid]["kept_by"] is None
    assert found[KEPT.instance_uid]["kept_by"]["line"] == 13
    assert found[KEPT.instance_uid]["refers_to"] == [
        {
            "studiesId": "1.2.3",
            "seriesId": "1.2.3.1",
            "instances": 2,
            "first": ["1.2.3.1.1", "1.2.3.1.2"],
            "as_a_whole": False,
        }
    ]
    case.write("a.yaml", (REMOVE + KEEP).replace("limits: {", "limits: {maxDangling: 2, "))
    passed = case.run("plan", "--format", "json", "--out", "plan.json")
    assert passed.code == 0
    assert passed.json["digest"] != stopped.json["digest"]
    assert case.run("apply", "plan.json").code == 0
    assert len(case.deletes()) == 3


def test_the_audit_report_lists_what_an_approved_plan_left_dangling(
    case: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.write("a.yaml", (REMOVE + KEEP).replace("limits: {", "limits: {maxDangling: 2, "))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TRIGGERING_ACTOR", "alice")
    monkeypatch.setenv("RECONCILER_APPROVERS", "bob, carol")
    case.run("plan", "--out", "plan.json")
    assert case.run("audit", "report", "--format", "json").json["left_dangling"] == []
    assert case.run("apply", "plan.json").code == 0
    report = case.run("audit", "report", "--format", "json").json
    found = {one["instancesId"]: one for one in report["left_dangling"]}
    assert found.keys() == {one.instance_uid for one in (KEPT, ELSEWHERE, LOOSE)}
    one = found[KEPT.instance_uid]
    assert (one["kept_by"]["line"], one["instances"], one["series"]) == (13, 2, 0)
    assert found[LOOSE.instance_uid]["kept_by"] is None
    assert one["provenance"]["requester"]["approvers"] == ["bob", "carol"]
    assert one["digest"] == json.loads((case.folder / "plan.json").read_text())["digest"]
    for form in ("markdown", "html"):
        told = case.run("audit", "report", "--format", form).out
        assert "Left dangling by plans that were applied" in told
        assert "approved by bob and carol" in told
        assert "specs/a.yaml:13" in told
    assert case.run("audit", "report", "--format", "json", "--study", "1.2.9").json[
        "left_dangling"
    ] == [found[ELSEWHERE.instance_uid]]
    assert case.run("audit", "verify").code == 0


def test_events_and_problems_carry_both(case: Project) -> None:
    case.run("plan", "--events", "events.jsonl", "--write", "sarif=plan.sarif")
    lines = (case.folder / "events.jsonl").read_text().splitlines()
    events = [one for one in map(json.loads, lines) if one["type"] == "dangling"]
    assert {(one["instancesId"], bool(one["kept_by"])) for one in events} == {
        (KEPT.instance_uid, True),
        (ELSEWHERE.instance_uid, True),
        (LOOSE.instance_uid, False),
    }
    (run,) = json.loads((case.folder / "plan.sarif").read_text())["runs"]
    places = {
        (
            one["ruleId"],
            one["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for one in run["results"]
    }
    assert {("kept-dangling", 13), ("kept-dangling", 15), ("dangling", 10)} <= places
    page = case.run("plan", "--format", "html").out
    assert "Dangling: kept, and refers to instances that this plan deletes" in page
    assert "    instancesId:\n      - 1.2.3.3.1" in page


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_object_counts(project: Project, kind: str) -> None:
    ingest(project, *OF, derived(kind, OF, *KEPT))
    project.write("a.yaml", REMOVE + "keep:\n  - studiesId: 1.2.3\n    seriesId: 1.2.3.2\n")
    planned = project.run("plan", "--format", "json")
    (refers_to,) = dangling(planned)[KEPT.instance_uid]["refers_to"]
    assert refers_to["first"] == [one.SOPInstanceUID for one in OF]


def test_derived_images_count_and_others_do_not(project: Project) -> None:
    ingest(project, *OF)
    for number, kind in enumerate(("DERIVED", "ORIGINAL"), 1):
        other = image("1.2.3", "1.2.3.2", number, kind, "SECONDARY")
        other.SourceImageSequence = [reference(OF[0].SOPInstanceUID)]
        ingest(project, other)
    plain = by_hand("1.2.840.10008.5.1.4.1.1.7", "1.2.3", "1.2.3.2", "1.2.3.2.3")
    ingest(project, plain)
    project.write("a.yaml", REMOVE)
    planned = project.run("plan")
    assert planned.code == 0
    assert "    instance 1.2.3.2.1\n" in planned.out
    assert "    instance 1.2.3.2.2\n" not in planned.out
    assert "1 image: the listing does not say whether derived" in planned.out
    assert metadata_requests(project) == {"1.2.3/series/1.2.3.2/instances/1.2.3.2.1": 1}


def test_a_series_that_is_named_dangles_once_it_is_emptied(project: Project) -> None:
    ingest(project, *OF)
    series = by_series("1.2.3.1")
    report = by_hand("1.2.840.10008.5.1.4.1.1.88.11", *KEPT, ReferencedSeriesSequence=[series])
    ingest(project, report)
    one = REASON + OPEN + f"remove:\n{CT_SERIES}    instancesId: [1.2.3.1.1]\n"
    project.write("a.yaml", one)
    assert dangling(project.run("plan", "--format", "json")) == {}
    project.write("a.yaml", REMOVE)
    (found,) = dangling(project.run("plan", "--format", "json")).values()
    assert [part["as_a_whole"] for part in found["refers_to"]] == [True]
    assert "refers to series 1.2.3.1 in study 1.2.3 as a whole" in project.run("plan").out


@pytest.mark.parametrize(
    ("item", "as_a_whole"),
    [
        (reference("1.2.3.1"), True),
        (by_series("1.2.3.1.1"), False),
    ],
)
def test_a_uid_in_the_place_of_another_kind_counts_for_what_it_is(
    project: Project, item: Dataset, as_a_whole: bool
) -> None:
    report = "1.2.840.10008.5.1.4.1.1.88.11"
    ingest(project, *OF, by_hand(report, *KEPT, ReferencedSeriesSequence=[item]))
    project.write("a.yaml", REMOVE + "keep:\n  - studiesId: 1.2.3\n    seriesId: 1.2.3.2\n")
    planned = project.run("plan", "--format", "json")
    assert planned.code == 3
    (part,) = dangling(planned)[KEPT.instance_uid]["refers_to"]
    assert part["as_a_whole"] is as_a_whole
    assert part["first"] == ([] if as_a_whole else ["1.2.3.1.1"])


def test_another_instance_with_the_uid_of_a_deleted_one_is_asked(project: Project) -> None:
    ingest(project, *OF, derived("KO", OF[1:2], "1.2.3", "1.2.3.3", "1.2.3.1.1"))
    project.write("a.yaml", REMOVE)
    planned = project.run("plan", "--format", "json")
    assert {one["seriesId"] for one in dangling(planned).values()} == {"1.2.3.3"}


def test_what_names_only_a_frame_of_reference_may_refer(project: Project) -> None:
    frame = by_hand("1.2.840.10008.5.1.4.1.1.66.1", *KEPT, FrameOfReferenceUID="1.7")
    ingest(project, *OF, frame)
    project.write("a.yaml", REMOVE + "keep:\n  - studiesId: 1.2.3\n    seriesId: 1.2.3.2\n")
    planned = project.run("plan")
    assert planned.code == 0
    assert (
        "  May refer to what would be deleted: it names only a frame of reference\n"
        "    instance 1.2.3.2.1\n"
        "      in series 1.2.3.2 of study 1.2.3, kept by specs/a.yaml:13\n"
    ) in planned.out


def test_a_reference_to_what_was_not_there_is_none_of_the_plans_doing(project: Project) -> None:
    ingest(project, OF[2], derived("SEG", OF[:2], *KEPT))
    project.write("a.yaml", REMOVE)
    planned = project.run("plan", "--format", "json")
    assert dangling(planned) == {}
    assert planned.json["summary"]["listed"] == 1


def test_a_referrer_that_is_removed_too_does_not_count(case: Project) -> None:
    case.write("a.yaml", REASON + OPEN + "remove:\n  - studiesId: 1.2.3\n  - studiesId: 1.2.9\n")
    planned = case.run("plan", "--format", "json")
    assert dangling(planned) == {}
    assert metadata_requests(case) == {}


def silence(project: Project, instance: InstanceAddress) -> None:
    rule = FaultRule(FaultKind.STATUS, path=f"{instance}/metadata", status=403)
    project.emulator.set_faults(Faults(rules=(rule,)))


def test_a_kept_one_that_cannot_be_read_makes_the_plan_incomplete(case: Project) -> None:
    text = (REMOVE + KEEP).replace("limits: {", "limits: {maxDangling: 2, ")
    case.write("a.yaml", text + "  - studiesId: 1.2.3\n    seriesId: 1.2.3.3\n")
    silence(case, LOOSE)
    planned = case.run("plan", "--format", "json")
    assert planned.code == 3
    (store,) = planned.json["plan"]["stores"]
    found = [one for one in store["findings"] if one["instancesId"] == LOOSE.instance_uid]
    assert found
    assert {one["why"] for one in found} == {"probe_failed"}
    assert any(
        "whether it refers to what is deleted is not known" in one["detail"] for one in found
    )
    assert {gate["name"] for gate in planned.json["gates"] if not gate["passed"]} == {"incomplete"}


def test_one_in_no_file_that_cannot_be_read_is_named_and_stops_nothing(case: Project) -> None:
    case.write("a.yaml", (REMOVE + KEEP).replace("limits: {", "limits: {maxDangling: 2, "))
    silence(case, LOOSE)
    planned = case.run("plan")
    assert planned.code == 0
    assert "  Not looked at for references to what would be deleted\n" in planned.out
    assert "    instance 1.2.3.3.1 in series 1.2.3.3 of study 1.2.3: " in planned.out


def test_a_plan_without_deletions_costs_no_request_more(case: Project) -> None:
    case.write("a.yaml", KEEP)
    assert case.run("plan").code == 0
    assert metadata_requests(case).keys() == {  # the probes of the witnesses
        "1.2.3/series/1.2.3.2/instances/1.2.3.2.1",
        "1.2.9/series/1.2.9.2/instances/1.2.9.2.1",
    }
    assert not any("studies/1.2.3/instances" in one.path for one in case.emulator.requests())


def study(project: Project, count: int) -> None:
    """Images in two series, of which the first is asked to be removed."""
    for series in (1, 2):
        uids = [f"1.2.3.{series}.{number}" for number in range(1, count // 2 + 1)]
        address = SeriesAddress("1.2.3", f"1.2.3.{series}")
        project.emulator.ingest_synthetic(project.store, address, uids)
    project.write("a.yaml", REMOVE)


def forty_derived(project: Project) -> None:
    """40 derived objects in ten other series of the study."""
    for number in range(40):
        series = f"1.2.3.{3 + number // 4}"
        kind = KINDS[number % len(KINDS)]
        ingest(project, derived(kind, deepcopy(OF), "1.2.3", series, f"{series}.{number}"))


def requests_of_a_plan(project: Project, listed: int) -> Counter[str]:
    """What a plan of so many deletions asks the store."""
    project.emulator.clear_requests()
    planned = project.run("plan", "--format", "json")
    assert planned.json["summary"]["listed"] == listed
    return Counter(
        "references" if one.path.endswith("/metadata") else "others"
        for one in project.emulator.requests()
    )


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_forty_derived_objects_cost_at_most_45_requests_more(project: Project, count: int) -> None:
    study(project, count)
    before = requests_of_a_plan(project, count // 2)
    forty_derived(project)
    after = requests_of_a_plan(project, count // 2)
    assert after["references"] - before["references"] == 40
    assert after.total() - before.total() <= 45


def test_a_long_series_costs_one_request(project: Project) -> None:
    ingest(project, *OF)
    for number in range(1, 13):
        other = image("1.2.3", "1.2.3.2", number, "DERIVED", "SECONDARY")
        other.SourceImageSequence = [reference(OF[0].SOPInstanceUID)]
        ingest(project, other)
    project.emulator.clear_requests()
    project.write("a.yaml", REMOVE)
    planned = project.run("plan", "--format", "json")
    assert len(dangling(planned)) == 12
    assert metadata_requests(project) == {"1.2.3/series/1.2.3.2": 1}
