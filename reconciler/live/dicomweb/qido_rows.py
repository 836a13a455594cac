"""The rows of a search answer (PS3.18 section 10.6, DICOM JSON of annex F), one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

from reconciler.dicom.referrers import Referring, referring
from reconciler.json_stream import JsonStream
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import parse_json
from reconciler.live.http.faults import AttemptError, UnexpectedReplyError
from reconciler.live.http.numbers import read_number
from reconciler.model.address import UID_MAX_LENGTH, InstanceAddress, is_uid
from reconciler.model.live import (
    OddRow,
    OnSeries,
    Referrer,
    SeriesListing,
    SeriesRow,
    SeriesSeen,
    StudyRow,
    UnreportedImage,
)
from reconciler.model.patient import Attribute, Attributes, PatientKey, bare

STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
SOP_INSTANCE_UID = "00080018"
SOP_CLASS_UID = "00080016"
IMAGE_TYPE = "00080008"
STUDY_DATE = "00080020"
MODALITY = "00080060"
STUDY_DATE = "00080020"
ACCESSION_NUMBER = "00080050"
PATIENT_ID = "00100020"
STUDY_RELATED_SERIES = "00201206"
STUDY_RELATED_INSTANCES = "00201208"
SERIES_RELATED_INSTANCES = "00201209"

_IDENTITY = (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID)
"""In the order of an `InstanceAddress`, and of a dataset (PS3.18 section F.2.2)."""

_TAGS = {
    Attribute.PATIENT: PATIENT_ID,
    Attribute.STUDY_DATE: STUDY_DATE,
    Attribute.MODALITY: MODALITY,
}

_ROWS: dict[Referring, type[InstanceAddress]] = {
    Referring.NO: InstanceAddress,
    Referring.YES: Referrer,
    Referring.UNREPORTED: UnreportedImage,
}

_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")
"""PS3.5 section 6.2: a Code String; whatever else stands there is not passed on."""

_DATE = re.compile(r"(19|20)[0-9]{6}")
"""What can be the date of a study: the year 1 is what devices write that do not know it."""

_LONGEST_ROW = 1024 * 1024  # characters; decoded it may take 24 times as many bytes
_LONGEST_DATASET = 16 * 1024 * 1024  # characters

_LONGEST_UID = 2 * UID_MAX_LENGTH
"""Characters of a malformed UID that are held: that it is too long still shows."""


def read_addresses(
    chunks: Iterator[bytes], on_series: OnSeries | None = None
) -> Iterator[InstanceAddress | OddRow]:
    """Read the three UIDs of each row, and whether it may refer to others; nothing else of it.

    ``on_series`` is given what the first of neighbouring rows of a series says of that besides.

    Raises:
        AttemptError: the body is not an array of datasets.
    """
    study = series = ""
    for row in read_rows(chunks):
        # Neighbours share them: one text for all, checked once, is a third of the cost of a row.
        before = series
        study = _uid(row, STUDY_INSTANCE_UID, like=study)
        series = _uid(row, SERIES_INSTANCE_UID, like=series)
        uid = _uid(row, SOP_INSTANCE_UID)
        if study and series and uid:
            if on_series is not None and series is not before:
                on_series(series, SeriesSeen(_modality(row), _year(row)))
            yield _ROWS[_referring(row)](study, series, uid)
        else:
            yield _odd(row)


def read_studies(chunks: Iterator[bytes]) -> Iterator[str | OddRow]:
    """Read the Study Instance UID of each row. Raises as `read_addresses`."""
    for row in read_rows(chunks):
        yield _uid(row, STUDY_INSTANCE_UID) or _odd(row, levels=1)


def read_series(chunks: Iterator[bytes]) -> Iterator[SeriesListing | OddRow]:
    """Read what identifies each series and what is in it. Raises as `read_addresses`."""
    for row in read_rows(chunks):
        uid = _uid(row, SERIES_INSTANCE_UID)
        if uid:
            yield SeriesListing(uid, _modality(row), _count(row, SERIES_RELATED_INSTANCES))
        else:
            yield _odd(row, levels=2)


def read_study_rows(chunks: Iterator[bytes], key: PatientKey) -> Iterator[StudyRow]:
    """Read what a rule asks of studies; who the patient is is hashed as soon as it is decoded.

    Raises as `read_addresses`.
    """
    for row in read_rows(chunks):
        number = _text(row, ACCESSION_NUMBER)
        attributes = key.hashed(_attributes(row, Attribute.PATIENT, Attribute.STUDY_DATE))
        yield StudyRow(
            _uid(row, STUDY_INSTANCE_UID) or _odd(row, levels=1),
            _day(row),
            attributes.get(Attribute.PATIENT),
            key.accession_pseudonym(number) if number and bare(number) else None,
            _count(row, STUDY_RELATED_SERIES),
            _count(row, STUDY_RELATED_INSTANCES),
            tuple(attributes.items()),
        )


def read_series_rows(chunks: Iterator[bytes]) -> Iterator[SeriesRow]:
    """Read what a rule asks of series. Raises as `read_addresses`."""
    study = ""
    for row in read_rows(chunks):
        study = _uid(row, STUDY_INSTANCE_UID, like=study)
        series = _uid(row, SERIES_INSTANCE_UID)
        uids = (study, series) if study and series else _odd(row, levels=2)
        attributes = tuple(_attributes(row, Attribute.MODALITY).items())
        yield SeriesRow(uids, _modality(row), _count(row, SERIES_RELATED_INSTANCES), attributes)


def read_counts(chunks: Iterator[bytes], tag: str) -> Iterator[int]:
    """Read the number under a tag of each row; one that has none is malformed.

    Raises as `read_addresses`.
    """
    for row in read_rows(chunks):
        count = _count(row, tag)
        if count is None:
            raise AttemptError(f"the search answered with a row whose {tag} is not a number")
        yield count


def require_dataset_of(instance: InstanceAddress, answer: Answer) -> None:
    """Make sure that metadata, or as much of them as was read, are those of the instance.

    The SOP Instance UID must be there, the other two are compared where they are.

    Raises:
        AttemptError: there is no dataset, or it does not say of which instance it is.
        UnexpectedReplyError: it is that of another instance.
    """
    row = _only_dataset(answer.body) if answer.is_whole else _beginning(answer.body)
    if not row:
        raise AttemptError("HTTP 200 without a dataset")
    named = [_named(row, tag) for tag in _IDENTITY]
    if named[-1] is None:
        raise AttemptError("the metadata do not say of which instance they are")
    if any(uid not in {None, asked} for uid, asked in zip(named, instance, strict=True)):
        raise UnexpectedReplyError("the metadata are those of another instance")


def _only_dataset(body: bytes) -> dict[str, Any]:
    match parse_json(body):
        case [dict(row)]:
            return row
        case [_, _, *_]:
            raise UnexpectedReplyError("the metadata are those of several instances")
    return {}


def _beginning(body: bytes) -> dict[str, Any]:
    """The elements at the beginning of metadata that are too long to be read to their end."""
    row: dict[str, Any] = {}
    stream = JsonStream([body])
    try:
        for _ in stream.items():
            for tag in stream.members():
                row[tag] = stream.value()
                if row.keys() >= set(_IDENTITY):
                    return row
    except ValueError:
        """The rest was not read."""
    return row


def _named(row: dict[str, Any], tag: str) -> str | None:
    """The UID under a tag; None where none stands, and no UID for what cannot be read as one."""
    match row.get(tag, {}):
        case {"Value": [str(uid)]}:
            return uid
        case {**element} if not element.get("Value"):
            return None
    return ""


def read_attributes(chunks: Iterator[bytes], instance: InstanceAddress) -> Attributes:
    """Read the attributes in the metadata of an instance, the Patient ID as it is.

    It may have none (PS3.3 C.7.1.1).

    Raises:
        AttemptError: the body is not an array of this instance's dataset, or says the Patient ID in
            a way that is not understood; it never quotes the body.
    """
    rows = list(islice(read_rows(chunks, longest=_LONGEST_DATASET), 2))
    if len(rows) != 1:
        raise AttemptError("the metadata are not those of one instance")
    if tuple(_text(rows[0], tag) for tag in _IDENTITY) != instance:
        raise UnexpectedReplyError("the metadata are those of another instance")
    found = _attributes(rows[0], *Attribute)
    if Attribute.PATIENT not in found:
        raise AttemptError("the metadata say in no known way whose the instance is")
    return found


def _attributes(row: dict[str, Any], *wanted: Attribute) -> Attributes:
    """What a dataset says of these; what it says in no known way is left out."""
    found: dict[Attribute, str | None] = {}
    for attribute in wanted:
        match row.get(_TAGS[attribute], {}):
            case {"Value": [str(text)], **others} if not others.keys() - {"vr"}:
                found[attribute] = bare(text) or None
            case {**element} if not element.get("Value") and element.keys() <= {"vr", "Value"}:
                found[attribute] = None
    return found


def read_rows(chunks: Iterator[bytes], *, longest: int = _LONGEST_ROW) -> Iterator[dict[str, Any]]:
    """Decode an array of objects while it arrives, without ever holding two of them.

    None has more than ``longest`` characters.

    Raises:
        AttemptError: the body is not JSON, or not an array of objects.
    """
    stream = JsonStream(chunks, longest=longest)
    try:
        for _ in stream.items():
            row = stream.value()
            if not isinstance(row, dict):
                raise _malformed()
            yield row
        stream.end()
    except ValueError:
        raise _malformed() from None


def _uid(row: dict[str, Any], tag: str, *, like: str = "") -> str:
    """The UID under a tag; empty where it is none.

    ``like`` itself where it is equal to that, which was checked before.
    """
    uid = _text(row, tag)
    if uid == like and like:
        return like
    return uid if uid is not None and is_uid(uid) else ""


def _referring(row: dict[str, Any]) -> Referring:
    try:
        first = row[IMAGE_TYPE]["Value"][0]
    except (IndexError, KeyError, TypeError):
        first = ""
    return referring(_text(row, SOP_CLASS_UID) or "", first if isinstance(first, str) else "")


def _text(row: dict[str, Any], tag: str) -> str | None:
    """The one text under a tag, whatever it is; None where there is not one."""
    try:
        (text,) = row[tag]["Value"]
    except (KeyError, TypeError, ValueError):
        return None
    return text if isinstance(text, str) else None


def _odd(row: dict[str, Any], *, levels: int = len(_IDENTITY)) -> OddRow:
    texts = (_text(row, tag) for tag in _IDENTITY[:levels])
    return OddRow(tuple(text and text[:_LONGEST_UID] for text in texts))


def _modality(row: dict[str, Any]) -> str | None:
    match row.get(MODALITY):
        case {"Value": [str(code)]} if _MODALITY.fullmatch(bare(code)):
            return bare(code)
    return None


def _day(row: dict[str, Any]) -> date | None:
    """A Study Date (DA, PS3.5 section 6.2); None where there is none, or what can be none."""
    text = bare(_text(row, STUDY_DATE) or "")
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _year(row: dict[str, Any]) -> int | None:
    """The year of a Study Date (PS3.5 section 6.2, DA); the rest of it is left."""
    match row.get(STUDY_DATE):
        case {"Value": [str(day)]} if _DATE.fullmatch(day):
            return int(day[:4])
    return None


def _count(row: dict[str, Any], tag: str) -> int | None:
    """A number: an IS, which some servers write as a string (PS3.18 annex F)."""
    match row.get(tag):
        case {"Value": [count]}:
            return read_number(count)
    return None


def _malformed() -> AttemptError:
    return AttemptError("the answer is not a JSON array of datasets")
