"""What Orthanc's own REST interface answers, beside what every server may.

Its error object is JSON with the status and Orthanc's own code, with no content type before
release 1.12 and as text/plain since; with its option HttpDescribeErrors off, a body is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from reconciler.live.dicomweb.replies import delete_reply, store_reply
from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import parse_json
from reconciler.model.reply import Reply, ReplyKind

_STORE_STATUSES: Mapping[str, ReplyKind] = {
    "Success": ReplyKind.ACCEPTED,
    "AlreadyStored": ReplyKind.ALREADY_EXISTS,
    "FilteredOut": ReplyKind.REFUSED,
}
"""What Orthanc answers to a file that it understands; the last where a script of its own refuses
what arrives."""


def is_own_error(answer: Answer) -> bool:
    """Whether the body is Orthanc's error object, about this status."""
    members = _members(answer)
    return members.get("HttpStatus") == answer.status and "OrthancStatus" in members


def _says_missing(answer: Answer) -> bool:
    """Whether a 404 to a DELETE is Orthanc's: of an instance that it does not hold it is empty."""
    return (answer.is_whole and not answer.body) or is_own_error(answer)


def _names_remaining(answer: Answer) -> bool:
    """Whether it is a yes to a DELETE: the nearest ancestor that is left, or null."""
    return "RemainingAncestor" in _members(answer)


def deleted(answer: Answer) -> Reply:
    """Read the answer to one DELETE."""
    return delete_reply(answer, _names_remaining, _says_missing, is_own_error)


def stored(answer: Answer) -> Reply:
    """Read the answer to one file, with Orthanc's own word for it or the code of its error."""
    reply = store_reply(answer, _stored_kind)
    code = _members(answer).get("OrthancStatus")
    is_error = is_own_error(answer) and isinstance(code, int)
    said = f"OrthancStatus {code}" if is_error else _store_status(answer)
    return replace(reply, detail=f"{reply.detail}, {said}") if reply.detail and said else reply


def _stored_kind(answer: Answer) -> ReplyKind:
    status = _store_status(answer)
    if status is not None:
        return _STORE_STATUSES[status]
    return ReplyKind.REFUSED if is_own_error(answer) else ReplyKind.UNEXPECTED


def _store_status(answer: Answer) -> str | None:
    """The word for what became of the file, if it is one of Orthanc's."""
    status = _members(answer).get("Status") if answer.status == HTTPStatus.OK else None
    return status if isinstance(status, str) and status in _STORE_STATUSES else None


def _members(answer: Answer) -> dict[str, object]:
    """The body's members, none if it is not a whole JSON object."""
    members = parse_json(answer.body) if answer.is_whole else None
    return members if isinstance(members, dict) else {}
