"""What Orthanc's own REST interface answers, beside what every server may.

Its error object is JSON with the status and Orthanc's own code, with no content type before
release 1.12 and as text/plain since; with its option HttpDescribeErrors off, a body is empty.
"""

from __future__ import annotations

from reconciler.live.answer import Answer
from reconciler.live.bodies import parse_json


def is_own_error(answer: Answer) -> bool:
    """Whether the body is Orthanc's error object, about this status."""
    told = parse_json(answer.body) if answer.is_whole else None
    return (
        isinstance(told, dict)
        and told.get("HttpStatus") == answer.status
        and "OrthancStatus" in told
    )


def says_missing(answer: Answer) -> bool:
    """Whether a 404 to a DELETE is Orthanc's: of an instance that it does not hold it is empty."""
    return (answer.is_whole and not answer.body) or is_own_error(answer)


def names_remaining(answer: Answer) -> bool:
    """Whether it is a yes to a DELETE: the nearest ancestor that is left, or null."""
    told = parse_json(answer.body)
    return isinstance(told, dict) and "RemainingAncestor" in told
