"""A URL to the objects that it names. It comes from whoever runs the program, never from a file."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from reconciler.errors import UsageError
from reconciler.objects.disk import Disk
from reconciler.objects.interface import RemovableObjects

_BUCKETS = {"gs", "s3", "az"}
_FORMS = "it is file:///FOLDER, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX"
_PART = re.compile(r"[A-Za-z0-9._=-]+")
_ODD = re.compile(r"[\x00-\x1f\x7f]")


def open_objects(url: str) -> RemovableObjects:
    """The objects below a URL; a message never quotes what may be a credential.

    Raises:
        UsageError: the URL is none of the forms, or the extra for buckets is not installed.
        StateError: there are no credentials.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _BUCKETS | {"file"}:
        raise UsageError("the URL has a scheme that is not known", hint=_FORMS)
    if any(sign in rest for sign in "@?#"):
        raise UsageError(
            "the URL holds credentials, a query or a fragment",
            hint="credentials come from the environment; in file:///FOLDER write @, ? and # as"
            " %40, %3F and %23",
        )
    if scheme == "file":
        return Disk(_folder(unquote(rest)))
    return _bucket(scheme, *rest.removesuffix("/").split("/"))


def _folder(path: str) -> Path:
    if not path.startswith("/") or ".." in path.split("/") or _ODD.search(path):
        raise UsageError("the folder of the URL is not an absolute path", hint=_FORMS)
    return Path(path)


def _bucket(scheme: str, name: str, *prefix: str) -> RemovableObjects:
    if not name:
        raise UsageError("the URL names no bucket", hint=_FORMS)
    if any(_PART.fullmatch(part) is None or part in {".", ".."} for part in (name, *prefix)):
        raise UsageError(
            "the bucket or the prefix of the URL has a part that is not allowed",
            hint="a part is of letters, digits and ._=-, and is neither . nor ..",
        )
    try:
        from reconciler.objects.bucket import open_bucket  # noqa: PLC0415 - it is an extra
    except ImportError:
        raise UsageError(
            "a bucket needs an extra that is not installed",
            hint="pip install 'dicom-reconciler[bucket]'",
        ) from None
    return open_bucket(scheme, name, "/".join(prefix))
