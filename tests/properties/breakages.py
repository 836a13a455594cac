"""Random faults on the wire, none of which lets the store tell a lie.

A store whose listings, too, deny what it holds, or that clearly refuses what it did, cannot be
told from one that speaks the truth; everything else must be.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reconciler.emulator import FaultKind, FaultRule, Faults

from .harness import Mishap
from .worlds import ADDRESSES

_times = st.sampled_from([1, 2, 4, None])
"""Retries heal the first two of these."""
_probabilities = st.sampled_from([1.0, 0.5])
_pages = st.sampled_from([404, 200, 403, 502])
_locations = st.sampled_from(["/elsewhere", "/v1/elsewhere", "https://192.0.2.1/"])
_bytes = st.sampled_from([None, 0, 1, 40])

WORDS = ('{"message": "no Route matched"}', '"Not Found"', '{"code": 404}')
"""With which something in between answers 404 for the store, less and more like it."""

_one_instance = st.sampled_from(ADDRESSES).map(lambda one: f"{one.instance_uid}(/metadata)?$")
_places = st.sampled_from([r"/metadata$", r"/instances\?", None, ":testIamPermissions"])
_read_places = _one_instance | _places


def _rules(method: str, kinds: SearchStrategy[dict[str, object]]) -> SearchStrategy[FaultRule]:
    """Rules of these kinds; a POST of the pre-flight counts as a read request."""
    places = st.none() | st.none() | _one_instance if method == "DELETE" else _read_places
    return st.builds(
        lambda kind, path, times, probability: FaultRule(
            method=None if path == ":testIamPermissions" else method,
            path=path,
            times=times,
            probability=probability,
            **kind,
        ),
        kinds,
        places,
        _times,
        _probabilities,
    )


def _statuses(*statuses: int) -> SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "fault": st.just(FaultKind.STATUS),
            "status": st.sampled_from(statuses),
            "retry_after": st.sampled_from([None, 0, 7]),
        }
    )


_unclear = st.one_of(
    st.just({"fault": FaultKind.RESET}),
    _statuses(503, 500, 504, 408),
    st.fixed_dictionaries({"fault": st.just(FaultKind.HTML), "status": _pages}),
    st.fixed_dictionaries({"fault": st.just(FaultKind.REDIRECT), "location": _locations}),
)
_truncated = st.fixed_dictionaries({"fault": st.just(FaultKind.TRUNCATE), "body_bytes": _bytes})
_clear = _statuses(429, 401, 403, 400)

_reads = _rules("GET", st.one_of(_unclear, _clear, _truncated))


def _all(path: str) -> SearchStrategy[Faults]:
    """Every look of a kind fails for good, in one way."""
    ways: list[dict[str, Any]] = [
        {"fault": FaultKind.HTML, "status": 404},
        {"fault": FaultKind.STATUS, "status": 403},
        {"fault": FaultKind.RESET},
        *({"fault": FaultKind.STATUS, "status": 404, "body": body} for body in WORDS),
    ]
    rules = [FaultRule(method="GET", path=path, **way) for way in ways]
    return st.sampled_from([Faults((rule,)) for rule in rules])


_deletions = _rules(
    "DELETE",
    st.one_of(
        _unclear,
        _unclear.map(lambda kind: kind | {"after_effect": True}),
        _truncated,
        _clear,
        # That it is not there, while the probe then shows it: not believed.
        _statuses(404),
        st.just({"fault": FaultKind.OPERATION}),
    ),
)


def _gateway(*methods: str | None) -> SearchStrategy[list[FaultRule]]:
    """Something answers for the store, on the paths of instances alone."""
    path = r"/instances/[0-9.]+(/metadata)?$"
    return st.builds(
        lambda body, method, probability: [
            FaultRule(
                FaultKind.STATUS, method, path, status=404, body=body, probability=probability
            )
        ],
        st.sampled_from(WORDS),
        st.sampled_from(methods),
        _probabilities,
    )


def _faults(rules: SearchStrategy[list[FaultRule]]) -> SearchStrategy[Faults]:
    seeds = st.integers(0, 1000)
    return st.builds(lambda some, seed: Faults(tuple(some), seed=seed), rules, seeds)


_few_deletions = st.lists(_deletions, min_size=1, max_size=2)

while_planning = {
    "no probe is answered": st.just(Faults((FaultRule(FaultKind.RESET, "GET", r"/metadata$"),))),
    "all probes fail": _all(r"/metadata$"),
    "all listings fail": _all(r"/studies/[^?]*/instances\?"),
    "all searches of the store fail": _all(r"/dicomWeb/instances\?"),
    "some requests fail": _faults(st.lists(_reads, min_size=1, max_size=2)),
    "a gateway answers": _faults(_gateway("GET")),
    "the store vanishes": st.just(Faults()),
}
while_applying = {
    "deletions fail": _faults(_few_deletions),
    "deletions and proofs fail": _faults(
        st.tuples(_few_deletions, _reads).map(lambda both: [*both[0], both[1]])
    ),
    "a gateway answers": _faults(_gateway("GET", "DELETE", None)),
    **{mishap.value: st.just(Faults()) | _faults(_few_deletions) for mishap in Mishap},
}
"""By what happens; a mishap is an `Incident` besides the faults."""
