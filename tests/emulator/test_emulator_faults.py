from __future__ import annotations

import time
from itertools import islice

import pytest
import requests

from reconciler.emulator import DEMO_STORE, FaultKind, FaultRule, Faults


@pytest.fixture
def strike(site):
    """Puts rules in force, each for the next request only."""

    def struck(fault, **parameters):
        rule = FaultRule(FaultKind(fault), **({"times": 1} | parameters))
        site.emulator.set_faults(Faults((rule,)))

    return struck


def last(site):
    record = site.emulator.requests()[-1]
    return record.status, record.changed


def test_latency_delays_every_answer(site):
    site.emulator.set_faults(Faults(latency=0.15))
    began = time.monotonic()
    assert site.get(site.ct).status_code == 200
    assert time.monotonic() - began >= 0.15


def test_latency_of_a_rule_comes_before_the_rules_after_it(site):
    slow = FaultRule(FaultKind.LATENCY, method="DELETE", seconds=0.15)
    refused = FaultRule(FaultKind.STATUS, method="DELETE", status=503)
    site.emulator.set_faults(Faults((slow, refused)))
    began = time.monotonic()
    assert site.delete(site.ct).status_code == 503
    assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("retry_after", [None, 7])
def test_too_many_requests(site, strike, retry_after):
    strike("status", status=429, retry_after=retry_after)
    answer = site.delete(site.ct)
    assert answer.status_code == 429
    assert answer.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert answer.headers.get("Retry-After") == (None if retry_after is None else "7")
    assert site.get(site.ct).status_code == 200


def test_an_error_in_the_words_of_a_gateway(site, strike):
    strike("status", status=404, body='{"message": "no Route matched"}')
    answer = site.get(site.ct)
    assert (answer.status_code, answer.json()) == (404, {"message": "no Route matched"})
    assert answer.headers["Content-Type"].startswith("application/json")
    assert site.get(site.ct).status_code == 200


@pytest.mark.parametrize("after_effect", [False, True])
def test_unavailable_before_and_after_the_effect(site, strike, after_effect):
    strike("status", status=503, after_effect=after_effect)
    assert site.delete(site.ct).status_code == 503
    assert last(site) == (503, after_effect)
    assert site.get(site.ct).status_code == (404 if after_effect else 200)


@pytest.mark.parametrize("after_effect", [False, True])
def test_reset_before_and_after_the_effect(site, strike, after_effect):
    strike("reset", after_effect=after_effect)
    with pytest.raises(requests.ConnectionError, match="reset"):
        site.delete(site.ct)
    assert last(site) == ("reset", after_effect)
    assert site.get(site.ct).status_code == (404 if after_effect else 200)


def test_a_truncated_body_announces_its_whole_length(site, strike):
    strike("truncate", body_bytes=1000)
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    answer = site.get(site.ct, headers=accept, stream=True)
    assert answer.headers["Content-Length"] == str(len(site.ct_bytes))
    chunks = answer.iter_content(100)
    assert b"".join(islice(chunks, 10)) == site.ct_bytes[:1000]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        next(chunks)
    assert site.get(site.ct, headers=accept).content == site.ct_bytes


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_page_of_html(site, strike, status):
    strike("html", status=status)
    answer = site.get(site.ct)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_redirect(site, strike):
    strike("redirect", location="http://127.0.0.1:9/elsewhere")
    answer = site.session.delete(site.web(site.ct), allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://127.0.0.1:9/elsewhere"
    assert site.get(site.ct).status_code == 200


def test_unauthenticated_once(site, strike):
    strike("status", status=401)
    answer = site.get(site.ct)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert site.get(site.ct).status_code == 200


def test_a_request_that_is_never_answered(site, strike):
    strike("hang")
    with pytest.raises(requests.Timeout):
        site.session.get(site.web(site.ct), timeout=0.2)
    assert last(site) == ("hang", False)


def test_an_emulator_with_a_hanging_request_still_stops(start):
    hanging = start(faults=Faults((FaultRule(FaultKind.HANG),)))
    with pytest.raises(requests.Timeout):
        hanging.session.get(hanging.url(), timeout=0.1)


def test_a_cap_on_the_rate(site):
    cap = FaultRule(FaultKind.RATE_CAP, per_second=5, retry_after=1)
    site.emulator.set_faults(Faults((cap,)))
    answers = [site.session.get(site.url()).status_code for _ in range(9)]
    assert answers == [200] * 5 + [429] * 4
    time.sleep(1.05)
    assert site.session.get(site.url()).status_code == 200


def test_a_rule_selects_by_method_and_path_and_is_used_up(site):
    rule = FaultRule(FaultKind.STATUS, status=500, method="GET", path=r"/metadata$", times=2)
    site.emulator.set_faults(Faults((rule,)))
    assert site.get(site.ct).status_code == 200
    statuses = [site.get(f"{site.ct}/metadata").status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


def test_the_first_rule_that_fires_wins(site):
    rules = [FaultRule(FaultKind.STATUS, status=status, times=1) for status in (500, 502)]
    site.emulator.set_faults(Faults(tuple(rules)))
    assert [site.get(site.ct).status_code for _ in range(3)] == [500, 502, 200]


def test_probability_is_repeatable_by_its_seed(site):
    def fired(seed):
        rule = FaultRule(FaultKind.STATUS, status=503, probability=0.3)
        site.emulator.set_faults(Faults((rule,), seed=seed))
        return [site.session.get(site.url()).status_code for _ in range(200)]

    first = fired(seed=1)
    assert 30 < first.count(503) < 90
    assert fired(seed=1) == first
    assert fired(seed=2) != first


def test_the_token_endpoint_is_only_broken_by_name(site):
    site.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, status=503),)))
    assert site.session.post(f"{site.emulator.url}/token").status_code == 400
    site.emulator.set_faults(Faults((FaultRule(FaultKind.STATUS, path="^/token", status=503),)))
    assert site.session.post(f"{site.emulator.url}/token").status_code == 503
    assert site.session.get(site.url()).status_code == 200


def test_faults_are_set_and_read_over_http(site):
    control = f"{site.emulator.url}/_emulator/faults"
    document = {
        "latency": 0.01,
        "search_lag": 2,
        "seed": 3,
        "rules": [
            {"fault": "status", "status": 503, "after_effect": True, "method": "DELETE"},
            {"fault": "reset", "path": "studies/", "times": 1, "probability": 0.5},
            {"fault": "status", "status": 404, "body": '"no"', "path": "nothing"},
        ],
    }
    assert site.session.put(control, json=document).status_code == 200
    assert site.session.get(control).json() == document
    assert site.delete(site.ct).status_code == 503
    assert site.emulator.instances(DEMO_STORE) == set()


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"rules": {}},
        {"rules": [{"status": 503}]},
        {"rules": [{"fault": "nonsense"}]},
        {"rules": [{"fault": "status"}]},
        {"rules": [{"fault": "redirect"}]},
        {"rules": [{"fault": "rate_cap"}]},
        {"rules": [{"fault": "reset", "path": "("}]},
        {"rules": [{"fault": "reset", "probability": 2}]},
        {"rules": [{"fault": "reset", "often": 2}]},
        {"latency": "long"},
        {"latency": True},
        {"latency": -1},
    ],
)
def test_faults_that_make_no_sense_are_refused_and_change_nothing(site, document):
    answer = site.session.put(f"{site.emulator.url}/_emulator/faults", json=document)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert site.get(site.ct).status_code == 200
