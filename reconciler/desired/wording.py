"""How values and keys are named in messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.model.address import UID_MAX_LENGTH, is_uid
from reconciler.model.desired import Entry, ReasonCode

_LONGEST_QUOTE = 72


@dataclass(frozen=True, slots=True)
class Noun:
    """What the text under a key must be, and how to write it."""

    name: str
    hint: str


_RESOURCE = "use 1 to 256 letters, digits, '_', '-' and '.', but neither '.' nor '..' alone"

NOUNS = {
    "projectsId": Noun("a project id", "use lower-case letters, digits, '-', and ':' and '.' for a "
                       "domain-scoped project"),
    "locationsId": Noun("a location", "write it as the API does, such as europe-west4"),
    "datasetsId": Noun("a dataset id", _RESOURCE),
    "dicomStoresId": Noun("a DICOM store id", _RESOURCE),
    "endpoint": Noun("an origin", "write https://HOST, or http://127.0.0.1:PORT for loopback, "
                     "without a path"),
    "ticket": Noun("a ticket", "use 1 to 64 printable ASCII characters"),
    "reviewBy": Noun("a day", "write it as YYYY-MM-DD, such as 2026-12-31"),
    "path": Noun("a relative path", "write it relative to this file's folder, with '/' between "
                 "its parts"),
    "olderThan": Noun("an age", "write a whole number and y, m or d, such as 10y"),
    "before": Noun("a day", "write it as YYYY-MM-DD"),
    "only": Noun("a modality", "write it as DICOM does, such as US"),
    "any": Noun("a modality", "write it as DICOM does, such as US"),
    "none": Noun("a modality", "write it as DICOM does, such as US"),
    "keyed": Noun("a relative path", "write it relative to this file's folder, with '/' between "
                  "its parts"),
    "csv": Noun("a relative path", "write it relative to this file's folder, with '/' between "
                "its parts"),
    "column": Noun("the name of a column", "write it as the first line of the CSV file does"),
    "selector": Noun("a relative path", "write it relative to this file's folder, with '/' "
                     "between its parts"),
    "digest": Noun("a digest", "it is what reconciler resolve wrote"),
    "key": Noun("the check of a key", "it is what reconciler resolve wrote"),
    "asOf": Noun("a day", "it is what reconciler resolve wrote, as YYYY-MM-DD"),
    "sha256": Noun("a SHA-256", "write 64 hexadecimal digits, as sha256sum prints them"),
}  # fmt: skip
"""The keys whose text has a form of its own; UIDs are apart (`uid_fault`)."""

WORDS = Noun("one line of text", "write 1 to 1000 characters on one line")
"""The same, of all that refers to the words of the schema."""

ARCHIVE_NOUNS = {
    "archive": Noun("an archive", "write {path: /absolute/folder}, or none to keep no copy"),
    "path": Noun("an absolute path", "start it with '/': it names a folder outside the project"),
}
"""The same, inside ``archive``."""

FILE_KINDS = {"keyed": "the file of pseudonyms", "csv": "the CSV file"}
"""What the keys of a selector name that name files."""

UID_KEYS = frozenset({"studiesId", "seriesId", "instancesId"})


def quoted(text: str) -> str:
    """A text as it stands in a message: on one line, not too long, nothing invisible."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
    return repr(shown)


def shown_file(key: str, text: str, *, is_there: bool = False) -> str:
    """What a message calls the file that a selector names.

    People type identifiers in the place of a file that holds them: what neither is there nor ends
    as such files do is not quoted.
    """
    is_name = is_there or text.lower().endswith((".keyed", ".csv"))
    return text if is_name else FILE_KINDS[key]


def kind_of(value: Any) -> str:
    """What a value is, with its text where that is short."""
    match value:
        case None:
            return "empty"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case int():
            return f"the number {value}"
        case _:
            return f"the text {quoted(str(value))}"


def uid_fault(text: str) -> tuple[str, str]:
    """Why a text is not a UID (PS3.5 section 9.1), as a message and a hint.

    An empty text is another fault: the callers say what is empty.
    """
    if len(text) > UID_MAX_LENGTH:
        return (
            f"{quoted(text)} has {len(text)} characters; a UID has at most {UID_MAX_LENGTH}",
            "compare it with the source; two UIDs may have run together",
        )
    if is_uid(text.strip()):
        return f"{quoted(text)} is not a UID: white space belongs to it", "remove the white space"
    if not text.isascii():
        return (
            f"{quoted(text)} is not a UID: a UID has ASCII digits only",
            "type the digits 0 to 9; digits of other scripts and look-alikes do not count",
        )
    return f"{quoted(text)} is not a UID", "a UID is digits in groups that single dots separate"


def reason_codes() -> str:
    """The codes of CID 7031 with their meanings, for a hint."""
    return ", ".join(f"{code.value} ({code.meaning})" for code in ReasonCode)


def name_of(entry: Entry) -> str:
    """What a whole entry names."""
    if entry.series_uid is None:
        return f"study {entry.study_uid}"
    return f"series {entry.series_uid}"
