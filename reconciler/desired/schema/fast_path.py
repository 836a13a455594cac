"""Accepts plain entries without `jsonschema`, whose generic walk is the cost of loading.

It only ever accepts: an entry that it does not accept is not wrong, it is for the published
schema to judge. A property test holds both to one verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from reconciler.desired.yaml_tree.tree import Value, YamlMapping, YamlSequence
from reconciler.model.address import is_uid
from reconciler.model.desired import ReasonCode, is_ticket

_WORDS = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,1000}")
_FOLDER = re.compile(r"/[^\x00-\x1f\x7f-\x9f]{0,999}")
_CODES = frozenset(code.value for code in ReasonCode)


Accepts = Callable[[Value], bool]


def _is_plain(entry: Value, keys: Mapping[str, Accepts]) -> bool:
    if not isinstance(entry, YamlMapping) or "studiesId" not in entry:
        return False
    if "instancesId" in entry and "seriesId" not in entry:
        return False
    return _accepts_all(entry, keys)


def _accepts_all(mapping: YamlMapping, keys: Mapping[str, Accepts]) -> bool:
    for key, value in mapping.items():
        accepts = keys.get(key)
        if accepts is None or not accepts(value):
            return False
    return True


def _is_uid(value: Value) -> bool:
    return isinstance(value, str) and is_uid(value)


def _is_uid_or_uids(value: Value) -> bool:
    if isinstance(value, YamlSequence):
        return len(value) > 0 and all(map(_is_uid, value))
    return _is_uid(value)


def _is_text(test: Callable[[str], object], value: Value) -> bool:
    return isinstance(value, str) and bool(test(value))


def _is_reason(value: Value) -> bool:
    return isinstance(value, YamlMapping) and "code" in value and _accepts_all(value, _REASON_KEYS)


def _is_archive(value: Value) -> bool:
    if isinstance(value, YamlMapping):
        return "path" in value and _accepts_all(value, _ARCHIVE_KEYS)
    return value == "none"


_IS_WORDS = partial(_is_text, _WORDS.fullmatch)
_ARCHIVE_KEYS: Mapping[str, Accepts] = {
    "path": partial(_is_text, _FOLDER.fullmatch),
    "allowDamaged": lambda value: isinstance(value, bool),
}
_REASON_KEYS: Mapping[str, Accepts] = {
    "code": partial(_is_text, _CODES.__contains__),
    "text": _IS_WORDS,
    "ticket": partial(_is_text, is_ticket),
}
_ADDRESS_KEYS: Mapping[str, Accepts] = {
    "studiesId": _is_uid,
    "seriesId": _is_uid,
    "instancesId": _is_uid_or_uids,
}
_REMOVE_KEYS: Mapping[str, Accepts] = {
    **_ADDRESS_KEYS,
    "reason": _is_reason,
    "archive": _is_archive,
}
_KEEP_KEYS: Mapping[str, Accepts] = {**_ADDRESS_KEYS, "hold": _IS_WORDS}

IS_PLAIN: Mapping[str, Accepts] = {
    "remove": partial(_is_plain, keys=_REMOVE_KEYS),
    "keep": partial(_is_plain, keys=_KEEP_KEYS),
}
"""Whether the schema would accept an item of the list; False also means "ask it"."""
