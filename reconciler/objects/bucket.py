"""Objects in a bucket of Google Cloud Storage, S3 or Azure Blob Storage, by way of obstore.

A create that was refused or not answered says little: the reply may be lost after the store has
acted, and its repetition is refused by one's own object. So the name is read, and bytes decide.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import google.auth
import obstore
from google.auth.credentials import with_scopes_if_required
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from obstore.auth.google import GoogleCredentialProvider
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from reconciler.errors import StateError
from reconciler.objects.faults import CREDENTIALS, Fault, fault_of, says_missing
from reconciler.objects.interface import RemovableObjects, check_name

PATIENCE = 30.0
"""Seconds for which a failure that may pass is tried again, about."""

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_ACCOUNT = json.dumps(
    {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
)
"""In place of one that the environment names: its file may say where the bucket is."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PAGE = 1000
_ERRORS = (BaseError, OSError)  # what is not there is a FileNotFoundError

Store = AzureStore | GCSStore | S3Store
Answer = TypeVar("Answer")


class Bucket(RemovableObjects):
    """The objects below a prefix of a bucket; made by `open_bucket`."""

    def __init__(self, store: Store, url: str, patience: float) -> None:
        self._store = store
        self._url = url
        self._scheme = url.partition(":")[0]
        self._patience = patience

    @property
    def url(self) -> str:
        """See `Objects`."""
        return self._url

    def create(self, name: str, data: bytes) -> bool:
        """See `Objects`."""
        return self._keep_trying(partial(self._create, check_name(name), data))

    def read(self, name: str) -> bytes | None:
        """See `Objects`."""
        return self._keep_trying(partial(self._read, check_name(name)))

    def remove(self, name: str) -> None:
        """See `RemovableObjects`."""
        self._keep_trying(partial(self._remove, check_name(name)))

    def folders(self, folder: str) -> Iterator[str]:
        """See `Objects`."""
        try:
            found = obstore.list_with_delimiter(self._store, check_name(folder))
        except _ERRORS as error:
            raise self._failed(fault_of(error, "list objects", self._scheme)) from None
        prefixes = (prefix.rstrip("/") for prefix in found["common_prefixes"])
        yield from sorted((prefix.rpartition("/")[2] for prefix in prefixes), key=str.encode)

    def names(self, folder: str) -> Iterator[str]:
        """See `Objects`."""
        last, prefix = "", check_name(folder) if folder else None
        try:
            for page in obstore.list(self._store, prefix, chunk_size=_PAGE):
                for found in page:
                    if found["path"].encode() <= last.encode():
                        raise StateError(f"{self._url} does not list its objects in order")
                    yield (last := found["path"])
        except _ERRORS as error:
            raise self._failed(fault_of(error, "list objects", self._scheme)) from None

    def _create(self, name: str, data: bytes) -> bool:
        try:
            obstore.put(self._store, name, data, mode="create")
        except _ERRORS as error:
            fault = fault_of(error, "create objects", self._scheme)
        else:
            return True
        try:
            found = self._read(name)
        except _FaultError as error:
            is_better = error.fault.is_final and not fault.is_final
            raise _FaultError(error.fault if is_better else fault) from None
        if found is None:
            raise _FaultError(fault)
        return found == data

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except _ERRORS as error:
            if says_missing(error):
                return None
            raise _FaultError(fault_of(error, "read objects", self._scheme)) from None

    def _remove(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except _ERRORS as error:
            fault = fault_of(error, "remove objects", self._scheme)
            if self._read(name) is not None:
                raise _FaultError(fault) from None

    def _keep_trying(self, attempt: Callable[[], Answer]) -> Answer:
        last_start = time.monotonic() + self._patience - _timeout(self._patience)
        pause = _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except _FaultError as error:
                if error.fault.is_final or time.monotonic() + pause > last_start:
                    raise self._failed(error.fault) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _failed(self, fault: Fault) -> StateError:
        return StateError(f"{self._url}: {fault.what}", hint=fault.hint)


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def open_bucket(scheme: str, name: str, prefix: str, patience: float = PATIENCE) -> Bucket:
    """The bucket with that name; nothing is asked yet.

    Endpoint and credentials are the environment's, as obstore and google-auth read it.

    Raises:
        StateError: there are no credentials, or the environment says something impossible.
    """
    url = "/".join(filter(None, [f"{scheme}://{name}", prefix]))
    try:
        return Bucket(_store(scheme, name, prefix, _timeout(patience)), url, patience)
    except (*_ERRORS, ValueError, GoogleAuthError):
        raise StateError(
            f"{url}: no credentials, or the environment's are malformed",
            hint=f"needed: {CREDENTIALS[scheme]}",
        ) from None


def _store(scheme: str, name: str, prefix: str, timeout: float) -> Store:
    backoff = {"max_backoff": timedelta(seconds=_LONGEST_PAUSE)}
    retries = {"retry_timeout": timedelta(seconds=timeout), "backoff": backoff}
    # Not as client options: those would put out what the environment says, such as AWS_ALLOW_HTTP.
    config = {"timeout": f"{round(timeout * 1000)}ms"}
    options = cast("Any", {"prefix": prefix or None, "config": config, "retry_config": retries})
    if scheme == "gs":
        scoped: Any = with_scopes_if_required  # untyped there
        found, _ = google.auth.default()  # given a scope, it might ask for a token at once
        request = cast("Any", partial(Request(), timeout=timeout))
        provider = GoogleCredentialProvider(scoped(found, [_SCOPE]), request=request)
        config["service_account_key"] = _NO_ACCOUNT
        return GCSStore(name, credential_provider=provider, **options)
    if scheme == "az":
        return AzureStore(name, **options)
    # Object Lock wants a checksum, and nothing may turn the precondition off.
    config |= {"checksum_algorithm": "SHA256", "conditional_put": "etag"}
    return S3Store(name, **options)


def _timeout(patience: float) -> float:
    return patience / 3
