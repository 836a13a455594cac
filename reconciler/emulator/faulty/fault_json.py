"""The JSON form of `Faults`.

``{"latency": 0.02, "search_lag": 2, "seed": 1, "rules": [{"fault": "status", "status": 503,
"after_effect": true, "method": "DELETE", "times": 3}, …]}``; what is left out has its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults

_NUMBER = (int, float)
_FAULTS_TYPES: Mapping[str, Any] = {
    "rules": list,
    "latency": _NUMBER,
    "search_lag": _NUMBER,
    "seed": int,
}
_RULE_TYPES: Mapping[str, Any] = {
    "fault": str,
    "method": str,
    "path": str,
    "times": int,
    "probability": _NUMBER,
    "after_effect": bool,
    "seconds": _NUMBER,
    "status": int,
    "retry_after": int,
    "body": str,
    "body_bytes": int,
    "location": str,
    "per_second": int,
}


def faults_to_json(faults: Faults) -> dict[str, object]:
    """The JSON form; a rule mentions what differs from its default."""
    return asdict(faults) | {"rules": [_rule_to_json(rule) for rule in faults.rules]}


def _rule_to_json(rule: FaultRule) -> dict[str, object]:
    defaults = asdict(FaultRule(FaultKind.LATENCY))
    mentioned = {name: value for name, value in asdict(rule).items() if value != defaults[name]}
    return mentioned | {"fault": rule.fault.value}


def faults_from_json(document: object) -> Faults:
    """Read the JSON form.

    Raises:
        ValueError: it is not one; the message says what is wrong.
    """
    members = _members(document, _FAULTS_TYPES)
    rules = tuple(_rule_from_json(rule) for rule in members.pop("rules", ()))
    return Faults(rules=rules, **members)


def _rule_from_json(document: object) -> FaultRule:
    members = _members(document, _RULE_TYPES)
    return FaultRule(fault=FaultKind(members.pop("fault", None)), **members)


def _members(document: object, types: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("faults and their rules are JSON objects")  # noqa: TRY004 - bad input
    for name, value in document.items():
        if name not in types:
            raise ValueError(f"unknown member {name!r}")
        if not _fits(value, types[name]):
            raise ValueError(f"{name!r} cannot be {value!r}")
    return {name: value for name, value in document.items() if value is not None}


def _fits(value: object, expected: Any) -> bool:
    """Whether a member has its type; null stands for the default, and no boolean is a number."""
    if isinstance(value, bool):
        return expected is bool
    return value is None or isinstance(value, expected)
