"""Frozen dataclasses as JSON objects, both ways: the class is the one description of its object.

A field is a member of the object, and its name the key, unless its `as_json` says another. In a
document every field always stands, as null where it is None. In a compact object, as a line of the
journal is one, a field is left out where it has a default and its value is that. An address lends
its object the API's parameters, where it is a field of its own; in a tuple it is an object.

Reading is strict: what cannot be the value of a field is refused, and so is an object that lacks a
member. Unknown keys are a later minor version's, and are ignored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import date, datetime
from enum import Enum
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from sys import intern
from types import NoneType
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.time import format_time, parse_time

_NOTHING: Mapping[str, object] = {}

T = TypeVar("T")
Write = Callable[[Any], Any]
Read = Callable[[Any], Any]

ADDRESSES: Mapping[type, tuple[str, ...]] = {
    InstanceAddress: ("studiesId", "seriesId", "instancesId"),
    StoreAddress: ("projectsId", "locationsId", "datasetsId", "dicomStoresId", "provider"),
}
"""The key of each field of an address; ``provider`` stands only where it is not Google."""


class Member(NamedTuple):
    """A field as a member of the JSON object; of a flat one, the kind's own keys are the members.

    ``default`` is for one that is not required. Where that is None, null is no value of it. The
    others are as in `as_json`.
    """

    name: str
    key: str
    kind: Any
    is_flat: bool
    is_required: bool
    default: object
    is_shared: bool
    is_left: bool = False
    check: Callable[[Any], object] | None = None


def members_of(kind: type, *, is_compact: bool = False) -> tuple[Member, ...]:
    """The members of the JSON object that stands for a value of a dataclass."""
    hints = get_type_hints(kind)
    return tuple(_member(field, hints[field.name], is_compact) for field in fields(kind))


def _member(field: Field[Any], kind: Any, is_compact: bool) -> Member:  # noqa: FBT001 - inner
    factory = field.default_factory
    default = field.default if factory is MISSING else factory()
    is_required = not is_compact or default is MISSING or bool(field.metadata.get("stands_always"))
    if default is None and not is_required:
        kind = _without_none(kind)
    return Member(
        name=field.name,
        key=str(field.metadata.get("key") or field.name),
        kind=kind,
        is_flat=kind in ADDRESSES,
        is_required=is_required,
        default=default,
        is_shared=bool(field.metadata.get("is_shared")),
        is_left=bool(field.metadata.get("is_left")),
        check=field.metadata.get("check"),
    )


def _by_position(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if not field.kw_only]


class Codec(Generic[T]):
    """Writes and reads the values of one dataclass."""

    def __init__(self, kind: type[T], *, is_compact: bool) -> None:
        """Use `codec_of`, which makes one a class."""
        members = members_of(kind, is_compact=is_compact)
        self.left: Mapping[str, Any] = {one.key: one.kind for one in members if one.is_left}
        """The members that are left to the caller, with their types."""
        ways = [(member, *_way_of(member, is_compact=is_compact)) for member in members]
        ways.sort(key=lambda way: not way[0].is_required)
        self._kind = kind
        self._names = [member.name for member, _, _ in ways]
        self._is_by_position = self._names == _by_position(kind)
        always = [(m, write, read) for m, write, read in ways if m.is_required]
        self._write_always = [(_own_key(m), m.name, write) for m, write, _ in always]
        self._write_unless = [
            (m.key, m.name, m.default, write) for m, write, _ in ways if not m.is_required
        ]
        self._read_always = [(_own_key(m), read) for m, _, read in always]
        self._read_if = [(m.key, m.default, read) for m, _, read in ways if not m.is_required]

    def write(self, value: T, start: Mapping[str, object] = _NOTHING) -> dict[str, object]:
        """The value as a JSON object, which begins with ``start``.

        Raises:
            ValueError: a time in it has no time zone.
        """
        members = {**start}
        for key, name, write in self._write_always:
            if key:
                members[key] = write(getattr(value, name))
            else:
                members.update(write(getattr(value, name)))
        for key, name, default, write in self._write_unless:
            item = getattr(value, name)
            if item is not default and item != default:
                members[key] = write(item)
        return members

    def read(self, members: object) -> T:
        """Read what `write` gives.

        Raises:
            ValueError: it is not an object, or a value in it cannot be what its key says.
        """
        if type(members) is not dict:
            raise ValueError("not an object")
        values: list[Any] = []
        try:
            for key, read in self._read_always:
                values.append(read(members[key] if key else members))
            for key, default, read in self._read_if:
                values.append(read(members[key]) if key in members else default)
        except (KeyError, ValueError):
            self._name_key(members)
            raise
        if self._is_by_position:
            return self._kind(*values)
        return self._kind(**dict(zip(self._names, values, strict=True)))

    def _name_key(self, members: Mapping[str, object]) -> None:
        """Read again what cannot be read, one by one: to know the key all the time is slower."""
        for key, _ in self._read_always:
            if key and key not in members:
                raise ValueError(f"there is no {key!r}")
        optional = [(key, read) for key, _, read in self._read_if]
        for key, read in self._read_always + optional:
            try:
                if key in members:
                    read(members[key])
            except ValueError as error:
                raise ValueError(f"{key!r}: {error}") from error


_CODECS: dict[tuple[type, bool], Codec[Any]] = {}


def codec_of(kind: type[T], *, is_compact: bool = False) -> Codec[T]:
    """What writes and reads the values of a dataclass, and of those in it."""
    key = kind, is_compact
    if key not in _CODECS:
        _CODECS[key] = Codec(kind, is_compact=is_compact)
    return _CODECS[key]


class Tagged(Generic[T]):
    """Writes and reads values of several dataclasses, each a compact object with its class's name.

    The name stands under the key ``tag``, first.
    """

    def __init__(self, tag: str, kinds: Mapping[str, type[T]]) -> None:
        self._tag = tag
        self._by_name: dict[str, Codec[T]] = {
            name: codec_of(kind, is_compact=True) for name, kind in kinds.items()
        }
        self._by_kind = {kind: ({tag: name}, self._by_name[name]) for name, kind in kinds.items()}

    def write(self, value: T) -> dict[str, object]:
        """The value as a JSON object; raises as `Codec.write`."""
        start, codec = self._by_kind[type(value)]
        return codec.write(value, start)

    def read(self, members: Mapping[str, object]) -> T:
        """Read what `write` gives; raises as `Codec.read`."""
        name = _read_text(members.get(self._tag))
        codec = self._by_name.get(name)
        if codec is None:
            raise ValueError(f"there is no {self._tag} {name!r}")
        return codec.read(members)


def _own_key(member: Member) -> str:
    """Its key; "" for an address, whose parameters are keys of the object itself."""
    return "" if member.is_flat else member.key


def _way_of(member: Member, *, is_compact: bool) -> tuple[Write, Read]:
    if member.is_flat:
        return member.kind.as_parameters, _FLAT_READERS[member.kind]
    if member.is_left:
        return _same, _same
    write, read = _way(member.kind, partial(codec_of, is_compact=is_compact))
    if member.check is not None:
        read = _checking(read, member.check)
    return write, _sharing(read) if member.is_shared else read


def _way(kind: Any, codec: Callable[[type], Codec[Any]]) -> tuple[Write, Read]:
    """How a value of this type is written and read; the type is that of a hint.

    ``codec`` gives that of a dataclass in it.
    """
    arguments = get_args(kind)
    if not arguments:
        return _way_of_class(kind, codec)
    if get_origin(kind) is tuple:
        return _array(*_way(arguments[0], codec))
    if get_origin(kind) is frozenset:
        return _set(*_way(arguments[0], codec))
    if get_origin(kind) is Mapping:
        is_by_name = arguments[0] is str
        return _by_name(*_way(arguments[1], codec)) if is_by_name else _counts(arguments[0])
    return _optional(*_way(_without_none(kind), codec))


def _way_of_class(kind: Any, codec: Callable[[type], Codec[Any]]) -> tuple[Write, Read]:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in ADDRESSES:
        return kind.as_parameters, _of_object(_FLAT_READERS[kind])
    if issubclass(kind, Enum):
        return attrgetter("_value_"), _choice(kind)
    inner = codec(kind)
    return inner.write, inner.read


def _without_none(kind: Any) -> Any:
    return next(one for one in get_args(kind) if one is not NoneType)


def _optional(write: Write, read: Read) -> tuple[Write, Read]:
    def write_optional(value: object) -> object:
        return None if value is None else write(value)

    def read_optional(value: object) -> object:
        return None if value is None else read(value)

    return write_optional, read_optional


def _array(write: Write, read: Read) -> tuple[Write, Read]:
    def write_array(values: tuple[object, ...]) -> object:
        return [write(value) for value in values]

    def read_array(values: object) -> object:
        if type(values) is not list:
            raise ValueError("not an array")
        return tuple([read(value) for value in values])

    return write_array, read_array


def _set(write: Write, read: Read) -> tuple[Write, Read]:
    write_array, read_array = _array(write, read)
    return lambda values: write_array(sorted(values)), lambda values: frozenset(read_array(values))


def _by_name(write: Write, read: Read) -> tuple[Write, Read]:
    def write_members(members: Mapping[str, object]) -> object:
        return {_write_text(name): write(value) for name, value in members.items()}

    def read_members(value: object) -> object:
        return {_read_text(name): read(one) for name, one in _read_object(value).items()}

    return write_members, read_members


def _counts(kind: type[Enum]) -> tuple[Write, Read]:
    """A number for each member of the enumeration that was counted; the others are read as 0."""
    read_member = _choice(kind)

    def write_counts(counts: Mapping[Enum, int]) -> object:
        return {member.value: count for member, count in counts.items()}

    def read_counts(value: object) -> object:
        counts = _read_object(value)
        return Counter({read_member(name): _read_number(count) for name, count in counts.items()})

    return write_counts, read_counts


def _choice(kind: type[Enum]) -> Read:
    members = {member.value: member for member in kind}

    def read_choice(value: object) -> Enum:
        member = members.get(value) if type(value) is str else None
        if member is None:
            raise ValueError(f"not one of {', '.join(members)}: {value!r}")
        return member

    return read_choice


def _checking(read: Read, check: Callable[[Any], object]) -> Read:
    def read_checked(value: object) -> object:
        found = read(value)
        return None if found is None else check(found)

    return read_checked


def _sharing(read: Read) -> Read:
    @lru_cache(maxsize=1024, typed=True)
    def shared(keys: tuple[str, ...], *values: object) -> object:
        return read(dict(zip(keys, values, strict=True)))

    def read_shared(value: Any) -> object:
        try:
            return shared(tuple(value), *value.values())
        except (AttributeError, TypeError):  # it is no object, or holds an array or an object
            return read(value)

    return read_shared


_HALF = re.compile("[\ud800-\udfff]")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _write_text(value: str) -> str:
    """A file name or a variable may hold half of a surrogate pair, which no reader takes."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _read_text(value: object) -> str:
    if type(value) is not str:
        raise ValueError("not a string")
    if not value.isascii() and _HALF.search(value):
        raise ValueError("not text: it holds half of a surrogate pair, which JSON can spell")
    return value


def _read_number(value: object) -> int:
    if type(value) is not int or value < 0:  # True is an int to isinstance
        raise ValueError("not a whole number from 0")
    return value


def _read_flag(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError("not true or false")
    return value


def _read_time(value: object) -> datetime:
    if type(value) is not str:
        raise ValueError("not a string")
    return parse_time(value)


def _read_day(value: object) -> date:
    if type(value) is not str or not _DAY.fullmatch(value):
        raise ValueError("not a day such as 2026-12-31")
    return date.fromisoformat(value)


def _read_object(value: object) -> Mapping[str, object]:
    if type(value) is not dict:
        raise ValueError("not an object")
    return value


def _same(value: object) -> object:
    return value


_PLAIN: Mapping[type, tuple[Write, Read]] = {
    str: (_write_text, _read_text),
    int: (_same, _read_number),
    bool: (_same, _read_flag),
    datetime: (format_time, _read_time),
    date: (date.isoformat, _read_day),
    Path: (lambda path: _write_text(str(path)), lambda value: Path(_read_text(value))),
}


def _of_object(read: Read) -> Read:
    return lambda value: read(_read_object(value))


def _read_store(members: Mapping[str, object]) -> StoreAddress:
    names = [name for name in ADDRESSES[StoreAddress] if name in members]
    try:
        return StoreAddress.from_parameters({name: _read_text(members[name]) for name in names})
    except KeyError as error:
        raise ValueError(f"there is no {error}") from error


def _read_instance(members: Mapping[str, object]) -> InstanceAddress:
    study, series, instance = ADDRESSES[InstanceAddress]
    try:
        return _instance(members[study], members[series], members[instance])
    except KeyError as error:
        raise ValueError(f"there is no {error}") from error
    except TypeError as error:
        raise ValueError("a UID is not a string") from error


@lru_cache(maxsize=4096)
def _instance(study_uid: Any, series_uid: Any, instance_uid: Any) -> InstanceAddress:
    """One object for the records of an instance, which stand close together.

    The UIDs that many instances share are interned: a history may hold 100,000s of them.
    """
    return InstanceAddress.from_parameters(
        InstanceAddress(intern(study_uid), intern(series_uid), instance_uid).as_parameters()
    )


_FLAT_READERS: Mapping[type, Read] = {
    InstanceAddress: _read_instance,
    StoreAddress: _read_store,
}
