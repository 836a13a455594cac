"""What every DICOMweb server (PS3.18) is asked in the same way, whoever made it."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from http import HTTPStatus
from typing import BinaryIO, NamedTuple, Self, TypeVar

from reconciler.dicom.byte_stream import DamagedError
from reconciler.dicom.file_head import HEAD, NotDicomFileError, read_head
from reconciler.dicom.references import References as ReferencesFound
from reconciler.dicom.references import references_in
from reconciler.errors import CredentialsError, LiveError
from reconciler.live.dicomweb import probe_reply
from reconciler.live.dicomweb.metadata_references import MetadataReferences, read_references
from reconciler.live.dicomweb.probe_reply import is_dataset
from reconciler.live.dicomweb.qido_rows import (
    ACCESSION_NUMBER,
    IMAGE_TYPE,
    MODALITY,
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SERIES_RELATED_INSTANCES,
    SOP_CLASS_UID,
    STUDY_DATE,
    STUDY_INSTANCE_UID,
    STUDY_RELATED_INSTANCES,
    STUDY_RELATED_SERIES,
    read_addresses,
    read_attributes,
    read_series,
    read_series_rows,
    read_studies,
    read_study_rows,
    require_dataset_of,
)
from reconciler.live.dicomweb.replies import no_answer, store_reply, unsent
from reconciler.live.dicomweb.sweep import MOST_ROWS, swept
from reconciler.live.http.answer import Answer, Stream
from reconciler.live.http.bodies import DICOM_JSON, is_json, media_type
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.faults import AttemptError, NoAnswerError, UnexpectedReplyError
from reconciler.live.http.file_body import MultipartFile
from reconciler.live.http.labels import AuditLabels
from reconciler.live.http.transport import Call, Transport
from reconciler.live.store import Body, DicomStore
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress, is_uid
from reconciler.model.live import (
    FileMeta,
    Observation,
    OddRow,
    OnSeries,
    References,
    SeriesListing,
    SeriesRow,
    StudyRow,
    unknown,
)
from reconciler.model.patient import Attributes, PatientKey
from reconciler.model.reply import Reply, ReplyKind
from reconciler.model.thumbnail import Thumbnail

Row = TypeVar("Row")
Reader = Callable[[Iterator[bytes]], Iterator[Row]]

PIECE = 1024 * 1024
"""Bytes a piece of a body: a third less CPU than with 64 KiB; more gains nothing."""

_ROWS_PIECE = 128 * 1024
"""Bytes a piece of a listing: many are read at once, and rows are small."""

_REFERENCES_PIECE = 128 * 1024
"""Bytes a piece of what is read for its references: many are read at once."""

_META_PIECE = 4096
"""Bytes a piece where only the File Meta Information is wanted, which seldom has a thousand."""

_IMAGES = ("image/jpeg", "image/png")
"""What is taken; the first is asked for, alone, since Orthanc answers 400 to a list."""
_MOST_OF_AN_IMAGE = 1024 * 1024
"""Bytes: an image of a page, not the instance itself."""


class PageSizes(NamedTuple):
    """How many rows a page of a search may have: of studies and series, and of instances."""

    series: int
    instances: int


class DicomWebStore(DicomStore):
    """Speaks for one store below ``root``; see `DicomStore` for what each method promises."""

    def __init__(
        self, address: StoreAddress, transport: Transport, *, root: str, pages: PageSizes
    ) -> None:
        self.address = address
        self._transport = transport
        self._web = root
        self._pages = pages

    @abstractmethod
    def opened(self, instance: InstanceAddress, piece: int) -> AbstractContextManager[Body]:
        """Retrieve an instance as it is stored, in pieces of so many bytes at most."""

    @abstractmethod
    def observed(self, answer: Answer, depth: int) -> Observation:
        """What the answer to a look says; ``depth`` is of how many UIDs the address was."""

    def labelled(self, labels: AuditLabels) -> Self:
        """The same store, with these labels on every request to it."""
        other = copy(self)
        other._transport = self._transport.labelled(labels)
        return other

    def _apart(self) -> Self:
        """The same store, for what confirms the replies of shared connections."""
        other = copy(self)
        other._transport = self._transport.apart()
        return other

    def probe(self, instance: InstanceAddress) -> Observation:
        """Retrieve the instance's metadata; of these only whose they are is looked at.

        No pixel data moves, no retrieval fee of a cold storage class is due, and the answer is
        small enough to keep the connection.
        """
        return self._look(instance, partial(_metadata, instance=instance))

    def probe_study_or_series(self, study_uid: str, series_uid: str | None) -> Observation:
        """Retrieve the metadata of the series or study, headers only: it may be huge."""
        uids = (study_uid,) if series_uid is None else (study_uid, series_uid)
        return self._look(uids, _headers)

    def list_instances(
        self,
        study_uid: str,
        series_uid: str | None = None,
        *,
        at_most: int | None = None,
        on_series: OnSeries | None = None,
    ) -> Iterator[InstanceAddress | OddRow]:
        """Search by path; a row of another study or series makes the listing malformed."""
        asked = (study_uid,) if series_uid is None else (study_uid, series_uid)

        def is_asked(found: InstanceAddress | OddRow) -> bool:
            if isinstance(found, OddRow):
                return found.may_be(*asked)
            return found[: len(asked)] == asked

        read = partial(_only, is_asked, "study or series", on_series=on_series)
        path = f"{self.whole(study_uid, series_uid)}/instances"
        yield from self._search(path, _LISTED_FIELDS, read, at_most=at_most)

    def list_studies(self, study_uid: str | None = None) -> Iterator[str | OddRow]:
        """Search the whole store."""
        criterion = "" if study_uid is None else f"StudyInstanceUID={study_uid}&"
        yield from self._search(f"{self._web}/studies", criterion + _STUDY_FIELDS, read_studies)

    def list_series(self, study_uid: str) -> Iterator[SeriesListing | OddRow]:
        """Search by path."""
        path = f"{self.whole(study_uid, None)}/series"
        yield from self._search(path, _SERIES_FIELDS, read_series)

    def search_studies(self, key: PatientKey, on_split: Callable[[], None]) -> Iterator[StudyRow]:
        """Search the whole store."""
        yield from self._swept("studies", _RULED_STUDY, partial(read_study_rows, key=key), on_split)

    def search_series(self, on_split: Callable[[], None]) -> Iterator[SeriesRow]:
        """Search the whole store."""
        yield from self._swept("series", _RULED_SERIES, read_series_rows, on_split)

    def find(self, instance_uid: str) -> tuple[InstanceAddress, ...]:
        """Search the whole store by SOP Instance UID."""
        if not is_uid(instance_uid):
            raise LiveError(f"not a UID: {instance_uid!r}")
        query = f"SOPInstanceUID={instance_uid}&{_INSTANCE_FIELDS}"

        def is_asked(found: InstanceAddress | OddRow) -> bool:
            if isinstance(found, OddRow):
                return OddRow(found.uids[-1:]).may_be(instance_uid)
            return found.instance_uid == instance_uid

        read = partial(_only, is_asked, "instance")
        found = list(self._search(f"{self._web}/instances", query, read))
        for row in found:
            if isinstance(row, OddRow):
                raise LiveError(f"the search shows it where no request can address it: {row}")
        return tuple(sorted(row for row in found if not isinstance(row, OddRow)))

    def attributes(self, instance: InstanceAddress, key: PatientKey) -> Attributes:
        """RetrieveMetadata of the instance; its Patient ID is hashed as soon as it is decoded."""

        def read(stream: Stream) -> Attributes:
            if stream.status != HTTPStatus.OK or not is_json(stream.content_type):
                what = probe_reply.describe(stream.answer())
                raise AttemptError(f"the metadata could not be read: {what}", may_pass=False)
            return key.hashed(read_attributes(stream.chunks(PIECE), instance))

        path = f"{self._web}{instance}/metadata"
        call = Call(RequestKind.METADATA, path, accept=DICOM_JSON)
        return self._transport.read(call, read)

    def references(self, instance: InstanceAddress, among: Set[str]) -> References:
        """RetrieveMetadata; what they leave out is read in the instance, up to its pixel data."""
        found = self._references(f"{self._web}{instance}", among)
        if len(found) != 1 or found[0].uids != tuple(instance):
            raise LiveError("the metadata are not those of the one instance")
        if found[0].is_whole:
            return _as_seen(found[0].references)
        try:
            with self.opened(instance, _REFERENCES_PIECE) as body:
                references, uids = references_in(body.chunks, among)
        except (DamagedError, NotDicomFileError) as error:
            raise LiveError(f"what its metadata leave out could not be read: {error}") from error
        if uids != tuple(instance):
            raise LiveError("what was retrieved is another instance")
        return _as_seen(references)

    def references_of_series(
        self, series: SeriesAddress, among: Set[str]
    ) -> Mapping[str, References]:
        """RetrieveMetadata of the series; what leaves something out is no part of the answer.

        Nor is what stands there twice, as under an address that two patients share.
        """
        found = self._references(self.whole(*series), among)
        if any(one.uids[:2] != tuple(series) for one in found):
            raise LiveError("the metadata are not those of the series")
        times = Counter(one.uids[-1] for one in found)
        return {
            one.uids[-1]: _as_seen(one.references)
            for one in found
            if one.is_whole and times[one.uids[-1]] == 1
        }

    def _references(self, path: str, among: Set[str]) -> list[MetadataReferences]:
        def read(stream: Stream) -> list[MetadataReferences]:
            if stream.status != HTTPStatus.OK or not is_json(stream.content_type):
                what = probe_reply.describe(stream.answer())
                raise AttemptError(f"the metadata could not be read: {what}", may_pass=False)
            return list(read_references(stream.chunks(_REFERENCES_PIECE), among))

        call = Call(RequestKind.METADATA, f"{path}/metadata", accept=DICOM_JSON)
        return self._transport.read(call, read)

    def retrieve(self, instance: InstanceAddress) -> AbstractContextManager[Body]:
        """Retrieve the instance as it is stored."""
        return self.opened(instance, PIECE)

    def file_meta(self, instance: InstanceAddress) -> FileMeta:
        """Retrieve the instance, and leave it after its File Meta Information."""
        head = b""
        with self.opened(instance, _META_PIECE) as body:
            for piece in body.chunks:
                head += piece
                try:
                    found = read_head(head)
                except NotDicomFileError:
                    if len(head) >= HEAD:
                        break
                else:
                    return FileMeta(found.sop_class_uid, found.transfer_syntax_uid)
        raise LiveError(f"the instance {instance} does not begin with File Meta Information")

    def rendered(self, instance: InstanceAddress) -> Thumbnail:
        """RetrieveRendered, JPEG or PNG, up to `_MOST_OF_AN_IMAGE`."""

        def read(stream: Stream) -> Thumbnail:
            if stream.status != HTTPStatus.OK or media_type(stream.content_type) not in _IMAGES:
                return Thumbnail(problem=probe_reply.describe(stream.answer()))
            data = b""
            for piece in stream.chunks(PIECE):
                data += piece
                if len(data) > _MOST_OF_AN_IMAGE:
                    return Thumbnail(problem="too large")
            return Thumbnail.of(data)

        path = f"{self._web}{instance}/rendered"
        call = Call(RequestKind.RENDER, path, accept=_IMAGES[0], encoding="identity")
        return self._transport.read(call, read)

    def store(self, file: BinaryIO) -> Reply:
        """One STOW-RS request of one part."""
        path = f"{self._web}/studies"
        send = partial(self._transport.store, path, MultipartFile(file), accept=DICOM_JSON)
        return self.changed(send, store_reply)

    def changed(self, send: Callable[[], Answer], read: Callable[[Answer], Reply]) -> Reply:
        """Send a request that changes the store, once, and read its answer.

        A 401 is not repeated here; the next request has a fresh token.
        """
        try:
            answer = send()
        except NoAnswerError as error:
            return no_answer(error.fault, error.request_id)
        except CredentialsError as error:
            return unsent(ReplyKind.UNAUTHENTICATED, error)
        return read(answer)

    def ask(
        self, path: str, query: str = "", *, accept: str = DICOM_JSON, head: bool = False
    ) -> Answer:
        """Send a GET, or a HEAD, for a path below the root; what was answered, as it is."""
        call = Call(RequestKind.FACT, f"{self._web}{path}", query, accept, head=head)
        return self._transport.read(call, Stream.answer)

    def whole(self, study_uid: str, series_uid: str | None) -> str:
        """The path of a study, or of a series of it."""
        series = "" if series_uid is None else f"/series/{series_uid}"
        return f"{self._web}/studies/{study_uid}{series}"

    def _look(self, uids: tuple[str, ...], reader: Callable[[Stream], Answer]) -> Observation:
        try:
            return self.observed(self.metadata(uids, reader), len(uids))
        except LiveError as error:
            return unknown(str(error))

    def metadata(self, uids: tuple[str, ...], reader: Callable[[Stream], Answer]) -> Answer:
        """Ask for the metadata of a study, of a series, or of an instance, by that many UIDs.

        Raises:
            LiveError: no usable answer after all attempts, or no credentials.
        """
        levels = zip(("studies", "series", "instances"), uids, strict=False)
        path = "".join(f"/{level}/{uid}" for level, uid in levels)
        call = Call(RequestKind.PROBE, f"{self._web}{path}/metadata", accept=DICOM_JSON)
        return self._transport.read(call, reader)

    def _search(
        self, path: str, query: str, reader: Reader[Row], *, at_most: int | None = None
    ) -> Iterator[Row]:
        """Read page by page until one is empty: a server may give fewer rows than are asked for.

        A page of nothing but rows of the one before makes the search unreadable, as one beyond
        `MOST_ROWS` does.
        """
        is_of_instances = path.endswith("/instances")
        most = self._pages.instances if is_of_instances else self._pages.series
        limit = min(most, at_most or most)
        read = partial(_limited, limit, reader)
        before: frozenset[Row] = frozenset()
        offset = 0
        while page := self.page(path, f"{query}&limit={limit}&offset={offset}", read):
            # A row may come twice: what arrives amid the pages shifts the rest, and two patients'
            # rows of one address are alike.
            rows = frozenset(page)
            if rows <= before:
                raise AttemptError("the search answered twice with the same rows", may_pass=False)
            yield from page
            before = rows
            offset += len(page)
            if offset > MOST_ROWS:
                raise AttemptError(f"the search has more than {MOST_ROWS:,} rows", may_pass=False)

    def _swept(
        self, level: str, fields: str, reader: Reader[Row], on_split: Callable[[], None]
    ) -> Iterator[Row]:
        def ask(query: str, limit: int, offset: int) -> list[Row]:
            asked = f"{query}{fields}&limit={limit}&offset={offset}"
            return self.page(f"{self._web}/{level}", asked, partial(_limited, limit, reader))

        yield from swept(ask, self._pages.series, on_split)

    def page(self, path: str, query: str, reader: Reader[Row]) -> list[Row]:
        """Read one page of a search; 204 says that nothing matches. Raises as `list_instances`."""

        def read(stream: Stream) -> list[Row]:
            if stream.status == HTTPStatus.NO_CONTENT:
                stream.drain()
                return []
            if stream.status != HTTPStatus.OK or not is_json(stream.content_type):
                what = probe_reply.describe(stream.answer())
                raise AttemptError(f"the search answered {what}", may_pass=False)
            return list(reader(stream.chunks(_ROWS_PIECE)))

        call = Call(RequestKind.SEARCH, path, query, accept=DICOM_JSON)
        return self._transport.read(call, read)


_STUDY_FIELDS = f"includefield={STUDY_INSTANCE_UID}"
_SERIES_FIELDS = f"includefield={MODALITY},{SERIES_RELATED_INSTANCES}"
_RULED_STUDY = "includefield=" + ",".join(
    (
        STUDY_INSTANCE_UID,
        STUDY_DATE,
        PATIENT_ID,
        ACCESSION_NUMBER,
        STUDY_RELATED_SERIES,
        STUDY_RELATED_INSTANCES,
    )
)
_RULED_SERIES = f"includefield={STUDY_INSTANCE_UID},{MODALITY},{SERIES_RELATED_INSTANCES}"
_INSTANCE_FIELDS = f"includefield={STUDY_INSTANCE_UID},{SERIES_INSTANCE_UID}"
_LISTED_FIELDS = f"{_INSTANCE_FIELDS},{SOP_CLASS_UID},{IMAGE_TYPE},{MODALITY},{STUDY_DATE}"


def _only(
    is_asked: Callable[[InstanceAddress | OddRow], bool],
    what: str,
    chunks: Iterator[bytes],
    on_series: OnSeries | None = None,
) -> Iterator[InstanceAddress | OddRow]:
    """The addresses of a page; one that was not asked for makes all of it worthless."""
    for found in read_addresses(chunks, on_series):
        if not is_asked(found):
            raise UnexpectedReplyError(f"the search answered with a row of another {what}")
        yield found


def _limited(limit: int, reader: Reader[Row], chunks: Iterator[bytes]) -> Iterator[Row]:
    """The rows of a page, no more than were asked for (PS3.18 section 8.3.4.4)."""
    for number, row in enumerate(reader(chunks)):
        if number == limit:
            raise AttemptError("the search returned more rows than requested", may_pass=False)
        yield row


def _as_seen(found: ReferencesFound) -> References:
    return References(
        frozenset(found.instances), frozenset(found.series), by_frame_alone=found.is_by_frame_alone
    )


def _headers(stream: Stream) -> Answer:
    if is_dataset(stream.status, stream.content_type):
        return Answer(stream.status, stream.content_type)
    return stream.answer()


def _metadata(stream: Stream, instance: InstanceAddress) -> Answer:
    answer = stream.answer()
    if is_dataset(answer.status, answer.content_type):
        require_dataset_of(instance, answer)
    return answer


def not_retrieved(instance: InstanceAddress, stream: Stream) -> LiveError:
    """What to raise where a retrieve did not answer with an instance."""
    what = probe_reply.describe(stream.answer())
    return LiveError(f"the instance {instance} could not be retrieved: {what}")
