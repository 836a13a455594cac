"""The JSON form of `Faults`.

``{"latency": 0.02, "search_lag": 2, "seed": 1, "rules": [{"fault": "status", "status": 503,
"after_effect": true, "method": "DELETE", "times": 3}, …]}``; what is left out has its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args, get_origin, get_type_hints

from reconciler.emulator.faulty.faults import FaultKind, FaultRule, Faults

_IN_JSON: Mapping[Any, Any] = {float: (int, float), FaultKind: str}


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
    members = _members(document, Faults)
    rules = tuple(_rule_from_json(rule) for rule in members.pop("rules", ()))
    return Faults(rules=rules, **members)


def _rule_from_json(document: object) -> FaultRule:
    members = _members(document, FaultRule)
    return FaultRule(fault=FaultKind(members.pop("fault", None)), **members)


def _members(document: object, kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    if not isinstance(document, dict):
        raise ValueError("faults and their rules are JSON objects")  # noqa: TRY004 - bad input
    for name, value in document.items():
        if name not in hints:
            raise ValueError(f"unknown member {name!r}")
        if not _fits(value, hints[name]):
            raise ValueError(f"{name!r} cannot be {value!r}")
    return {name: value for name, value in document.items() if value is not None}


def _fits(value: object, hint: Any) -> bool:
    """Whether a member has its type; null stands for the default, and no boolean is a number."""
    if value is None:
        return True
    if get_origin(hint) is tuple:
        return isinstance(value, list)
    kinds = get_args(hint) or (hint,)
    if isinstance(value, bool):
        return bool in kinds
    return any(isinstance(value, _IN_JSON.get(kind, kind)) for kind in kinds)
