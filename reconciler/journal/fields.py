"""The values in the JSON object of a record: read with a check, and written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from sys import intern

from reconciler.model.address import InstanceAddress, StoreAddress

Fields = Mapping[str, object]


def text(fields: Fields, key: str) -> str:
    """The string under a key.

    Raises:
        ValueError: there is none.
    """
    value = fields.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is not a string")  # noqa: TRY004 - what was read is wrong
    return value


def text_or_none(fields: Fields, key: str) -> str | None:
    """The string under a key; None for null and for no key. Raises as `text`."""
    return None if fields.get(key) is None else text(fields, key)


def number(fields: Fields, key: str) -> int:
    """The whole number under a key, at least 0. Raises as `text`."""
    value = fields.get(key)
    if type(value) is not int or value < 0:  # True is an int to isinstance
        raise ValueError(f"{key!r} is not a whole number from 0")
    return value


def number_or_none(fields: Fields, key: str) -> int | None:
    """The whole number under a key; None where it is null or not there. Raises as `text`."""
    return None if fields.get(key) is None else number(fields, key)


def texts(fields: Fields, key: str) -> tuple[str, ...]:
    """The strings of the array under a key. Raises as `text`."""
    value = fields.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key!r} is not an array of strings")
    return tuple(value)


def objects(fields: Fields, key: str) -> tuple[Fields, ...]:
    """The objects of the array under a key. Raises as `text`."""
    value = fields.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{key!r} is not an array of objects")
    return tuple(value)


def object_of(fields: Fields, key: str) -> Fields:
    """The object under a key. Raises as `text`."""
    value = fields.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key!r} is not an object")  # noqa: TRY004 - what was read is wrong
    return value


def object_or_none(fields: Fields, key: str) -> Fields | None:
    """The object under a key; None for null and for no key. Raises as `text`."""
    return None if fields.get(key) is None else object_of(fields, key)


def flag(fields: Fields, key: str) -> bool:
    """The truth value under a key. Raises as `text`."""
    value = fields.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"{key!r} is not true or false")  # noqa: TRY004 - what was read is wrong
    return value


def store_of(fields: Fields) -> StoreAddress:
    """The store that the four parameters of the API and its provider name. Raises as `text`."""
    names = ["projectsId", "locationsId", "datasetsId", "dicomStoresId"]
    if "provider" in fields:
        names.append("provider")
    return StoreAddress.from_parameters({name: text(fields, name) for name in names})


def instance_of(fields: Fields) -> InstanceAddress:
    """The instance that the three parameters of the API name. Raises as `text`."""
    return _address(
        text(fields, "studiesId"), text(fields, "seriesId"), text(fields, "instancesId")
    )


@lru_cache(maxsize=4096)
def _address(study_uid: str, series_uid: str, instance_uid: str) -> InstanceAddress:
    """One object for the records of an instance, which stand close together.

    The UIDs that many instances share are interned: a history may hold 100,000s of them.
    """
    return InstanceAddress.from_parameters(
        InstanceAddress(intern(study_uid), intern(series_uid), instance_uid).as_parameters()
    )


def format_time(time: datetime) -> str:
    """A time as it stands in a record: UTC, in milliseconds.

    Raises:
        ValueError: it has no time zone.
    """
    if time.tzinfo is None:
        raise ValueError("a record's time needs a time zone")
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_TIME_LENGTH = len("2026-01-31T23:59:59.999Z")


def time_of(fields: Fields, key: str = "time") -> datetime:
    """The time under a key; by default when the record was made. Raises as `text`."""
    written = text(fields, key)
    if len(written) != _TIME_LENGTH or written[-1] != "Z":
        raise ValueError(f"{key!r} is not a UTC time in milliseconds: {written!r}")
    return datetime.fromisoformat(written)
