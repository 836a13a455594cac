"""What went wrong with a request to a bucket, by kind.

obstore's texts quote requests and replies. Only the status and the store's own word for it leave
this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = re.compile(r"(?:status code|\(code): (\d{3})\b")
_WORD = re.compile(r"<Code>([A-Za-z]{1,60})</Code>|\(code: ([A-Za-z]{1,60})\)")
"""The second forms are those of an object that was to be removed with others."""
_ABOUT_CREDENTIALS = re.compile(
    r"//169\.254\.|/latest/api/|token (request|file)|credential provider|https://sts\."
)
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_NO_OBJECT = {"NoSuchKey", "BlobNotFound"}
_NOT_ACCEPTED = re.compile(r"AuthenticationFailed|SignatureDoesNotMatch|Invalid\w*Key\w*|\w+Token")
_MAY_PASS = {408, 409, 412, 425, 429}
_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND, _SERVER_ERROR = 401, 403, 404, 500

CREDENTIALS = {
    "gs": "`gcloud auth application-default login` or GOOGLE_APPLICATION_CREDENTIALS, and neither"
    " SERVICE_ACCOUNT nor GOOGLE_SERVICE_ACCOUNT",
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, or an instance's role",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or an identity of Azure",
}
_PERMISSIONS = {
    "gs": "storage.objects.create, get and list are needed, and delete to replace a plan, as in"
    " roles/storage.objectUser",
    "s3": "s3:PutObject, s3:GetObject and s3:ListBucket are needed, and s3:DeleteObject to replace"
    " a plan; without s3:ListBucket, a missing object is answered with 403 too",
    "az": "to read and to create blobs is needed, and to delete them to replace a plan, as in the"
    " role Storage Blob Data Contributor",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request failed; ``is_final`` if to ask again cannot help."""

    what: str
    hint: str | None
    is_final: bool = True


def says_missing(error: Exception) -> bool:
    """Whether the store says in its own words that there is no such object."""
    status, word = _answer(str(error))
    return isinstance(error, FileNotFoundError) and status == _NOT_FOUND and word in _NO_OBJECT


def fault_of(error: Exception, doing: str, scheme: str) -> Fault:
    """The kind of an error of obstore; ``doing`` is what was asked for, as ``create objects``."""
    text = str(error).partition("Debug source")[0]
    status, word = _answer(text)
    if status is None or _ABOUT_CREDENTIALS.search(text):
        return _unasked(error, text, status, scheme)
    answer = f"{status} {word}".rstrip()
    if word in _NO_BUCKET:
        return Fault(f"there is no such bucket ({answer})", "create it first")
    if word == "RequestTimeTooSkewed":
        return Fault(f"the clock of this machine is wrong ({answer})", "set it, and keep it by NTP")
    if status == _UNAUTHENTICATED or _NOT_ACCEPTED.fullmatch(word):
        return Fault(
            f"the credentials were not accepted ({answer})", f"needed: {CREDENTIALS[scheme]}"
        )
    if status == _FORBIDDEN:
        return Fault(f"no permission to {doing} ({answer})", _PERMISSIONS[scheme])
    may_pass = status >= _SERVER_ERROR or status in _MAY_PASS or word == "RequestTimeout"
    return Fault(f"it could not {doing} ({answer})", None, not may_pass)


def _unasked(error: Exception, text: str, status: int | None, scheme: str) -> Fault:
    if _ABOUT_CREDENTIALS.search(text):
        is_final = "RefreshError" in text or (status or _SERVER_ERROR) < _SERVER_ERROR
        return Fault(
            "no credentials, or they give no token", f"needed: {CREDENTIALS[scheme]}", is_final
        )
    if "builder error" in text:
        return Fault("its endpoint is not https", "in clear only for tests: AWS_ALLOW_HTTP=true")
    if "redirect without LOCATION" in text:
        return Fault("the bucket is in another region", "set AWS_REGION")
    if type(error).__name__ == "InvalidPathError":
        return Fault("an object there has a name with an empty or a dotted part", "move it away")
    return Fault("no answer", "look at the network, and at the endpoint", is_final=False)


def _answer(text: str) -> tuple[int | None, str]:
    status, found = _STATUS.search(text), _WORD.search(text)
    word = found[1] or found[2] if found else ""
    if status is None and word == "AccessDenied":
        return _FORBIDDEN, word
    return int(status[1]) if status else None, word
