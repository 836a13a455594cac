"""The DICOM store of the Google Cloud Healthcare API: its paths, its guards, its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from reconciler.errors import LiveError
from reconciler.live.dicomweb import probe_reply
from reconciler.live.dicomweb.absence import Word, names_missing, no_absence, word_of
from reconciler.live.dicomweb.confirmation import Listings, Texts
from reconciler.live.dicomweb.probe_reply import describe
from reconciler.live.dicomweb.replies import delete_reply
from reconciler.live.dicomweb.store import DicomWebStore, PageSizes, not_retrieved
from reconciler.live.http.answer import Answer, Stream
from reconciler.live.http.bodies import is_json, media_type, parse_json
from reconciler.live.http.bounds import Term
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.identity import BasicIdentity, Identity
from reconciler.live.http.numbers import read_number
from reconciler.live.http.transport import UID, Call, Guards, Transport
from reconciler.live.providers.google import preflight as healthcare_preflight
from reconciler.live.settings import ConnectionSettings
from reconciler.live.store import Body
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.live import (
    ABSENT_BY_TEXT,
    Observation,
    Presence,
    StorageInfo,
)
from reconciler.model.reply import Reply

_PAGES = PageSizes(series=5_000, instances=50_000)
"""The most that the DICOM conformance statement of the service allows as ``limit``."""


def store_path(address: StoreAddress) -> str:
    """The path of the store's resource."""
    return f"/v1/{address}"


def guards(address: StoreAddress) -> Guards:
    """What may be deleted in this store, what planning may ask it by POST, where files go."""
    path = re.escape(store_path(address))
    instance = f"/dicomWeb/studies/{UID}/series/{UID}/instances/{UID}"
    return Guards(
        delete=re.compile(path + instance),
        question=re.compile(path + ":testIamPermissions"),
        store=re.compile(path + "/dicomWeb/studies"),
    )


def identity(settings: ConnectionSettings, term: Callable[[], Term]) -> Identity:
    """Application Default Credentials; on loopback only a given file.

    The caller's real identity has no business at a store on the same machine.
    """
    file = settings.credentials.get("GOOGLE_APPLICATION_CREDENTIALS")
    if file is None and settings.endpoint.is_loopback:
        return BasicIdentity(None, None)
    # google-auth takes a tenth of a second, and only who has credentials pays for it.
    from reconciler.live.http.credentials import load_token  # noqa: PLC0415

    return load_token(
        credentials_file=file,
        by_default=settings.default_credentials,
        proxies=settings.proxies,
        ca_bundle=settings.ca_bundle,
        term=term,
    )


def open_store(
    address: StoreAddress,
    transport: Callable[[Guards], Transport],
    *,
    page_size: int | None,
    nobody: Callable[[], InstanceAddress],
) -> HealthcareStore:
    """A store of the Healthcare API."""
    sent = transport(guards(address))
    pages = _PAGES if page_size is None else PageSizes(page_size, page_size)
    return HealthcareStore(address, sent, pages=pages, nobody=nobody())


class HealthcareStore(DicomWebStore):
    """Speaks for one DICOM store; see `DicomStore` for what each method promises.

    ``nobody`` is an address at which there is no instance, of UIDs made for this run.
    """

    def __init__(
        self,
        address: StoreAddress,
        transport: Transport,
        *,
        pages: PageSizes,
        nobody: InstanceAddress,
    ) -> None:
        root = f"{store_path(address)}/dicomWeb"
        super().__init__(address, transport, root=root, pages=pages)
        self._nobody = nobody
        self._listings = Listings()
        self._texts = Texts()

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
        """As for every server; what is PRESENT speaks for the paths of its study."""
        seen = super().probe(instance)
        if seen.presence is Presence.PRESENT:
            self._texts.note_present(instance.study_uid)
        return seen

    def observed(self, answer: Answer, depth: int) -> Observation:
        """A bare text says ABSENT only if what nobody has gets the same one."""
        word = word_of(answer)
        if word is not Word.TEXT:
            return probe_reply.observe(answer, lambda _: word is Word.CODE)
        if self._is_nobodys(answer, depth):
            return ABSENT_BY_TEXT
        return no_absence(" with another text than an unused address gets")

    def confirmed(
        self,
        instance: InstanceAddress,
        seen: Observation,
        *,
        explained: bool = False,
        since: float | None = None,
    ) -> Observation:
        """Compare an absence with its study's listing, unless an accepted DELETE explains it.

        That suffices where the 404 was the reply to the probe; if in doubt, one is sent that has
        a connection of its own.
        """
        if seen.presence is not Presence.ABSENT:
            return seen
        if explained and self._transport.is_in_doubt:
            seen = self.probe(instance)
        has_control = self._texts.has_control(instance.study_uid)
        if explained and (seen != ABSENT_BY_TEXT or has_control):
            return seen
        return self._listings.confirm(
            instance, self._apart().list_instances, self._transport.pause, since=since
        )

    def delete(self, instance: InstanceAddress) -> Reply:
        """Send one DELETE. A 401 is not repeated here; the next request has a fresh token."""
        if self._texts.wants_control(instance.study_uid):
            self.probe(instance)
        send = partial(self._transport.delete, f"{self._web}{instance}")
        return self.changed(send, partial(delete_reply, is_missing=self._says_missing))

    def version(self) -> str:
        """The version of the API; the service behind it has none that it names."""
        return "v1"

    def _says_missing(self, answer: Answer) -> bool:
        """Whether the answer to a DELETE says that there is no such instance."""
        if word_of(answer) is not Word.TEXT:
            return names_missing(answer)
        try:
            return self._is_nobodys(answer, len(self._nobody))
        except LiveError:
            return False

    def _is_nobodys(self, answer: Answer, depth: int) -> bool:
        return self._texts.is_nobodys(
            answer, depth, lambda: self._apart().metadata(self._nobody[:depth], Stream.answer)
        )

    def storage(self, instance: InstanceAddress) -> StorageInfo:
        """GetStorageInfo of the instance: where its blob is; no patient data."""
        call = Call(RequestKind.STORAGE, f"{self._web}{instance}:getStorageInfo")
        answer = self._transport.read(call, Stream.answer)
        members = parse_json(answer.body) if is_json(answer.content_type) else None
        if answer.status != HTTPStatus.OK or not isinstance(members, dict):
            raise LiveError(f"the storage of {instance} could not be asked for: {describe(answer)}")
        match members.get("blobStorageInfo"):
            case {**blob}:
                size, kept = read_number(blob.get("sizeBytes")), blob.get("storageClass")
                return StorageInfo(size, kept if isinstance(kept, str) else None)
        return StorageInfo()

    @contextmanager
    def opened(self, instance: InstanceAddress, piece: int) -> Iterator[Body]:
        """Retrieve the instance as one part, as it is stored."""
        call = Call(
            RequestKind.RETRIEVE,
            f"{self._web}{instance}",
            accept="application/dicom; transfer-syntax=*",
            encoding="identity",
        )
        with self._transport.open(call) as stream:
            is_dicom = media_type(stream.content_type) == "application/dicom"
            if stream.status != HTTPStatus.OK or not is_dicom:
                raise not_retrieved(instance, stream)
            yield Body(stream.content_type, stream.length, stream.chunks(piece))
