"""What the public functions refuse, each with its own exception, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

import reconciler
from reconciler.emulator import DEMO_STORE
from reconciler.errors import (
    BrokenJournal,
    DesiredStateError,
    EndpointError,
    PlanRefused,
    UsageError,
)
from reconciler.model.address import Provider

from ..cli.conftest import LIMITS_OPEN, REASON, head, removal
from .conftest import REMOVED, Site

ORTHANC = replace(DEMO_STORE, provider=Provider.ORTHANC)
SELECTOR = (
    "select: {level: study, studyDate: {olderThan: 1y}}\n"
    'then: {remove: {reason: {code: "113039", ticket: RET-7}}}\n'
)


def test_a_format_that_there_is_none_of_names_those_that_there_are(site: Site) -> None:
    with pytest.raises(UsageError, match="there is no format 'pdf' of a plan") as caught:
        reconciler.show(site.plan(), format="pdf")
    assert "text, json, markdown" in str(caught.value.hint)


def test_a_root_that_is_no_folder_is_no_project(site: Site) -> None:
    for root in (site.folder / "nowhere", site.folder / "specs" / "a.yaml"):
        with pytest.raises(UsageError, match="is not a folder"):
            reconciler.Project.open(root)


def test_a_plan_of_another_service_is_not_applied(site: Site) -> None:
    """Not even the locks are taken: the record is as it was, but for the refusal."""
    saved = replace(site.plan(), endpoint="https://pacs.example.org")
    with pytest.raises(PlanRefused, match="made for the service at https://pacs"):
        reconciler.apply(saved, site.project, site.service, digest=saved.digest)
    assert not site.deletes()


def test_files_that_expect_another_service_are_not_planned(site: Site) -> None:
    """The URL in a file is compared, and nothing is sent there or elsewhere."""
    elsewhere = head() + "  endpoint: https://pacs.example.org\n"
    (site.folder / "specs" / "a.yaml").write_text(
        elsewhere + REASON + LIMITS_OPEN + removal(REMOVED), encoding="utf-8"
    )
    (site.folder / "selectors" / "old.yaml").write_text(elsewhere + SELECTOR, encoding="utf-8")
    with pytest.raises(EndpointError, match=r"specs/a\.yaml:\S+ expects the service at https://p"):
        site.plan()
    with pytest.raises(
        EndpointError, match=r"selectors/old\.yaml expects the service at https://p"
    ):
        reconciler.resolve(root=site.folder, service=site.service)
    assert not site.emulator.requests()
    assert not (site.folder / "specs" / "resolved").exists()


def test_selectors_of_several_services_are_not_resolved(site: Site) -> None:
    (site.folder / "selectors" / "other.yaml").write_text(head(ORTHANC) + SELECTOR, "utf-8")
    with pytest.raises(UsageError, match="the selectors are about several services"):
        reconciler.resolve(root=site.folder, service=site.service)
    assert not site.emulator.requests()


def test_where_an_orthanc_is_has_to_be_said(site: Site) -> None:
    (site.folder / "specs" / "a.yaml").write_text(
        head(ORTHANC) + REASON + LIMITS_OPEN + removal(REMOVED), encoding="utf-8"
    )
    project = site.project
    with pytest.raises(UsageError, match="no endpoint is given for Orthanc") as caught:
        reconciler.plan(reconciler.load(project=project), project, reconciler.Service())
    assert "RECONCILER_ORTHANC_ENDPOINT" in str(caught.value.hint)


def test_an_archive_inside_the_state_folder_is_refused(site: Site) -> None:
    """A state folder may be given to others, and copies hold patient data."""
    state = site.folder.parent / "state"
    archive = f"archive: {{path: {state / 'copies'}}}\n"
    (site.folder / "specs" / "a.yaml").write_text(
        head() + REASON + LIMITS_OPEN + archive + removal(REMOVED), encoding="utf-8"
    )
    elsewhere, inside = (
        reconciler.Project.open(site.folder, state=one) for one in (state.parent / "other", state)
    )
    desired = reconciler.load(project=inside)
    with pytest.raises(UsageError, match="lies inside the state folder"):
        reconciler.plan(desired, inside, site.service)
    saved = reconciler.plan(desired, elsewhere, site.service)
    with pytest.raises(UsageError, match="lies inside the state folder"):
        reconciler.apply(saved, inside, site.service, digest=saved.digest)
    assert not site.deletes()
    assert not (state / "copies").exists()


def test_what_can_be_read_of_a_damaged_record_comes_before_the_refusal(site: Site) -> None:
    for one in REMOVED:
        text = head() + REASON + LIMITS_OPEN + removal([one])
        (site.folder / "specs" / "a.yaml").write_text(text, encoding="utf-8")
        saved = site.plan()
        reconciler.apply(saved, site.project, site.service, digest=saved.digest)
    (damaged,) = runs_about(site.folder, REMOVED[1].instance_uid)
    damaged.write_text(damaged.read_text("utf-8").replace('"deleted"', '"failed"'), "utf-8")

    found = reconciler.read_record(site.project)
    assert [one.instance for one in islice(found, 1)] == [REMOVED[0]]
    with pytest.raises(BrokenJournal, match=damaged.stem):
        list(found)


def runs_about(folder: Path, uid: str) -> Iterator[Path]:
    """The records of runs that name an instance."""
    for path in (folder / ".reconciler" / "runs").glob("*.jsonl"):
        if f'"{uid}"' in path.read_text("utf-8"):
            yield path


def test_files_that_became_invalid_are_not_applied(site: Site) -> None:
    saved = site.plan()
    (site.folder / "specs" / "b.yaml").write_text("version: 1\nremove: 7\n", encoding="utf-8")
    with pytest.raises(PlanRefused, match=r"not those that were planned: specs/b\.yaml:"):
        reconciler.apply(saved, site.project, site.service, digest=saved.digest)
    with pytest.raises(DesiredStateError):
        site.plan()
    assert not site.deletes()
