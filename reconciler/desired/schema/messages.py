"""Turns what the schema has against a value into one clear message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reconciler.desired.rules import Rule
from reconciler.desired.schema.published import free_text, keys_of
from reconciler.desired.wording import (
    ARCHIVE_NOUNS,
    FILE_KINDS,
    NOUNS,
    UID_KEYS,
    WORDS,
    kind_of,
    quoted,
    reason_codes,
    shown_file,
    uid_fault,
)
from reconciler.desired.yaml_tree.tree import Steps

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


@dataclass(frozen=True, slots=True)
class Fault:
    """What the schema has against a value: the keyword, what it wanted, what it found.

    ``keys`` are those that the mapping may have; ``steps`` lead to the value.
    """

    keyword: str
    wanted: Any
    value: Any
    keys: tuple[str, ...]
    steps: Steps

    @classmethod
    def of(cls, error: ValidationError) -> Fault:
        """What an error of ``jsonschema`` says."""
        schema = error.schema if isinstance(error.schema, Mapping) else {}
        keys = tuple(schema.get("properties", ()))
        keyword, steps = str(error.validator), tuple(error.absolute_path)
        return cls(keyword, error.validator_value, error.instance, keys, steps)

    @property
    def key(self) -> str:
        """The key that the value, or the list around it, stands under; empty for the file."""
        keys = [step for step in self.steps if isinstance(step, str)]
        return keys[-1] if keys else ""

    @property
    def is_item(self) -> bool:
        """Whether the value is an item of a list."""
        return bool(self.steps) and isinstance(self.steps[-1], int)

    @property
    def name(self) -> str:
        """What the value is called in a message."""
        if self.is_item:
            is_entry = self.key in {"remove", "keep"}
            return f"this {self.key} entry" if is_entry else f"this item of {self.key}"
        return self.key or "the file"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a schema error means; it is about ``key`` of the mapping there, or the value itself."""

    rule: Rule
    message: str
    hint: str | None = None
    key: str | None = None


def explanations(fault: Fault) -> Iterator[Explanation]:
    """What a fault means to the one who wrote the file."""
    return _TRANSLATIONS.get(fault.keyword, _other)(fault)


def _required(fault: Fault) -> Iterator[Explanation]:
    hints = {
        "studiesId": "name the study, or give an inventory",
        "version": "start the file with 'version: 1'",
        "store": "name the DICOM store that the file is about",
        "code": f"codes are {reason_codes()}",
    }
    for key in fault.wanted:
        if key not in fault.value:
            message = f"{fault.name} has no {key}"
            yield Explanation(Rule.MISSING_KEY, message, hints.get(key), key=key)


def _dependent(fault: Fault) -> Iterator[Explanation]:
    for key, needed in fault.wanted.items():
        for other in needed:
            if key in fault.value and other not in fault.value:
                message = f"{key} stands without {other}"
                hint = f"add the {other} that it belongs to"
                yield Explanation(Rule.MISSING_KEY, message, hint, key=key)


def _unknown(fault: Fault) -> Iterator[Explanation]:
    known = list(fault.keys)
    for key in fault.value:
        if key not in known:
            # What stands in the place of pseudonyms may be an id.
            shown = "this" if known == ["keyed"] else quoted(key)
            message = f"{shown} is not a key of {fault.name}"
            yield Explanation(Rule.UNKNOWN_KEY, message, _key_hint(key, known), key=key)


def _key_hint(key: str, known: list[str]) -> str:
    if key in {"select", "then"}:
        return "it is a key of a selector; reconciler resolve reads those, under selectors/"
    homes = [name for name in ("remove", "keep") if key in keys_of(name)]
    if len(homes) == 1:
        article = "an" if key[0] in "aeiou" else "a"
        return f"only {homes[0]} entries have {article} {key}"
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(key.casefold()[:100], folded, n=1)
    return f"did you mean {folded[close[0]]}?" if close else f"its keys are {', '.join(known)}"


def _excluded(fault: Fault) -> Iterator[Explanation]:
    for key in sorted(UID_KEYS & set(fault.value)):
        message = f"{key} stands beside inventory"
        hint = "an entry is an inventory, or a study, a series or instances; write two entries"
        yield Explanation(Rule.CONFLICTING_KEYS, message, hint, key=key)


def _wrong_type(fault: Fault) -> Iterator[Explanation]:
    if fault.value is None or fault.value in ([], {}):
        yield from _empty(fault)
        return
    is_words = fault.key in free_text() and isinstance(fault.value, str)
    found = "text" if is_words else kind_of(fault.value)
    message = f"{fault.name} is {found}; it must be {_expected(fault.wanted)}"
    yield Explanation(Rule.WRONG_TYPE, message, _TYPE_HINTS.get(str(fault.wanted)))


def _expected(types: str | list[str]) -> str:
    words = {
        "object": "a mapping",
        "array": "a list",
        "string": "text",
        "integer": "a whole number",
        "boolean": "true or false",
    }
    names = [types] if isinstance(types, str) else types
    return " or ".join(words[name] for name in names)


_TYPE_HINTS = {
    "integer": "write it in plain decimal digits, without quotes, signs or leading zeros",
    "boolean": "write it without quotes",
    "array": "start each item with '- '",
}


def _empty(fault: Fault) -> Iterator[Explanation]:
    state = "is empty" if fault.is_item else "is present but empty"
    yield Explanation(Rule.EMPTY_VALUE, f"{fault.name} {state}", _empty_hint(fault))


def _empty_hint(fault: Fault) -> str:
    if fault.is_item:
        return "write the item or remove its line"
    return _EMPTY_HINTS.get(fault.key, "give it a value or leave it out")


_EMPTY_HINTS = {
    "studiesId": "name the study",
    "seriesId": "leave the key out to mean the whole study, or name a series",
    "instancesId": "leave the key out to mean the whole series, or name its instances",
    "remove": "write [] if nothing is meant, or leave the key out",
    "keep": "write [] if nothing is meant, or leave the key out",
}


def _not_listed(fault: Fault) -> Iterator[Explanation]:
    if fault.key == "version":
        message = f"version {fault.value} of the format is not supported"
        yield Explanation(Rule.UNSUPPORTED_VERSION, message, "this program reads version 1")
        return
    if fault.key == "code":
        message = f"{quoted(str(fault.value))} is not a code of DICOM CID 7031"
        yield Explanation(Rule.UNKNOWN_REASON_CODE, message, f"codes are {reason_codes()}")
        return
    message = f"{fault.key} is {kind_of(fault.value)}; it must be {' or '.join(fault.wanted)}"
    yield Explanation(Rule.INVALID_VALUE, message)


def _form(fault: Fault) -> Iterator[Explanation]:
    key, text = fault.key, str(fault.value)
    if not text:
        yield from _empty(fault)
    elif key in UID_KEYS:
        yield Explanation(Rule.INVALID_UID, *uid_fault(text))
    elif fault.keyword == "maxLength":
        message = f"{key} has {len(text)} characters; it has {fault.wanted} at most"
        yield Explanation(Rule.INVALID_VALUE, message, "write a shorter one")
    elif key in free_text():
        yield Explanation(Rule.INVALID_VALUE, f"{key} is not {WORDS.name}", WORDS.hint)
    else:
        noun = (ARCHIVE_NOUNS if "archive" in fault.steps else NOUNS)[key]
        message = f"{_shown(key, text)} is not {noun.name}"
        yield Explanation(Rule.INVALID_VALUE, message, noun.hint)


def _shown(key: str, text: str) -> str:
    if key in FILE_KINDS and shown_file(key, text) != text:
        return FILE_KINDS[key]
    return f"{key} {quoted(text)}"


def _range(fault: Fault) -> Iterator[Explanation]:
    word = "less" if fault.keyword == "minimum" else "more"
    message = f"{fault.name} is {fault.value}; it cannot be {word} than {fault.wanted}"
    yield Explanation(Rule.NUMBER_OUT_OF_RANGE, message)


def _no_condition(fault: Fault) -> Iterator[Explanation]:
    message = f"{fault.name} has no condition"
    hint = f"write one of {', '.join(one['required'][0] for one in fault.wanted)}"
    yield Explanation(Rule.MISSING_KEY, message, hint)


def _too_many(fault: Fault) -> Iterator[Explanation]:
    message = f"{fault.name} has {' and '.join(fault.value)}"
    yield Explanation(Rule.CONFLICTING_KEYS, message, "write one of them")


def _other(fault: Fault) -> Iterator[Explanation]:
    message = f"{fault.name} does not fit the schema ({fault.keyword})"
    yield Explanation(Rule.INVALID_VALUE, message, "see schemas/desired-state.schema.json")


_TRANSLATIONS: Mapping[str, Callable[[Fault], Iterator[Explanation]]] = {
    "required": _required,
    "dependentRequired": _dependent,
    "additionalProperties": _unknown,
    "not": _excluded,
    "type": _wrong_type,
    "minItems": _empty,
    "minProperties": _empty,
    "maxProperties": _too_many,
    "anyOf": _no_condition,
    "enum": _not_listed,
    "pattern": _form,
    "maxLength": _form,
    "minimum": _range,
    "maximum": _range,
}
