"""``reconciler selftest --store`` on a real Orthanc: everything is tried, and nothing is left."""

from __future__ import annotations

import pytest

from reconciler.model.address import InstanceAddress

from .conftest import STORE, Site, small_file

MINE = InstanceAddress("1.2", "1.2.1", "1.2.1.1")


@pytest.mark.slow
def test_everything_is_tried_and_nothing_is_left(site: Site) -> None:
    site.server.put(small_file(MINE))
    before = site.server.content()
    answer = site.run("selftest", "--store", str(STORE), "--auto-approve")
    assert answer.code == 0, answer.err
    assert site.server.content() == before
    assert answer.err.endswith("nothing is left in the store\n")
    told = answer.json
    assert told["provider"] == "orthanc"
    assert told["version"].startswith("Orthanc 1.")
    assert told["complete"]
    facts = told["facts"]
    assert facts["metadata of a missing instance"]["body"]["OrthancStatus"] == 7
    assert facts["restored"] == {"identical": 5, "same_dataset": 0}
    size = facts["size in bytes"]
    assert size["stored"] == size["retrieved"] == size["storage"] > 0
    assert facts["counts"]["stored"] == facts["counts"]["said"]
    for name in (*STORE.as_parameters().values(), "127.0.0.1", "2.25", "1.2.1", "SYNTHETIC"):
        assert name == "orthanc" or name not in answer.out
