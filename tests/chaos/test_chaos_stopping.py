"""When going on would be wrong: dispatching stops, and every deletion is accounted for.

Tried out, each of these makes the tests that it concerns fail: a breaker that never opens, and a
run that takes no heed of a 401, or of a 403.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.emulator import FaultKind, FaultRule, Faults

from ..sampling import some
from .evidence import require_all_done, require_exact_account
from .sites import Site, ended, running_site, wait_until

PLANNED = 40
WORKERS = 4
INCOMPLETE = 4


def service_account(folder: Path, token_uri: str) -> Path:
    """A credentials file whose tokens the emulator issues."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "demo-project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "reconciler@demo-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Site]:
    """A site whose store wants a token, and whose commands have an account for one."""
    with running_site(tmp_path, require_token=True) as site:
        account = service_account(tmp_path, f"{site.emulator.url}/token")
        site.environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(account)
        yield site


def require_stopped(site: Site, code: int, *, deletes: int) -> str:
    """It stopped after at most so many DELETEs; gives the reason."""
    assert code == INCOMPLETE
    report = require_exact_account(site)
    assert report["state"] == "stopped"
    assert report["counts"]["not_attempted"] > 0
    assert len(site.deletes()) <= deletes
    reason: str = report["stopped_because"]
    return reason


def require_resumes(site: Site) -> None:
    site.emulator.set_faults(Faults())
    site.resume()
    require_all_done(site)


@pytest.mark.parametrize("limit", some([5, 1]))
def test_a_run_of_failures_stops_the_dispatching(site: Site, limit: int) -> None:
    """What is in flight by then still ends, so that it may be a few more than the limit."""
    site.prepare(planned=PLANNED)
    site.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, "DELETE", status=400),)))
    done = site.apply("--stop-after-failures", str(limit))
    reason = require_stopped(site, done.code, deletes=limit + WORKERS - 1)
    assert f"{limit} deletions could not be proven" in reason
    require_resumes(site)


def test_failures_between_successes_do_not_stop_it(site: Site) -> None:
    site.prepare(planned=PLANNED)
    odd = FaultRule(FaultKind.STATUS, "DELETE", path="3$", status=400)
    site.emulator.set_faults(Faults((odd,)))
    done = site.apply("--parallelism", "1", "--stop-after-failures", "2")
    assert done.code == INCOMPLETE
    report = require_exact_account(site)
    assert report["state"] == "completed"
    assert report["counts"]["not_attempted"] == 0


def test_a_revoked_token_is_fetched_again(guarded: Site) -> None:
    """A 401 in the middle of a run costs one attempt, not the run."""
    guarded.prepare(planned=PLANNED)
    slow = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.1)
    guarded.emulator.set_faults(Faults((slow,)))
    child = guarded.start_apply()
    wait_until(lambda: len(guarded.deletes()) >= WORKERS, during=child)
    guarded.emulator.revoke_tokens()
    assert ended(child).code == 0
    assert 401 in {one.status for one in guarded.emulator.requests()}
    require_all_done(guarded)


@pytest.mark.parametrize(
    "refusing",
    some(
        [
            FaultRule(FaultKind.STATUS, path="^/token$", status=400),
            FaultRule(FaultKind.STATUS, "DELETE", status=401),
        ]
    ),
    ids=["no new token", "the new token is not accepted"],
)
def test_a_401_after_refresh_stops_the_dispatching(guarded: Site, refusing: FaultRule) -> None:
    """Each worker may learn it once with its token and once with a fresh one."""
    guarded.prepare(planned=PLANNED)
    slow = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.1)
    guarded.emulator.set_faults(Faults((slow,)))
    child = guarded.start_apply("--stop-after-failures", "1000")
    wait_until(lambda: len(guarded.deletes()) >= WORKERS, during=child)
    before = len(guarded.deletes())
    guarded.emulator.set_faults(Faults((slow, refusing)))
    guarded.emulator.revoke_tokens()
    reason = require_stopped(guarded, ended(child).code, deletes=before + 3 * WORKERS)
    assert "credentials" in reason
    require_resumes(guarded)


def test_a_403_repeats_the_preflight_and_goes_on_where_that_succeeds(site: Site) -> None:
    """A single instance may be refused for a reason of its own."""
    site.prepare(planned=PLANNED)
    odd = FaultRule(FaultKind.STATUS, "DELETE", status=403, times=3)
    site.emulator.set_faults(Faults((odd,)))
    before = len(preflights(site))
    assert site.apply().code == INCOMPLETE
    assert len(preflights(site)) == before + 1 + 3
    report = require_exact_account(site)
    assert report["counts"]["failed"] == 3
    assert report["counts"]["not_attempted"] == 0


def test_a_403_stops_the_dispatching_where_the_preflight_fails_too(site: Site) -> None:
    """The permission to read goes as well, in the middle of the run."""
    site.prepare(planned=PLANNED)
    slow = FaultRule(FaultKind.LATENCY, "DELETE", seconds=0.1)
    site.emulator.set_faults(Faults((slow,)))
    child = site.start_apply("--stop-after-failures", "1000")
    wait_until(lambda: len(site.deletes()) >= WORKERS, during=child)
    before = len(site.deletes())
    refused = [FaultRule(FaultKind.STATUS, method, status=403) for method in ("DELETE", "POST")]
    site.emulator.set_faults(Faults((slow, *refused)))
    require_stopped(site, ended(child).code, deletes=before + 2 * WORKERS)
    require_resumes(site)


def preflights(site: Site) -> list[str]:
    return [one.path for one in site.emulator.requests() if one.method == "POST"]
