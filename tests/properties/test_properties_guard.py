"""Whatever is taken for an address, a DELETE names one instance or is not sent.

Tried: without `_check_deletable` it fails; so it does with a guard that does not match the whole
path, or that lets any text stand as a UID.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.errors import LiveError
from reconciler.live.connection import Connection, ConnectionSettings
from reconciler.live.http.endpoint import parse_endpoint
from reconciler.live.providers.google.store import HealthcareStore
from reconciler.model.address import InstanceAddress

from .harness import QUICK_READS, Ground, Site, address

HELD = [address(1, 1, 1), address(1, 1, 2), address(1, 2, 1)]
ONE_INSTANCE = re.compile(r"/studies/[0-9.]{1,64}/series/[0-9.]{1,64}/instances/[0-9.]{1,64}")

_pieces = st.sampled_from(
    [*HELD[0], "..", ".", "/", "%2e%2e", "%2F", "?", "#", "", "\n", ";", "\\", "\uff11", "0" * 65]
)
_texts = st.lists(_pieces, max_size=3).map("".join) | st.text(max_size=8)
hostile = st.builds(
    InstanceAddress,
    *(st.just(uid) | st.just(uid) | _texts for uid in HELD[0]),
)


@pytest.fixture(scope="module")
def site(ground: Ground) -> Site:
    made = ground.site()
    made.fill(HELD)
    return made


@pytest.fixture(scope="module")
def store(site: Site) -> Iterator[HealthcareStore]:
    """The site's store, through a connection that may delete."""
    with Connection(
        ConnectionSettings(parse_endpoint(site.emulator.url), read_only=False, retry=QUICK_READS),
        now=lambda: datetime.now(UTC),
        random_source=random.Random(1),
        request_ids=lambda: "request",
        stop=threading.Event(),
    ) as connection:
        yield connection.store(site.store)


@settings(
    max_examples=300,
    derandomize=True,
    database=None,
)
@example(HELD[0]._replace(instance_uid=".."))
@example(HELD[0]._replace(instance_uid=""))
@example(HELD[0]._replace(series_uid="1/../..", instance_uid="%2e%2e"))
@given(hostile)
def test_a_delete_names_one_instance_or_is_not_sent(
    site: Site, store: HealthcareStore, instance: InstanceAddress
) -> None:
    site.fill(set(HELD) - site.content())
    site.mend()
    try:
        store.delete(instance)
    except LiveError:
        assert site.deletes() == []
    for request in site.deletes():
        _, _, path = request.path.partition("/dicomWeb")
        assert path == str(instance)
        assert ONE_INSTANCE.fullmatch(path)
    assert set(HELD) - site.content() <= {instance}
