"""A copy is whole before its original goes, unless the files allow a damaged one."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults
from reconciler.model.address import InstanceAddress

from .conftest import Site, Through
from .proxy import Reply

RETRIEVED = r"/instances/[0-9.]+$"
RETRIEVE = re.compile(f"^GET .*{RETRIEVED}")
STORAGE = re.compile(r":getStorageInfo$")
JSON = "application/json"


def plan_removal(site: Site, instance: InstanceAddress, *, allow: bool | None = None) -> None:
    flag = "" if allow is None else f", allowDamaged: {json.dumps(allow)}"
    site.ask_removal([instance], archive=f"archive: {{path: {site.archive}{flag}}}\n")
    site.plan()


def stays(site: Site, instance: InstanceAddress) -> str:
    """Apply; it was not deleted, nothing is kept, nothing was sent. Why, as the report says."""
    site.emulator.clear_requests()
    answer = site.apply()
    assert answer.code == 4, answer.out
    (left,) = site.report()["unproven"]
    assert (left["outcome"], left["instancesId"]) == ("failed", instance.instance_uid)
    assert instance in site.content()
    assert site.deletes() == []
    assert not [path for path in site.archive.rglob("*") if not path.is_dir()]
    detail = str(left["detail"])
    assert detail.startswith("not deleted, since it could not be archived: ")
    assert "\n" not in detail
    return detail


def goes(site: Site, instance: InstanceAddress) -> Mapping[str, Any]:
    """Apply; it is kept and deleted. Its record."""
    answer = site.apply()
    assert answer.code == 0, answer.out
    assert instance not in site.content()
    (record,) = [one for one in site.records(site.runs()[-1]) if one["type"] == "archived"]
    assert site.validate_bags() == 1
    return record


def real_file(name: str) -> bytes:
    return (Path(pydicom.data.__file__).parent / "test_files" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "said", "chunked"),
    [
        ("CT_small.dcm", "in the middle of a data element", False),
        ("MR_small_bigendian.dcm", "in the middle of its pixel data", True),
        ("rtdose.dcm", "in the middle of its pixel data", False),
        ("JPEG2000.dcm", "in the middle of its pixel data", False),
        ("SC_rgb_rle_2frame.dcm", "in the middle of its pixel data", True),
        ("test-SR.dcm", "in the middle of a", False),
        ("image_dfl.dcm", "does not end", False),
    ],
)
def test_what_came_cut_short_with_a_length_to_match_is_no_copy(
    site: Site, through: Through, name: str, said: str, *, chunked: bool
) -> None:
    data = real_file(name)
    instance = site.emulator.ingest(DEMO_STORE, data)
    site.fill(2)

    def cut(path: str, reply: Reply) -> Reply:
        if STORAGE.search(path):
            return Reply(404, JSON, b"{}")
        if RETRIEVE.search(path):
            return Reply(200, reply.content_type, reply.body[: len(data) - 21], chunked)
        return reply

    through(cut)
    plan_removal(site, instance)
    assert "the copy is damaged: its" in stays(site, instance)
    assert said in site.report()["unproven"][0]["detail"]


def test_a_store_that_holds_half_an_instance_keeps_it(site: Site) -> None:
    instance = site.emulator.ingest(DEMO_STORE, real_file("CT_small.dcm")[:30_000])
    site.fill(2)
    plan_removal(site, instance)
    assert "the copy is damaged" in stays(site, instance)


@pytest.mark.parametrize("more", [1, 50_000])
def test_a_copy_smaller_than_the_store_says_is_none(
    site: Site, through: Through, more: int
) -> None:
    """As when it was cut between two elements, where no length shows it."""
    instance, *_ = site.fill(3)

    def claim(path: str, reply: Reply) -> Reply:
        if not STORAGE.search(path):
            return reply
        size = int(json.loads(reply.body)["blobStorageInfo"]["sizeBytes"]) + more
        return storage_of(str(size))

    through(claim)
    plan_removal(site, instance)
    assert re.search(
        r"the copy is damaged: it has (\d+) bytes where the store reports (\d+)$",
        stays(site, instance),
    )


def storage_of(size: object) -> Reply:
    return Reply(200, JSON, json.dumps({"blobStorageInfo": {"sizeBytes": size}}).encode())


@pytest.mark.parametrize(
    ("reply", "recorded"),
    [
        (Reply(403, JSON, b'{"error": {"code": 403}}'), None),
        (Reply(404, JSON, b'{"error": {"code": 404}}'), None),
        (Reply(200, "text/html", b"<html>"), None),
        (Reply(200, JSON, b"{"), None),
        (Reply(200, JSON, b"[]"), None),
        (Reply(200, JSON, b'{"blobStorageInfo": []}'), None),
        (Reply(200, JSON, b'{"blobStorageInfo": {"sizeBytes": ' + b"9" * 5000 + b"}}"), None),
        (storage_of("9" * 5000), None),
        (storage_of("-1"), None),
        (storage_of("1e99"), None),
        (storage_of(["1"]), None),
        (storage_of(True), None),
        (storage_of(None), None),
        (storage_of("٣٣٣٣٣٣"), None),
        (storage_of("0"), 0),
        (storage_of(17), 17),
    ],
)
def test_a_store_that_does_not_say_or_says_less_is_recorded_so(
    site: Site, through: Through, reply: Reply, recorded: int | None
) -> None:
    instance, *_ = site.fill(3)
    through(lambda path, truth: reply if STORAGE.search(path) else truth)
    plan_removal(site, instance)
    record = goes(site, instance)
    assert (record.get("reported_size"), "damage" in record) == (recorded, False)
    assert record["size"] > 17


def test_the_size_is_asked_for_once_and_while_the_instance_is_retrieved(
    site: Site, through: Through
) -> None:
    """Each is answered only when the other is there too."""
    instance, *_ = site.fill(3)
    both, asked = threading.Barrier(2), []

    def wait(path: str, reply: Reply) -> Reply:
        for kind in (STORAGE, RETRIEVE):
            if kind.search(path):
                asked.append(kind)
                both.wait(timeout=10)
        return reply

    through(wait)
    plan_removal(site, instance)
    record = goes(site, instance)
    assert record["reported_size"] == record["size"] > 0
    assert sorted(asked, key=str) == sorted([STORAGE, RETRIEVE], key=str)


def test_what_was_damaged_on_its_way_is_retrieved_again(site: Site, through: Through) -> None:
    instance, *_ = site.fill(3, edge=40)
    sent: list[int] = []

    def cut_at_first(path: str, reply: Reply) -> Reply:
        if not RETRIEVE.search(path):
            return reply
        sent.append(len(reply.body))
        return reply.cut(len(reply.body) - 100) if len(sent) == 1 else reply

    through(cut_at_first)
    plan_removal(site, instance, allow=True)
    record = goes(site, instance)
    assert ("damage" in record, record["size"], len(sent)) == (False, sent[0], 2)


def test_a_damaged_copy_is_kept_where_the_file_allows_it_and_can_be_restored(site: Site) -> None:
    data = real_file("CT_small.dcm")[:30_000]
    instance = site.emulator.ingest(DEMO_STORE, data)
    site.fill(2)
    plan_removal(site, instance, allow=True)
    site.emulator.clear_requests()
    record = goes(site, instance)
    assert record["damage"].endswith("in the middle of its pixel data")
    assert (record["size"], record["reported_size"]) == (len(data), len(data))
    # The same bytes twice are what the store has; a third time would bring nothing.
    retrieves = [one for one in site.emulator.requests() if re.search(RETRIEVED, one.path)]
    assert [one.method for one in retrieves] == ["GET", "GET", "DELETE"]
    (kept,) = site.archive.rglob("*.dcm")
    assert kept.read_bytes() == data
    run = site.runs()[-1]
    assert (
        "damaged when it was archived: its dataset ends"
        in site.run("restore", run, "--dry-run").out
    )
    assert site.run("restore", run).code == 0
    assert site.hashes()[instance] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("allow", [False, True])
def test_what_a_damaged_copy_is_smaller_by_is_on_record(
    site: Site, through: Through, *, allow: bool
) -> None:
    instance, *_ = site.fill(3)
    through(lambda path, truth: storage_of("1000000") if STORAGE.search(path) else truth)
    plan_removal(site, instance, allow=allow)
    if not allow:
        assert "where the store reports 1000000" in stays(site, instance)
        return
    record = goes(site, instance)
    assert record["damage"] == f"it has {record['size']} bytes where the store reports 1000000"
    assert record["reported_size"] == 1000000


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (0, "of another study or series"),
        (1, "of another study or series"),
        (2, "another instance"),
    ],
)
def test_another_identity_is_never_kept(
    site: Site, through: Through, other: int, said: str
) -> None:
    """Also where the File Meta Information has the right one, and damage is allowed."""
    instance, *_ = site.fill(3)
    uid = instance[other].encode() + b"\0" * (len(instance[other]) % 2)
    wrong = uid[:-2] + b"9" + uid[-1:]

    def change(path: str, reply: Reply) -> Reply:
        if not RETRIEVE.search(path):
            return reply
        head, mark, dataset = reply.body.partition(b"\x08\0\x16\0UI")
        changed = dataset.replace(
            b"UI" + len(uid).to_bytes(2, "little") + uid,
            b"UI" + len(uid).to_bytes(2, "little") + wrong,
        )
        assert changed != dataset
        return Reply(200, reply.content_type, head + mark + changed)

    through(change)
    plan_removal(site, instance, allow=True)
    assert said in stays(site, instance)


def test_allowing_damage_is_part_of_the_plan_and_is_shown(site: Site) -> None:
    instance, *_ = site.fill(3)
    seen = {}
    for allow in (None, False, True):
        plan_removal(site, instance, allow=allow)
        shown = site.run("plan", "--write", "markdown=plan.md", "--write", "html=plan.html")
        document = json.loads((site.folder / "plan.json").read_text())
        (group,) = document["plan"]["stores"][0]["studies"][0]["series"][0]["deletions"]
        texts = [shown.out, Path("plan.md").read_text(), Path("plan.html").read_text()]
        texts.append(site.run("show", "plan.json").out)
        said = ["even if the copy is damaged" in " ".join(text.split()) for text in texts]
        assert said == [allow is True] * 4
        assert group["allow_damaged"] is (allow is True)
        assert group["archive"] == str(site.archive)
        seen[allow] = {k: v for k, v in document["plan"].items() if k != "inputs"}
    assert seen[None] == seen[False] != seen[True]


def test_a_broken_transfer_is_no_damage_that_could_be_allowed(site: Site) -> None:
    instance, *_ = site.fill(3, edge=40)
    plan_removal(site, instance, allow=True)
    rule = FaultRule(FaultKind.TRUNCATE, "GET", RETRIEVED, body_bytes=1500)
    site.emulator.set_faults(Faults((rule,)))
    assert "broke" in stays(site, instance)
