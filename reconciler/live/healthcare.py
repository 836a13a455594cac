"""The DICOM store of the Google Cloud Healthcare API: its paths, its guards, its answers.

With its pre-flight, this is what another provider would have to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from reconciler.errors import CredentialsError, LiveError
from reconciler.live import delete_reply, healthcare_preflight, probe_reply, store_reply
from reconciler.live.answer import Answer, Stream
from reconciler.live.bodies import is_dicom, is_json, media_type
from reconciler.live.channel import RequestKind
from reconciler.live.faults import AttemptError, NoAnswerError
from reconciler.live.multipart import MultipartFile
from reconciler.live.rows import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, read_addresses
from reconciler.live.store import Body
from reconciler.live.transport import Call, Guards, Transport
from reconciler.model.address import InstanceAddress, StoreAddress, is_uid
from reconciler.model.live import Observation, unknown
from reconciler.model.reply import DeleteReply, ReplyKind, StoreReply, StoreReplyKind

DEFAULT_PAGE_SIZE = 5000
"""Rows a page; the API allows 50,000 instances."""

_OK = 200
_NO_CONTENT = 204
_EMPTY_ARRAY_SIZE = 2
_UID = r"(?![0-9.]{65})[0-9]+(?:\.[0-9]+)*"


def store_path(address: StoreAddress) -> str:
    """The path of the store's resource."""
    return f"/v1/{address}"


def guards(address: StoreAddress) -> Guards:
    """What may be deleted in this store, what planning may ask it by POST, where files go."""
    path = re.escape(store_path(address))
    instance = f"/dicomWeb/studies/{_UID}/series/{_UID}/instances/{_UID}"
    return Guards(
        delete=re.compile(path + instance),
        question=re.compile(path + ":testIamPermissions"),
        store=re.compile(path + "/dicomWeb/studies"),
    )


class HealthcareStore:
    """Speaks for one DICOM store; see `DicomStore` for what each method promises."""

    def __init__(
        self, address: StoreAddress, transport: Transport, *, page_size: int = DEFAULT_PAGE_SIZE
    ) -> None:
        self.address = address
        self._transport = transport
        self._page_size = page_size
        self._web = f"{store_path(address)}/dicomWeb"

    def preflight(self, *, deleting: bool, storing: bool = False) -> None:
        """Get the store's resource, then ask which permissions the caller has."""
        healthcare_preflight.check(
            self._transport,
            self.address,
            store_path(self.address),
            deleting=deleting,
            storing=storing,
        )

    def probe(self, instance: InstanceAddress) -> Observation:
        """Retrieve the instance's metadata and drain it unread.

        The API reads metadata from structured storage: no pixel data moves, no retrieval fee of
        a cold storage class is due, and the answer is small enough to keep the connection.
        """
        return self._look(f"{self._web}{instance}/metadata", drain=True)

    def probe_whole(self, study_uid: str, series_uid: str | None) -> Observation:
        """Retrieve the metadata of the series or study, headers only: it may be huge."""
        return self._look(f"{self._whole(study_uid, series_uid)}/metadata", drain=False)

    def list_instances(
        self, study_uid: str, series_uid: str | None = None
    ) -> Iterator[InstanceAddress]:
        """Search by path; a row of another study or series makes the listing malformed."""
        asked = (study_uid, series_uid or "")
        for found in self._search(f"{self._whole(study_uid, series_uid)}/instances", ""):
            if (found.study_uid, found.series_uid if series_uid else "") != asked:
                raise LiveError("the search answered with a row of another study or series")
            yield found

    def find(self, instance_uid: str) -> tuple[InstanceAddress, ...]:
        """Search the whole store by SOP Instance UID."""
        if not is_uid(instance_uid):
            raise LiveError(f"not a UID: {instance_uid!r}")
        found = tuple(self._search(f"{self._web}/instances", f"SOPInstanceUID={instance_uid}&"))
        if any(instance.instance_uid != instance_uid for instance in found):
            raise LiveError("the search answered with a row of another instance")
        return tuple(sorted(found))

    def retrieve(self, instance: InstanceAddress) -> AbstractContextManager[Body]:
        """Retrieve the instance as one part, as it is stored."""
        return self._opened(instance)

    def delete(self, instance: InstanceAddress) -> DeleteReply:
        """Send one DELETE. A 401 is not repeated here; the next request has a fresh token."""
        try:
            answer = self._transport.delete(f"{self._web}{instance}")
        except NoAnswerError as error:
            return delete_reply.classify_fault(error.fault, error.request_id)
        except CredentialsError as error:
            return DeleteReply(ReplyKind.UNAUTHENTICATED, None, f"{error}; nothing was sent")
        return delete_reply.classify(answer)

    def store(self, file: Path) -> StoreReply:
        """Send one file, once. A 401 is not repeated here; the next request has a fresh token."""
        body = MultipartFile(file)
        try:
            answer = self._transport.store(f"{self._web}/studies", body)
        except NoAnswerError as error:
            return store_reply.classify_fault(error.fault, error.request_id)
        except CredentialsError as error:
            return StoreReply(StoreReplyKind.UNAUTHENTICATED, None, f"{error}; nothing was sent")
        return store_reply.classify(answer)

    def _whole(self, study_uid: str, series_uid: str | None) -> str:
        series = "" if series_uid is None else f"/series/{series_uid}"
        return f"{self._web}/studies/{study_uid}{series}"

    def _look(self, path: str, *, drain: bool) -> Observation:
        call = Call(RequestKind.PROBE, path, accept="application/dicom+json")
        try:
            answer = self._transport.read(call, _drained if drain else _headers)
        except LiveError as error:
            return unknown(str(error))
        return probe_reply.observe(answer)

    def _search(self, path: str, criterion: str) -> Iterator[InstanceAddress]:
        seen: set[InstanceAddress] = set()
        offset = 0
        while True:
            page = self._page(path, criterion, offset)
            # An instance that arrives or goes while pages are read shifts what follows it.
            fresh = [instance for instance in page if instance not in seen]
            seen.update(fresh)
            yield from fresh
            if len(page) < self._page_size:
                return
            offset += len(page)

    def _page(self, path: str, criterion: str, offset: int) -> list[InstanceAddress]:
        fields = f"includefield={STUDY_INSTANCE_UID},{SERIES_INSTANCE_UID}"
        query = f"{criterion}{fields}&limit={self._page_size}&offset={offset}"
        call = Call(RequestKind.SEARCH, path, query, accept="application/dicom+json")
        return self._transport.read(call, _addresses)

    @contextmanager
    def _opened(self, instance: InstanceAddress) -> Iterator[Body]:
        call = Call(
            RequestKind.RETRIEVE,
            f"{self._web}{instance}",
            accept="application/dicom; transfer-syntax=*",
            encoding="identity",
        )
        with self._transport.open(call) as stream:
            if stream.status != _OK or media_type(stream.content_type) != "application/dicom":
                raise LiveError(
                    f"the instance {instance} could not be retrieved:"
                    f" {probe_reply.describe(stream.answer())}"
                )
            yield Body(stream.content_type, stream.length, stream.chunks())


def _headers(stream: Stream) -> Answer:
    if stream.status == _OK and is_dicom(stream.content_type):
        return Answer(stream.status, stream.content_type)
    return stream.answer()


def _drained(stream: Stream) -> Answer:
    if stream.status != _OK or not is_dicom(stream.content_type):
        return stream.answer()
    if stream.drain() <= _EMPTY_ARRAY_SIZE:
        raise AttemptError("HTTP 200 without a dataset")
    return Answer(stream.status, stream.content_type)


def _addresses(stream: Stream) -> list[InstanceAddress]:
    """One page of a search; 204 says that nothing matches."""
    if stream.status == _NO_CONTENT:
        return []
    if stream.status != _OK or not is_json(stream.content_type):
        what = probe_reply.describe(stream.answer())
        raise AttemptError(f"the search answered {what}", may_pass=False)
    return list(read_addresses(stream.chunks()))
